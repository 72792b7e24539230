"""Intervals of slopes."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from theory_sim import stats


def test_a_slope_allows_residuals_of_unequal_variance():
    """The longer of the classical interval and that of the standard error HC3, by matrices as textbooks write it."""
    rng = np.random.default_rng(8)
    for spread in (0.0, 2.0):
        x = rng.lognormal(0, 1, 40)
        y = 3 * x + rng.normal(size=40) * x**spread
        e, line = stats.slope(x, y, 0.9), scipy_stats.linregress(x, y)
        design = np.stack([np.ones(40), x], 1)
        inverse = np.linalg.inv(design.T @ design)
        hat = np.diag(design @ inverse @ design.T)
        scaled = (y - line.intercept - line.slope * x) / (1 - hat)
        hc3 = np.sqrt((inverse @ design.T @ np.diag(scaled**2) @ design @ inverse)[1, 1])
        freedom = 1 / ((hat - 1 / 40) ** 2).sum()
        reach = [scipy_stats.t.ppf(0.95, 38) * line.stderr, scipy_stats.t.ppf(0.95, freedom) * hc3]
        assert (e.value, e.low, e.high) == pytest.approx((line.slope, line.slope - max(reach), line.slope + max(reach)))
        assert e.notes == ()
        assert e.method == "least squares ∪ HC3, 40 replicas"
        if spread:
            assert reach[1] > 1.2 * reach[0], "this case tells the two apart"


def test_a_slope_says_where_most_values_are_equal():
    """Errors are 0 in most replicas: a line through those does not show how large the rare other ones are."""
    x, y = np.arange(8.0), np.array([0, 0, 0, 0, 0, 0.1, 0.4, 0.2])
    assert stats.slope(x, y).notes == ("equal in most replicas: the interval does not cover rarer values",)
    assert stats.slope(x, y + 0.01 * x).notes == ()


def test_a_slope_that_rests_on_one_point_has_an_interval():
    """The only point with another x is on the line whatever its value: the leverage is 1 and the residual 0."""
    x, y = np.array([0.0, 0, 0, 0, 1]), np.array([0.1, 0.3, 0.2, 0.5, 0.9])
    e, line = stats.slope(x, y), scipy_stats.linregress(x, y)
    assert e.high - e.value >= scipy_stats.t.ppf(0.975, 3) * line.stderr * (1 - 1e-9)
    assert math.isfinite(e.high)
