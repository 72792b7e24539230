"""Estimates with intervals, paired tests, and corrections for many comparisons; the work is SciPy's."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from theory_sim.runtime.errors import InputError

_RESAMPLES = 9999


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is.

    Attributes:
        value: the estimate; NaN where it is undefined.
        low: lower end of the interval.
        high: upper end.
        method: what made the interval.
        p: one-sided p-value of "the value is not above 0", where a test was asked for.
    """

    value: float
    low: float
    high: float
    method: str
    p: float | None = None


def undefined(reason: str) -> Estimate:
    """No number: it decides nothing."""
    return Estimate(math.nan, math.nan, math.nan, reason)


def proportion(successes: float, n: int, confidence: float = 0.95) -> Estimate:
    """Clopper–Pearson interval of a proportion.

    Args:
        successes: how many of `n`; a tie may count as a fraction.
        n: how many in all.
        confidence: coverage of the interval.
    """
    if not 0 <= successes <= n or n < 1:
        raise InputError(f"a proportion needs 0 ≤ successes ≤ n and n ≥ 1, got {successes} of {n}")
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else float(stats.beta.ppf(tail, successes, n - successes + 1))
    high = 1.0 if successes >= n else float(stats.beta.ppf(1 - tail, successes + 1, n - successes))
    return Estimate(successes / n, low, high, f"Clopper–Pearson, n = {n}")


def mean(values: Sequence[float | np.floating[Any]] | np.ndarray, confidence: float = 0.95, of: str = "replicas") -> Estimate:
    """Mean of independent values with Student's t interval; at least two values."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2 or not np.isfinite(values).all():
        return undefined("a t interval needs two finite values or more")
    center, error = float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
    reach = error * float(stats.t.ppf((1 + confidence) / 2, len(values) - 1))
    return Estimate(center, center - reach, center + reach, f"t, {len(values)} {of}")


def bootstrap(
    data: Sequence[np.ndarray],
    statistic: Callable[..., Any],
    confidence: float = 0.95,
    of: str = "samples",
    vectorized: bool = False,
    resamples: int = _RESAMPLES,
) -> Estimate:
    """BCa bootstrap interval of a statistic of paired rows; percentile where BCa is not defined.

    Args:
        data: arrays of one length, resampled together.
        statistic: takes the arrays.
        confidence: coverage of the interval.
        of: what the rows are.
        vectorized: whether the statistic takes many resamples at once, along the last axis, and an argument ``axis``.
        resamples: how many resamples are drawn.
    """
    value = float(statistic(*data, axis=-1) if vectorized else statistic(*data))
    if len(data[0]) < 2 or not math.isfinite(value):
        return undefined("a bootstrap needs two rows or more and a finite statistic")
    if all(np.ptp(d) == 0 for d in data):
        return Estimate(value, value, value, f"bootstrap, {len(data[0])} equal {of}")
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            # A degenerate resample gives a bound that is not finite: seen below, and never on the right side of a claim.
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            result = stats.bootstrap(
                tuple(data),
                statistic,
                paired=True,
                vectorized=vectorized,
                batch=max(1, 10**7 // len(data[0])) if vectorized else None,
                n_resamples=resamples,
                confidence_level=confidence,
                method=method,
                rng=np.random.default_rng(0),
            ).confidence_interval
        if math.isfinite(result.low) and math.isfinite(result.high):
            break
    return Estimate(value, float(result.low), float(result.high), f"{method} bootstrap, {len(data[0])} {of}")


def error_rate(correct: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Error of several replicas, each on its own test samples.

    Across replicas the t interval; widened to the Clopper–Pearson interval of all samples together, which still has a
    width when all replicas make no error. With one replica the Clopper–Pearson interval within it.

    Args:
        correct: (replica, sample) probability of the right answer.
        confidence: coverage of the interval.

    Raises:
        InputError: the array has other axes; of several readouts select one.
    """
    wrong = 1 - _by_replica("error_rate", correct)
    pooled = proportion(float(wrong.sum()), wrong.size, confidence)
    if len(wrong) == 1:
        return pooled
    across = mean(wrong.mean(1), confidence)
    low, high = min(across.low, pooled.low), max(across.high, pooled.high)
    return Estimate(pooled.value, max(0.0, low), min(1.0, high), f"{across.method} ∪ {pooled.method}")


def paired_gain(before: np.ndarray, after: np.ndarray, confidence: float = 0.95) -> Estimate:
    """How much the error falls from one model to another, on the same samples: error before − error after.

    Paired by replica (t interval and one-sided t test) where the replicas differ; else paired by sample within them
    (bootstrap interval and exact McNemar test).

    Args:
        before: (replica, sample) probability of the right answer of the first model.
        after: the same of the second.
        confidence: coverage of the interval.

    Raises:
        InputError: an array has other axes, or the two have different shapes.
    """
    if np.shape(before) != np.shape(after):
        raise InputError(f"paired_gain: both models need the same samples, got {np.shape(before)} and {np.shape(after)}")
    gain = _by_replica("paired_gain", after) - _by_replica("paired_gain", before)
    by_replica = gain.mean(1)
    if len(gain) > 1 and np.ptp(by_replica) > 0:
        estimate = mean(by_replica, confidence)
        p = float(stats.ttest_1samp(by_replica, 0, alternative="greater").pvalue)
        return Estimate(estimate.value, estimate.low, estimate.high, f"paired {estimate.method}", p)
    flat = gain.ravel()
    estimate = bootstrap([flat], lambda g: float(np.mean(g)), confidence, "paired samples")
    return Estimate(estimate.value, estimate.low, estimate.high, f"{estimate.method}, McNemar", mcnemar(flat))


def _by_replica(what: str, values: Any) -> np.ndarray:
    """The values as numbers, if their axes are (replica, sample): with others a sample would count several times."""
    given = np.asarray(values, dtype=float)
    if given.ndim != 2 or not given.size:
        raise InputError(f"{what}: expected (replica, sample), got the shape {given.shape}; of several readouts select one")
    return given


def mcnemar(gain: np.ndarray) -> float:
    """McNemar's exact one-sided p-value: are gains above 0 more frequent than gains below 0?"""
    better, worse = int((gain > 0).sum()), int((gain < 0).sum())
    return float(stats.binomtest(better, better + worse, alternative="greater").pvalue) if better + worse else 1.0


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjustment: reject where the adjusted p-value is below α, and the family-wise error is α."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)
    adjusted = np.minimum(1, np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values)))))
    return adjusted[np.argsort(order)]
