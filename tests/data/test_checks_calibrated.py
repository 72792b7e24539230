"""The invariants' tests are calibrated: on samples of the right law every p-value is uniform, whatever is tested."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

import theory_sim as ts
from theory_sim.data.checks import base, tools
from theory_sim.data.checks import p_values as p_values_of
from theory_sim.data.checks.base import exactly
from theory_sim.data.checks.suite import check_batches, check_data, uncorrected
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.runtime.errors import InputError

DRAWS, SAMPLES = 60, 160
CONFIG = ts.Config().replace(
    {
        "replicas": 2,
        "tree.coarse": 3,
        "tree.subclasses": 2,
        "data.dim": 24,
        "data.patches": 12,
        "data.feature_patches": 2,
        "data.feature_noise_patches": 1,
        "data.basis": "rotated",
        "data.patch_law": "independent",
        "data.label_noise": 0.3,
        "data.hard_share": 0.3,
    }
)
EXACT = ("variance of", "mean of", "norm of", "coordinates of", "ignores", "independent ", "strengths", "tags")
"""Parts of the names of tests whose p-values are uniform; others rest on counts, or on the smallest of several p-values."""


@pytest.fixture(scope="module")
def p_values():
    """For each test its p-values on independent sets of samples."""
    law, dictionary = law_of(CONFIG), make_dictionary(CONFIG, torch.device("cpu"))
    sampler = ts.make_sampler(law, dictionary)
    found: dict[str, list[float]] = {}
    for seed in range(DRAWS):
        own = ts.streams(seed, "check", 2)
        steps = [sampler.sample(own, SAMPLES, "easy") for _ in range(2)]
        others, training = {"hard": sampler.sample(own, SAMPLES, "hard")}, sampler.sample(own, SAMPLES, law.training_shares)
        for check in uncorrected(law, dictionary, steps, others, training):
            if check.p is None:
                assert check.passed, check
            else:
                found.setdefault(check.name, []).append(check.p)
    return {name: np.array(p) for name, p in found.items()}


def test_everything_is_tested(p_values):
    parts = ("noise of plain patches", "noise of feature patches")
    for kind, noises in (("easy", parts), ("hard", (*parts, "dominant noise"))):
        for noise in noises:
            for name in (f"variance of {noise}", f"mean of {noise}", f"shape of {noise}", f"{noise} ignores the level-2 feature"):
                assert f"{kind}: {name}" in p_values
    for what in ("steps", "patches of a sample", "samples", "replicas", "samples of another kind, hard"):
        assert f"independent {what}" in p_values
    assert set(p_values) >= {"training: shares of kinds", "training: kinds and leaves"}


def test_p_values_are_uniform(p_values):
    """Kolmogorov–Smirnov on 60 of each: the level is 10⁻⁵ for each of them, 1 in 1000 for all."""
    continuous = {name: p for name, p in p_values.items() if any(part in name for part in EXACT)}
    continuous = {name: p for name, p in continuous.items() if not any(w in name for w in ("not used again", "any two"))}
    assert len(continuous) > 80
    wrong = {name: p for name, p in continuous.items() if stats.kstest(p, "uniform").pvalue < 1e-5}
    assert not wrong


def test_no_test_rejects_more_often_than_it_says(p_values):
    """Of 60 p-values of each test at most so many are below 0.05 as chance gives with probability 10⁻⁵; counts may be fewer."""
    most = stats.binom.ppf(1 - 1e-5, DRAWS, 0.05)
    often = {name: int((p < 0.05).sum()) for name, p in p_values.items() if (p < 0.05).sum() > most}
    assert not often
    assert all((p <= 1).all() and (p >= 0).all() for p in p_values.values())


def test_few_p_values_are_very_small(p_values):
    """Family-wise errors rest on small p-values: of all together, no more than chance makes are below 10⁻³ and 10⁻⁴."""
    every = np.concatenate(list(p_values.values()))
    for level in (1e-3, 1e-4):
        assert (every < level).sum() <= stats.binom.ppf(1 - 1e-6, len(every), level)


def test_most_tests_reject_as_often_as_they_say(p_values):
    """A test that never rejects tests nothing; of tags that are nearly equal there are too few for any p-value."""
    for name, p in p_values.items():
        assert "not used again" in name or (p < 0.3).sum() > stats.binom.ppf(1e-6, DRAWS, 0.15), name


# The tools, by hand.


def test_p_values_by_hand():
    assert p_values_of.of_normal(1.959963984540054) == pytest.approx(0.05)
    assert p_values_of.of_normal(-1.959963984540054) == pytest.approx(0.05)
    assert p_values_of.of_normal(0.0) == 1
    assert p_values_of.of_squares(2 * np.log(40), 2) == pytest.approx(0.05)
    assert p_values_of.of_squares(stats.chi2(30).ppf(0.01), 30) == pytest.approx(0.02)
    assert p_values_of.of_large_squares(2 * np.log(20), 2) == pytest.approx(0.05)
    assert p_values_of.of_counts(0.0, 9) == 1
    assert p_values_of.of_counts(0.0, 10) == 0
    assert p_values_of.of_sum(2 * np.log(40), 2, 4) == pytest.approx(0.05)
    assert p_values_of.of_cosines(5.0, 7, 1) == 1
    assert p_values_of.of_largest_cosine(0.5, 1, 3) == pytest.approx(0.5)  # a cosine in three dimensions is uniform
    assert p_values_of.of_largest_cosine(1.0, 10, 5) == 0


@pytest.mark.parametrize("dim", [2, 3, 24])
@pytest.mark.parametrize("pairs", [20, 2000])
def test_sums_of_cosines_have_their_law(dim, pairs):
    rng = np.random.default_rng(dim)
    cosine = np.sqrt(rng.beta(0.5, (dim - 1) / 2, (2000, pairs)))
    p = np.array([p_values_of.of_cosines(float(dim * np.square(c).sum()), pairs, dim) for c in cosine])
    for level in (0.5, 0.05, 0.005):
        assert (p < level).sum() <= stats.binom.ppf(1 - 1e-5, len(p), level)


def test_what_checks_say():
    found = exactly("name", torch.tensor([[True, False], [False, True]]), "samples wrong")
    assert (found.passed, found.p) == (False, None)
    assert str(found) == repr(found) == "name: 2 of 4 samples wrong: broken"
    assert exactly("name", torch.zeros(3, dtype=torch.bool), "samples wrong").passed
    assert found.row() == {"invariant": "name", "finding": "2 of 4 samples wrong", "p (Holm)": "exact", "": "broken"}
    undecided = base.tested("name", 0.01234, "mean 3")
    assert str(undecided) == "name: mean 3, p = 0.0123: passed"
    assert undecided.row()["p (Holm)"] == "0.0123"
    assert "mean 3" in undecided._repr_html_()


def uniform(n, seed=0):
    return np.random.default_rng(seed).random(n)


@pytest.mark.parametrize(
    "law",
    [stats.norm(1, 2), stats.uniform(0.9, 0.2), stats.randint(0, 3), stats.bernoulli(0.3), stats.uniform(1, 2e-5)],
    ids=["normal", "uniform", "three values", "two values", "narrow"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_are_uniform_whatever_the_law(law, dtype):
    """Also where the law has atoms, and where single precision has few numbers in its range."""
    values = law.ppf(uniform(20_000)).astype(dtype)
    found = p_values_of.levels(values, law.cdf, np.spacing(np.abs(values)), np.random.default_rng(1))
    assert stats.kstest(found, "uniform").pvalue > 1e-4
    assert abs(p_values_of.scores(found).std() - 1) < 0.03


def test_scores_are_finite():
    for dtype in (np.float32, np.float64):
        assert np.isfinite(p_values_of.scores(np.array([0.0, 1.0, 0.5], dtype))).all()
        assert np.isfinite(p_values_of.squared(np.array([0.0, 1e-30, 50.0], dtype))).all()
    np.testing.assert_allclose(p_values_of.scores(stats.norm.cdf([-2.0, 0.0, 3.0])), [-2, 0, 3], atol=1e-9)
    np.testing.assert_allclose(p_values_of.squared(np.array([0.67448975, -0.67448975])), [0, 0], atol=1e-6)


def test_the_worst_of_several_by_hand():
    assert p_values_of.worst_of([0.3, 0.1, 0.5]) == pytest.approx(1 - 0.9**3)
    assert p_values_of.worst_of(0.1, 3) == pytest.approx(1 - 0.9**3)
    assert p_values_of.worst_of(1e-20, 100) == pytest.approx(1e-18)


def test_rare_classes_are_taken_together():
    folded = tools._folded(np.repeat(np.arange(6), [1000, 1, 2, 3, 500, 4]), 0.1)
    counts = np.bincount(folded)
    assert counts.sum() == 1510
    assert len(counts) > 1
    assert (counts >= 151).all()
    assert set(np.bincount(tools._folded(np.repeat(np.arange(3), 50), 0.1))) == {50}


def test_counts_too_even_are_found_where_there_are_many():
    assert tools.fitted("", np.full(20, 100)).p < 1e-10
    assert tools.fitted("", np.full(3, 100)).p == 1
    assert tools.fitted("", np.array([5, 5])).p == 1
    assert tools.fitted("", np.array([700, 300])).p < 1e-10


def test_cells_with_few_counts_are_taken_together():
    assert "χ² of 2 cells" in tools.fitted("", np.array([100, 100, 3]), np.array([0.49, 0.49, 0.02])).finding
    assert "χ² of 3 cells" in tools.fitted("", np.array([100, 100, 30]), np.array([0.4, 0.4, 0.2])).finding


def test_dispersion_has_the_stated_mean_and_variance():
    """X² of a block, drawn 100,000 times with unequal probabilities."""
    p, block = np.array([0.5, 0.3, 0.15, 0.05]), 50
    counts = np.random.default_rng(0).multinomial(block, p, size=100_000)
    x = ((counts - block * p) ** 2 / (block * p)).sum(1)
    variance = 2 * 3 * (block - 1) / block + ((1 / p).sum() - 16) / block
    assert abs(x.mean() - 3) < 0.05
    assert abs(x.var() / variance - 1) < 0.05


def test_ten_samples_are_enough_and_nine_are_not():
    assert check_data(CONFIG, samples=10)
    with pytest.raises(InputError, match=r"^check_data: samples: should be 10 or more, got 9$"):
        check_data(CONFIG, samples=9)


def test_corrected_p_values_decide(p_values):
    """With a level of 1 nothing of chance passes but what Holm's correction lifts to 1; with 0 everything does."""
    lenient, strict = (check_data(CONFIG, samples=50, alpha=alpha) for alpha in (0.0, 1.0))
    assert all(check.passed for check in lenient)
    for check in strict:
        assert check.passed == (check.p is None or check.p >= 1)
    law, dictionary = law_of(CONFIG), make_dictionary(CONFIG, torch.device("cpu"))
    moved = ts.make_sampler(law, dictionary).sample(ts.streams(0, "check", 2), SAMPLES, "easy")
    wrong = replace(moved, x=moved.x + 0.01)
    assert any(check.p is not None and not check.passed for check in check_batches(law, dictionary, [wrong, wrong], {}, 1.0))


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_a_level_is_a_probability(alpha: float) -> None:
    with pytest.raises(InputError, match=rf"^alpha: should be a probability, from 0 to 1, got {alpha}$"):
        check_data(CONFIG, samples=50, alpha=alpha)
