"""Intervals and tests: known values, coverage, and what happens at the edges."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from theory_sim import stats
from theory_sim.runtime.errors import InputError


def test_clopper_pearson_against_scipy():
    for k, n in ((0, 10), (3, 10), (10, 10), (37, 2000)):
        ours = stats.proportion(k, n)
        theirs = scipy_stats.binomtest(k, n).proportion_ci(0.95, "exact")
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
        assert ours.value == k / n


def test_t_interval_against_scipy():
    values = [1.0, 2.0, 4.0, 8.0]
    ours = stats.mean(values)
    theirs = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_intervals_cover_as_often_as_they_say():
    """2,000 intervals each: 95 % ± 4 standard errors of that share (2 points); Clopper–Pearson at least that."""
    rng = np.random.default_rng(0)
    t = [stats.mean(rng.normal(3, 2, 5)) for _ in range(2000)]
    assert abs(np.mean([e.low <= 3 <= e.high for e in t]) - 0.95) < 0.02
    cp = [stats.proportion(rng.binomial(50, 0.1), 50) for _ in range(2000)]
    assert np.mean([e.low <= 0.1 <= e.high for e in cp]) > 0.93


def test_error_rate_without_any_error_still_has_a_width():
    e = stats.error_rate(np.ones((5, 2000)))
    assert (e.value, e.low) == (0, 0)
    assert 0 < e.high < 1e-3


def test_error_rate_of_one_replica_is_clopper_pearson():
    correct = np.array([[1, 1, 0, 1, 0.5, 1, 1, 1, 1, 1]])
    e = stats.error_rate(correct)
    assert e.value == pytest.approx(0.15)
    assert e.method.startswith("Clopper")
    assert e.low == pytest.approx(scipy_stats.beta.ppf(0.025, 1.5, 9.5))


def test_error_rate_is_as_wide_as_the_replicas_differ():
    correct = np.repeat([[0.0], [1.0]], 1000, axis=1)
    e = stats.error_rate(correct)
    assert (e.value, e.low, e.high) == (0.5, 0, 1)


def test_paired_gain_pairs_by_replica():
    rng = np.random.default_rng(1)
    before = (rng.random((6, 500)) < np.linspace(0.2, 0.6, 6)[:, None]).astype(float)
    after = np.maximum(before, rng.random((6, 500)) < 0.2)
    e = stats.paired_gain(before, after)
    expected = scipy_stats.ttest_rel(after.mean(1), before.mean(1), alternative="greater")
    assert e.value == pytest.approx((after - before).mean())
    assert e.p == pytest.approx(expected.pvalue)
    assert 0 < e.low < e.value < e.high


def test_paired_gain_of_one_replica_pairs_by_sample():
    before = np.array([[1.0] * 50 + [0.0] * 50])
    after = np.array([[1.0] * 45 + [0.0] * 15 + [1.0] * 40])
    e = stats.paired_gain(before, after)
    assert e.value == pytest.approx(0.35)
    assert e.p == pytest.approx(scipy_stats.binomtest(40, 45, alternative="greater").pvalue)
    assert "McNemar" in e.method


def test_no_gain_is_no_evidence():
    same = np.ones((3, 20))
    e = stats.paired_gain(same, same)
    assert (e.value, e.p) == (0, 1)


def test_bootstrap_of_a_ratio():
    """The interval covers the true ratio 2, and is of the size that the delta method gives."""
    rng = np.random.default_rng(2)
    below = rng.normal(1, 0.1, 400)
    e = stats.bootstrap([2 * below + rng.normal(0, 0.1, 400), below], lambda a, b: float(a.mean() / b.mean()))
    assert e.low < 2 < e.high
    assert e.high - e.low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.2)


def test_a_bootstrap_that_may_divide_by_zero_decides_nothing():
    e = stats.bootstrap([np.array([0.0, 1, 2]), np.array([0.0, 0, 1])], lambda a, b: a.mean() / b.mean())
    assert e.value == 3
    assert not e.high < 1e6


def test_undefined_stays_undefined():
    for e in (stats.mean([1.0]), stats.mean([1.0, math.nan]), stats.bootstrap([np.ones(1)], np.mean)):
        assert math.isnan(e.value)
        assert math.isnan(e.low)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_proportions_are_refused(k, n):
    with pytest.raises(InputError):
        stats.proportion(k, n)


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert len(stats.holm([])) == 0
