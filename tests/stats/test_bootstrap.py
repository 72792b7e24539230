"""The bootstrap: its intervals, its calls of the statistic, and where it decides nothing."""

import math

import numpy as np
import pytest

from theory_sim import stats


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


def correlation(x, y, axis=-1):
    x, y = (v - v.mean(axis, keepdims=True) for v in (x, y))
    return (x * y).mean(axis) / np.sqrt((x * x).mean(axis) * (y * y).mean(axis))


def test_a_statistic_that_takes_many_resamples_at_once_gives_the_same_interval():
    rng = np.random.default_rng(4)
    x = rng.normal(size=60)
    y = x + rng.normal(size=60)
    one = stats.bootstrap([x, y], lambda a, b: float(correlation(a, b)), resamples=500)
    many = stats.bootstrap([x, y], correlation, vectorized=True, resamples=500)
    assert (many.value, many.low, many.high) == pytest.approx((one.value, one.low, one.high))
    assert one.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    # Fisher's interval of a correlation, which the bootstrap's is near; rows resampled apart would be around 0.
    expected = np.tanh(np.arctanh(one.value) + np.array([-1.96, 1.96]) / math.sqrt(57))
    assert (one.low, one.high) == pytest.approx(expected, abs=0.06)


def test_resamples_come_in_few_calls_that_fit_into_memory():
    sizes = []

    def mean(x, axis=-1):
        sizes.append(x.size)
        return x.mean(axis)

    stats.bootstrap([np.arange(1000.0)], mean, vectorized=True, resamples=20_000)
    assert max(sizes) <= 10**7
    assert len(sizes) < 10


def test_the_bootstrap_says_what_it_did():
    values = np.array([0.0, 1, 1, 0, 1, 1, 1, 0])
    e = stats.bootstrap([values], lambda x: float(x.mean()), of="leaves")
    assert e.method == "BCa bootstrap, 8 leaves"
    assert stats.bootstrap([values], lambda x: float(x.mean()), of="leaves") == e, "the same at every call"
    narrow = stats.bootstrap([values], lambda x: float(x.mean()), confidence=0.5)
    assert e.low < narrow.low < e.value < narrow.high < e.high
    same = stats.bootstrap([np.full(4, 2.0)], lambda x: float(x.mean()), of="leaves")
    assert (same.value, same.low, same.high, same.method) == (2, 2, 2, "bootstrap, 4 equal leaves")
    assert same.notes == ("equal in all leaves: the interval has no width",)
    assert math.isnan(stats.bootstrap([values], lambda x: math.inf).value)
    # Where all of one array is equal but not of the other, there is something to resample.
    assert stats.bootstrap([np.ones(8), values], lambda a, b: float((a * b).mean())).high > 0.7


def test_where_bca_is_not_defined_percentiles_are():
    """All jackknife values of a median of few distinct numbers are equal: BCa divides by their spread."""
    values = np.array([0.0] * 9 + [1.0] * 2)
    e = stats.bootstrap([values], lambda x: float(np.median(x)))
    assert e.method == "percentile bootstrap, 11 samples"
    assert 0 == e.low == e.value <= e.high <= 1
