"""Estimates with intervals, paired tests, and corrections for many comparisons; the distributions are SciPy's.

The unit is the replica: test samples of one network are not independent, because they share its weights. Means over replicas
have Student's t interval, which is right under normality alone. Errors of networks are skewed: most replicas err seldom, a few
often. So intervals of errors are the union of three, and at least as wide as the sampling of the test set makes them:

* Student's t over replicas: x̄ ± t s/√R;
* Cox's interval of the mean of a log-normal law, from y = log x with x = (wrong + ½)/(N + 1) of each replica,

      exp(ȳ + s²/2 ± t √(s²/R + s⁴/(2(R − 1)))),   t = t_{R−1} quantile,

  and the same of the share of right answers, mirrored;
* Clopper and Pearson's of all samples together.

``theory-sim bench coverage`` measures how often intervals miss, on stored replicas. No interval can see what no replica shows:
`Estimate.note` says what it rests on.

Source of Cox's interval: Land (1972) and Zhou and Gao (1997), with the t quantile in place of the normal one [recalled].
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from theory_sim.runtime.errors import InputError

FEW = 5
"""With fewer replicas or seeds an interval is marked as one of few."""
ONE_REPLICA = "one replica: says nothing of others"
"""Note of intervals that hold for the samples, leaves or images of one network."""
_NORMAL = 0.99
"""Above this confidence an interval rests on the tail of a normal law, which so few replicas cannot show."""
_LARGEST = 700.0
"""Largest argument of exp that is used."""
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
        note: what the interval rests on or cannot see, such as few replicas; empty if nothing has to be said.
    """

    value: float
    low: float
    high: float
    method: str
    p: float | None = None
    note: str = ""


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
    low, high = _t_interval(values, confidence)
    return Estimate(float(values.mean()), low, high, f"t, {len(values)} {of}", note=_caveat(len(values), confidence, of))


def positive_mean(values: Sequence[float] | np.ndarray, confidence: float = 0.95, of: str = "replicas") -> Estimate:
    """Mean of independent values above 0, such as losses: the union of Student's t and Cox's log-normal interval, at least 0.

    Args:
        values: at least two.
        confidence: coverage of the interval.
        of: what the values are.
    """
    values = np.asarray(values, dtype=float)
    estimate = mean(values, confidence, of)
    if not (values > 0).all() or estimate.value != estimate.value:
        return estimate
    low, high = _union([(estimate.low, estimate.high), _cox(values, confidence)], 0.0, math.inf)
    return replace(estimate, low=low, high=high, method=f"t ∪ Cox, {len(values)} {of}")


def ratio(above: np.ndarray, below: np.ndarray, confidence: float = 0.95, of: str = "replicas") -> Estimate:
    """Ratio of the means of paired values with Fieller's interval.

    The interval holds every θ for which a t interval of the mean of ``above − θ below`` contains 0:

        (b² − t² v_bb) θ² − 2 (a b − t² v_ab) θ + (a² − t² v_aa) ≤ 0,

    with the means a, b and the variances and covariance v of these means. Where the interval of b contains 0, θ is not bounded.

    Args:
        above: values whose mean is divided.
        below: values whose mean divides, one for each of `above`; undefined if their mean is not above 0.
        confidence: coverage of the interval.
        of: what the pairs are.
    """
    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    n = len(above)
    if n < 2 or not (np.isfinite(above).all() and np.isfinite(below).all()):
        return undefined("Fieller's interval needs two finite pairs or more")
    a, b = float(above.mean()), float(below.mean())
    if b <= 0:
        return undefined("the mean that divides is not above 0")
    note = _caveat(n, confidence, of)
    method = f"Fieller, {n} {of}"
    t2 = float(stats.t.ppf((1 + confidence) / 2, n - 1)) ** 2
    (v_aa, v_ab), (_, v_bb) = np.cov(above, below) / n
    square, middle, last = b * b - t2 * v_bb, a * b - t2 * v_ab, a * a - t2 * v_aa
    if square <= 0:
        return Estimate(a / b, -math.inf, math.inf, method, note=joined(note, f"the mean that divides may be 0: {b:.3g}"))
    reach = math.sqrt(max(0.0, middle * middle - square * last))
    return Estimate(a / b, float((middle - reach) / square), float((middle + reach) / square), method, note=note)


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

    The union of the t interval over replicas, Cox's log-normal interval of the errors and of the right answers, and the
    Clopper–Pearson interval of all samples together, which has a width also when no replica errs. With one replica the
    Clopper–Pearson interval of its samples, which says nothing of other replicas.

    Args:
        correct: (replica, sample) probability of the right answer.
        confidence: coverage of the interval.

    Raises:
        InputError: the array has other axes; of several readouts select one.
    """
    wrong = 1 - _by_replica("error_rate", correct)
    return error_of_rates(wrong.mean(1), wrong.shape[1], confidence)


def error_of_rates(rates: np.ndarray, samples: int, confidence: float = 0.95) -> Estimate:
    """`error_rate`, from the error of each replica.

    Args:
        rates: the error of each replica.
        samples: number of test samples of a replica.
        confidence: coverage of the interval.
    """
    rates = np.asarray(rates, dtype=float)
    if not len(rates) or not np.isfinite(rates).all():
        return undefined("an error needs one finite rate or more")
    n = len(rates)
    pooled = proportion(min(float(rates.sum()), n) * samples, n * samples, confidence)
    if n == 1:
        return replace(pooled, note=ONE_REPLICA)
    shown = [(pooled.low, pooled.high), _t_interval(rates, confidence), _cox(_inner(rates, samples), confidence)]
    low, high = _cox(_inner(1 - rates, samples), confidence)
    shown.append((1 - high, 1 - low))
    low, high = _union(shown, 0.0, 1.0)
    note = _caveat(n, confidence, "replicas")
    for share, what in ((rates, "err"), (1 - rates, "be right")):
        if not share.any():
            unseen = 1 - (1 - confidence) ** (1 / n)
            note = joined(note, f"up to {unseen:.0%} of all replicas may {what}")
    return Estimate(pooled.value, low, high, f"t ∪ Cox ∪ {pooled.method}, {n} replicas", note=note)


def paired_gain(before: np.ndarray, after: np.ndarray, confidence: float = 0.95) -> Estimate:
    """How much the error falls from one model to another, on the same samples: error before − error after.

    With several replicas see `gain_of_rates`. With one, pairs are samples: better and worse samples each have a
    Clopper–Pearson interval of half the error probability, the gain lies between their differences, and the p-value is that of
    McNemar's exact test; this says nothing of other replicas.

    Args:
        before: (replica, sample) probability of the right answer of the first model.
        after: the same of the second.
        confidence: coverage of the interval.

    Raises:
        InputError: an array has other axes, or the two have different shapes.
    """
    if np.shape(before) != np.shape(after):
        raise InputError(f"paired_gain: both models need the same samples, got {np.shape(before)} and {np.shape(after)}")
    first, second = 1 - _by_replica("paired_gain", before), 1 - _by_replica("paired_gain", after)
    if len(first) > 1:
        return gain_of_rates(first.mean(1), second.mean(1), first.shape[1], confidence)
    gain = (first - second)[0]
    half = (1 + confidence) / 2
    better, worse = (proportion(float(np.maximum(sign * gain, 0).sum()), gain.size, half) for sign in (1, -1))
    method = f"Clopper–Pearson of better and worse, {gain.size} paired samples, McNemar"
    return Estimate(float(gain.mean()), better.low - worse.high, better.high - worse.low, method, mcnemar(gain), ONE_REPLICA)


def gain_of_rates(before: np.ndarray, after: np.ndarray, samples: int, confidence: float = 0.95) -> Estimate:
    """How much the error falls from one model to another, paired by replica, from the error of each replica.

    The union of two intervals, clipped to [−1, 1]: Student's t of the gains, and the intervals of both errors (`error_rate`)
    combined by their squares (MOVER), with the correlation r of the errors over replicas (0 of two replicas, and below 0),

        low = g − √(l² − 2 r l u + u²),   l = e₁ − low₁, u = high₂ − e₂,   and the upper end likewise.

    The standard error of t, in the interval and in the one-sided test, is at least that of `samples` independent samples in
    each replica, √(Σ ẽ(1 − ẽ)/(R N)) over the two errors with ẽ = (e N + ½)/(N + 1): equal gains are no certainty.

    Args:
        before: error of the first model in each replica, at least two.
        after: error of the second.
        samples: N, number of test samples of a replica.
        confidence: coverage of the interval.
    """
    before, after = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    n = len(before)
    if n < 2 or not (np.isfinite(before).all() and np.isfinite(after).all()):
        return undefined("a paired gain needs two replicas or more with finite errors")
    gain = before - after
    value = float(gain.mean())
    error, p = _t_test(gain, [before.mean(), after.mean()], samples)
    reach = error * float(stats.t.ppf((1 + confidence) / 2, n - 1))

    spread = before.std() * after.std()
    r = max(0.0, float(np.corrcoef(before, after)[0, 1])) if n > 2 and spread > 0 else 0.0
    first, second = (error_of_rates(rates, samples, confidence) for rates in (before, after))
    below = _mover(first.value - first.low, second.high - second.value, r)
    above = _mover(first.high - first.value, second.value - second.low, r)
    low, high = _union([(value - reach, value + reach), (value - below, value + above)], -1.0, 1.0)
    note = joined(_caveat(n, confidence, "replicas"), "p under normality")
    return Estimate(value, low, high, f"paired t ∪ MOVER, {n} replicas", p, note)


def gain_over(rate: float, correct: np.ndarray, confidence: float = 0.95) -> Estimate:
    """How far the error of a model is below a known rate, such as chance: rate − error, with the interval of `error_rate`.

    The one-sided p-value is that of the t test over replicas, with the standard error of `gain_of_rates`; with one replica that
    of the exact binomial test.

    Args:
        rate: the known error.
        correct: (replica, sample) probability of the right answer of the model.
        confidence: coverage of the interval.

    Raises:
        InputError: the array has other axes.
    """
    wrong = 1 - _by_replica("gain_over", correct)
    error, samples = error_rate(correct, confidence), wrong.shape[1]
    if len(wrong) > 1:
        _, p = _t_test(rate - wrong.mean(1), [wrong.mean()], samples)
    else:
        p = float(stats.binomtest(round(float(wrong.sum())), samples, rate, alternative="less").pvalue)
    return Estimate(rate - error.value, rate - error.high, rate - error.low, error.method, p, error.note)


def _t_test(gain: np.ndarray, errors: Sequence[float], samples: int) -> tuple[float, float]:
    """Standard error of the mean of gains, at least that of sampling, and the one-sided p-value of a t test with it.

    Args:
        gain: of each replica.
        errors: mean errors of the models that the gain is the difference of.
        samples: number of test samples of a replica.
    """
    n = len(gain)
    sampling = sum(float(rate * (1 - rate)) for rate in _inner(np.asarray(errors, dtype=float), samples))
    error = max(float(gain.std(ddof=1)) / math.sqrt(n), math.sqrt(sampling / (n * samples)))
    return error, float(stats.t.sf(gain.mean() / error, n - 1))


def _t_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    center, error = float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
    reach = error * float(stats.t.ppf((1 + confidence) / 2, len(values) - 1))
    return center - reach, center + reach


def _cox(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Cox's interval of the mean of a log-normal law; infinite where it is too wide for floating-point numbers."""
    logs, n = np.log(values), len(values)
    variance = float(logs.var(ddof=1))
    center = float(logs.mean()) + variance / 2
    reach = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * math.sqrt(variance / n + variance**2 / (2 * (n - 1)))
    return math.exp(max(-_LARGEST, center - reach)), math.exp(min(_LARGEST, center + reach))


def _inner(rates: Any, samples: int) -> Any:
    """Rates with half a sample added on both sides: never 0 or 1."""
    return (rates * samples + 0.5) / (samples + 1)


def _mover(first: float, second: float, r: float) -> float:
    return math.sqrt(max(0.0, first**2 - 2 * r * first * second + second**2))


def _union(intervals: Sequence[tuple[float, float]], least: float, most: float) -> tuple[float, float]:
    """The smallest interval that contains all of them, within the possible range."""
    low, high = min(low for low, _ in intervals), max(high for _, high in intervals)
    return max(least, low), min(most, high)


def _caveat(n: int, confidence: float, of: str) -> str:
    """What an interval over n replicas rests on."""
    few = f"few {of}" if n < FEW else ""
    return joined(few, "under normality" if confidence > _NORMAL else "")


def joined(*notes: str) -> str:
    """Notes in one text; empty ones are left out."""
    return "; ".join(note for note in notes if note)


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
