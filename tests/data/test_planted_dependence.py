"""Faults that leave each law of labels and patches as it is: something depends on what it should not, or repeats itself.

Each is caught, by name, at 5,000 samples.
"""

from dataclasses import replace

import pytest
import torch
from planted import (
    COMMON,
    LEAVES,
    OTHER,
    PLACES,
    K,
    arranged,
    broken,
    drawn_by_the_package,
    in_order,
    is_other,
    is_own_common,
    is_rare,
    lots,
    other_classes,
    strengths,
)

from theory_sim.data.latents import DOMINANT_NOISE


@pytest.fixture(scope="module")
def drawn():
    return drawn_by_the_package()


def in_third(b, u, group):
    """Each of three groups has a third of the range, so that all together are uniform as before."""
    return (u + group[..., None]) / 3


def inner_or_outer(b, u):
    """Even leaves have the inner half of the range and odd ones the outer half."""
    inner, outer = 0.25 + u / 2, torch.where(u < 0.5, u / 2, 0.5 + u / 2)
    return torch.where((b.leaf % 2 == 0)[..., None], inner, outer)


def of_the_sample_before(b, u):
    """Every second sample has the strengths of the one before it."""
    second = torch.arange(u.shape[1])[:, None] % 2 == 1
    return torch.where(second, u.roll(1, 1).amax(-1, keepdim=True), u)


def weakly(b, u):
    """One patch of each sample is a little as strong as the next, on the scale of normal scores."""
    normal = torch.distributions.Normal(0.0, 1.0)
    z = normal.icdf(u.clamp(1e-6, 1 - 1e-6))
    mean = torch.where(is_rare(b), z, 0).sum(-1, keepdim=True) / 2
    return normal.cdf((z + 0.15 * mean) / (1 + 0.15 + 0.15**2 / 2) ** 0.5)


def one_after_the_other(leaf):
    """The first sample of every leaf, then the second of every leaf, and so on."""
    turn = torch.zeros_like(leaf)
    for number in range(LEAVES):
        turn[leaf == number] = torch.arange(int((leaf == number).sum()))
    return (turn * LEAVES + leaf).argsort()


def shuffled_rounds(leaf):
    """As before, but each round of all leaves is in a new order."""
    order = one_after_the_other(leaf)
    rounds = len(leaf) // LEAVES
    turn = lots(rounds, LEAVES).argsort(-1) + torch.arange(rounds)[:, None] * LEAVES
    return torch.cat([order[turn.flatten()], order[rounds * LEAVES :]])


def in_pairs(leaf):
    """Two samples of one leaf always follow each other."""
    pairs = leaf.argsort(stable=True)[: len(leaf) // 2 * 2].view(-1, 2)
    return pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))].flatten()


def seven_apart(leaf):
    """Samples of one leaf are seven apart."""
    rows = in_pairs(leaf)
    return rows[: len(rows) // 14 * 14].view(-1, 7, 2).mT.flatten()


def never_twice(leaf):
    """A sample is never of the leaf of the one before it, as far as there are others."""
    order = one_after_the_other(leaf)
    rounds = torch.arange(len(leaf) // LEAVES)
    rest = order[len(rounds) * LEAVES :]
    rows = order[: len(rounds) * LEAVES].view(-1, LEAVES)
    start = (lots(len(rounds)) * (LEAVES - 1)).long().cumsum(0)[:, None]
    return torch.cat([rows.gather(1, (torch.arange(LEAVES) + start) % LEAVES).flatten(), rest])


def latents_of(d, b, other):
    """The batch with leaves of others, and patches that follow."""
    content = torch.where(is_rare(b), (other.leaf + K)[..., None], b.content)
    shift = (b.content - b.coarse[..., None]) % K
    of_class = (b.content >= 0) & ~is_rare(b)
    content = torch.where(of_class, (other.coarse[..., None] + shift) % K, content)
    return d.rebuilt(b, leaf=other.leaf, labelled_leaf=other.leaf, coarse=other.coarse, content=content)


def in_exact_shares(d):
    """Each leaf has the same number of a step's samples, in random order."""

    def change(b):
        shape = b.leaf.shape
        leaf = (torch.arange(shape[1]) % LEAVES).expand(shape).gather(1, lots(*shape, seed=int(1e4 * b.tag.sum())).argsort(-1))
        return latents_of(d, b, replace(b, leaf=leaf, coarse=leaf // 3))

    return d.on_easy(change)


def leaves_of_the_first_replica(d):
    def change(b):
        return latents_of(d, b, replace(b, leaf=b.leaf[:1].expand_as(b.leaf), coarse=b.coarse[:1].expand_as(b.coarse)))

    return d.on_easy(change)


def of_the_step_before(*names):
    """The second step has some latents of the first."""

    def plant(d):
        step, later = d.easy
        if "leaf" in names:
            return replace(d, easy=(step, latents_of(d, later, step)))
        return replace(d, easy=(step, d.rebuilt(later, **{name: getattr(step, name) for name in names})))

    return plant


def strengths_of_the_step_before(d):
    """Rare patches of the second step are as strong as the strongest of the same sample of the first."""
    step, later = d.easy
    top = torch.where(is_rare(step), step.strength, 0).amax(-1, keepdim=True)
    return replace(d, easy=(step, d.rebuilt(later, strength=torch.where(is_rare(later), top, later.strength))))


def turned(b):
    """Patches in one order, turned by a random number of places: no permutation of all."""
    turn = (lots(*b.leaf.shape) * PLACES).long()
    return (torch.arange(PLACES) + turn[..., None]) % PLACES


def as_the_sample_before(b):
    """Two samples that follow each other have their patches in the same order."""
    order = lots(*b.content.shape).argsort(-1)
    order[:, 1::2] = order[:, : order.shape[1] // 2 * 2 : 2]
    return order


def by_leaf(b):
    """Each leaf has one order of its own half of the time."""
    own, any_order = lots(LEAVES, PLACES).argsort(-1)[b.leaf], lots(*b.content.shape, seed=1).argsort(-1)
    return torch.where((lots(*b.leaf.shape, seed=2) < 0.5)[..., None], own, any_order)


def one_order(b):
    return lots(PLACES).argsort(-1).expand_as(b.content)


def an_order_of_each_replica(b):
    return lots(len(b.leaf), 1, PLACES).argsort(-1).expand_as(b.content)


def dominant_by_leaf(b):
    """The patch of dominant noise, which is sorted first, is in the first half of places for even leaves, else in the second."""
    order = lots(*b.content.shape).argsort(-1)
    return torch.where(((order.argmin(-1) < PLACES // 2) == (b.leaf % 2 == 0))[..., None], order, order.roll(PLACES // 2, -1))


def beside_dominant(b):
    """The patch sorted last has a place beside that of dominant noise, sorted first."""
    order = lots(*b.content.shape).argsort(-1)
    order = torch.where(order == PLACES - 1, -1, order)
    at = (order == 0).int().argmax(-1, keepdim=True)
    here, beside = (order == -1).int().argmax(-1, keepdim=True), (at + 1) % PLACES
    order = order.scatter(-1, here, order.gather(-1, beside))
    return order.scatter(-1, beside, PLACES - 1)


def on_tags(change, kind="easy"):
    return lambda d: d.on(kind, lambda b: replace(b, tag=change(b, b.tag)))


RARE = "easy: strengths of the level-2 feature"
FOREIGN = "hard: strengths of another class's feature"
COMMON_PLACES = "easy: positions of the level-1 feature"
FAULTS = {
    "strengths by coarse class": (strengths(lambda b, u: in_third(b, u, b.coarse)), f"{RARE}: same for each coarse class"),
    "strengths by leaf": (strengths(lambda b, u: in_third(b, u, b.leaf % 3)), f"{RARE}: same for each leaf"),
    "spread of strengths by leaf": (strengths(inner_or_outer), f"{RARE}: same for each leaf"),
    "strengths by place": (strengths(lambda b, u: (u + (torch.arange(12) % 3)) / 3), f"{RARE}: same for each place"),
    "strengths of hard samples by leaf": (
        strengths(lambda b, u: in_third(b, u, b.leaf % 3), is_other, OTHER, "hard"),
        f"{FOREIGN}: same for each leaf",
    ),
    "one strength a sample": (strengths(lambda b, u: u.amax(-1, keepdim=True).expand_as(u)), f"{RARE} within a sample"),
    "strengths of a sample a little alike": (strengths(weakly), f"{RARE} within a sample"),
    "strengths of the sample before": (strengths(of_the_sample_before), f"{RARE} of samples in a row"),
    "strengths of the step before": (strengths_of_the_step_before, f"{RARE} of two steps"),
    "strengths of the first replica": (
        strengths(lambda b, u: torch.where(is_rare(b), u, 0).amax(-1, keepdim=True)[:1].expand_as(u)),
        f"{RARE} of two replicas",
    ),
    "strengths of common patches in rare ones": (
        strengths(lambda b, u: torch.where(is_own_common(b), u, 0).amax(-1, keepdim=True).expand_as(u)),
        "easy: strengths of the level-1 feature and strengths of the level-2 feature",
    ),
    "strengths drift": (
        strengths(lambda b, u: (u + torch.linspace(0, 0.2, u.shape[1])[:, None]) / 1.2),
        f"{RARE} do not drift",
    ),
    "leaves in a fixed order": (in_order(one_after_the_other), "easy: leaves are drawn one by one"),
    "leaves in shuffled rounds": (in_order(shuffled_rounds), "easy: leaves are drawn one by one"),
    "leaves in blocks": (in_order(lambda leaf: leaf.argsort()), "easy: leaves are drawn one by one"),
    "leaves in pairs": (in_order(in_pairs), "easy: leaves of samples in a row, from 0"),
    "leaves in pairs, but for the first": (
        in_order(lambda leaf: in_pairs(leaf).roll(1)),
        "easy: leaves of samples in a row, from 1",
    ),
    "leaves in exact shares": (in_exact_shares, "easy: leaves are drawn one by one, as a whole"),
    "leaves seven apart": (in_order(seven_apart), "easy: leaves of samples at each distance"),
    "no leaf twice in a row": (in_order(never_twice), "easy: leaves of samples at each distance"),
    "leaves in pairs in hard samples": (in_order(in_pairs, "hard"), "hard: leaves of samples at each distance"),
    "leaves of the step before": (of_the_step_before("leaf"), "easy: leaves of samples at each distance"),
    "leaves shared by replicas": (leaves_of_the_first_replica, "easy: leaves of any two replicas"),
    "patches turned, not permuted": (arranged(turned), "easy: distances of patches"),
    "patches in one order": (arranged(one_order), COMMON_PLACES),
    "patches in one order for each replica": (arranged(an_order_of_each_replica), f"{COMMON_PLACES} of samples in a row"),
    "patches in an order by leaf": (arranged(by_leaf), f"{COMMON_PLACES} and leaves"),
    "patches as in the sample before": (arranged(as_the_sample_before), f"{COMMON_PLACES} of samples in a row"),
    "patches as in the step before": (arranged(lambda b: lots(*b.content.shape).argsort(-1)), f"{COMMON_PLACES} of two steps"),
    "patches as in the other replica": (
        arranged(lambda b: lots(1, *b.content.shape[1:], seed=int(b.leaf.sum())).argsort(-1).expand_as(b.content)),
        f"{COMMON_PLACES} of two replicas",
    ),
    "dominant noise in places by leaf": (
        arranged(dominant_by_leaf, "hard"),
        "hard: positions of dominant noise and leaves",
    ),
    "dominant noise beside a rare feature": (
        arranged(beside_dominant, "hard"),
        "hard: distances of patches",
    ),
    "other class by leaf": (other_classes(lambda b: 1 + b.leaf[..., None] % 2), "hard: other classes and leaves"),
    "other class by coarse class": (
        other_classes(lambda b: 1 + (b.coarse[..., None] + (lots(*b.content.shape) < 0.3)) % 2),
        "hard: other classes and classes",
    ),
    "one other class a sample": (
        other_classes(lambda b: 1 + (lots(*b.leaf.shape, 1) < 0.5).long()),
        "hard: other classes within a sample",
    ),
    "tags in order": (on_tags(lambda b, tag: tag.sort(1).values), "easy: tags of samples in a row"),
    "tags by leaf": (on_tags(lambda b, tag: (tag + b.leaf % 3) / 3), "easy: tags: same for each leaf"),
    "tags of hard samples by leaf": (on_tags(lambda b, tag: (tag + b.leaf % 3) / 3, "hard"), "hard: tags: same for each leaf"),
    "tags by strength": (
        on_tags(lambda b, tag: (torch.where(is_rare(b), b.strength, 0).amax(-1) - COMMON[0]) / (COMMON[1] - COMMON[0])),
        "easy: tags and strengths of the level-2 feature",
    ),
    "tags drift": (
        on_tags(lambda b, tag: (tag + torch.linspace(0, 0.2, tag.shape[1])) / 1.2),
        "easy: tags do not drift",
    ),
    "tags of the step before": (of_the_step_before("tag"), "easy: tags of two steps"),
    "tags of the other replica": (on_tags(lambda b, tag: tag[:1].expand_as(tag)), "easy: tags of two replicas"),
    "tags used again far away": (
        on_tags(lambda b, tag: torch.cat([tag[:, :600], tag[:, :600].flip(1), tag[:, 1200:]], 1)),
        "easy: tags are not used again",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(drawn, fault):
    plant, expected = FAULTS[fault]
    assert expected in broken(plant(drawn))


def test_the_correct_generator_breaks_nothing(drawn):
    assert broken(drawn) == []
    assert (drawn.hard.content == DOMINANT_NOISE).any()
