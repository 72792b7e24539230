"""Intervals and p-values of gains, paired by replica or over a known error."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from theory_sim import stats
from theory_sim.runtime.errors import InputError


def test_paired_gain_pairs_by_replica():
    rng = np.random.default_rng(1)
    before = (rng.random((6, 500)) < np.linspace(0.2, 0.6, 6)[:, None]).astype(float)
    after = np.maximum(before, rng.random((6, 500)) < 0.2)
    e = stats.paired_gain(before, after)
    expected = scipy_stats.ttest_rel(after.mean(1), before.mean(1), alternative="greater")
    assert e.value == pytest.approx((after - before).mean())
    assert e.p == pytest.approx(expected.pvalue)
    # Each side is longer than Student's as the errors' are: by as much or in proportion, whichever is less.
    t = scipy_stats.ttest_rel(after.mean(1), before.mean(1)).confidence_interval(0.95)
    first, second = stats.error_rate(before), stats.error_rate(after)
    wrong = [1 - before.mean(1), 1 - after.mean(1)]
    reach = [scipy_stats.t.ppf(0.975, 5) * w.std(ddof=1) / math.sqrt(6) for w in wrong]
    sides = {
        "low": ((first.value - first.low, reach[0]), (second.high - second.value, reach[1])),
        "high": ((first.high - first.value, reach[0]), (second.value - second.low, reach[1])),
    }
    students = {"low": e.value - t.low, "high": t.high - e.value}
    for end, own in students.items():
        by, times = max(side - r for side, r in sides[end]), max(side / r for side, r in sides[end])
        assert abs(getattr(e, end) - e.value) == pytest.approx(min(own + max(0, by), own * max(1, times)))
    assert e.value - e.low > 1.05 * students["low"]
    # Where the second model makes no error, the gain is the first one's error.
    nothing = stats.paired_gain(before, np.ones_like(before))
    assert (nothing.low, nothing.high) == pytest.approx((first.low, first.high))
    assert e.notes == (stats.P_NORMAL,)
    assert e.limits == ()
    assert nothing.notes == ("after: up to 39% of all replicas may err", stats.P_NORMAL)
    assert nothing.limits == nothing.notes[:1]
    assert stats.paired_gain(np.zeros_like(before), before).notes[0] == "before: up to 39% of all replicas may be right"


def test_paired_gain_of_one_replica_pairs_by_sample():
    before = np.array([[1.0] * 50 + [0.0] * 50])
    after = np.array([[1.0] * 45 + [0.0] * 15 + [1.0] * 40])
    e = stats.paired_gain(before, after)
    assert e.value == pytest.approx(0.35)
    assert e.low > 0
    assert (e.p, e.notes) == (None, (stats.ONE_REPLICA, stats.NO_P))
    assert e.method == "Clopper–Pearson of better and worse, 100 paired samples"


def test_no_gain_is_no_evidence():
    same = np.ones((5, 20))
    e = stats.paired_gain(same, same)
    assert (e.value, e.p) == (0, 0.5)
    assert e.low < 0 < e.high


def test_equal_gains_are_no_certainty():
    """The unit stays the replica; its standard error is at least that of independent test samples."""
    for gains in ((1.0, 1.0), (0.4, 0.4), (0.0, 0.0), (1.0, 0.98)):
        before, after = np.array(gains), np.zeros(2)
        e = stats.gain_of_rates(before, after, 2000)
        assert -1 <= e.low < e.value <= e.high <= 1
        assert "2 replicas" in e.method
        assert e.notes[0] == "few replicas"
    # By hand: five replicas that gain 1 on 9 samples each, ẽ = 0.05 and 0.95, t on four degrees of freedom.
    e = stats.gain_of_rates(np.ones(5), np.zeros(5), 9)
    error = math.sqrt(2 * 0.05 * 0.95 / 45)
    assert e.p == pytest.approx(scipy_stats.t.sf(1 / error, 4))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_few_replicas_have_no_p_value(n):
    """Where their gains are equal, the sampling of the test sets is the only spread, and the t test would be nearly certain."""
    wrong, right = np.zeros((n, 2000)), np.ones((n, 2000))
    made = [stats.paired_gain(wrong, right), stats.gain_over(0.5, right)]
    made += [stats.gain_of_rates(np.ones(n), np.zeros(n), 2000)] if n > 1 else []
    for e in made:
        assert (e.p, e.notes[-1]) == (None, stats.NO_P)
        assert e.limits == e.notes[:-1] != ()
        assert -1 <= e.low < e.value <= e.high <= 1


def test_five_replicas_have_a_p_value_with_its_note():
    e, over = stats.paired_gain(np.zeros((5, 2000)), np.ones((5, 2000))), stats.gain_over(0.5, np.ones((5, 2000)))
    assert None not in {e.p, over.p}
    assert e.notes[-1] == over.notes[-1] == stats.P_NORMAL


def test_a_gain_stays_possible_whatever_the_confidence():
    e = stats.gain_of_rates(np.array([0.9, 0.2]), np.array([0.1, 0.1]), 100, 1 - 1e-6)
    assert (e.low, e.high) == (-1, 1)
    assert "interval under normality" in e.notes


def test_a_gain_over_a_known_rate():
    rng = np.random.default_rng(4)
    correct = (rng.random((5, 200)) < np.array([0.6, 0.7, 0.7, 0.8, 0.75])[:, None]).astype(float)
    e, error = stats.gain_over(0.5, correct), stats.error_rate(correct)
    assert (e.value, e.low, e.high) == pytest.approx((0.5 - error.value, 0.5 - error.high, 0.5 - error.low))
    assert e.p == pytest.approx(scipy_stats.ttest_1samp(1 - correct.mean(1), 0.5, alternative="less").pvalue)
    assert stats.gain_over_of_rates(0.5, (1 - correct).mean(1), 200) == e
    one, alone = stats.gain_over(0.5, correct[:1]), stats.error_rate(correct[:1])
    assert (one.low, one.high) == pytest.approx((0.5 - alone.high, 0.5 - alone.low))
    for rate in (-0.1, 1.5, math.nan):
        with pytest.raises(InputError, match="known error is between 0 and 1, got"):
            stats.gain_over(rate, correct)


def test_gains_are_of_the_same_samples():
    with pytest.raises(InputError, match=r"the same samples, got \(2, 100\) and \(2, 90\)"):
        stats.paired_gain(np.ones((2, 100)), np.ones((2, 90)))
