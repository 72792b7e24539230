"""The laws of labels and patches: how often, where, how strongly, with which sign, and each drawn by itself."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from theory_sim.data.checks.base import Check, tested, two_sided
from theory_sim.data.checks.patches import Role, roles_of, unsigned
from theory_sim.data.checks.tools import alike, classes, fitted, independent, numbers, scattered, unrelated
from theory_sim.data.law import Node, Nothing, PatchLaw
from theory_sim.data.sampler import Batch


def distributions(law: PatchLaw, batch: Batch, kind: str) -> Iterator[Check]:
    """What many samples of a kind must look like."""
    roles = [role for role in roles_of(law, batch, kind) if role.where.any()]
    yield from _leaves(law, batch, kind)
    yield from _tags(law, batch, kind)
    for role in roles:
        yield from _places(batch, role, kind)
        yield from _signs(batch, role, kind)
        if role.groups and not isinstance(role.groups[0].holds, Nothing):
            yield from _strengths(law, batch, role, kind)
    yield from _pairs_of_places(batch, kind)
    yield from _counts(law, batch, kind)
    yield from _other_classes(law, batch, roles, kind)


def _leaves(law: PatchLaw, batch: Batch, kind: str) -> Iterator[Check]:
    """Leaves have their probabilities, and each sample's is drawn by itself."""
    probability, leaf = np.array(law.tree.leaf_probability), batch.leaf.cpu().numpy()
    yield fitted(f"{kind}: leaves are balanced", np.bincount(leaf.ravel(), minlength=len(probability)), probability)
    yield scattered(f"{kind}: leaves are drawn one by one", leaf, probability)
    for lag, start in ((1, 0), (1, 1), (2, 0), (2, 1)):
        # Samples that are in no two pairs, so that the pairs are independent.
        first = leaf[:, start : leaf.shape[1] - lag : 2 * lag]
        second = leaf[:, start + lag :: 2 * lag][:, : first.shape[1]]
        yield independent(f"{kind}: leaves of samples {lag} apart, from {start}", first.ravel(), second.ravel())
    if len(leaf) > 1:
        yield independent(f"{kind}: leaves of two replicas", leaf[:-1:2].ravel(), leaf[1::2].ravel())


def _tags(law: PatchLaw, batch: Batch, kind: str) -> Iterator[Check]:
    """Tags are uniform and independent of all else; so is label noise."""
    tag, leaf = batch.tag.cpu().numpy(), classes(batch.leaf)
    yield tested(f"{kind}: tags", stats.kstest(numbers(batch.tag), "uniform").pvalue, "Kolmogorov–Smirnov against U[0, 1]")
    yield from alike(f"{kind}: tags", tag.ravel(), leaf, "leaf")
    yield unrelated(f"{kind}: tags of samples in a row", tag[:, :-1].ravel(), tag[:, 1:].ravel())
    if len(tag) > 1:
        yield unrelated(f"{kind}: tags of two replicas", tag[:-1].ravel(), tag[1:].ravel())
    if law.label_noise > 0:
        share = np.array(law.tree.leaf_probability)
        changed, given = classes(batch.labelled_leaf) != leaf, classes(batch.labelled_leaf)
        expected = law.label_noise * (1 - float(np.square(share).sum()))
        p = stats.binomtest(int(changed.sum()), len(leaf), expected).pvalue
        yield tested(f"{kind}: label noise", p, f"{changed.mean():.4f}, law {expected:.4f}")
        counts = np.bincount(given[changed], minlength=len(share))
        yield fitted(f"{kind}: labels by noise", counts, share * (1 - share))
        yield from alike(f"{kind}: tags", tag.ravel(), changed.astype(int), "sort of label")


def _places(batch: Batch, role: Role, kind: str) -> Iterator[Check]:
    """Each patch is as often in each place, and where it is in one sample says nothing of the next.

    Given how many patches of its role a sample has, m of P, all places are alike: the counts N_p of n samples have variance
    V = Σ_n (m/P)(1 − m/P), and (P−1)/P · Σ_p (N_p − mean)²/V follows χ² with P − 1 degrees of freedom.
    """
    places = role.where.shape[-1]
    held = role.where.sum(-1).double()
    variance = float((held / places * (1 - held / places)).sum())
    if places > 1 and variance >= places:
        found = role.where.sum((0, 1)).double().cpu().numpy()
        square = (places - 1) / places * ((found - found.mean()) ** 2).sum() / variance
        law = stats.chi2(places - 1)
        # Few places can be filled evenly by chance: only many of them say that they are too even.
        p = two_sided(law, square) if places > 10 else float(law.sf(square))
        yield tested(f"{kind}: positions of {role.name}", p, f"{places} places, {int(found.sum())} counts")
    place, some = _one_of(role.where), role.where.any(-1).cpu().numpy()
    pair = some[:, :-1:2][:, : some.shape[1] // 2] & some[:, 1::2]
    apart = (place[:, 1::2] - place[:, :-1:2][:, : some.shape[1] // 2]) % places
    yield fitted(f"{kind}: positions of {role.name} are drawn anew", np.bincount(apart[pair], minlength=places))


def _pairs_of_places(batch: Batch, kind: str) -> Iterator[Check]:
    """Two patches with features lie at each distance equally often."""
    feature = batch.content >= 0
    places = feature.shape[-1]
    two = feature.sum(-1) > 1
    if places < 3 or not two.any():
        return
    first = _one_of(feature)
    index = torch.arange(places, device=feature.device)
    second = _one_of(feature & (index != torch.from_numpy(first).to(feature.device)[..., None]), seed=1)
    apart = ((second - first) % places)[two.cpu().numpy()]
    yield fitted(f"{kind}: distances of patches with features", np.bincount(apart, minlength=places)[1:])


def _signs(batch: Batch, role: Role, kind: str) -> Iterator[Check]:
    """A random sign is as often + as −, and each sample's is drawn by itself."""
    if len(role.groups) != 1 or role.groups[0].sign != "random":
        return
    some = role.where.any(-1)
    sign = ((batch.strength * role.where).sum(-1) > 0).cpu().numpy()
    up, leaf = sign[some.cpu().numpy()], classes(batch.leaf[some])
    yield tested(
        f"{kind}: signs of {role.name}", stats.binomtest(int(up.sum()), up.size, 0.5).pvalue, f"{up.mean():.3f} positive"
    )
    yield independent(f"{kind}: signs of {role.name} and leaves", up, leaf)
    half, held = sign.shape[1] // 2, some.cpu().numpy()
    first, second = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
    both = held[:, first] & held[:, second]
    yield independent(f"{kind}: signs of {role.name} in a row", sign[:, first][both], sign[:, second][both])


def _strengths(law: PatchLaw, batch: Batch, role: Role, kind: str) -> Iterator[Check]:
    """Strengths follow their law, whatever the leaf, the class, the place, the sample before, the replica."""
    if all(float(group.strength.std()) == 0 for group in role.groups):
        return
    strength, where = unsigned(law, role, batch), role.where
    values = numbers(strength[where])
    name = f"{kind}: strengths of {role.name}"
    yield tested(name, stats.kstest(values, role.cdf).pvalue, f"Kolmogorov–Smirnov, {len(values)} numbers")
    per_sample = where.shape[-1]
    yield from alike(name, values, classes(batch.leaf[..., None].expand(*where.shape)[where]), "leaf")
    yield from alike(name, values, classes(batch.coarse[..., None].expand(*where.shape)[where]), "coarse class")
    yield from alike(name, values, classes(torch.arange(per_sample, device=where.device).expand(*where.shape)[where]), "place")
    if len(role.groups) > 1:
        return  # a sample's strengths are of several laws then, and exclude each other
    one = strength.gather(-1, torch.from_numpy(_one_of(where)).to(where.device)[..., None])[..., 0].double().cpu().numpy()
    some = where.any(-1).cpu().numpy()
    row, replica = some[:, :-1] & some[:, 1:], some[:-1] & some[1:]
    yield unrelated(f"{name} of samples in a row", one[:, :-1][row], one[:, 1:][row])
    yield unrelated(f"{name} of two replicas", one[:-1][replica], one[1:][replica])
    r, b, i, j = _pairs(where)
    drawn = strength.double().cpu().numpy()
    yield unrelated(f"{name} within a sample", drawn[r, b, i], drawn[r, b, j])


def _counts(law: PatchLaw, batch: Batch, kind: str) -> Iterator[Check]:
    """Where counts are independent, how many patches each role has: binomial; patches of exact groups take no part."""
    if not law.independent:
        return
    apart = sum(group.patches for group in law.kinds[kind] if group.exact)
    reaches = law.tree.paths.to(batch.leaf.device)[batch.leaf] >= 0
    for role in roles_of(law, batch, kind):
        if all(group.exact for group in role.groups):
            continue
        holds = role.groups[0].holds
        among = role.where[reaches[..., holds.level - 1]] if isinstance(holds, Node) else role.where.flatten(0, 1)
        total, tries = int(among.sum()), among.shape[0] * (law.patches - apart)
        p = stats.binomtest(total, tries, role.patches / law.patches).pvalue if tries else 1.0
        yield tested(f"{kind}: number of patches of {role.name}", p, f"{total / max(1, among.shape[0]):.3f} a sample")


def _other_classes(law: PatchLaw, batch: Batch, roles: list[Role], kind: str) -> Iterator[Check]:
    """Each of the other classes is as frequent, whatever the sample's own."""
    n = law.tree.n_coarse
    for role in roles:
        if n > 2 and role.name == "another class's feature":
            shift = (batch.content - batch.coarse[..., None]) % n
            found = classes(shift[role.where])
            yield fitted(f"{kind}: other classes are equally frequent", np.bincount(found, minlength=n)[1:])
            own = classes(batch.coarse[..., None].expand(*shift.shape)[role.where])
            yield independent(f"{kind}: other classes and the own", found, own)


def _one_of(where: Tensor, seed: int = 0) -> np.ndarray:
    """Place of one of the marked patches of each sample, chosen at random; 0 where none is marked."""
    lots = torch.rand(where.shape, generator=torch.Generator().manual_seed(seed)).to(where.device)
    place: np.ndarray = (lots * where).argmax(-1).cpu().numpy()
    return place


def _pairs(where: Tensor) -> tuple[np.ndarray, ...]:
    """Two marked patches of each sample that has two or more: replica, sample, and both places."""
    first = torch.from_numpy(_one_of(where)).to(where.device)
    rest = where & (torch.arange(where.shape[-1], device=where.device) != first[..., None])
    second = torch.from_numpy(_one_of(rest, seed=1)).to(where.device)
    r, b = rest.any(-1).nonzero(as_tuple=True)
    return tuple(part.cpu().numpy() for part in (r, b, first[r, b], second[r, b]))
