"""Trends on tables made by hand: what they estimate, and when they hold, are refuted, undecided, or have no result."""

import math

import numpy as np
import pandas as pd
import pytest

from theory_sim import stats
from theory_sim.runtime.errors import InputError
from theory_sim.stats import Estimate
from theory_sim.theories.label_granularity.trends import TRENDS
from theory_sim.theories.trends import Trend, by_id


def decide(id_, table, confidence=0.95):
    return by_id(TRENDS, id_).decide(pd.DataFrame(table), confidence)


@pytest.mark.parametrize(("fail", "decision"), [(0, "holds"), (1, "holds"), (8, "undecided"), (30, "refuted")])
def test_success_is_a_share_of_replicas_at_the_largest_dimension(fail, decision):
    large = [{"data.dim": 256, "success": float(i >= fail)} for i in range(80)]
    small = [{"data.dim": 64, "success": 0.0} for _ in range(80)]
    found = decide("success-probability", small + large)
    expected = stats.proportion(80 - fail, 80)
    assert (found.estimate.low, found.estimate.high) == (expected.low, expected.high)
    assert found.decision == decision


@pytest.mark.parametrize(
    ("center", "least", "most"), [(1.0, "holds", "holds"), (0.5, "refuted", "holds"), (1.5, "holds", "refuted")]
)
def test_lucky_growth_asks_every_cell(center, least, most):
    rng = np.random.default_rng(0)
    table = [
        {"cell": k, "replica": r, "lucky-growth": (1.0 if k < 8 else center) + 0.02 * rng.normal()}
        for k in (2, 4, 8)
        for r in range(8)
    ]
    assert decide("lucky-growth-least", table).decision == least
    assert decide("lucky-growth-most", table).decision == most
    table[0]["lucky-growth"] = math.nan
    assert decide("lucky-growth-least", table).decision == "no result"


def test_lucky_sets_are_looked_at_where_the_threshold_is_highest():
    table = [
        {"network.threshold": t, "fine-kept": 1.0 - (0.2 if t < 3 else 0.001) * (1 + 0.1 * r), "fine-newcomers": 0.5}
        for t in (1.6, 3.2)
        for r in range(6)
    ]
    assert decide("lucky-sets-kept", table).decision == "holds"
    assert decide("lucky-sets-newcomers", table).decision == "refuted"


def test_uncovered_leaves():
    table = [
        {"uncovered": float(r % 4 == 0) * (1 + r % 3), "uncovered-predicted": 0.25, "fine-hard-error": 0.0} for r in range(400)
    ]
    assert decide("leaf-coverage-most", table).decision == "holds"
    assert decide("leaf-coverage-least", table).decision == "holds"
    # The fine model succeeds although leaves are uncovered: the explanation does not hold.
    assert decide("uncovered-leaves-fail", table).decision in ("undecided", "refuted")
    for row in table:
        row["fine-hard-error"] = 0.03 * row["uncovered"]
        row["uncovered-predicted"] = 0.5
    assert decide("uncovered-leaves-fail", table).decision == "holds"
    assert decide("leaf-coverage-least", table).decision == "refuted"
    assert decide("leaf-coverage-most", table).decision == "holds"


def test_the_slope_of_the_response_to_dominant_noise():
    rng = np.random.default_rng(1)
    for power, decision in ((1.5, "holds"), (0.5, "refuted")):
        table = [
            {"replica": r, "hard.noise": x, "fine-dominant": (1 + 0.1 * r) * x**power * math.exp(0.01 * rng.normal())}
            for r in range(5)
            for x in (1.0, 2.0, 4.0, 8.0)
        ]
        found = decide("dominant-response-slope", table)
        assert found.estimate.value == pytest.approx(power, abs=0.05)
        assert found.decision == decision
    table[0]["fine-dominant"] = 0.0
    assert decide("dominant-response-slope", table).decision == "no result"


def test_a_trend_is_checked():
    def estimate(table, confidence):
        return Estimate(0.3, 0.2, 0.4, "by hand")

    with pytest.raises(InputError, match=r"trend x: the side is one of ≤, ≥, >, got '<'"):
        Trend("x", "x", "x", estimate, "<", 0.0)
    with pytest.raises(InputError, match=r"trend x: estimate"):
        Trend("x", "x", "x", lambda table: estimate(table, 0.95), "≤", 0.0)
    with pytest.raises(InputError, match=r"trend x: estimate \(.*\): "):
        Trend("x", "x", "x", lambda table, confidence: 0.3, "≤", 0.0).decide(pd.DataFrame(), 0.95)
    assert Trend("x", "x", "x", estimate, "≤", lambda table: 0.5).decide(pd.DataFrame(), 0.95).decision == "holds"
    with pytest.raises(InputError, match=r"there is no trend 'y'; there are success-probability, "):
        by_id(TRENDS, "y")


def test_a_slope_against_scipy():
    rng = np.random.default_rng(2)
    x = np.arange(10.0)
    y = 2 * x + rng.normal(size=10)
    found = stats.slope(x, y)
    fitted = np.polynomial.Polynomial.fit(x, y, 1).convert().coef[1]
    assert found.value == pytest.approx(fitted)
    assert found.low < 2 < found.high
    assert math.isnan(stats.slope(np.ones(5), np.arange(5.0)).value)
    assert math.isnan(stats.slope(np.arange(2.0), np.arange(2.0)).value)
