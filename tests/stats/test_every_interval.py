"""What all intervals have in common: coverage, confidence, equal values, undefined ones, and wrong input."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from theory_sim import stats
from theory_sim.runtime.errors import InputError


def test_intervals_cover_as_often_as_they_say():
    """2,000 intervals each: 95 % ± 4 standard errors of that share (2 points); Clopper–Pearson at least that."""
    rng = np.random.default_rng(0)
    t = [stats.mean(rng.normal(3, 2, 5)) for _ in range(2000)]
    assert abs(np.mean([e.low <= 3 <= e.high for e in t]) - 0.95) < 0.02
    cp = [stats.proportion(rng.binomial(50, 0.1), 50) for _ in range(2000)]
    assert np.mean([e.low <= 0.1 <= e.high for e in cp]) > 0.93


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.999])
def test_every_interval_has_the_confidence_that_is_asked_for(confidence):
    interval = scipy_stats.binomtest(3, 10).proportion_ci(confidence, "exact")
    ours = stats.proportion(3, 10, confidence)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))
    values = np.array([1.0, 2.0, 4.0, 8.0])
    interval = scipy_stats.ttest_1samp(values, 0).confidence_interval(confidence)
    ours = stats.mean(values, confidence)
    assert (ours.value, ours.low, ours.high) == pytest.approx((3.75, interval.low, interval.high))
    rng = np.random.default_rng(3)
    before, after = (rng.random((4, 50)) < share for share in (0.4, 0.6))
    interval = scipy_stats.ttest_rel(after.mean(1), before.mean(1)).confidence_interval(confidence)
    ours = stats.paired_gain(before, after, confidence)
    assert ours.low <= interval.low < interval.high <= ours.high
    one = stats.paired_gain(before[:1], after[:1], confidence)
    better, worse = int((after[0] > before[0]).sum()), int((after[0] < before[0]).sum())
    ends = [scipy_stats.binomtest(k, 50).proportion_ci((1 + confidence) / 2, "exact") for k in (better, worse)]
    assert (one.low, one.high) == pytest.approx((ends[0].low - ends[1].high, ends[0].high - ends[1].low))


def test_undefined_stays_undefined():
    for e in (stats.mean([1.0]), stats.mean([1.0, math.nan]), stats.bootstrap([np.ones(1)], np.mean)):
        assert math.isnan(e.value)
        assert math.isnan(e.low)


NO_WIDTH = "equal in all replicas: the interval has no width"


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e-30])
def test_equal_values_are_said_to_be_equal(value):
    """An interval without a width looks certain. Sums of equal numbers are rounded: 0.1 has a deviation of 1e-17 here."""
    same = np.full(6, value)
    for e in (stats.mean(same), stats.positive_mean(same), stats.ratio(same, np.full(6, 3.0)), stats.slope(np.arange(6), same)):
        assert e.high - e.low <= 1e-7 * abs(value)
        assert e.notes[-1].endswith(NO_WIDTH)
    assert stats.mean(same[:2], of="seeds").notes == ("few seeds", "equal in all seeds: the interval has no width")


def test_equal_ratios_and_points_on_a_line_have_no_width():
    x = np.array([1.1, 1.2, 1.3, 1.7, 2.1])
    assert stats.ratio(3 * x, x).notes == (NO_WIDTH,)
    assert stats.slope(x, 2 - 0.3 * x).notes == (f"residuals {NO_WIDTH}",)
    y = x + np.array([0, 0, 0, 0, 1e-6])
    for e in (stats.mean(x), stats.positive_mean(x), stats.ratio(y, x), stats.slope(x, y)):
        assert e.notes == ()
        assert e.low < e.value < e.high


def test_what_is_not_a_number_is_undefined_with_a_reason():
    nan = np.full((1, 10), math.nan)
    x, gap = np.arange(5.0), np.array([0, 1, 2, 3, math.nan])
    for e, reason in (
        (stats.gain_over(0.5, nan), "an error needs one finite rate or more"),
        (stats.gain_over(0.5, np.repeat(nan, 5, axis=0)), "an error needs one finite rate or more"),
        (stats.paired_gain(nan, np.ones((1, 10))), "a paired gain needs finite errors"),
        (stats.slope(gap, x), "a slope needs three finite points or more, at two places or more"),
        (stats.slope(x, gap), "a slope needs three finite points or more, at two places or more"),
    ):
        assert math.isnan(e.value)
        assert (e.method, e.p) == (reason, None)


def test_values_have_one_axis_and_pairs_one_length():
    """A second axis would count as further replicas, or be averaged without a word."""
    values = np.full(3, 0.5)
    for make in (
        stats.mean,
        stats.positive_mean,
        lambda v: stats.ratio(v, v),
        lambda v: stats.slope(v, v),
        lambda v: stats.error_of_rates(v, 10),
        lambda v: stats.gain_of_rates(v, v, 10),
        lambda v: stats.gain_over_of_rates(0.5, v, 10),
    ):
        for wrong in (np.full((3, 4), 0.5), np.array(0.5)):
            with pytest.raises(InputError, match=r"expected one axis, a number for each replica, got the shape"):
                make(wrong)
    for pair in (stats.ratio, stats.slope, lambda a, b: stats.gain_of_rates(a, b, 10)):
        with pytest.raises(InputError, match="a pair of numbers for each replica, got 3 and 2 numbers"):
            pair(values, values[:2])
    with pytest.raises(InputError, match="arrays of one length, got 3 and 2 rows"):
        stats.bootstrap([values, values[:2]], lambda a, b: 0.0)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, math.nan])
def test_confidence_is_between_0_and_1(confidence):
    values = np.array([0.1, 0.2, 0.4])
    for make in (
        lambda: stats.proportion(1, 5, confidence),
        lambda: stats.error_rate(np.ones((2, 5)), confidence),
        lambda: stats.paired_gain(np.ones((1, 5)), np.ones((1, 5)), confidence),
        lambda: stats.gain_of_rates(values, values, 5, confidence),
        lambda: stats.gain_over(0.5, np.ones((1, 5)), confidence),
        lambda: stats.mean(values, confidence),
        lambda: stats.positive_mean(values, confidence),
        lambda: stats.ratio(values, values, confidence),
        lambda: stats.slope(values, values**2, confidence),
        lambda: stats.bootstrap([values], np.mean, confidence),
    ):
        with pytest.raises(InputError, match=r"confidence: expected a number above 0 and below 1, such as 0\.95, got"):
            make()
