"""Intervals of proportions and of errors: known values, and what happens at the edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from theory_sim import stats
from theory_sim.runtime.errors import InputError


def test_clopper_pearson_against_scipy():
    for k, n in ((0, 10), (3, 10), (10, 10), (37, 2000)):
        ours = stats.proportion(k, n)
        theirs = scipy_stats.binomtest(k, n).proportion_ci(0.95, "exact")
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
        assert ours.value == k / n


def test_error_rate_without_any_error_still_has_a_width():
    e = stats.error_rate(np.ones((5, 2000)))
    assert (e.value, e.low) == (0, 0)
    assert 0 < e.high < 1e-3
    # 1 − 0.05^(1/5): with so large a share of failing replicas, five good ones are drawn with probability 0.05.
    assert e.notes == ("up to 45% of all replicas may err",)
    assert stats.error_rate(np.zeros((5, 20))).notes == ("up to 45% of all replicas may be right",)
    assert stats.error_rate(np.ones((60, 20)), 0.99).notes == ("up to 7.4% of all replicas may err",)
    assert stats.error_rate(np.ones((1000, 20))).notes == ("up to 0.3% of all replicas may err",), "not 0%"
    assert stats.error_rate(np.ones((3, 20))).notes == (
        "few replicas",
        "up to 63% of all replicas may err",
    )


def test_error_rate_of_one_replica_is_clopper_pearson():
    correct = np.array([[1, 1, 0, 1, 0.5, 1, 1, 1, 1, 1]])
    e = stats.error_rate(correct)
    assert e.value == pytest.approx(0.15)
    assert e.method.startswith("Clopper")
    assert e.notes == (stats.ONE_REPLICA,)
    assert e.low == pytest.approx(scipy_stats.beta.ppf(0.025, 1.5, 9.5))


def test_error_rate_is_as_wide_as_the_replicas_differ():
    correct = np.repeat([[0.0], [1.0]], 1000, axis=1)
    e = stats.error_rate(correct)
    assert (e.value, e.low, e.high) == (0.5, 0, 1)


def cox(rates, samples, confidence):
    """Cox's interval, as it is written in textbooks."""
    y = np.log((rates * samples + 0.5) / (samples + 1))
    n, s2 = len(y), y.var(ddof=1)
    reach = scipy_stats.t.ppf((1 + confidence) / 2, n - 1) * math.sqrt(s2 / n + s2**2 / (2 * (n - 1)))
    return np.exp(y.mean() + s2 / 2 - reach), np.exp(y.mean() + s2 / 2 + reach)


def test_error_rate_is_the_union_of_its_intervals():
    """Student's t, Cox's of wrong and of right answers, and Clopper and Pearson's; the value is the pooled error."""
    rng = np.random.default_rng(5)
    for confidence in (0.95, 0.8):
        correct = (rng.random((6, 100)) < np.array([0.7, 0.75, 0.8, 0.8, 0.85, 0.9])[:, None]).astype(float)
        wrong = 1 - correct
        e = stats.error_rate(correct, confidence)
        t = scipy_stats.ttest_1samp(wrong.mean(1), 0).confidence_interval(confidence)
        cp = scipy_stats.binomtest(int(wrong.sum()), 600).proportion_ci(confidence, "exact")
        low, high = cox(wrong.mean(1), 100, confidence)
        right = cox(correct.mean(1), 100, confidence)
        assert e.value == pytest.approx(wrong.mean())
        assert e.low == pytest.approx(min(t.low, cp.low, low, 1 - right[1]))
        assert e.high == pytest.approx(max(t.high, cp.high, high, 1 - right[0]))
        assert e.high > t.high
        assert e.method == "t ∪ Cox ∪ Clopper–Pearson, n = 600, 6 replicas"
        assert stats.error_of_rates(wrong.mean(1), 100, confidence) == e
    # No number of replicas makes an error below 0 or above 1.
    few = np.array([[1.0] * 20, [1.0] * 12 + [0.0] * 8])
    assert stats.error_rate(few).low == 0
    assert stats.error_rate(1 - few).high == 1


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_proportions_are_refused(k, n):
    with pytest.raises(InputError):
        stats.proportion(k, n)


def test_an_impossible_proportion_says_its_numbers():
    with pytest.raises(InputError, match=r"got 6 of 5$"):
        stats.proportion(6, 5)
    with pytest.raises(InputError):
        stats.proportion(0, 0)
    with pytest.raises(InputError):
        stats.proportion(math.nan, 5)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1)])
def test_one_trial_has_an_interval(k, n):
    e = stats.proportion(k, n)
    assert (e.low, e.high) == pytest.approx((0, 0.975) if k == 0 else (0.025, 1))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, 4 * n), st.just(n))))
def test_a_proportion_lies_in_its_interval_and_mirrors_its_complement(counted):
    """Ties count as quarters here."""
    successes, n = counted[0] / 4, counted[1]
    e, other = stats.proportion(successes, n), stats.proportion(n - successes, n)
    assert 0 <= e.low <= e.value <= e.high <= 1
    assert e.low < e.high
    assert (other.low, other.high) == pytest.approx((1 - e.high, 1 - e.low), abs=1e-9)
    assert e.value == successes / n
    assert (e.low == 0) == (successes == 0)
    assert (e.high == 1) == (successes == n)


def test_rates_that_are_none_are_refused():
    for rates in ([0.5, 1.5], [-0.1, 0.5]):
        with pytest.raises(InputError, match="between 0 and 1"):
            stats.error_of_rates(np.array(rates), 10)
    with pytest.raises(InputError, match="a pair of numbers for each replica, got 2 and 3"):
        stats.gain_of_rates(np.zeros(2), np.zeros(3), 10)
    assert math.isnan(stats.error_of_rates(np.array([]), 10).value)
    assert math.isnan(stats.gain_of_rates(np.zeros(1), np.zeros(1), 10).value)
    # Single precision may pass 1 by rounding.
    assert stats.error_of_rates(np.array([1.0, 1 + 1e-7]), 10).value == 1


@pytest.mark.parametrize("shape", [(5,), (2, 100, 3), (2, 0), ()])
def test_a_sample_counts_once(shape):
    """An axis of readouts would multiply the samples, and so make intervals too short."""
    with pytest.raises(InputError, match=r"error_rate: expected \(replica, sample\), got the shape .*; of several readouts"):
        stats.error_rate(np.ones(shape))
    with pytest.raises(InputError, match=r"paired_gain: expected \(replica, sample\)"):
        stats.paired_gain(np.ones(shape), np.ones(shape))
