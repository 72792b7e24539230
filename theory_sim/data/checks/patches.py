"""The invariants of labels and patches: what they hold, how many, where, how strongly, and with which sign."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from theory_sim.data.checks.base import Check, exactly, some_of, tested
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.law import Law, PatchLaw
from theory_sim.data.parts import Extra, Group, Holds, Node, Nothing, OtherClass
from theory_sim.data.sampler import Batch


def labels(law: Law, batch: Batch, kind: str, number: int) -> Iterator[Check]:
    """Kinds and labels, which every law has."""
    yield exactly(f"{kind}: kind of sample", batch.kind != number, "samples say another")
    ancestor = law.tree.coarse_of_leaf.to(batch.leaf.device)[batch.leaf]
    yield exactly(f"{kind}: coarse label is the leaf's ancestor", batch.coarse != ancestor, "labels wrong")
    yield exactly(f"{kind}: patches are finite", ~batch.x.isfinite(), "numbers are not")
    if getattr(law, "label_noise", 0) == 0:
        yield exactly(f"{kind}: labels are clean", batch.labelled_leaf != batch.leaf, "labels changed")


@dataclass(frozen=True)
class _Role:
    """All groups of a kind of sample whose patches hold the same, and the patches of a batch that do."""

    name: str
    groups: list[Group]
    where: Tensor

    @property
    def patches(self) -> int:
        return sum(group.patches for group in self.groups)

    def cdf(self, strength: np.ndarray) -> np.ndarray:
        """Distribution function of the strengths, signs aside."""
        parts = [group.patches / self.patches * np.asarray(group.strength.cdf(strength)) for group in self.groups]
        return np.asarray(sum(parts))


def _roles(law: PatchLaw, batch: Batch, kind: str) -> list[_Role]:
    """Everything that patches can hold, whether samples of the kind should or not."""
    content, tree = batch.content, law.tree
    path = tree.paths.to(batch.leaf.device)[batch.leaf]
    of_nodes = (content >= 0) & (content < law.n_node_features)
    found: list[tuple[str, Holds, Tensor]] = [
        (f"the level-{level} feature", Node(level), (content == path[..., level - 1, None]) & of_nodes)
        for level in range(1, tree.depth + 1)
    ]
    own = torch.stack([where for _, _, where in found]).any(0)
    found.append(("another class's feature", OtherClass(), of_nodes & (content < tree.n_coarse) & ~own))
    found += [(f"feature '{name}'", Extra(name), content == law.n_node_features + i) for i, name in enumerate(law.features)]
    groups = law.kinds[kind]
    roles = [_Role(name, [g for g in groups if g.holds == holds and g.patches], where) for name, holds, where in found]
    for number, noise in enumerate(law.own_noises):
        name = "dominant noise" + (f" {number + 1}" if number else "")
        alike = [group for group in groups if isinstance(group.holds, Nothing) and group.noise == noise]
        roles.append(_Role(name, alike, content == DOMINANT_NOISE - number))
    return roles


def exact(law: PatchLaw, batch: Batch, kind: str) -> Iterator[Check]:
    """What each single sample must hold."""
    roles = _roles(law, batch, kind)
    known = torch.stack([role.where for role in roles]).any(0) | (batch.content == NOISE)
    yield exactly(f"{kind}: content is known", ~known, "patches hold something else")
    reaches = law.tree.paths.to(batch.leaf.device)[batch.leaf] >= 0
    outside = (batch.content < 0) & (batch.strength != 0)
    slack = 8 * torch.finfo(batch.strength.dtype).eps
    for number, role in enumerate(roles):
        if not role.groups:
            yield exactly(f"{kind}: no patch of {role.name}", role.where, "patches hold it")
            continue
        if all(group.exact or not law.independent for group in role.groups):
            wanted = reaches[..., number] * role.patches if number < law.tree.depth else torch.tensor(role.patches)
            yield exactly(f"{kind}: patches of {role.name}", role.where.sum(-1) != wanted, "samples wrong")
        if isinstance(role.groups[0].holds, Nothing):
            continue
        strength = _unsigned(law, role, batch)
        ends = [(float(g.strength.ppf(0.0)), float(g.strength.ppf(1.0))) for g in role.groups]
        low, high = min(end for end, _ in ends), max(end for _, end in ends)
        beyond = (strength < low - slack * (1 + abs(low))) | (strength > high + slack * (1 + abs(high)))
        outside = outside | (role.where & beyond)
        if all(group.sign == "random" for group in role.groups) and len(role.groups) == 1:
            signs = batch.strength.sign() * role.where
            mixed = (signs.amax(-1) > 0) & (signs.amin(-1) < 0)
            yield exactly(f"{kind}: one sign of {role.name}", mixed, "samples have both")
    yield exactly(f"{kind}: strengths in range", outside, "patches out of range")


def _unsigned(law: PatchLaw, role: _Role, batch: Batch) -> Tensor:
    """Strengths without the signs that the law gives them; a wrong sign stays."""
    signs = {group.sign for group in role.groups}
    if signs == {"random"}:
        return batch.strength.abs()
    if signs in ({"class"}, {"-class"}):
        plus = (batch.coarse == 0) == (signs == {"class"})
        return torch.where(plus[..., None], batch.strength, -batch.strength)
    return batch.strength


def distributions(law: PatchLaw, batch: Batch, kind: str) -> Iterator[Check]:
    """What many samples must look like."""
    tree = law.tree
    counts = np.bincount(batch.leaf.flatten().cpu().numpy(), minlength=tree.n_leaves)
    yield _fit(f"{kind}: leaves are balanced", counts, np.array(tree.leaf_probability))
    apart = sum(group.patches for group in law.kinds[kind] if group.exact)
    reaches = tree.paths.to(batch.leaf.device)[batch.leaf] >= 0
    for number, role in enumerate(_roles(law, batch, kind)):
        if role.where.any():
            where = role.where.sum((0, 1)).cpu().numpy()
            # Fixed counts make a sample's places exclusive, which only narrows their spread: chi-square is conservative.
            yield _fit(f"{kind}: positions of {role.name}", where, np.full(law.patches, 1 / law.patches))
        holds_feature = bool(role.groups) and not isinstance(role.groups[0].holds, Nothing)
        if holds_feature and role.where.any() and any(float(group.strength.std()) > 0 for group in role.groups):
            values = some_of(_unsigned(law, role, batch)[role.where])
            yield tested(f"{kind}: strengths of {role.name}", stats.kstest(values, role.cdf).pvalue, "Kolmogorov–Smirnov")
        if len(role.groups) == 1 and role.groups[0].sign == "random" and role.where.any():
            up = (batch.strength * role.where).sum(-1)[role.where.any(-1)] > 0
            p = stats.binomtest(int(up.sum()), up.numel(), 0.5).pvalue
            yield tested(f"{kind}: signs of {role.name}", p, f"{float(up.double().mean()):.3f} positive")
        if law.independent and any(not group.exact for group in role.groups):
            # Binomial counts; patches of exact groups take no part.
            among = role.where[reaches[..., number]] if number < tree.depth else role.where.flatten(0, 1)
            total, tries = int(among.sum()), among.shape[0] * (law.patches - apart)
            p = stats.binomtest(total, tries, role.patches / law.patches).pvalue if tries else 1.0
            yield tested(f"{kind}: number of patches of {role.name}", p, f"{total / max(1, among.shape[0]):.3f} a sample")
    other = _roles(law, batch, kind)[tree.depth].where
    if other.any() and tree.n_coarse > 2:
        shift = (batch.content - batch.coarse[..., None]) % tree.n_coarse
        counts = np.bincount(shift[other].cpu().numpy(), minlength=tree.n_coarse)[1:]
        yield _fit(f"{kind}: other classes are equally frequent", counts)
    tags = stats.kstest(some_of(batch.tag), stats.uniform().cdf).pvalue
    yield tested(f"{kind}: tags", tags, "Kolmogorov–Smirnov against U[0, 1]")
    if law.label_noise > 0:
        changed, n = int((batch.labelled_leaf != batch.leaf).sum()), batch.leaf.numel()
        expected = law.label_noise * (1 - float(np.square(tree.leaf_probability).sum()))
        yield tested(
            f"{kind}: label noise", stats.binomtest(changed, n, expected).pvalue, f"{changed / n:.4f}, law {expected:.4f}"
        )


def _fit(name: str, counts: np.ndarray, probability: np.ndarray | None = None) -> Check:
    """Chi-square test of counts against a law, uniform by default."""
    probability = np.full(len(counts), 1 / len(counts)) if probability is None else probability / probability.sum()
    # Neighbouring places are taken together until chi-square's approximation is good: five expected counts or more.
    cell, whole, filled = np.zeros(len(counts), dtype=int), 0, 0.0
    for place, share in enumerate(probability):
        cell[place] = whole
        filled += share * counts.sum()
        if filled >= 5:
            whole, filled = whole + 1, 0.0
    cell = np.minimum(cell, max(0, whole - 1))
    observed, expected = np.bincount(cell, counts), np.bincount(cell, probability) * counts.sum()
    if len(observed) < 2:
        return tested(name, 1.0, "too few counts to test")
    return tested(name, stats.chisquare(observed, expected).pvalue, f"{len(counts)} places, {counts.sum()} counts")
