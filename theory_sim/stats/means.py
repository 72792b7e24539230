"""Means of independent values, and ratios of means."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats

from theory_sim.runtime.errors import InputError
from theory_sim.stats.base import Estimate, check_confidence, note_of_equal, notes_of, one_axis, undefined

_LARGEST = 700.0
"""Largest argument of exp that is used, so that the result is finite."""
_RESAMPLES = 9999
_ALONE = 1e-6
"""The least 1 − h, for the leverage h of a point."""


def mean(values: Sequence[float | np.floating[Any]] | np.ndarray, confidence: float = 0.95, of: str = "replicas") -> Estimate:
    """Mean of independent values with Student's t interval; at least two values, along one axis."""
    (values,) = one_axis("mean", values)
    if len(values) < 2 or not np.isfinite(values).all():
        return undefined("a t interval needs two finite values or more")
    low, high = t_interval(values, confidence)
    notes = notes_of(len(values), confidence, of) + note_of_equal(values, float(np.abs(values).max()), of)
    return Estimate(float(values.mean()), low, high, f"t, {len(values)} {of}", notes=notes)


def positive_mean(values: Sequence[float] | np.ndarray, confidence: float = 0.95, of: str = "replicas") -> Estimate:
    """Mean of independent values of at least 0, such as losses: the union of Student's t and Cox's log-normal interval.

    The interval ends at 0. It is Student's alone where a value is 0, with a note, and not cut where a value is below 0.

    Args:
        values: at least two.
        confidence: coverage of the interval.
        of: what the values are.
    """
    (values,) = one_axis("positive_mean", values)
    estimate = mean(values, confidence, of)
    if estimate.value != estimate.value or (values < 0).any():
        return estimate
    if (values == 0).any():
        # Where all are 0 the note that they are equal says more.
        notes = (f"0 in some {of}: Student's interval, which assumes a normal law",) if values.any() else ()
        return replace(estimate, low=max(0.0, estimate.low), notes=estimate.notes + notes)
    low, high = union([(estimate.low, estimate.high), cox_interval(values, confidence)], 0.0, math.inf)
    return replace(estimate, low=low, high=high, method=f"t ∪ Cox, {len(values)} {of}")


def ratio(above: np.ndarray, below: np.ndarray, confidence: float = 0.95, of: str = "replicas") -> Estimate:
    """Ratio of the means of paired values with Fieller's interval.

    The interval holds every θ for which a t interval of the mean of ``above − θ below`` contains 0:

        (b² − t² v_bb) θ² − 2 (a b − t² v_ab) θ + (a² − t² v_aa) ≤ 0,

    with the means a, b and the variances and covariance v of these means. Where the t interval of b contains 0, the interval of
    the ratio has no upper end if the t interval of a is above 0, no lower end if that is below 0, and else no end.

    Args:
        above: values of the numerator.
        below: values of the denominator, one for each of `above`; the ratio is undefined if their mean is not above 0.
        confidence: coverage of the interval.
        of: what the pairs are.

    Raises:
        InputError: the two have different lengths, or more axes than one.
    """
    above, below = one_axis("ratio", above, below)
    n = len(above)
    if n < 2 or not (np.isfinite(above).all() and np.isfinite(below).all()):
        return undefined("Fieller's interval needs two finite pairs or more")
    a, b = float(above.mean()), float(below.mean())
    if b <= 0:
        return undefined("the mean of the denominator is not above 0")
    notes = notes_of(n, confidence, of) + note_of_equal(above - a / b * below, float(np.abs(above).max()), of)
    t2 = t_quantile(confidence, n - 1) ** 2
    (v_aa, v_ab), (_, v_bb) = np.cov(above, below) / n
    square, middle, last = b * b - t2 * v_bb, a * b - t2 * v_ab, a * a - t2 * v_aa
    reach = math.sqrt(max(0.0, middle * middle - square * last))
    if square > 0:
        low, high = (middle - reach) / square, (middle + reach) / square
    else:
        notes += (f"the mean of the denominator, {b:.2g}, may be 0",)
        # Where the t interval of a excludes 0, the two roots have opposite signs.
        known = square < 0 < last
        low = (middle - reach) / square if known and a > 0 else -math.inf
        high = (middle + reach) / square if known and a < 0 else math.inf
    return Estimate(a / b, float(low), float(high), f"Fieller, {n} {of}", notes=notes)


def bootstrap(
    data: Sequence[np.ndarray],
    statistic: Callable[..., Any],
    confidence: float = 0.95,
    of: str = "samples",
    vectorized: bool = False,
    resamples: int = _RESAMPLES,
) -> Estimate:
    """BCa bootstrap interval of a statistic of paired rows; percentile interval where BCa is not defined.

    Args:
        data: arrays of one length, resampled together.
        statistic: a function of the arrays.
        confidence: coverage of the interval.
        of: what the rows are.
        vectorized: whether the statistic takes many resamples at once, along the last axis, and an argument ``axis``.
        resamples: how many resamples are drawn.

    Raises:
        InputError: the arrays have different lengths.
    """
    check_confidence(confidence)
    if len({len(rows) for rows in data}) != 1:
        raise InputError(f"bootstrap: arrays of one length, got {' and '.join(str(len(rows)) for rows in data)} rows")
    value = float(statistic(*data, axis=-1) if vectorized else statistic(*data))
    if len(data[0]) < 2 or not math.isfinite(value):
        return undefined("a bootstrap needs two rows or more and a finite statistic")
    if all(np.ptp(d) == 0 for d in data):
        return Estimate(value, value, value, f"bootstrap, {len(data[0])} equal {of}", notes=note_of_equal(data[0], 1.0, of))
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            # A degenerate resample gives an end that is not finite: tested below, and no claim holds by it.
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


@lru_cache(maxsize=1024)
def t_quantile(confidence: float, freedom: float) -> float:
    """Half the width of Student's t interval, in standard errors."""
    check_confidence(confidence)
    return float(stats.t.ppf((1 + confidence) / 2, freedom))


def t_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Student's t interval of the mean of at least two values."""
    center, error = float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
    reach = error * t_quantile(confidence, len(values) - 1)
    return center - reach, center + reach


def cox_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Cox's interval of the mean of a log-normal law; infinite where it is too wide for floating-point numbers."""
    logs, n = np.log(values), len(values)
    variance = float(logs.var(ddof=1))
    center = float(logs.mean()) + variance / 2
    reach = t_quantile(confidence, n - 1) * math.sqrt(variance / n + variance**2 / (2 * (n - 1)))
    return math.exp(max(-_LARGEST, center - reach)), math.exp(min(_LARGEST, center + reach))


def union(intervals: Sequence[tuple[float, float]], least: float, most: float) -> tuple[float, float]:
    """The smallest interval that contains all of the intervals, cut to the possible range [least, most]."""
    low, high = min(low for low, _ in intervals), max(high for _, high in intervals)
    return max(least, low), min(most, high)


def slope(x: np.ndarray, y: np.ndarray, confidence: float = 0.95, of: str = "replicas") -> Estimate:
    """Slope of the least-squares line: the union of its t interval and of one that allows residuals of unequal variance.

    The second is Student's with the standard error HC3, √Σ w² r²/(1 − h)², for the weights w = (x − x̄)/Σ(x − x̄)², the residuals r
    and the leverages h = 1/n + (x − x̄)²/Σ(x − x̄)², and with the effective degrees of freedom 1/Σ(h − 1/n)², from 1 to n − 2. A
    note says where most values of y are equal, as errors of 0 are: their residuals do not show rarer values.

    Source of HC3: MacKinnon and White (1985) [recalled].

    Args:
        x: the explanatory variable; the slope is undefined if all values are equal, or with fewer than three.
        y: the dependent variable.
        confidence: coverage of the interval.
        of: what the points are.

    Raises:
        InputError: the two have different lengths, or more axes than one.
    """
    x, y = one_axis("slope", x, y)
    if len(x) < 3 or not (np.isfinite(x).all() and np.isfinite(y).all()) or np.ptp(x) == 0:
        return undefined("a slope needs three finite points or more, at two places or more")
    across, up = x - x.mean(), y - y.mean()
    square = float(across @ across)
    value = float(across @ up) / square
    residuals = up - value * across
    n = len(x)
    reach = t_quantile(confidence, n - 2) * math.sqrt(float(residuals @ residuals) / (n - 2) / square)
    share = across**2 / square
    # A point that alone has another x has the leverage 1 and no residual.
    apart = np.maximum(1 - 1 / n - share, _ALONE)
    unequal = math.sqrt(float((across**2 * (residuals / apart) ** 2).sum())) / square
    reach = max(reach, t_quantile(confidence, min(n - 2, max(1.0, 1 / float(share @ share)))) * unequal)
    equal = note_of_equal(residuals, float(np.abs(y).max()), of, "residuals ")
    if not equal and 2 * np.unique(y, return_counts=True)[1].max() > n:
        equal = (f"equal in most {of}: the interval does not cover rarer values",)
    notes = notes_of(n, confidence, of) + equal
    return Estimate(value, value - reach, value + reach, f"least squares ∪ HC3, {n} {of}", notes=notes)
