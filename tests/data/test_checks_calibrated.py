"""The invariants' tests are calibrated: on samples of the right law every p-value is uniform, whatever is tested."""

import numpy as np
import pytest
import torch
from scipy import stats

import theory_sim as ts
from theory_sim.data.checks import base
from theory_sim.data.checks.base import MOST, exactly, some_of, two_sided
from theory_sim.data.checks.noise import independence, noise_laws
from theory_sim.data.checks.patches import distributions
from theory_sim.data.checks.suite import check_data
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.runtime.errors import InputError

DRAWS = 120
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
    }
)


@pytest.fixture(scope="module")
def p_values():
    """For each test its p-values on independent sets of samples."""
    law, dictionary = law_of(CONFIG), make_dictionary(CONFIG, torch.device("cpu"))
    sampler = ts.make_sampler(law, dictionary)
    found: dict[str, list[float]] = {}
    for seed in range(DRAWS):
        own = ts.streams(seed, "check", 2)
        steps = [sampler.sample(own, 40, "easy") for _ in range(2)]
        checks = [*independence(law, dictionary, steps)]
        for kind, batch in (("easy", steps[0]), ("hard", sampler.sample(own, 40, "hard"))):
            checks += [*noise_laws(law, dictionary, batch, kind), *distributions(law, batch, kind)]
        for check in checks:
            if check.p is not None:
                found.setdefault(check.name, []).append(check.p)
    return {name: np.array(p) for name, p in found.items()}


def test_everything_is_tested(p_values):
    parts = ("noise of plain patches", "noise of feature patches")
    for kind, noises in (("easy", parts), ("hard", (*parts, "dominant noise"))):
        for noise in noises:
            for name in (f"variance of {noise}", f"mean of {noise}", f"shape of {noise}", f"{noise} ignores the feature"):
                assert f"{kind}: {name}" in p_values
    for what in ("steps", "patches", "patches of a sample", "samples", "replicas", "coordinates"):
        assert f"independent {what}" in p_values


def test_p_values_of_noise_are_uniform(p_values):
    """Kolmogorov–Smirnov on 120 of each: the level is 10⁻⁴ for each of them, 1 in 300 for all."""
    continuous = {name: p for name, p in p_values.items() if name.startswith("independent ") or "noise" in name.split(": ")[-1]}
    continuous = {
        name: p for name, p in continuous.items() if any(w in name for w in ("independent", "variance", "mean", "ignores"))
    }
    assert len(continuous) > 20
    wrong = {name: p for name, p in continuous.items() if stats.kstest(p, "uniform").pvalue < 1e-4}
    assert not wrong


def test_no_test_rejects_more_often_than_it_says(p_values):
    """Of 120 p-values of each test at most so many are below 0.05 as chance gives with probability 10⁻⁵; counts may be fewer."""
    most = stats.binom.ppf(1 - 1e-5, DRAWS, 0.05)
    often = {name: int((p < 0.05).sum()) for name, p in p_values.items() if (p < 0.05).sum() > most}
    assert not often
    assert all((p <= 1).all() and (p >= 0).all() for p in p_values.values())


def test_most_tests_reject_as_often_as_they_say(p_values):
    """All are counted together: a test that never rejects tests nothing."""
    for name, p in p_values.items():
        if "positions" not in name:  # exclusive places narrow their spread
            assert (p < 0.25).sum() > stats.binom.ppf(1e-6, DRAWS, 0.15), name


def test_two_sided_p_values_by_hand():
    assert two_sided(stats.norm(), 1.959963984540054) == pytest.approx(0.05)
    assert two_sided(stats.norm(), -1.959963984540054) == pytest.approx(0.05)
    assert two_sided(stats.norm(), 0.0) == 1
    assert two_sided(stats.chi2(2), 2 * np.log(40)) == pytest.approx(0.05)


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


@pytest.mark.parametrize("n", [1, MOST - 1, MOST, MOST + 1, 2 * MOST - 1, 2 * MOST, 5 * MOST + 3])
def test_some_of_many_values_come_from_all_over(n):
    some = some_of(torch.arange(n, dtype=torch.float32))
    assert min(n, MOST) <= len(some) <= 2 * MOST
    assert some.dtype == np.float64
    assert len(np.unique(some)) == len(some)
    assert some[0] == 0
    assert some[-1] >= n - max(1, n // MOST)


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
    assert any(not check.passed for check in check_data(CONFIG, samples=50, alpha=1.1))
