"""Tests of the laws of labels and patches: their frequencies, places, strengths and signs, and that draws are independent."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats
from scipy.special import gammainc, ndtr
from torch import Tensor

from theory_sim.data.checks.base import Check, exactly, tested
from theory_sim.data.checks.p_values import levels, of_counts, scores, worst_of
from theory_sim.data.checks.patches import Role, roles_of, unsigned
from theory_sim.data.checks.tools import fitted, independent, repeats, same_for_each, scattered, unrelated
from theory_sim.data.latents import NOISE
from theory_sim.data.law import Law, PatchLaw
from theory_sim.data.parts import Node
from theory_sim.data.sampler import Batch

Pairs = list[tuple[np.ndarray, np.ndarray]]

NEAR = 2.0**-20
"""Pairs of tags closer than this are counted: far more than expected by chance mean that tags are used again."""


class _Column(NamedTuple):
    """A score for each sample, and which samples have one."""

    score: np.ndarray
    some: np.ndarray


def distributions(law: PatchLaw, batch: Batch, kind: str, step: int) -> Iterator[Check]:
    """Test the distributions of many samples of a kind.

    Args:
        law: their law.
        batch: the samples, on the CPU; the numbers of patches are not used.
        kind: of the samples.
        step: number of samples of one step; the steps follow each other in the batch.
    """
    yield from _leaves(law, batch, kind, step)
    yield from _tags(batch, kind)
    columns = {"tags": _Column(scores(batch.tag.double().numpy()), np.ones(batch.tag.shape, dtype=bool))}
    for role in roles_of(law, batch, kind):
        if role.where.any():
            yield from _places(batch, role, kind, step)
            yield from _signs(batch, role, kind, step)
            if role.varies:
                score = _scores_of_strengths(law, batch, role)
                yield from _strengths(batch, role, score, kind)
                if len(role.groups) == 1:  # strengths of several laws in a sample exclude each other
                    columns[f"strengths of {role.name}"] = _Column(_at(score, _one_of(role.where)), role.where.any(-1).numpy())
            if role.name == "another class's feature":
                yield from _other_classes(law, batch, role, kind)
        if law.independent and role.groups:
            yield from _counts(law, batch, role, kind)
    yield from _distances(batch, kind)
    yield from _columns(columns, kind, step)


def mixture(law: Law, batch: Batch) -> Iterator[Check]:
    """Kinds of training samples have their shares, whatever the leaf, and the kinds of samples are independent."""
    kinds, leaf, shares = batch.kind.numpy(), batch.leaf.numpy(), np.array(list(law.training_shares.values()))
    yield exactly("training: kinds are those of training", torch.from_numpy(shares[kinds] == 0), "samples of another")
    yield fitted("training: shares of kinds", np.bincount(kinds.ravel(), minlength=len(shares)), shares)
    yield independent("training: kinds and leaves", kinds.ravel(), leaf.ravel())
    first, second = _neighbours(kinds, 0, 1)
    yield independent("training: kinds of samples in a row", first, second)


def _leaves(law: PatchLaw, batch: Batch, kind: str, step: int) -> Iterator[Check]:
    """Leaves have their probabilities, and the leaves of samples are independent."""
    probability, leaf = np.array(law.tree.leaf_probability), batch.leaf.numpy()
    yield fitted(f"{kind}: leaves are balanced", np.bincount(leaf.ravel(), minlength=len(probability)), probability)
    for block, what in ((50, "one by one"), (leaf.shape[1], "one by one, as a whole")):
        yield scattered(f"{kind}: leaves are drawn {what}", leaf, probability, block)
    yield from repeats(f"{kind}: leaves", leaf, probability, step)
    for start in (0, 1):
        yield independent(f"{kind}: leaves of samples in a row, from {start}", *_neighbours(leaf, start, 1))


def _tags(batch: Batch, kind: str) -> Iterator[Check]:
    """Tags are uniform, whatever the leaf, and no two samples have the same."""
    tag = batch.tag.double().numpy()
    score, n = scores(tag), tag.size
    yield tested(f"{kind}: tags", stats.kstest(tag.ravel(), "uniform").pvalue, "Kolmogorov–Smirnov against U[0, 1]")
    yield from same_for_each(f"{kind}: tags", score.ravel(), batch.leaf.numpy().ravel(), "leaf")
    ordered = np.sort(tag, axis=None)
    near = int((np.searchsorted(ordered, ordered + NEAR) - np.arange(n) - 1).sum())
    expected = n * (n - 1) / 2 * 2 * NEAR
    p = float(gammainc(near, expected)) if near else 1.0  # Poisson
    yield tested(f"{kind}: tags are not used again", p, f"{near} pairs nearly equal")


def label_noise(law: Law, batch: Batch, kind: str) -> Iterator[Check]:
    """Labels change with the stated probability, from any leaf to any leaf, whatever the tag and the sample before."""
    share, leaf, given = np.array(law.tree.leaf_probability), batch.leaf.numpy(), batch.labelled_leaf.numpy()
    changed, expected = given != leaf, law.label_noise * (1 - float(np.square(law.tree.leaf_probability).sum()))
    p = stats.binomtest(int(changed.sum()), changed.size, expected).pvalue
    yield tested(f"{kind}: label noise", p, f"{changed.mean():.4f}, law {expected:.4f}")
    yield fitted(f"{kind}: labels that noise gives", np.bincount(given[changed], minlength=len(share)), share * (1 - share))
    yield fitted(f"{kind}: labels that noise changes", np.bincount(leaf[changed], minlength=len(share)), share * (1 - share))
    # The distance s from a leaf to its new label has the probability Σ_i p_i p_(i+s), computed by Fourier's transform.
    steps = np.fft.irfft(np.abs(np.fft.rfft(share)) ** 2, len(share)).clip(0)
    counts = np.bincount((given - leaf)[changed] % len(share), minlength=len(share))
    yield fitted(f"{kind}: labels that noise gives to a leaf", counts[1:], steps[1:])
    yield independent(f"{kind}: label noise of samples in a row", *_neighbours(changed, 0, 1))
    score = scores(batch.tag.double().numpy())
    yield from same_for_each(f"{kind}: tags", score.ravel(), changed.ravel(), "changed or clean label")


def _places(batch: Batch, role: Role, kind: str, step: int) -> Iterator[Check]:
    """Patches of a role are equally often in each place, whatever the leaf, and independently in different samples.

    Given that m of the P patches of a sample have the role, all places are equally likely: the counts N_p of n samples have
    variance V = Σ_n (m/P)(1 − m/P), and (P−1)/P · Σ_p (N_p − mean)²/V follows χ² with P − 1 degrees of freedom.
    """
    places = role.where.shape[-1]
    held = role.where.sum(-1).double()
    variance = float((held / places * (1 - held / places)).sum())
    if places == 1:
        return
    if variance >= places:
        found = role.where.sum((0, 1)).double().numpy()
        square = (places - 1) / places * ((found - found.mean()) ** 2).sum() / variance
        yield tested(
            f"{kind}: positions of {role.name}", of_counts(square, places - 1), f"{places} places, {int(found.sum())} counts"
        )
    place, some = _one_of(role.where), role.where.any(-1).numpy()
    yield independent(f"{kind}: positions of {role.name} and leaves", place[some], batch.leaf.numpy()[some])
    for what, pairs in _sets_of_pairs(place, some, step).items():
        apart = np.concatenate([(second - first) % places for first, second in pairs])
        yield fitted(f"{kind}: positions of {role.name} of {what}", np.bincount(apart, minlength=places))


def _distances(batch: Batch, kind: str) -> Iterator[Check]:
    """Two patches that are not plain noise are at each distance equally often."""
    feature = batch.content != NOISE
    places = feature.shape[-1]
    two = feature.sum(-1) > 1
    if places < 3 or not two.any():
        return
    first = _one_of(feature)
    second = _one_of(feature & (torch.arange(places) != torch.from_numpy(first)[..., None]), seed=1)
    apart = ((second - first) % places)[two.numpy()]
    yield fitted(f"{kind}: distances of patches", np.bincount(apart, minlength=places)[1:])


def _signs(batch: Batch, role: Role, kind: str, step: int) -> Iterator[Check]:
    """A random sign is as often + as −, whatever the leaf, and the signs of samples are independent."""
    if len(role.groups) != 1 or role.groups[0].sign != "random":
        return
    some = role.where.any(-1).numpy()
    sign = ((batch.strength * role.where).sum(-1) > 0).numpy()
    up, name = sign[some], f"{kind}: signs of {role.name}"
    yield tested(name, stats.binomtest(int(up.sum()), up.size, 0.5).pvalue, f"{up.mean():.3f} positive")
    yield independent(f"{name} and leaves", up, batch.leaf.numpy()[some])
    yield independent(f"{name} and places", up, _one_of(role.where)[some])
    for what, pairs in _sets_of_pairs(sign, some, step).items():
        found = [int((first == second).sum()) for first, second in pairs]
        tries = [len(first) for first, _ in pairs]
        p = [stats.binomtest(k, n, 0.5).pvalue if n else 1.0 for k, n in zip(found, tries, strict=True)]
        yield tested(f"{name} of {what}", worst_of(p), f"{sum(found)} of {sum(tries)} pairs equal")


def _scores_of_strengths(law: PatchLaw, batch: Batch, role: Role) -> np.ndarray:
    """Scores of the strengths of a role's patches, 0 elsewhere."""
    where, strength = role.where.numpy(), unsigned(law, role, batch).numpy()
    found, held = np.zeros(where.shape), strength[where]
    found[where] = scores(levels(held, role.cdf, np.spacing(np.abs(held)), np.random.default_rng(0)))
    return found


def _strengths(batch: Batch, role: Role, score: np.ndarray, kind: str) -> Iterator[Check]:
    """Strengths follow their law, whatever the leaf, the place, the sign, and the sample's other patches."""
    where, name = role.where.numpy(), f"{kind}: strengths of {role.name}"
    yield tested(name, stats.kstest(ndtr(score[where]), "uniform").pvalue, f"Kolmogorov–Smirnov, {int(where.sum())} numbers")
    groups = {"coarse class": batch.coarse[..., None], "leaf": batch.leaf[..., None], "place": torch.arange(where.shape[-1])}
    if any(group.sign == "random" for group in role.groups):
        groups["sign"] = batch.strength > 0
    for of, group in groups.items():
        yield from same_for_each(name, score[where], group.expand(where.shape).numpy()[where], of)
    if len(role.groups) == 1:
        r, b, i, j = _pairs(role.where)
        yield unrelated(f"{name} within a sample", (score[r, b, i], score[r, b, j]))


def _counts(law: PatchLaw, batch: Batch, role: Role, kind: str) -> Iterator[Check]:
    """Where counts are independent, the number of patches of a role is binomial; patches of exact groups are not counted."""
    if all(group.exact for group in role.groups):
        return
    tries = law.patches - sum(group.patches for group in law.kinds[kind] if group.exact)
    holds, among = role.groups[0].holds, torch.ones_like(batch.leaf, dtype=torch.bool)
    if isinstance(holds, Node):
        among = law.tree.paths[batch.leaf][..., holds.level - 1] >= 0
    exact = sum(group.patches for group in role.groups if group.exact)
    found, name = (role.where.sum(-1)[among] - exact).numpy(), f"{kind}: number of patches of {role.name}"
    share = (role.patches - exact) / law.patches
    total, most = int(found.sum()), len(found) * tries
    p = stats.binomtest(total, most, share).pvalue if most and 0 <= total <= most else float(not most)
    yield tested(name, p, f"{total / max(1, len(found)):.3f} a sample")
    counts = np.bincount(found.clip(0, tries), minlength=tries + 1)
    yield fitted(f"{name} is binomial", counts, stats.binom(tries, share).pmf(np.arange(tries + 1)))
    yield independent(f"{name} and leaves", found, batch.leaf[among].numpy())


def _other_classes(law: PatchLaw, batch: Batch, role: Role, kind: str) -> Iterator[Check]:
    """The other classes are equally frequent, whatever the sample's own class, its leaf, and its other patches."""
    n = law.tree.n_coarse
    if n == 2:
        return
    shift, where, name = ((batch.content - batch.coarse[..., None]) % n).numpy(), role.where.numpy(), f"{kind}: other classes"
    yield fitted(f"{name} are equally frequent", np.bincount(shift[where], minlength=n)[1:])
    one, some = _at(shift, _one_of(role.where)), where.any(-1)
    for what, of in (("classes", batch.coarse), ("leaves", batch.leaf)):
        yield independent(f"{name} and {what}", one[some], of.numpy()[some])
    r, b, i, j = _pairs(role.where)
    yield independent(f"{name} within a sample", shift[r, b, i], shift[r, b, j])


def _columns(columns: Mapping[str, _Column], kind: str, step: int) -> Iterator[Check]:
    """Scores of samples do not drift, and are unrelated to each other and to those of other samples."""
    for name, (score, some) in columns.items():
        number = np.broadcast_to(np.arange(score.shape[1]) - (score.shape[1] - 1) / 2, score.shape)
        yield unrelated(f"{kind}: {name} do not drift", (number[some], score[some]))
        for what, pairs in _sets_of_pairs(score, some, step).items():
            yield unrelated(f"{kind}: {name} of {what}", *pairs)
    for (one, first), (other, second) in combinations(columns.items(), 2):
        both = first.some & second.some
        yield unrelated(f"{kind}: {one} and {other}", (first.score[both], second.score[both]))


def _sets_of_pairs(values: np.ndarray, some: np.ndarray, step: int) -> dict[str, Pairs]:
    """Sets of pairs of values of two samples; within a set no sample is in two pairs. Samples without a value are left out."""
    found = {"samples in a row": [_neighbours(values, start, 1, some) for start in (0, 1)]}
    if values.shape[1] > step:
        found["two steps"] = [_neighbours(values, 0, step, some)]
    if len(values) > 1:
        found["two replicas"] = [_neighbours(values.T, start, 1, some.T) for start in range(min(2, len(values) - 1))]
    return found


def _neighbours(values: np.ndarray, start: int, lag: int, some: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Values of pairs of columns that are `lag` apart, from column `start` on, each column in one pair."""
    index = np.arange(start, values.shape[1] - lag)
    index = index[(index - start) // lag % 2 == 0]
    first, second = values[:, index], values[:, index + lag]
    if some is None:
        return first.ravel(), second.ravel()
    both = some[:, index] & some[:, index + lag]
    return first[both], second[both]


def _one_of(where: Tensor, seed: int = 0) -> np.ndarray:
    """Place of one of the marked patches of each sample, chosen at random; 0 where none is marked."""
    lots = torch.rand(where.shape, generator=torch.Generator().manual_seed(seed))
    place: np.ndarray = (lots * where).argmax(-1).numpy()
    return place


def _at(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The value of each sample in one place."""
    return np.take_along_axis(values, place[..., None], -1)[..., 0]


def _pairs(where: Tensor) -> tuple[np.ndarray, ...]:
    """Two marked patches of each sample that has two or more: replica, sample, and both places."""
    first = torch.from_numpy(_one_of(where))
    rest = where & (torch.arange(where.shape[-1]) != first[..., None])
    second = torch.from_numpy(_one_of(rest, seed=1))
    r, b = rest.any(-1).nonzero(as_tuple=True)
    return tuple(part.numpy() for part in (r, b, first[r, b], second[r, b]))
