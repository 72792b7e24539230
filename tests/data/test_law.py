"""Laws of samples: what descriptions refuse, what they say of themselves, and that samples follow them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import theory_sim as ts
from theory_sim.data.latents import DOMINANT_NOISE
from theory_sim.data.law import described, shares_of
from theory_sim.data.parts import gaussian_norm
from theory_sim.data.setup import Setup, law_of
from theory_sim.runtime.errors import InputError

TREE = ts.LabelTree.of(2, 3)
NOISE = ts.Gaussian(0.5)


def law(*groups: ts.Group, **changes: Any) -> ts.PatchLaw:
    return ts.PatchLaw(TREE, 12, NOISE, {"one": list(groups)}, **changes)


def drawn(of: ts.PatchLaw, samples: int = 400, dim: int = 20, shares: Any = None) -> ts.Batch:
    vectors = torch.eye(of.n_features, dim).expand(2, -1, -1)
    sampler = ts.make_sampler(of, ts.Dictionary(vectors, canonical=True))
    return sampler.sample(ts.streams(0, "check", 2), samples, of.training_shares if shares is None else shares)


# What is refused.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: law(ts.Group(ts.Node(1), 8), ts.Group(ts.Node(2), 5)), r"data\.patches: 12 patches cannot hold the 13 that one"),
        (lambda: law(ts.Group(ts.Node(3), 1)), r"one samples: Node\(3\): the label tree has levels 1 to 2"),
        (lambda: law(ts.Group(ts.Node(0), 1)), r"one samples: Node\(0\): the label tree has levels 1 to 2"),
        (lambda: law(ts.Group(ts.Extra("sky"), 1)), r"one samples: there is no feature 'sky' among \[\]"),
        (lambda: ts.Group(ts.Node(1), 1, noise=NOISE), "a group that holds a feature has the law's noise"),
        (lambda: law(training={"two": 1.0}), "training samples of kind 'two': the law has one"),
        (
            lambda: ts.PatchLaw(ts.LabelTree.of(3, 1), 3, NOISE, {"one": [ts.Group(ts.Node(1), 1, sign="class")]}),
            "one samples: sign 'class' is for two coarse classes, not 3",
        ),
        (lambda: ts.Uniform(0.0, math.inf), "Uniform: expected finite ends with low ≤ high, got 0.0 and inf"),
        (lambda: ts.Coordinates(stats.cauchy(), 1.0), "Coordinates: the law has no finite variance"),
        (
            lambda: ts.Group(ts.Node(1), 1, stats.norm(math.nan)),
            "Group: strength: ppf .*expected a number for each of 3, got ndarray",
        ),
        (lambda: law(features=["sky", "sky"]), "PatchLaw: features: 'sky' is there twice"),
        (lambda: law(features=["1,1"]), "PatchLaw: features: '1,1' is there twice"),
        (lambda: law(label_noise=1.5), "PatchLaw: label_noise: should be a probability, got 1.5"),
        (
            lambda: law(ts.Group(ts.Node(1), 1), node_features=False),
            "one samples: a group holds the level-1 feature, but node_features is False: use Extra",
        ),
        (
            lambda: law(ts.Group(ts.OtherClass(), 1), node_features=False),
            "one samples: a group holds another class's feature, but node_features is False",
        ),
        (lambda: ts.SampledLaw(TREE, ["a", "a"], lambda *asked: None), "SampledLaw: kinds: 'a' is there twice"),
        (lambda: ts.Gaussian(math.nan), "Gaussian: norm: should be a number of 0 or more, got nan"),
        (lambda: shares_of(law(), "two"), "there is no kind of sample 'two'; there are one"),
        (lambda: shares_of(law(), {"one": 0.5}), "shares of kinds of samples: {'one': 0.5} are no probabilities"),
        (
            lambda: described(ts.SampledLaw(TREE, ["a"], lambda *asked: None), "recursion"),
            "recursion needs a PatchLaw: nothing can be derived from a SampledLaw",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        make()


# What laws say of themselves.


def test_features_and_shares() -> None:
    own = law(ts.Group(ts.Extra("sky"), 1), features=["sea", "sky"])
    assert (own.n_node_features, own.n_features) == (8, 10)
    assert own.feature_names[-2:] == ("sea", "sky")
    assert own.feature_of(ts.Extra("sky")) == 9
    two = replace(own, kinds={"one": [], "two": []})
    assert two.training_shares == {"one": 1.0, "two": 0.0}
    assert replace(two, training={"one": 0.25, "two": 0.75}).training_shares == {"one": 0.25, "two": 0.75}
    assert shares_of(two, 0.2) == {"one": 0.8, "two": 0.2}
    assert shares_of(two, "two") == {"one": 0.0, "two": 1.0}


def test_uniform_is_the_law_of_scipy() -> None:
    q, x = np.linspace(0, 1, 7), np.linspace(-1, 4, 11)
    own, theirs = ts.Uniform(0.5, 2.5), stats.uniform(0.5, 2.0)
    np.testing.assert_allclose(own.ppf(q), theirs.ppf(q))
    np.testing.assert_allclose(own.cdf(x), theirs.cdf(x))
    assert own.std() == pytest.approx(theirs.std())
    assert ts.Uniform(1, 1).cdf(np.array([0.9, 1.0])).tolist() == [0, 1]


@pytest.mark.parametrize("noise", [ts.Gaussian(0.7), ts.Coordinates(stats.t(5), 0.7), ts.Coordinates(stats.laplace(), 0.7)])
def test_noise_has_its_norm_and_its_law(noise: ts.Gaussian | ts.Coordinates) -> None:
    z = torch.randn(20_000, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    zeta = noise.of_normal(z).numpy()
    assert np.sqrt(np.square(zeta).sum(1).mean()) == pytest.approx(0.7, rel=0.03)
    assert stats.kstest(zeta.ravel()[:5000], lambda x: noise.cdf(x, 10)).pvalue > 1e-3


# What samples hold.


def test_what_covers_gaussian_noise_only_names_the_other_law() -> None:
    """It printed the address of an object."""
    with pytest.raises(InputError, match=r"^regime covers Gaussian noise only, not the law t$"):
        gaussian_norm(ts.Coordinates(stats.t(3), 0.1), "regime")


def test_signs_follow_their_law() -> None:
    own = law(
        ts.Group(ts.Node(1), 2, sign="class"),
        ts.Group(ts.Node(2), 2, sign="-class"),
        ts.Group(ts.Extra("sky"), 3, ts.Uniform(0.5, 1.5), sign="random"),
        features=["sky"],
    )
    batch = drawn(own)
    path = TREE.paths[batch.leaf]
    plus = torch.where(batch.coarse == 0, 1.0, -1.0)[..., None]
    for level, sign in ((0, plus), (1, -plus)):
        where = batch.content == path[..., level, None]
        assert (where.sum(-1) == 2).all()
        assert torch.equal(batch.strength * where, sign * where)
    sky = batch.content == own.feature_of(ts.Extra("sky"))
    total = (batch.strength.sign() * sky).sum(-1)
    assert set(total.unique().tolist()) == {-3.0, 3.0}
    assert stats.binomtest(int((total > 0).sum()), total.numel(), 0.5).pvalue > 1e-3
    assert 0.5 <= float(batch.strength[sky].abs().min()) < 0.6
    assert float(batch.strength[sky].abs().max()) > 1.4


def test_strengths_of_any_law_of_scipy() -> None:
    strength = stats.triang(0.3, loc=0.5, scale=1.0)
    batch = drawn(law(ts.Group(ts.Node(1), 2, strength)))
    values = batch.strength[batch.content >= 0].numpy()
    assert stats.kstest(values, strength.cdf).pvalue > 1e-3


def test_three_kinds_of_samples_and_two_noises_of_their_own() -> None:
    loud, louder = ts.Gaussian(3.0), ts.Gaussian(9.0)
    kinds = {
        "plain": [ts.Group(ts.Node(1), 2)],
        "loud": [ts.Group(ts.Nothing(), 1, noise=loud)],
        "both": [ts.Group(ts.Nothing(), 2, noise=loud), ts.Group(ts.Nothing(), 1, noise=louder)],
    }
    own = ts.PatchLaw(TREE, 12, NOISE, kinds, {"plain": 0.5, "loud": 0.2, "both": 0.3})
    assert own.own_noises == (loud, louder)
    batch = drawn(own, 4000)
    shares = torch.bincount(batch.kind.flatten(), minlength=3) / batch.kind.numel()
    assert shares.tolist() == pytest.approx([0.5, 0.2, 0.3], abs=0.03)
    for kind, counts in enumerate([(2, 0, 0), (0, 1, 0), (0, 2, 1)]):
        own_ = batch.content[batch.kind == kind]
        found = ((own_ >= 0).sum(-1), (own_ == DOMINANT_NOISE).sum(-1), (own_ == DOMINANT_NOISE - 1).sum(-1))
        assert [set(count.tolist()) for count in found] == [{count} for count in counts]
    for content, norm in ((DOMINANT_NOISE, 3.0), (DOMINANT_NOISE - 1, 9.0)):
        assert float(batch.x[batch.content == content].square().sum(-1).mean().sqrt()) == pytest.approx(norm, rel=0.03)


def test_the_papers_law_is_described() -> None:
    own = law_of(ts.Config())
    assert list(own.kinds) == ["easy", "hard"]
    assert [type(group.holds).__name__ for group in own.kinds["hard"]] == ["Nothing", "Node", "OtherClass", "Nothing"]
    assert (own.patches, own.noise, own.own_noises) == (30, ts.Gaussian(0.5), (ts.Gaussian(4.0),))


def test_a_law_is_made_once_for_a_configuration_and_a_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    config, other = ts.Config(), ts.Config().replace({"data.noise": 0.25})
    own = law_of(config)
    assert law_of(config) is own
    assert law_of(other).noise == ts.Gaussian(0.25)
    assert law_of(config) == own
    monkeypatch.setattr("theory_sim.data.setup.SETUPS", {config.theory: Setup(config.theory, law())})
    assert law_of(config) == law()
