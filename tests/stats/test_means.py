"""Intervals of means and of ratios of means."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from theory_sim import stats


def test_t_interval_against_scipy():
    values = [1.0, 2.0, 4.0, 8.0]
    ours = stats.mean(values)
    theirs = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_two_values_have_an_interval_and_infinity_has_none():
    """At two values t has one degree of freedom: the half width is tan(0.95 π / 2) times the standard error."""
    e = stats.mean([1.0, 3.0], of="runs")
    assert (e.value, e.low, e.high) == pytest.approx((2, 2 - math.tan(0.475 * math.pi), 2 + math.tan(0.475 * math.pi)))
    assert e.method == "t, 2 runs"
    assert math.isnan(stats.mean([1.0, math.inf]).high)
    assert stats.mean([2.0, 2.0]).low == 2


def test_a_positive_mean_is_the_union_of_t_and_cox():
    values = np.array([0.01, 0.02, 0.05, 0.2])
    e, t = stats.positive_mean(values), scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    y, n = np.log(values), 4
    s2 = y.var(ddof=1)
    reach = scipy_stats.t.ppf(0.975, 3) * math.sqrt(s2 / n + s2**2 / (2 * (n - 1)))
    assert e.high == pytest.approx(max(t.high, np.exp(y.mean() + s2 / 2 + reach)))
    assert (e.value, e.low) == (pytest.approx(0.07), 0)
    # Student's lower end is below 0 here.
    some = stats.positive_mean(np.array([0, 0.001, 0.001, 0, 0]))
    assert (some.low, some.method) == (0, "t, 5 replicas")
    assert some.high == stats.mean([0, 0.001, 0.001, 0, 0]).high
    assert some.notes == ("0 in some replicas: Student's interval, which assumes a normal law",)
    below = [-1.0, 1, 2]
    assert stats.positive_mean(below) == stats.mean(below)
    assert math.isnan(stats.positive_mean(np.array([1.0])).value)


def fieller_contains(above, below, theta, confidence=0.95):
    """Whether a t interval of above − θ below contains 0: what Fieller's interval is made of."""
    e = stats.mean(above - theta * below, confidence)
    return e.low <= 0 <= e.high


def test_fiellers_interval_holds_the_ratios_that_a_t_test_allows():
    rng = np.random.default_rng(6)
    for _ in range(20):
        above, below = rng.normal(2, 1, 6), rng.normal(3, 0.5, 6)
        e = stats.ratio(above, below)
        assert e.value == pytest.approx(above.mean() / below.mean())
        for end in (e.low, e.high):
            inside, outside = (end + sign * 1e-4 * (e.value - end) for sign in (1, -1))
            assert fieller_contains(above, below, inside)
            assert not fieller_contains(above, below, outside)
        assert e.notes == ()


def test_a_ratio_whose_divisor_may_be_0_has_no_upper_end():
    above, below = np.array([5.0, 6, 5, 7]), np.array([0.5, -0.2, 0.4, -0.1])
    e = stats.ratio(above, below)
    assert e.high == math.inf
    assert 0 < e.low < e.value
    assert fieller_contains(above, below, e.low * 1.0001)
    assert not fieller_contains(above, below, e.low * 0.9999)
    assert e.notes == (
        "few replicas",
        "the mean of the denominator, 0.15, may be 0",
    )
    assert stats.ratio(-above, below).low == -math.inf
    nothing = stats.ratio(np.array([1.0, -1, 0.5, -0.5]), below)
    assert (nothing.low, nothing.high) == (-math.inf, math.inf)
    assert math.isnan(stats.ratio(above, -below).value)
    assert math.isnan(stats.ratio(above[:1], below[:1]).value)
