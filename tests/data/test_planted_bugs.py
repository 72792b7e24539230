"""Each planted bug breaks the invariant that should see it; the correct generator breaks none.

A bug is a function from what the correct generator made (dictionary, two easy batches, one hard batch) to what a wrong one
would have made. `rebuilt` writes patches anew from a changed truth, `lying` changes patches behind the truth's back.
"""

from dataclasses import replace

import pytest
import torch
from planted import SIGMA, K, broken, drawn_by_the_package, first, is_own_common, is_rare

from theory_sim.data.latents import DOMINANT_NOISE, NOISE


def ar1(z, rho=0.2):
    """Neighbouring coordinates correlated, variance kept."""
    out = z.clone()
    for i in range(1, z.shape[-1]):
        out[..., i] = rho * out[..., i - 1] + (1 - rho**2) ** 0.5 * z[..., i]
    return out


def overlapping(drawn):
    """The common feature of one patch is written over the first rare patch instead."""

    def change(batch):
        source, target = first(is_own_common(batch)), first(is_rare(batch))
        moved = drawn.dictionary.vectors[torch.arange(2)[:, None], batch.coarse] * batch.strength[source].view(2, -1, 1)
        x = batch.x.clone()
        x[source] -= moved.flatten(0, 1)
        x[target] += moved.flatten(0, 1)
        return replace(batch, x=x)

    return drawn.on_easy(change)


def common_left_in_hard(drawn, honest):
    """Two of the hard sample's noise patches hold its common feature; the truth may say so or not."""

    def change(batch):
        spot = first(batch.content == NOISE)
        content = torch.where(spot, batch.coarse[..., None], batch.content)
        strength = torch.where(spot, 1.0, batch.strength)
        left = drawn.rebuilt(batch, content=content, strength=strength)
        return left if honest else replace(batch, x=left.x)

    return drawn.on_hard(change)


def wrong_strength(change):
    return lambda d: d.on_easy(lambda b: d.rebuilt(b, strength=torch.where(is_rare(b), change(b.strength), b.strength)))


def wrong_noise(change):
    return lambda d: d.on_easy(lambda b: d.rebuilt(b, noise=change(d.noise(b))))


def shuffled_leaves(batch):
    """Leaf 0 takes most samples of its class, content following; only the law of the leaf is wrong."""
    return torch.where(batch.tag < 0.2, batch.leaf - batch.leaf % 3, batch.leaf)


def unbalanced(d):
    def change(b):
        leaf = shuffled_leaves(b)
        content = torch.where(is_rare(b), (leaf + K)[..., None].expand_as(b.content), b.content)
        return d.rebuilt(b, leaf=leaf, labelled_leaf=leaf, content=content)

    return d.on_easy(change)


BUGS = {
    "wrong sign": (
        lambda d: d.on_easy(lambda b: replace(b, x=2 * d.noise(b) - b.x)),
        "easy: noise of feature patches ignores its feature",
    ),
    "variance squared": (wrong_noise(lambda z: z * SIGMA), "easy: variance of noise of plain patches"),
    "noise 2 % too strong": (wrong_noise(lambda z: z * 1.02), "easy: variance of noise of plain patches"),
    "label off by one": (
        lambda d: d.on_easy(lambda b: replace(b, coarse=(b.coarse + 1) % K)),
        "easy: coarse label is the leaf's ancestor",
    ),
    "leaf off by one": (
        lambda d: d.on_easy(lambda b: replace(b, leaf=(b.leaf // 3) * 3 + (b.leaf + 1) % 3)),
        "easy: patches of the level-2 feature",
    ),
    "swapped coarse labels": (
        lambda d: d.on_hard(lambda b: replace(b, coarse=K - 1 - b.coarse)),
        "hard: coarse label is the leaf's ancestor",
    ),
    "overlapping patches": (overlapping, "easy: noise of feature patches ignores its feature"),
    "noise shared by samples": (wrong_noise(lambda z: z[:, :1].expand_as(z)), "independent samples"),
    "noise shared by patches": (wrong_noise(lambda z: z[:, :, :1].expand_as(z)), "independent patches of a sample"),
    "noise of one patch used again": (
        wrong_noise(lambda z: torch.cat([z[:, :, :-1], z[:, :, :1]], 2)),
        "independent patches of a sample",
    ),
    "noise reused at the next step": (
        lambda d: replace(d, easy=(d.easy[0], d.rebuilt(d.easy[1], noise=d.noise(d.easy[0])))),
        "independent steps",
    ),
    "noise shared by replicas": (wrong_noise(lambda z: z[:1].expand_as(z)), "independent replicas"),
    "correlated noise": (wrong_noise(ar1), "easy: coordinates of noise of plain patches: pairs at each distance"),
    "uniform noise": (
        wrong_noise(lambda z: SIGMA * 12**0.5 * (torch.distributions.Normal(0, SIGMA).cdf(z) - 0.5)),
        "easy: shape of noise of plain patches",
    ),
    "noise with a mean": (wrong_noise(lambda z: z + 0.03 * SIGMA), "easy: mean of noise of plain patches"),
    "strength out of range": (wrong_strength(lambda a: 1.2 * a), "easy: strengths in range"),
    "strengths not uniform": (
        wrong_strength(lambda a: 0.9**0.5 + (a - 0.9**0.5) ** 2 / (1.1**0.5 - 0.9**0.5)),
        "easy: strengths of the level-2 feature",
    ),
    "ι applied without the root": (
        wrong_strength(lambda a: 0.9 + 0.2 * (a - 0.9**0.5) / (1.1**0.5 - 0.9**0.5)),
        "easy: strengths in range",
    ),
    "common feature left in a hard sample": (
        lambda d: common_left_in_hard(d, honest=True),
        "hard: no patch of the level-1 feature",
    ),
    "common feature hidden in a hard sample": (
        lambda d: common_left_in_hard(d, honest=False),
        "hard: noise of plain patches ignores the level-1 feature",
    ),
    "non-orthonormal dictionary": (
        lambda d: replace(
            d, dictionary=replace(d.dictionary, vectors=d.dictionary.vectors + 0.1 * d.dictionary.vectors.roll(1, 1))
        ),
        "orthonormal dictionary",
    ),
    "features of norm 1.01": (
        lambda d: replace(d, dictionary=replace(d.dictionary, vectors=1.01 * d.dictionary.vectors)),
        "orthonormal dictionary",
    ),
    "patches never permuted": (
        lambda d: d.on_easy(lambda b: replace(b, content=b.content.sort(-1).values)),
        "easy: positions of the level-1 feature",
    ),
    "one feature patch too few": (
        lambda d: d.on_easy(
            lambda b: d.rebuilt(
                b,
                content=torch.where(first(is_rare(b)), NOISE, b.content),
                strength=torch.where(first(is_rare(b)), 0.0, b.strength),
            )
        ),
        "easy: patches of the level-2 feature",
    ),
    "feature noise of the sample's own class": (
        lambda d: d.on_hard(
            lambda b: d.rebuilt(
                b, content=torch.where((b.content >= 0) & ~is_rare(b), b.coarse[..., None].expand_as(b.content), b.content)
            )
        ),
        "hard: no patch of the level-1 feature",
    ),
    "feature noise from rare features": (
        lambda d: d.on_hard(
            lambda b: d.rebuilt(
                b, content=torch.where((b.content >= 0) & ~is_rare(b), K + (b.leaf[..., None] + 3) % (3 * K), b.content)
            )
        ),
        "hard: content is known",
    ),
    "feature noise always of the next class": (
        lambda d: d.on_hard(
            lambda b: d.rebuilt(b, content=torch.where((b.content >= 0) & ~is_rare(b), (b.coarse[..., None] + 1) % K, b.content))
        ),
        "hard: other classes are equally frequent",
    ),
    "dominant noise as weak as the rest": (
        lambda d: d.on_hard(
            lambda b: d.rebuilt(b, noise=torch.where((b.content == DOMINANT_NOISE)[..., None], d.noise(b) / 8, d.noise(b)))
        ),
        "hard: variance of dominant noise",
    ),
    "dominant noise absent": (
        lambda d: d.on_hard(lambda b: replace(b, content=torch.where(b.content == DOMINANT_NOISE, NOISE, b.content))),
        "hard: patches of dominant noise",
    ),
    "leaves unbalanced": (unbalanced, "easy: leaves are balanced"),
    "labels noisy": (
        lambda d: d.on_easy(lambda b: replace(b, labelled_leaf=torch.where(b.tag < 0.01, 0, b.labelled_leaf))),
        "easy: labels are clean",
    ),
    "hard flag lost": (lambda d: d.on_hard(lambda b: replace(b, kind=b.kind * 0)), "hard: kind of sample"),
    "tags all alike": (lambda d: d.on_easy(lambda b: replace(b, tag=b.tag * 0 + 0.5)), "easy: tags"),
}


@pytest.fixture(scope="module")
def drawn():
    return drawn_by_the_package(1000)


def test_the_correct_generator_breaks_nothing(drawn):
    assert broken(drawn) == []


@pytest.mark.parametrize("bug", BUGS)
def test_bug_is_caught(drawn, bug):
    plant, expected = BUGS[bug]
    assert expected in broken(plant(drawn))


def test_both_steps_count(drawn):
    """The laws are tested on the first step, and the noise of both is compared."""
    first_wrong = replace(drawn, easy=(drawn.rebuilt(drawn.easy[0], noise=1.02 * drawn.noise(drawn.easy[0])), drawn.easy[1]))
    assert "easy: variance of noise of plain patches" in broken(first_wrong)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite(drawn, number):
    """What cannot be computed with is said, and nothing is computed with it."""

    def change(batch):
        x = batch.x.clone()
        x[0, 3, 2, 1] = number
        return replace(batch, x=x)

    assert broken(drawn.on_easy(change)) == ["easy: patches are finite"]


def test_features_that_do_not_exist(drawn):
    found = broken(drawn.on_hard(lambda b: replace(b, content=torch.where(is_rare(b), 99, b.content))))
    assert "hard: content is known" in found


@pytest.mark.parametrize("size", [1e20, -1e20])
def test_numbers_that_are_very_large(drawn, size):
    def change(batch):
        x = batch.x.clone()
        x[:, :, :, 0] = size
        return replace(batch, x=x)

    assert "easy: variance of noise of plain patches" in broken(drawn.on_easy(change))
