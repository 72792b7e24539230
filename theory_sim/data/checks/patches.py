"""The exact invariants of labels and patches: what each single sample must hold, and the roles that its patches play."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from theory_sim.data.checks.base import Check, exactly
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.law import Law, PatchLaw
from theory_sim.data.parts import Extra, Group, Holds, Node, Nothing, OtherClass
from theory_sim.data.sampler import Batch


def labels(law: Law, batch: Batch, kind: str, number: int) -> Iterator[Check]:
    """Kinds and labels, which every law has."""
    yield exactly(f"{kind}: kind of sample", batch.kind != number, "samples say another")
    ancestor = law.tree.coarse_of_leaf[batch.leaf]
    yield exactly(f"{kind}: coarse label is the leaf's ancestor", batch.coarse != ancestor, "labels wrong")
    if law.label_noise == 0:
        yield exactly(f"{kind}: labels are clean", batch.labelled_leaf != batch.leaf, "labels changed")


def finite(batches: Sequence[Batch], kind: str) -> Check:
    """All numbers of patches are finite."""
    broken, all_numbers = sum(int((~batch.x.isfinite()).sum()) for batch in batches), sum(batch.x.numel() for batch in batches)
    return Check(f"{kind}: patches are finite", f"{broken} of {all_numbers} numbers are not", broken == 0)


@dataclass(frozen=True)
class Role:
    """All groups of a kind of sample whose patches have the same content, and which patches of a batch have this content."""

    name: str
    groups: list[Group]
    where: Tensor

    @property
    def patches(self) -> int:
        """How many such patches a sample has, on average where counts are independent."""
        return sum(group.patches for group in self.groups)

    @property
    def varies(self) -> bool:
        """Whether its patches hold a feature whose strength is drawn."""
        return any(not isinstance(group.holds, Nothing) and float(group.strength.std()) > 0 for group in self.groups)

    def cdf(self, strength: np.ndarray) -> np.ndarray:
        """Distribution function of the strengths, signs aside."""
        parts = [group.patches / self.patches * np.asarray(group.strength.cdf(strength)) for group in self.groups]
        return np.asarray(sum(parts))


def roles_of(law: PatchLaw, batch: Batch, kind: str) -> list[Role]:
    """Everything that patches can hold, whether samples of the kind should or not."""
    content, tree = batch.content, law.tree
    path = tree.paths[batch.leaf]
    of_nodes = (content >= 0) & (content < law.n_node_features)
    found: list[tuple[str, Holds, Tensor]] = [
        (f"the level-{level} feature", Node(level), (content == path[..., level - 1, None]) & of_nodes)
        for level in range(1, tree.depth + 1)
    ]
    own = torch.stack([where for _, _, where in found]).any(0)
    found.append(("another class's feature", OtherClass(), of_nodes & (content < tree.n_coarse) & ~own))
    found += [(f"feature '{name}'", Extra(name), content == law.n_node_features + i) for i, name in enumerate(law.features)]
    groups = law.kinds[kind]
    roles = [Role(name, [g for g in groups if g.holds == holds and g.patches], where) for name, holds, where in found]
    for number, noise in enumerate(law.own_noises):
        name = "dominant noise" + (f" {number + 1}" if number else "")
        alike = [group for group in groups if isinstance(group.holds, Nothing) and group.noise == noise]
        roles.append(Role(name, alike, content == DOMINANT_NOISE - number))
    return roles


def exact(law: PatchLaw, batch: Batch, kind: str) -> Iterator[Check]:
    """What each single sample must hold."""
    roles = roles_of(law, batch, kind)
    known = torch.stack([role.where for role in roles]).any(0) | (batch.content == NOISE)
    yield exactly(f"{kind}: content is known", ~known, "patches hold something else")
    reaches = law.tree.paths[batch.leaf] >= 0
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
        strength = unsigned(law, role, batch)
        ends = [(float(g.strength.ppf(0.0)), float(g.strength.ppf(1.0))) for g in role.groups]
        low, high = min(end for end, _ in ends), max(end for _, end in ends)
        beyond = (strength < low - slack * (1 + abs(low))) | (strength > high + slack * (1 + abs(high)))
        outside = outside | (role.where & beyond)
        if all(group.sign == "random" for group in role.groups) and len(role.groups) == 1:
            signs = batch.strength.sign() * role.where
            mixed = (signs.amax(-1) > 0) & (signs.amin(-1) < 0)
            yield exactly(f"{kind}: one sign of {role.name}", mixed, "samples have both")
    yield exactly(f"{kind}: strengths in range", outside, "patches out of range")


def unsigned(law: PatchLaw, role: Role, batch: Batch) -> Tensor:
    """Strengths without the signs that the law gives them; a wrong sign stays."""
    signs = {group.sign for group in role.groups}
    if signs == {"random"}:
        return batch.strength.abs()
    if signs in ({"class"}, {"-class"}):
        plus = (batch.coarse == 0) == (signs == {"class"})
        return torch.where(plus[..., None], batch.strength, -batch.strength)
    return batch.strength
