"""Faults that leave each single law as it is: something depends on what it should not depend on, or repeats itself.

Each is caught, by name, at 5,000 samples.
"""

from dataclasses import replace

import pytest
import torch
from planted import CONFIG, SIGMA, Drawn, K, broken, drawn_by_the_package, first, is_rare

import theory_sim as ts
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.runtime import streams as random_streams
from theory_sim.training.trainer import Training

LEAVES = 9
LOW, HIGH = 0.9**0.5, 1.1**0.5


@pytest.fixture(scope="module")
def drawn():
    return drawn_by_the_package(2500)


def strengths(change):
    """Strengths of rare features are written anew: from their batch and their places in [0, 1] to such places."""

    def of(d):
        def written(b):
            share = change(b, (b.strength - LOW) / (HIGH - LOW))
            return d.rebuilt(b, strength=torch.where(is_rare(b), LOW + (HIGH - LOW) * share, b.strength))

        return d.on_easy(written)

    return of


def in_third(b, u, group):
    """Each of three groups has a third of the range, so that all together are uniform as before."""
    return (u + group[..., None]) / 3


def inner_or_outer(b, u):
    """Even leaves have the inner half of the range and odd ones the outer half."""
    inner, outer = 0.25 + u / 2, torch.where(u < 0.5, u / 2, 0.5 + u / 2)
    return torch.where((b.leaf % 2 == 0)[..., None], inner, outer)


def noise(change, kind="easy"):
    """Noise is written anew, from the batch and its noise."""

    def of(d):
        def written(b):
            return d.rebuilt(b, noise=change(b, d.noise(b)))

        return d.on_easy(written) if kind == "easy" else d.on_hard(written)

    return of


def in_order(order):
    """The samples, reordered: from the leaves of the samples to rows."""
    return lambda d: d.on_easy(lambda b: b.take(torch.stack([order(leaf) for leaf in b.leaf])))


def one_after_the_other(leaf):
    """The first sample of every leaf, then the second of every leaf, and so on."""
    turn = torch.zeros_like(leaf)
    for number in range(LEAVES):
        turn[leaf == number] = torch.arange(int((leaf == number).sum()))
    return (turn * LEAVES + leaf).argsort()


def in_pairs(leaf):
    """Two samples of one leaf always follow each other."""
    pairs = leaf.argsort(stable=True)[: len(leaf) // 2 * 2].view(-1, 2)
    return pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))].flatten()


def every_other(leaf):
    """Samples of one leaf are two apart."""
    rows = in_pairs(leaf)
    quads = rows[: len(rows) // 4 * 4].view(-1, 2, 2)
    return quads.mT.flatten()


def leaves_of_the_first_replica(d):
    def change(b):
        leaf = b.leaf[:1].expand_as(b.leaf)
        coarse = b.coarse[:1].expand_as(b.coarse)
        content = torch.where(is_rare(b), (leaf + K)[..., None], b.content)
        own = b.content == b.coarse[..., None]
        other = (b.content >= 0) & ~own & ~is_rare(b)
        shift = (b.content - b.coarse[..., None]) % K
        content = torch.where(own, coarse[..., None], content)
        content = torch.where(other, (coarse[..., None] + shift) % K, content)
        return d.rebuilt(b, leaf=leaf, labelled_leaf=leaf, coarse=coarse, content=content)

    return d.on_easy(change)


def by_leaf(b, z, size=0.03):
    return z * (1 + size * (b.leaf % 2 * 2 - 1.0))[..., None, None]


def by_place(b, z):
    return z * (1 + 0.03 * (torch.arange(z.shape[2]) % 2 * 2 - 1.0))[:, None]


def at_a_distance(b, z, lag=16, rho=0.05):
    out = z.clone()
    out[..., lag:] = rho * z[..., :-lag] + (1 - rho**2) ** 0.5 * z[..., lag:]
    return out


def by_half(b, z):
    scale = torch.full((z.shape[-1],), 1.02**0.5)
    scale[: len(scale) // 2] = 0.98**0.5
    return z * scale


def two_valued(b, z):
    """±σ in all coordinates but multiples of 16."""
    return torch.where(torch.arange(z.shape[-1]) % 16 == 0, z, SIGMA * z.sign())


def one_scale_a_patch(b, z):
    """Noise of a patch is stronger or weaker as a whole, its variance over all patches kept."""
    up = torch.rand(z.shape[:3], generator=torch.Generator().manual_seed(0)) < 0.5
    return z * torch.where(up, 1.05**0.5, 0.95**0.5)[..., None]


def rare_feature_hidden(d):
    """One plain patch of each hard sample holds a trace of its rare feature; the truth does not say so."""

    def change(b):
        spot = first(b.content == NOISE)
        x, r = b.x.clone(), torch.arange(2)[:, None].expand_as(b.leaf)
        x[spot] += 0.1 * d.dictionary.vectors[r, b.leaf + K].flatten(0, 1)
        return replace(b, x=x)

    return d.on_hard(change)


def arranged(order):
    """Patches are arranged anew, from the batch to an order of patches for each sample."""

    def change(b):
        rows = order(b)
        x = b.x.gather(2, rows[..., None].expand_as(b.x))
        return replace(b, x=x, content=b.content.gather(2, rows), strength=b.strength.gather(2, rows))

    return lambda d: d.on_easy(change)


def turned(b):
    """Patches are sorted by what they hold and turned by a random number of places, which is no permutation of all."""
    places = b.content.shape[-1]
    turn = torch.randint(places, b.leaf.shape, generator=torch.Generator().manual_seed(0))
    return b.content.argsort(dim=-1, stable=True).gather(-1, (torch.arange(places) + turn[..., None]) % places)


def as_the_sample_before(b):
    """Two samples that follow each other have their patches in the same order."""
    order = torch.rand(b.content.shape, generator=torch.Generator().manual_seed(0)).argsort(-1)
    order[:, 1::2] = order[:, : order.shape[1] // 2 * 2 : 2]
    return b.content.argsort(dim=-1, stable=True).gather(-1, order)


def shared_dominant(b, z):
    one = z[(b.content == DOMINANT_NOISE)][0]
    return torch.where((b.content == DOMINANT_NOISE)[..., None], one * torch.randn(z.shape[:2])[..., None, None].sign(), z)


def far_apart(b, z):
    """The second half of the samples has the noise of the first."""
    half = z.shape[1] // 2
    return torch.cat([z[:, :half], z[:, :half]], 1)


RARE = "easy: strengths of the level-2 feature"
PLAIN = "noise of plain patches"
FAULTS = {
    "strengths by coarse class": (strengths(lambda b, u: in_third(b, u, b.coarse)), f"{RARE}: same for each coarse class"),
    "strengths by leaf": (strengths(lambda b, u: in_third(b, u, b.leaf % 3)), f"{RARE}: same for each leaf"),
    "spread of strengths by leaf": (strengths(inner_or_outer), f"{RARE}: spread the same for each leaf"),
    "strengths by place": (
        strengths(lambda b, u: (u + (torch.arange(12) % 3)) / 3),
        f"{RARE}: same for each place",
    ),
    "one strength a sample": (strengths(lambda b, u: u.amax(-1, keepdim=True).expand_as(u)), f"{RARE} within a sample"),
    "strengths of the sample before": (
        strengths(lambda b, u: torch.where(torch.arange(u.shape[1])[:, None] % 2 == 1, u.roll(1, 1).amax(-1, keepdim=True), u)),
        f"{RARE} of samples in a row",
    ),
    "leaves in a fixed order": (in_order(one_after_the_other), "easy: leaves are drawn one by one"),
    "leaves in pairs": (in_order(in_pairs), "easy: leaves of samples 1 apart, from 0"),
    "leaves two apart": (in_order(every_other), "easy: leaves of samples 2 apart, from 0"),
    "leaves shared by replicas": (leaves_of_the_first_replica, "easy: leaves of two replicas"),
    "noise norm by leaf": (noise(by_leaf), f"easy: norm of {PLAIN}: same for each leaf"),
    "noise norm by place": (noise(by_place), f"easy: norm of {PLAIN}: same for each place"),
    "noise norm by patch": (noise(one_scale_a_patch), f"easy: spread of the norm of {PLAIN}"),
    "coordinates correlated at a distance": (noise(at_a_distance), f"easy: coordinates of {PLAIN}: pairs at each distance"),
    "variance by half": (noise(by_half), f"easy: coordinates of {PLAIN}: spread of variances"),
    "noise of ±σ but for multiples of 16": (noise(two_valued), f"easy: shape of {PLAIN}"),
    "rare feature hidden in a plain patch": (rare_feature_hidden, f"hard: {PLAIN} ignores the level-2 feature"),
    "patches turned, not permuted": (arranged(turned), "easy: distances of patches with features"),
    "patches as in the sample before": (
        arranged(as_the_sample_before),
        "easy: positions of the level-1 feature are drawn anew",
    ),
    "one dominant noise": (noise(shared_dominant, "hard"), "hard: dominant noise: independent samples"),
    "noise used again far away": (noise(far_apart), "independent patches, any two"),
    "tags in order": (lambda d: d.on_easy(lambda b: replace(b, tag=b.tag.sort(1).values)), "easy: tags of samples in a row"),
    "tags by leaf": (
        lambda d: d.on_easy(lambda b: replace(b, tag=(b.tag + b.leaf % 3) / 3)),
        "easy: tags: same for each leaf",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(drawn, fault):
    plant, expected = FAULTS[fault]
    assert expected in broken(plant(drawn))


def test_the_correct_generator_breaks_nothing(drawn):
    assert broken(drawn) == []


@pytest.mark.parametrize("shared", [("test easy", "training"), ("check", "test hard")])
def test_streams_that_overlap_are_caught(monkeypatch, shared):
    one, other = shared
    monkeypatch.setitem(random_streams._IDS, one, random_streams._IDS[other])
    checks = {check.name: check for check in ts.check_data(CONFIG, 50)}
    assert not checks["streams are distinct"].passed
    assert one in checks["streams are distinct"].finding


def test_no_two_purposes_share_noise():
    """What is trained on, recorded and tested on, as it is drawn: no two patches have nearly the same noise."""
    training = Training(CONFIG)
    drawn = [training.sampler.sample(training.streams(name), 50, 0.0) for name in random_streams.PURPOSES]
    noise = torch.cat([Drawn(training.dictionary, (), b).noise(b).flatten(0, 2) for b in drawn])
    unit = noise / noise.norm(dim=-1, keepdim=True)
    for i in range(0, len(unit), 500):
        assert float((unit[i : i + 500] @ unit[i:].mT).triu(1).abs().max()) < 0.97
