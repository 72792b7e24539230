"""Errors of networks and differences of errors: the unit is the replica.

Test answers of one network are not independent, because they share its weights. Errors of replicas are skewed: most networks err
seldom, a few often. So the interval of an error is the union of these:

* Student's t over replicas: x̄ ± t s/√R;
* Cox's interval of the mean of a log-normal law, from y = log x with x = (wrong + ½)/(N + 1) of each replica,

      exp(ȳ + s²/2 ± t √(s²/R + s⁴/(2(R − 1)))),   t the quantile of R − 1 degrees of freedom,

  and one minus the same interval of the share of right answers;
* Clopper and Pearson's interval of all samples together, which has a width also where no replica errs.

No interval accounts for failures that no replica shows: `theory_sim.stats.Estimate.notes` states such limits. ``theory-sim bench
coverage`` measures on stored replicas how often each interval misses.

Source of Cox's interval: Land (1972) and Zhou and Gao (1997), with the t quantile in place of the normal one [recalled].
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from theory_sim.runtime.errors import InputError
from theory_sim.stats.base import FEW, NO_P, ONE_REPLICA, P_NORMAL, Estimate, check_confidence, notes_of, one_axis, undefined
from theory_sim.stats.means import cox_interval, t_interval, t_quantile, union


def proportion(successes: float, n: int, confidence: float = 0.95) -> Estimate:
    """Clopper–Pearson interval of a proportion.

    Args:
        successes: number of successes; a tie may count as a fraction.
        n: number of trials.
        confidence: coverage of the interval.
    """
    check_confidence(confidence)
    if not 0 <= successes <= n or n < 1:
        raise InputError(f"a proportion needs 0 ≤ successes ≤ n and n ≥ 1, got {successes} of {n}")
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes >= n else float(special.betaincinv(successes + 1, n - successes, 1 - tail))
    return Estimate(successes / n, low, high, f"Clopper–Pearson, n = {n}")


def error_rate(correct: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Mean error of several replicas, each on its own test samples.

    The interval is the union of the t interval over replicas, Cox's log-normal interval of the errors and of the right answers,
    and the Clopper–Pearson interval of all samples together, which has a width also when no replica errs. With one replica it is
    the Clopper–Pearson interval of the samples, which does not cover the variation between replicas.

    Args:
        correct: (replica, sample) probability of the right answer.
        confidence: coverage of the interval.

    Raises:
        InputError: the array has other axes; where there are several readouts, select one.
    """
    wrong = 1 - _by_replica("error_rate", correct)
    return error_of_rates(wrong.mean(1), wrong.shape[1], confidence)


def error_of_rates(rates: np.ndarray, samples: int, confidence: float = 0.95) -> Estimate:
    """`error_rate`, from the error of each replica.

    Args:
        rates: the error of each replica.
        samples: number of test samples of a replica.
        confidence: coverage of the interval.

    Raises:
        InputError: a rate is outside [0, 1], or the rates have more axes than one.
    """
    (rates,) = _rates("error_of_rates", rates)
    if not len(rates) or not np.isfinite(rates).all():
        return undefined("an error needs one finite rate or more")
    n = len(rates)
    pooled = proportion(min(float(rates.sum()), n) * samples, n * samples, confidence)
    if n == 1:
        return replace(pooled, notes=(ONE_REPLICA,))
    shown = [(pooled.low, pooled.high), t_interval(rates, confidence), cox_interval(_inner(rates, samples), confidence)]
    low, high = cox_interval(_inner(1 - rates, samples), confidence)
    shown.append((1 - high, 1 - low))
    low, high = union(shown, 0.0, 1.0)
    notes = notes_of(n, confidence) + _unseen(rates, confidence)
    return Estimate(pooled.value, low, high, f"t ∪ Cox ∪ {pooled.method}, {n} replicas", notes=notes)


def _unseen(rates: np.ndarray, confidence: float, which: str = "") -> tuple[str, ...]:
    """The note of errors that are 0, or 1, in all replicas: the share of replicas that may differ though none of these does."""
    share = 1 - (1 - confidence) ** (1 / len(rates))
    percent = f"{share:.0%}" if share > 0.1 else f"{100 * share:.2g}%"
    extremes = ((rates, "err"), (1 - rates, "be right"))
    return tuple(f"{which}up to {percent} of all replicas may {what}" for values, what in extremes if not values.any())


def paired_gain(before: np.ndarray, after: np.ndarray, confidence: float = 0.95) -> Estimate:
    """How much the error falls from one model to another, on the same samples: error before − error after.

    For several replicas see `gain_of_rates`. With one replica, samples are paired. The shares of samples on which the second
    model is better and worse each have a Clopper–Pearson interval with half the error probability; the differences of their ends
    are the ends of the gain's interval. It does not cover the variation between replicas, and there is no p-value.

    Args:
        before: (replica, sample) probability of the right answer of the first model.
        after: the same of the second.
        confidence: coverage of the interval.

    Raises:
        InputError: an array has other axes, or the two have different shapes.
    """
    check_confidence(confidence)
    if np.shape(before) != np.shape(after):
        raise InputError(f"paired_gain: both models need the same samples, got {np.shape(before)} and {np.shape(after)}")
    first, second = 1 - _by_replica("paired_gain", before), 1 - _by_replica("paired_gain", after)
    if len(first) > 1:
        return gain_of_rates(first.mean(1), second.mean(1), first.shape[1], confidence)
    gain = (first - second)[0]
    if not np.isfinite(gain).all():
        return undefined("a paired gain needs finite errors")
    half = (1 + confidence) / 2
    better, worse = (proportion(float(np.maximum(sign * gain, 0).sum()), gain.size, half) for sign in (1, -1))
    method = f"Clopper–Pearson of better and worse, {gain.size} paired samples"
    return Estimate(float(gain.mean()), better.low - worse.high, better.high - worse.low, method, notes=(ONE_REPLICA, NO_P))


def gain_of_rates(before: np.ndarray, after: np.ndarray, samples: int, confidence: float = 0.95) -> Estimate:
    """How much the error falls from one model to another, paired by replica, from the error of each replica.

    The interval is Student's t interval of the gains, lengthened because the errors are skewed, and clipped to [−1, 1]. The
    intervals of the two errors (`error_rate`) are longer than Student's. The lower side of the gain is lengthened as the lower
    side of the first error and the upper side of the second one are, the upper side as the opposite sides are: by the larger of
    the two excess lengths, or by the larger of the two ratios of lengths, whichever gives the shorter side. So the interval is
    that of the first error where the second error is 0, and stays short where both errors vary together.

    The standard error, also in the one-sided t test, is at least that of N independent samples in each of R replicas,
    √(Σ ẽ(1 − ẽ)/(R N)) over the two errors e with ẽ = (e N + ½)/(N + 1), so that equal gains do not give a width of zero. Fewer
    than `FEW` replicas have no p-value: where their gains are equal, it would rest on that error alone.

    Args:
        before: error of the first model in each replica, at least two.
        after: error of the second.
        samples: N, number of test samples of a replica.
        confidence: coverage of the interval.

    Raises:
        InputError: a rate is outside [0, 1], or the two have different lengths.
    """
    before, after = _rates("gain_of_rates", before, after)
    n = len(before)
    if n < 2 or not (np.isfinite(before).all() and np.isfinite(after).all()):
        return undefined("a paired gain needs two replicas or more with finite errors")
    gain = before - after
    value, quantile = float(gain.mean()), t_quantile(confidence, n - 1)
    error, p = _t_test(gain, [before.mean(), after.mean()], samples)
    notes = notes_of(n, confidence)
    longer = []
    for which, rates in (("before: ", before), ("after: ", after)):
        e = error_of_rates(rates, samples, confidence)
        reach = quantile * _t_test(rates, [rates.mean()], samples)[0]
        longer.append([(float(side) - reach, float(side) / reach) for side in (e.value - e.low, e.high - e.value)])
        notes += _unseen(rates, confidence, which)
    (low_first, high_first), (low_second, high_second) = longer
    low = value - _lengthened(quantile * error, low_first, high_second)
    high = value + _lengthened(quantile * error, high_first, low_second)
    method = f"paired t, {n} replicas, widened"
    return Estimate(value, max(-1.0, low), min(1.0, high), method, p, (*notes, _note_of_p(n)))


def _lengthened(reach: float, *longer: tuple[float, float]) -> float:
    """One side of an interval, lengthened by the largest excess or the largest factor, whichever gives less; never shortened."""
    excess, factor = (float(max(values)) for values in zip(*longer, strict=True))
    return min(reach + max(0.0, excess), reach * max(1.0, factor))


def gain_over(rate: float, correct: np.ndarray, confidence: float = 0.95) -> Estimate:
    """How far the error of a model is below a known rate, such as chance: rate − error, with the interval of `error_rate`.

    The one-sided p-value is that of the t test over replicas, with the standard error of `gain_of_rates`; fewer than `FEW`
    replicas have none.

    Args:
        rate: the known error.
        correct: (replica, sample) probability of the right answer of the model.
        confidence: coverage of the interval.

    Raises:
        InputError: the array has other axes, or the rate is outside [0, 1].
    """
    wrong = 1 - _by_replica("gain_over", correct)
    return gain_over_of_rates(rate, wrong.mean(1), wrong.shape[1], confidence)


def gain_over_of_rates(rate: float, rates: np.ndarray, samples: int, confidence: float = 0.95) -> Estimate:
    """`gain_over`, from the error of each replica.

    Args:
        rate: the known error.
        rates: the error of each replica.
        samples: number of test samples of a replica.
        confidence: coverage of the interval.

    Raises:
        InputError: a rate is outside [0, 1], or the rates have more axes than one.
    """
    if not 0 <= rate <= 1:
        raise InputError(f"gain_over: the known error is between 0 and 1, got {rate:g}")
    (rates,) = _rates("gain_over", rates)
    error, n = error_of_rates(rates, samples, confidence), len(rates)
    if error.value != error.value:
        return error
    _, p = _t_test(rate - rates, [rates.mean()], samples)
    notes = (*error.notes, _note_of_p(n))
    return Estimate(rate - error.value, rate - error.high, rate - error.low, error.method, p, notes)


def _note_of_p(n: int) -> str:
    return NO_P if n < FEW else P_NORMAL


def _t_test(gain: np.ndarray, errors: Sequence[float], samples: int) -> tuple[float, float | None]:
    """Standard error of the mean gain, at least that of sampling, and the one-sided p-value of the t test with this error.

    Fewer than `FEW` replicas have no p-value.

    Args:
        gain: of each replica.
        errors: mean errors of the models whose difference is the gain.
        samples: number of test samples of a replica.
    """
    n = len(gain)
    if n == 1:
        return math.nan, None
    sampling = sum(float(rate * (1 - rate)) for rate in _inner(np.asarray(errors, dtype=float), samples))
    error = max(float(gain.std(ddof=1)) / math.sqrt(n), math.sqrt(sampling / (n * samples)))
    return error, None if n < FEW else float(special.stdtr(n - 1, -gain.mean() / error))


def _inner(rates: Any, samples: int) -> Any:
    """Rates with half a sample added on both sides: never 0 or 1."""
    return (rates * samples + 0.5) / (samples + 1)


def _by_replica(what: str, values: Any) -> np.ndarray:
    """The values as numbers; their axes must be (replica, sample): with a further axis a sample would count several times."""
    given = np.asarray(values, dtype=float)
    if given.ndim != 2 or not given.size:
        raise InputError(f"{what}: expected (replica, sample), got the shape {given.shape}; of several readouts select one")
    return given


def _rates(what: str, *rates: Any) -> tuple[np.ndarray, ...]:
    """Errors of replicas as numbers, cut to [0, 1]: those in single precision may be outside by rounding."""
    given = one_axis(what, *rates)
    for values in given:
        if ((values < -1e-6) | (values > 1 + 1e-6)).any():
            raise InputError(f"{what}: an error is between 0 and 1, got {np.nanmin(values):g} to {np.nanmax(values):g}")
    return tuple(np.clip(values, 0.0, 1.0) for values in given)
