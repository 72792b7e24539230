"""Trends in d: the fine model's margins, since its hard errors are 0 and show no rate, and the coarse model's hard error [ours].

The margin of a test sample is the score of its coarse class minus the largest score of another class, by the first readout of the
configuration (`theory_sim.training.readouts.judge`). The scale of margins is that of the network's outputs, which grows with the
number of steps and of heads. So each measure is a ratio of margins of one network.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats as scipy_stats

from theory_sim import stats
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate
from theory_sim.theories.estimates import values_of
from theory_sim.theories.label_granularity.extremes import at_largest, error_of, guessing_error
from theory_sim.theories.measures import Measure
from theory_sim.theories.trends import Trend

if TYPE_CHECKING:
    import pandas as pd

_TAIL = 0.01
_NORMAL = float(-scipy_stats.norm.ppf(_TAIL))


def quantile(results: Results, network: str, kind: str, q: float) -> np.ndarray:
    """A quantile of the margins on a kind of test samples, by replica; NaN where the law has no such kind."""
    data = results.records[network]
    if "test_margin" not in data or kind not in data.get_index("kind"):
        return np.full(results.config.replicas, np.nan)
    readout = results.config.transfer.readouts[0]
    return values_of(data, "test_margin", kind=kind, margin_quantile=q, test_readout=readout).astype(float)


def relative(network: str, q: float, results: Results) -> np.ndarray:
    """Quantile of the margins on hard samples ÷ median margin on easy ones; NaN where that median is not above 0."""
    hard, easy = quantile(results, network, "hard", q), quantile(results, network, "easy", 0.5)
    return np.where(easy > 0, hard / np.where(easy > 0, easy, 1), np.nan)


def deviations(network: str, results: Results) -> np.ndarray:
    """2.33 · median ÷ (median − 1 % quantile) of the margins on hard samples: the median in standard deviations.

    The standard deviation is that of the normal law that has both quantiles: if margins followed this law, the error would be
    Q(median in standard deviations). NaN where all margins are equal, as in a network whose neurons never fire.
    """
    median, low = quantile(results, network, "hard", 0.5), quantile(results, network, "hard", _TAIL)
    apart = median - low
    return np.where(apart > 0, _NORMAL * median / np.where(apart > 0, apart, 1), np.nan)


MEASURES = [
    measure
    for network in ("coarse", "fine")
    for measure in (
        Measure(
            f"{network}-margin-low",
            "1 % quantile of the margin on hard samples ÷ median margin on easy ones",
            partial(relative, network, _TAIL),
        ),
        Measure(
            f"{network}-margin-median",
            "median margin on hard samples ÷ median margin on easy ones",
            partial(relative, network, 0.5),
        ),
        Measure(
            f"{network}-margin-deviations",
            "median margin on hard samples in standard deviations: 2.33 · median ÷ (median − 1 % quantile)",
            partial(deviations, network),
        ),
    )
]
"""For the tables of studies."""


def rate(measure: str, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The exponent γ of measure ~ d^γ: least squares over logarithms for each replica, then the mean of all replicas."""
    values = table[measure].to_numpy(float)
    if not (values > 0).all():
        return stats.undefined(f"{measure} is not above 0 in all replicas")
    if table["data.dim"].nunique() < 2:
        return stats.undefined("a rate needs two dimensions or more")
    logs = [np.log(rows[["data.dim", measure]].to_numpy(float)) for _, rows in table.groupby("replica")]
    return stats.mean([np.polyfit(x, y, 1)[0] for x, y in (of.T for of in logs)], confidence)


def mean_at_largest(measure: str, table: "pd.DataFrame", confidence: float) -> Estimate:
    """Mean of a measure over the replicas of the largest dimension."""
    return stats.mean(at_largest("data.dim", table)[measure].to_numpy(float), confidence)


def error_at_largest(measure: str, table: "pd.DataFrame", confidence: float) -> Estimate:
    """Mean of an error over the replicas of the largest dimension."""
    return error_of(measure, at_largest("data.dim", table), confidence)


FINE, COARSE = "Theorem 2: o(1)", "Theorem 1: Ω(1)"
TRENDS = [
    Trend(
        "fine-margin-positive",
        "At the largest d, the 1 % quantile of the fine model's margins on hard samples is above 0.",
        FINE,
        partial(mean_at_largest, "fine-margin-low"),
        ">",
        0.0,
        keys=["data.dim"],
    ),
    Trend(
        "fine-margin-rate",
        "The fine model's median margin on hard samples, in standard deviations of the margin, grows as a positive power of d.",
        FINE,
        partial(rate, "fine-margin-deviations"),
        ">",
        0.0,
        keys=["data.dim"],
    ),
    Trend(
        "coarse-error-level",
        "At the largest d, the coarse model errs on hard samples at least as often as guessing.",
        COARSE,
        partial(error_at_largest, "coarse-hard-error"),
        "≥",
        guessing_error,
        keys=["data.dim"],
    ),
    Trend(
        "coarse-error-rate",
        "The coarse model's hard error does not go to 0: it falls no faster than d^−0.05.",
        COARSE,
        partial(rate, "coarse-hard-error"),
        "≥",
        -0.05,
        keys=["data.dim"],
    ),
]
"""Decided by the study ``dimension_trends``."""
