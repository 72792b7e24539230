"""Batches by hand: made from part of their truth, taken apart, and joined."""

import dataclasses

import pytest
import torch

import theory_sim as ts
from theory_sim.data.latents import NOISE
from theory_sim.data.sampler import Batch

TREE = ts.LabelTree.of(2, [1, 2])


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def batch(samples: int, patches: int, seed: int) -> Batch:
    """Every number of it differs."""
    leaf = torch.randint(3, (2, samples), generator=torch.Generator().manual_seed(seed))
    content = torch.randint(5, (2, samples, patches), generator=torch.Generator().manual_seed(seed))
    strength = numbers(2, samples, patches, seed=seed + 1)
    kind = torch.randint(2, (2, samples), generator=torch.Generator().manual_seed(seed + 2))
    x = numbers(2, samples, patches, 4, seed=seed)
    return Batch.of(x, leaf, TREE, ts.streams(seed, "check", 2), kind, content, strength)


def test_what_follows_from_the_leaf_and_what_is_unknown():
    leaf = torch.tensor([[0, 2, 1], [1, 1, 0]])
    made = Batch.of(numbers(2, 3, 5, 4), leaf, TREE, ts.streams(0, "check", 2))
    assert made.coarse.tolist() == [[0, 1, 1], [1, 1, 0]]
    assert torch.equal(made.labelled_leaf, leaf)
    assert made.index.tolist() == [[0, 1, 2]] * 2
    assert made.content.shape == made.strength.shape == (2, 3, 5)
    assert set(made.content.unique().tolist()) == {NOISE}
    assert not made.strength.any()
    assert not made.kind.any()
    assert not made.hard.any()
    assert torch.equal(made.tag, ts.streams(0, "check", 2).uniform(3, dtype=torch.float32))


def test_what_is_known_is_kept():
    made = batch(3, 5, 1)
    assert torch.equal(made.hard, made.kind == 1)
    assert made.hard.any()
    assert (made.content >= 0).all()
    assert (made.strength != 0).any()


def test_samples_are_taken_by_each_replicas_own_rows():
    made = batch(6, 5, 2)
    rows = torch.tensor([[5, 0], [1, 1]])
    taken, part = made.take(rows), made.slice(1, 4)
    for field in dataclasses.fields(Batch):
        whole = getattr(made, field.name)
        assert torch.equal(getattr(taken, field.name), torch.stack([whole[r, rows[r]] for r in range(2)])), field.name
        assert torch.equal(getattr(part, field.name), whole[:, 1:4]), field.name


@pytest.mark.parametrize("patches", [(5, 5), (5, 3), (2, 5)])
def test_joined_batches_hold_their_samples_in_order_and_no_more_than_empty_patches(patches):
    parts = [batch(n, p, seed) for seed, (n, p) in enumerate(zip((3, 4), patches, strict=True))]
    joined, most = Batch.joined(parts), max(patches)
    assert joined.x.shape == (2, 7, most, 4)
    for part, (first, last) in zip(parts, ((0, 3), (3, 7)), strict=True):
        own, n = joined.slice(first, last), part.x.shape[2]
        for field in dataclasses.fields(Batch):
            of_part, of_joined = getattr(part, field.name), getattr(own, field.name)
            if field.name in ("x", "content", "strength"):
                of_joined, filled = of_joined[:, :, :n], of_joined[:, :, n:]
                assert filled.shape[2] == most - n
                assert (filled == (NOISE if field.name == "content" else 0)).all(), field.name
            assert torch.equal(of_joined, of_part), field.name


def test_without_patches_of_noise_the_others_are_the_same():
    """In some order: what each sample holds, with its strengths, and the features' patches but for the noise in them."""
    law = ts.PatchLaw(
        TREE,
        8,
        ts.Gaussian(0.0),
        {"one": [ts.Group(ts.Node(1), 2, ts.Uniform(0.5, 1.5)), ts.Group(ts.Nothing(), 1, noise=ts.Gaussian(3.0))]},
    )
    dictionary = ts.Dictionary(torch.eye(law.n_features, 6).expand(2, -1, -1), canonical=True)
    full, short = (
        ts.PatchSampler(law, dictionary, noise_patches=noise).sample(ts.streams(0, "check", 2), 50, "one")
        for noise in (True, False)
    )
    assert short.x.shape[2] == 3 < full.x.shape[2] == 8
    assert torch.equal(short.leaf, full.leaf)
    for of_full, of_short in ((full.content, short.content), (full.strength, short.strength)):
        kept = of_full[full.content != NOISE].view(2, 50, 3)
        assert torch.equal(kept.sort(-1).values, of_short.sort(-1).values)
    assert torch.equal(full.x[full.content >= 0].sum(-1).sort().values, short.x[short.content >= 0].sum(-1).sort().values)
