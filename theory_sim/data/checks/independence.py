"""Noise of different patches, samples, steps, kinds and replicas is independent, and none is used twice.

For independent directions in R^d a cosine has mean 0, and its square follows Beta(1/2, (d − 1)/2), with mean 1/d; shared noise
changes one of these means.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from theory_sim.data.checks.base import Check, tested
from theory_sim.data.checks.p_values import of_cosines, of_largest_cosine, of_normal, worst_of

MOST_COMPARED = 4000
"""About how many patches, chosen at random among all, are compared pairwise."""
PROJECTIONS, SAME, LEAST_COORDINATES = 4, 1e-5, 8
"""Two patches are taken to have the same noise if the projections of their directions onto four random vectors differ by less
than 1e-5. In fewer than eight coordinates patches with different noise can be as near."""


class Cosines:
    """Sums over the cosines between patches whose noise should be independent.

    Args:
        name: of the check.
        d: dimension.
    """

    def __init__(self, name: str, d: int) -> None:
        self._name, self._d, self.pairs = name, d, 0
        self._sum = self._squares = 0.0

    def add(self, cosine: Tensor, pairs: int) -> None:
        """Add the cosines of a block, of which all but `pairs` are 0."""
        self.pairs += pairs
        self._sum += float(cosine.sum())
        self._squares += float(cosine.square().sum())

    def check(self) -> Check:
        """The check of the mean cosine and of the mean squared cosine."""
        n, d = max(1, self.pairs), self._d
        z, squares = self._sum * math.sqrt(d / n), self._squares * d
        p = worst_of([of_normal(z), of_cosines(squares, self.pairs, d)])
        return tested(self._name, p, f"{n} pairs, z = {z:+.2f}, mean cos² · d = {squares / n:.4f}")


@dataclass(frozen=True)
class Directions:
    """The directions of the noise of some samples of one replica, 0 where a patch has none, and which patches have noise."""

    unit: Tensor
    there: Tensor

    @classmethod
    def of(cls, z: Tensor, there: Tensor) -> "Directions":
        """The directions of noise, (sample, patch, coordinate)."""
        return cls(z * (there / z.norm(dim=-1).clamp(min=1e-30))[..., None], there)

    def rows(self, rows: slice) -> "Directions":
        """The directions in some of the samples."""
        return Directions(self.unit[rows], self.there[rows])


class Pairs:
    """All comparisons of patches with each other.

    Args:
        d: dimension.
        patches: about how many patches all batches have; about `MOST_COMPARED` of them are compared pairwise.
    """

    def __init__(self, d: int, patches: int) -> None:
        self._d, self._share = d, min(1.0, MOST_COMPARED / max(1, patches))
        self._cosines: dict[str, Cosines] = {}
        self._rng = np.random.default_rng(0)
        self._onto = torch.from_numpy(self._rng.standard_normal((d, PROJECTIONS)))
        self._some: list[Tensor] = []
        self._projected: list[Tensor] = []

    def add(self, here: Mapping[str, Directions], before: Mapping[str, Directions]) -> None:
        """Add the same samples of each batch, in one replica.

        Args:
            here: directions in each batch, by how the batch differs from the first.
            before: the same of the previous replica; empty for the first.
        """
        first, *others = here
        for name, own in here.items():
            self._within("patches of a sample", own)
            self._between("samples", own.rows(slice(-1)), own.rows(slice(1, None)))
            if name in before:
                self._between("replicas", own, before[name])
            flat = own.unit[own.there]
            self._some.append(flat[torch.from_numpy(self._rng.random(len(flat)) < self._share)])
            self._projected.append(flat @ self._onto.to(flat))
        for name in others:
            self._between(name, here[first], here[name])

    def checks(self) -> Iterator[Check]:
        """All checks."""
        for cosines in self._cosines.values():
            if cosines.pairs:
                yield cosines.check()
        yield from self._any_two(torch.cat(self._some))
        if self._d >= LEAST_COORDINATES:
            yield _not_again(torch.cat(self._projected).double().numpy())

    def _between(self, what: str, first: Directions, second: Directions) -> None:
        n = min(len(first.unit), len(second.unit))
        cosine, both = (first.unit[:n] * second.unit[:n]).sum(-1), first.there[:n] & second.there[:n]
        self._of(what).add(cosine, int(both.sum()))

    def _within(self, what: str, own: Directions) -> None:
        cosine, patches = own.unit @ own.unit.mT, own.there.sum(-1)
        self._of(what).add(cosine.triu_(1), int((patches * (patches - 1)).sum()) // 2)

    def _of(self, what: str) -> Cosines:
        return self._cosines.setdefault(what, Cosines(f"independent {what}", self._d))

    def _any_two(self, some: Tensor) -> Iterator[Check]:
        """No two patches at all, however far apart, have noise that is nearly the same."""
        n, d = some.shape
        if n < 2 or d == 1:
            return
        largest = max(float((some[i : i + 500] @ some[i:].mT).triu(1).abs().max()) for i in range(0, n, 500))
        finding = f"largest cos² · d = {largest**2 * d:.2f} among {n} patches"
        yield tested("independent patches, any two", of_largest_cosine(largest, n * (n - 1) // 2, d), finding)


def _not_again(projected: np.ndarray) -> Check:
    """No noise is used twice, whatever its sign and scale: among all patches, neighbours in one projection differ in others."""
    projected = projected * np.where(projected[:, :1] < 0, -1, 1)
    ordered = projected[projected[:, 0].argsort()]
    twice = sum(int((np.abs(ordered[k:] - ordered[:-k]).max(-1) < SAME).sum()) for k in (1, 2, 3) if len(ordered) > k)
    return Check("noise is not used again", f"{twice} of {len(ordered)} patches have the noise of another", not twice)
