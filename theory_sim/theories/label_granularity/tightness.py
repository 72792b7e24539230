"""How far the theorems' conclusions reach beyond their assumptions: many subclasses, and few training samples [ours].

The paper's example is k ≤ d^0.4. K classes of k subclasses have orthonormal features if K(1 + k) ≤ d: k is raised up to this
limit, with a fine step size ∝ k, so that times of growth are the same (`theory_sim.theories.label_granularity.times`).

Of n fixed training samples none may belong to a given leaf, and this leaf is then not learned: of L equal leaves a share
(1 − 1/L)^n ≈ exp(−n/L) is missing, and the fine model errs on a fixed share of their hard samples. So the number n* of samples
from which on the fine model's hard error is small is ∝ L, that is ∝ k: n* ∝ k^a with a = 1, if nothing else limits the error.

A sum of logits over many heads adds up the responses of all heads to noise, which more samples do not remove; the coarse class of
the highest logit depends on one head only. So each trend of the fine model is decided for both readouts.
"""

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from theory_sim import stats
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate, undefined
from theory_sim.theories.label_granularity.extremes import error_of_cells, guessing_error
from theory_sim.theories.label_granularity.measures import hard_error
from theory_sim.theories.measures import Measure
from theory_sim.theories.trends import Trend

if TYPE_CHECKING:
    import pandas as pd

READINGS = {"sums": "sum_logits", "argmax": "argmax_parent"}
"""Readouts of the fine model, by the word for each in the ids of measures and trends."""
_READ = {"sums": "by summed logits", "argmax": "by the coarse class of the highest logit"}
SMALL = 0.05
"""Largest hard error of a fine model that succeeds: the default bound of the claim ``fine-hard-error``."""


def _fine_error(readout: str, results: Results) -> np.ndarray:
    """Hard error of the fine model; NaN where the configuration does not list the readout."""
    if readout not in results.config.transfer.readouts:
        return np.full(results.config.replicas, np.nan)
    return hard_error("fine", results, readout)


def needed(samples: np.ndarray, error: np.ndarray) -> float:
    """The number of samples from which on the error is at most `SMALL`, by linear interpolation in the logarithm of the number.

    Returns:
        NaN where the last error is larger, or no error is.
    """
    order = np.argsort(samples)
    x, y = np.log(samples[order]), error[order]
    large = np.flatnonzero(~(y <= SMALL))
    if not len(large) or large[-1] == len(y) - 1:
        return math.nan
    i = int(large[-1])
    return float(np.exp(x[i] + (y[i] - SMALL) / (y[i] - y[i + 1]) * (x[i + 1] - x[i])))


def _exponent(measure: str, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The exponent a of n* ∝ k^a, the mean of those of each replica."""
    exponents = []
    for _, own in table.groupby("replica"):
        ks, numbers = [], []
        for k, rows in own.groupby("tree.subclasses"):
            ks.append(float(k))  # type: ignore[arg-type]
            numbers.append(needed(rows["data.training_samples"].to_numpy(float), rows[measure].to_numpy(float)))
        if len(ks) < 2 or not np.isfinite(numbers).all():
            return undefined(f"in some replica the error stays above {SMALL:g}, or is never above it")
        exponents.append(np.polyfit(np.log(ks), np.log(numbers), 1)[0])
    return stats.mean(exponents, confidence)


MEASURES = [
    *(
        Measure(f"fine-hard-error-{name}", f"hard error of the fine model {_READ[name]}", partial(_fine_error, readout))
        for name, readout in READINGS.items()
    ),
]
TRENDS = [
    Trend(
        "many-subclasses-coarse",
        "The coarse model's hard error is at least that of guessing at every k up to the largest with K(1 + k) ≤ d.",
        "beyond k ≤ d^0.4",
        partial(error_of_cells, "coarse-hard-error", False),
        "≥",
        guessing_error,
    ),
    *(
        Trend(
            f"many-subclasses-{name}",
            f"The fine model's hard error, {read}, is at most 0.05 at every k up to the largest with K(1 + k) ≤ d.",
            "beyond k ≤ d^0.4",
            partial(error_of_cells, f"fine-hard-error-{name}", True),
            "≤",
            SMALL,
        )
        for name, read in _READ.items()
    ),
    *(
        Trend(
            f"sample-complexity-{name}-{end}",
            f"The number of training samples at which the fine model's hard error, {read}, falls to 0.05 grows as a power of k,"
            f" with an exponent of {words}.",
            "sample complexity",
            partial(_exponent, f"fine-hard-error-{name}"),
            side,
            bound,
            keys=["tree.subclasses", "data.training_samples"],
        )
        for name, read in _READ.items()
        for end, words, side, bound in (("least", "at least 0.8", "≥", 0.8), ("most", "at most 1.2", "≤", 1.2))
    ),
]
