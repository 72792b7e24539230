"""Intervals and tests: known values, coverage, and what happens at the edges."""

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


def test_two_values_have_an_interval_and_infinity_has_none():
    """At two values t has one degree of freedom: the half width is tan(0.95 π / 2) times the standard error."""
    e = stats.mean([1.0, 3.0], of="runs")
    assert (e.value, e.low, e.high) == pytest.approx((2, 2 - math.tan(0.475 * math.pi), 2 + math.tan(0.475 * math.pi)))
    assert e.method == "t, 2 runs"
    assert math.isnan(stats.mean([1.0, math.inf]).high)
    assert stats.mean([2.0, 2.0]).low == 2


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


def test_mcnemar_counts_signs_alone():
    assert stats.mcnemar(np.array([0.5, 1, 0.1, -1, 0, 0])) == pytest.approx(5 / 16)
    assert stats.mcnemar(np.array([-1.0, -1, -0.5, 1])) == pytest.approx(15 / 16)
    assert stats.mcnemar(np.zeros(5)) == 1
    assert stats.mcnemar(np.ones(10)) == pytest.approx(2**-10)


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


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_step_down_procedure_rejects(p, alpha):
    """By its definition: the i-th smallest of n is rejected while every one up to it is below α / (n − i + 1)."""
    adjusted = stats.holm(p)
    order = sorted(range(len(p)), key=lambda i: p[i])
    rejected = set()
    for rank, i in enumerate(order):
        if p[i] * (len(p) - rank) >= alpha:
            break
        rejected.add(i)
    assert {i for i in range(len(p)) if adjusted[i] < alpha} == rejected
    assert all(value <= ours <= 1 for value, ours in zip(p, adjusted, strict=True))


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1)])
def test_one_trial_has_an_interval(k, n):
    e = stats.proportion(k, n)
    assert (e.low, e.high) == pytest.approx((0, 0.975) if k == 0 else (0.025, 1))


def test_an_impossible_proportion_says_its_numbers():
    with pytest.raises(InputError, match=r"got 6 of 5$"):
        stats.proportion(6, 5)
    with pytest.raises(InputError):
        stats.proportion(0, 0)
    with pytest.raises(InputError):
        stats.proportion(math.nan, 5)


@pytest.mark.parametrize("shape", [(5,), (2, 100, 3), (2, 0), ()])
def test_a_sample_counts_once(shape):
    """An axis of readouts would multiply the samples, and so make intervals too short."""
    with pytest.raises(InputError, match=r"error_rate: expected \(replica, sample\), got the shape .*; of several readouts"):
        stats.error_rate(np.ones(shape))
    with pytest.raises(InputError, match=r"paired_gain: expected \(replica, sample\)"):
        stats.paired_gain(np.ones(shape), np.ones(shape))


def test_gains_are_of_the_same_samples():
    with pytest.raises(InputError, match=r"the same samples, got \(2, 100\) and \(2, 90\)"):
        stats.paired_gain(np.ones((2, 100)), np.ones((2, 90)))


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
        stats.bootstrap([values, values[:2]], correlation)


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
    """The only point with another x lies on the line whatever its value: the leverage is 1 and the residual 0."""
    x, y = np.array([0.0, 0, 0, 0, 1]), np.array([0.1, 0.3, 0.2, 0.5, 0.9])
    e, line = stats.slope(x, y), scipy_stats.linregress(x, y)
    assert e.high - e.value >= scipy_stats.t.ppf(0.975, 3) * line.stderr * (1 - 1e-9)
    assert math.isfinite(e.high)
