"""How far the theorems' conclusions reach beyond their assumptions: many subclasses, and few training samples. All of it is ours.

The paper takes k ≤ d^0.4 as its example. Features fit for K(1 + k) ≤ d: k is followed up to there, with a fine step size ∝ k, by
which times collapse (`theory_sim.theories.label_granularity.times`).

On n fixed training samples a leaf that none of them holds is not learned: of L equal leaves a share (1 − 1/L)^n ≈ exp(−n/L) is
missing, and the fine model errs on a fixed share of their hard samples. So the number n* from which on its hard error is small is
∝ L, that is ∝ k: n* ∝ k^a with a = 1, if nothing else needs samples.

Over many heads a sum of logits adds up what each head responds to noise, which more samples do not remove; the parent of the
highest logit does not. So the fine model is read in both ways, and each is decided.
"""

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from theory_sim import stats
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate, undefined
from theory_sim.theories.label_granularity.extremes import extreme
from theory_sim.theories.label_granularity.measures import hard_error
from theory_sim.theories.measures import Measure
from theory_sim.theories.trends import Trend

if TYPE_CHECKING:
    import pandas as pd

READINGS = {"sums": "sum_logits", "argmax": "argmax_parent"}
"""How the fine model is read: end of the names of measures and trends, and the readout."""
_READ = {"sums": "by summed logits", "argmax": "by the parent of the highest logit"}
SMALL = 0.05
"""Hard error of a fine model that succeeds: the default of the claim ``fine-hard-error``."""


def _test_samples(results: Results) -> np.ndarray:
    """Test samples of a kind, on which errors rest."""
    return np.full(results.config.replicas, results.config.test.samples)


def _fine_error(readout: str, results: Results) -> np.ndarray:
    """Hard error of the fine model; NaN where the readout is none of the configuration's."""
    if readout not in results.config.transfer.readouts:
        return np.full(results.config.replicas, np.nan)
    return hard_error("fine", results, readout)


def needed(samples: np.ndarray, error: np.ndarray) -> float:
    """The number of samples from which on the error is at most `SMALL`, the error linear in the logarithm between points.

    Returns:
        NaN where the last error is larger, or all are small.
    """
    order = np.argsort(samples)
    x, y = np.log(samples[order]), error[order]
    large = np.flatnonzero(~(y <= SMALL))
    if not len(large) or large[-1] == len(y) - 1:
        return math.nan
    i = int(large[-1])
    return float(np.exp(x[i] + (y[i] - SMALL) / (y[i] - y[i + 1]) * (x[i + 1] - x[i])))


def _error_of_cells(measure: str, most: bool, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The smallest or largest error of a cell, with an interval for all cells together."""
    cells = [rows for _, rows in table.groupby("cell", sort=False)]
    errors = [
        partial(stats.error_of_rates, rows[measure].to_numpy(float), max(1, round(rows["test-samples"].iloc[0])))
        for rows in cells
    ]
    return extreme(errors, most, confidence, f"of {len(cells)} cells")


def _exponent(measure: str, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The exponent a of n* ∝ k^a, the mean of those of each replica."""
    exponents = []
    for _, own in table.groupby("replica"):
        ks, numbers = [], []
        for k, rows in own.groupby("tree.subclasses"):
            ks.append(float(k))  # type: ignore[arg-type]
            numbers.append(needed(rows["data.training_samples"].to_numpy(float), rows[measure].to_numpy(float)))
        if len(ks) < 2 or not np.isfinite(numbers).all():
            return undefined("the error of a replica is not small from a number of samples on, or always small")
        exponents.append(np.polyfit(np.log(ks), np.log(numbers), 1)[0])
    return stats.mean(exponents, confidence)


MEASURES = [
    Measure("test-samples", "test samples of a kind, on which errors rest", _test_samples),
    *(
        Measure(f"fine-hard-error-{name}", f"hard error of the fine model {_READ[name]}", partial(_fine_error, readout))
        for name, readout in READINGS.items()
    ),
]
TRENDS = [
    Trend(
        "many-subclasses-coarse",
        "The coarse model errs on hard samples at least as often as guessing, for as many subclasses as features fit.",
        "beyond k ≤ d^0.4",
        partial(_error_of_cells, "coarse-hard-error", False),
        "≥",
        0.5,
    ),
    *(
        Trend(
            f"many-subclasses-{name}",
            f"The fine model, read {read}, errs on at most 0.05 of hard samples, for as many subclasses as features fit.",
            "beyond k ≤ d^0.4",
            partial(_error_of_cells, f"fine-hard-error-{name}", True),
            "≤",
            SMALL,
        )
        for name, read in _READ.items()
    ),
    *(
        Trend(
            f"sample-complexity-{name}-{end}",
            f"The training samples that the fine model, read {read}, needs grow as a power of k, with an exponent of {words}.",
            "sample complexity",
            partial(_exponent, f"fine-hard-error-{name}"),
            side,
            bound,
        )
        for name, read in _READ.items()
        for end, words, side, bound in (("least", "at least 0.8", "≥", 0.8), ("most", "at most 1.2", "≤", 1.2))
    ),
]
