"""The law of noise, in every kind of patch: its numbers, coordinates and norm, and its independence of the sample's content.

Noise of a law F is first transformed into numbers that must be standard normal, z = Φ⁻¹(F(ζ)); these are tested. With n patches
in d dimensions, S_i = Σ_n z_ni², and the cosine c_ij = Σ_n z_ni z_nj / √(S_i S_j) of two coordinates:

    Σ z² ~ χ²(nd),   Σ z⁴ ≈ N(3nd, 96nd),   ‖z‖² ~ χ²(d),   S_i ~ χ²(n),   E c_ij² = 1/n.

Every number of every batch is used once, in blocks that fit into a processor's cache.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.fft import dct
from scipy.special import chdtr, ndtr
from torch import Tensor

from theory_sim.data.checks.base import Check, tested
from theory_sim.data.checks.p_values import of_cosines, of_large_squares, of_normal, of_squares, scores, worst_of
from theory_sim.data.checks.sums import BINS, EDGE, PER_UNIT, add_up
from theory_sim.data.checks.tools import fitted, same_for_each, unrelated
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import PatchLaw
from theory_sim.data.parts import Extra

MOST_COORDINATES = 1024
"""Largest number of coordinates whose covariances are tested; they are chosen at random."""
MOST_SUMS = 2**22
"""Largest number of sums of one sort; with more leaves or replicas, several share a sum."""


class Zeros:
    """Patches that should have no noise."""

    def __init__(self, name: str) -> None:
        self.name, self._broken, self._n = name, 0, 0

    def add(self, zeta: Tensor, _: "Rows") -> None:
        """Add the patches of a block."""
        self._broken += int((zeta.abs() >= 1e2 * torch.finfo(zeta.dtype).eps).sum())
        self._n += zeta.numel()

    def checks(self) -> Iterator[Check]:
        """Whether all their numbers are 0."""
        if self._n:
            yield Check(self.name, f"{self._broken} of {self._n} numbers are not 0", self._broken == 0)


class Rows(NamedTuple):
    """The truth about some patches of one replica, one entry for each."""

    replica: int
    sample: Tensor
    place: Tensor
    leaf: Tensor
    coarse: Tensor
    content: Tensor
    strength: Tensor
    tag: Tensor


class Part:
    """Sums over the noise of the patches of a kind of sample that should have one law of noise.

    Args:
        name: of the patches, such as ``easy: noise of plain patches``.
        law: of the samples.
        dictionary: their features.
    """

    def __init__(self, name: str, law: PatchLaw, dictionary: Dictionary) -> None:
        replicas, _, d = dictionary.vectors.shape
        self.name, self.d, self.n = name, d, 0
        self._law, self._dictionary = law, dictionary
        chosen = np.sort(np.random.default_rng(0).permutation(d)[:MOST_COORDINATES])
        self._chosen, c = torch.from_numpy(chosen), len(chosen)
        self._bins, self._squares, self._fourth = np.zeros(BINS, np.int64), np.zeros(d), 0.0
        self._products = _zeros(max(1, min(replicas, MOST_SUMS // c**2)), c, c)
        groups = {"leaf": law.tree.n_leaves, "place": law.patches}
        self._sums = {of: np.zeros((replicas, max(1, min(n, MOST_SUMS // (replicas * d))), d)) for of, n in groups.items()}
        self._sizes = {of: np.zeros(sums.shape[:2], np.int64) for of, sums in self._sums.items()}
        self._along: dict[str, _Along] = {}
        self._norms: list[np.ndarray] = []
        self._rows: list[Rows] = []

    def add(self, z: Tensor, rows: Rows) -> None:
        """Add the patches of a block, as numbers that should be standard normal, (patch, coordinate)."""
        r, norms = rows.replica, np.empty(len(z))
        sums = {of: sums[r] for of, sums in self._sums.items()}
        groups = {of: getattr(rows, of).numpy() % len(sums[of]) for of in sums}
        self._fourth += add_up(z.numpy(), *groups.values(), self._bins, self._squares, *sums.values(), norms)
        for of, group in groups.items():
            self._sizes[of][r] += np.bincount(group, minlength=len(sums[of]))
        self.n += len(z)
        some = z if len(self._chosen) == self.d else z[:, self._chosen]
        self._products[r % len(self._products)] += some.mT @ some
        for name, node in self._nodes(rows).items():
            held = (node >= 0).nonzero()[:, 0]
            if len(held):
                along = _dot(self._dictionary, r, z[held] if len(held) < len(z) else z, node[held])
                self._along.setdefault(name, _Along(self._law.tree.n_coarse)).add(along, rows.coarse[held])
        self._norms.append(norms)
        self._rows.append(rows)

    def _nodes(self, rows: Rows) -> dict[str, Tensor]:
        """Features that the noise should be independent of: the patch's own, those of the sample's path, those of no class."""
        law = self._law
        nodes = {"its feature": rows.content}
        if law.node_features:
            nodes |= {f"the level-{level} feature": node for level, node in enumerate(law.tree.paths[rows.leaf].T, 1)}
        of_none = {f"feature '{name}'": law.feature_of(Extra(name)) for name in law.features}
        return nodes | {name: torch.full_like(rows.leaf, number) for name, number in of_none.items()}

    def checks(self) -> Iterator[Check]:
        """All checks of the part, named after it."""
        if not self.n:
            return
        n, d, square, name = self.n, self.d, float(self._squares.sum()), self.name
        kind, _, what = name.partition(": ")
        many, total = n * d, float(self._sums["leaf"].sum())
        yield tested(f"{kind}: variance of {what}", of_squares(square, many), f"σ² ratio {square / many:.4f}")
        yield tested(f"{kind}: mean of {what}", of_normal(total / math.sqrt(many)), f"mean {total / many:+.1e} σ")
        inside = np.diff(ndtr(np.arange(-EDGE * PER_UNIT, EDGE * PER_UNIT + 1) / PER_UNIT))
        yield fitted(f"{kind}: shape of {what}", self._bins, inside)
        if many >= 100_000:  # z⁴ has heavy tails: the sum of fewer is not near enough to normal
            z = (self._fourth - 3 * many) / math.sqrt(96 * many)
            yield tested(f"{kind}: tails of {what}", of_normal(z), f"fourth moment {self._fourth / many:.4f} σ⁴")
        yield from self._coordinates(f"{kind}: coordinates of {what}")
        for feature, along in self._along.items():
            yield from along.check(f"{name} ignores {feature}")
        for of, sums in self._sums.items():
            some = self._sizes[of] > 0
            squares = float((np.square(sums[some]).sum(-1) / self._sizes[of][some]).sum())
            groups, freedom = int(some.sum()), int(some.sum()) * d
            finding = f"{groups} groups, sum of squares {squares / freedom:.4f} of the expected one"
            yield tested(f"{kind}: mean of {what}: same for each {of}", of_squares(squares, freedom), finding)
        yield from self._of_norms(f"{kind}: norm of {what}")

    def _coordinates(self, name: str) -> Iterator[Check]:
        """Every coordinate has mean 0 and variance σ², and any two are uncorrelated."""
        n, d, sums = self.n, self.d, self._sums["leaf"].sum((0, 1))
        worst, square = float(np.abs(sums).max()) / math.sqrt(n), float(np.square(sums).sum()) / n
        p = worst_of([worst_of(of_normal(worst), d), of_squares(square, d)])
        yield tested(f"{name}: means", p, f"largest {worst:.2f} standard errors")
        least, most = float(self._squares.min()), float(self._squares.max())
        tail = min(of_squares(least, n), of_squares(most, n))
        yield tested(f"{name}: variances", worst_of(tail, d), f"{least / n:.3f} to {most / n:.3f} σ²")
        score = scores(chdtr(n, self._squares))
        spread = float(np.square(score).sum())
        # A pattern across the coordinates, such as two different halves, shows in the cosine transform. This is orthonormal, so
        # that its components are N(0, 1) too.
        waves = np.abs(dct(score, norm="ortho"))
        p = worst_of([of_squares(spread, d), worst_of(of_normal(float(waves.max())), d)])
        finding = f"{spread / d:.3f} of expected, largest in cosine component {waves.argmax()}"
        yield tested(f"{name}: spread of variances", p, finding)
        if len(self._chosen) > 1:
            yield from self._covariance(name)

    def _covariance(self, name: str) -> Iterator[Check]:
        """Cosines of two coordinates: the largest, sums at each distance, the sum of all, and their squares."""
        sizes, folds, c = self._sizes["place"].sum(1), len(self._products), len(self._chosen)
        upper = np.triu_indices(c, 1)
        distance = self._chosen.numpy()[upper[1]] - self._chosen.numpy()[upper[0]]
        signed, squares, kept = np.zeros(len(distance)), 0.0, 0
        for fold, products in enumerate(self._products):
            n, scale = int(sizes[fold::folds].sum()), products.diagonal().sqrt()
            if n > 1:
                cosine = (products / scale[:, None] / scale).numpy()[upper] * math.sqrt(n)
                signed += cosine
                squares += float(np.square(cosine).sum())
                kept += 1
        if not kept:
            return
        signed, pairs = signed / math.sqrt(kept), len(distance)
        largest = float(np.abs(signed).max())
        finding = f"largest {largest:.2f} standard errors"
        yield tested(f"{name}: pairs", worst_of(of_normal(largest), pairs), finding)
        sums, counts = np.bincount(distance, signed), np.bincount(distance)
        found = np.flatnonzero(counts)
        each = sums[found] / np.sqrt(counts[found])
        at = int(np.abs(each).argmax())
        p = worst_of(of_normal(float(each[at])), len(each))
        yield tested(f"{name}: pairs at each distance", p, f"most at {found[at]}: z = {each[at]:+.2f}")
        z = float(signed.sum()) / math.sqrt(pairs)
        yield tested(f"{name}: all pairs", of_normal(z), f"z = {z:+.2f}")
        p = of_cosines(squares, kept * pairs, self.n // kept)
        yield tested(f"{name}: squares of all pairs", p, f"sum {squares / (kept * pairs):.4f} of the expected one")

    def _of_norms(self, name: str) -> Iterator[Check]:
        """‖ζ‖ follows its law in every patch, whatever the leaf, the place, the sample, the feature and its strength."""
        score = scores(chdtr(self.d, np.concatenate(self._norms)))
        spread = float(np.square(score).sum()) / len(score)
        yield tested(f"{name}: spread", of_squares(spread * len(score), len(score)), f"{spread:.4f} of the expected one")
        rows = {of: torch.cat([getattr(rows, of) for rows in self._rows]).numpy() for of in Rows._fields[1:]}
        replica = np.repeat([rows.replica for rows in self._rows], [len(rows.leaf) for rows in self._rows])
        groups = {"replica": replica, "leaf": rows["leaf"], "place": rows["place"], "feature": rows["content"]}
        groups["sample"] = replica * (rows["sample"].max() + 1) + rows["sample"]
        for of, group in groups.items():
            yield from same_for_each(name, score, group, of)
        for of, what in (("strength", "strengths"), ("tag", "tags")):
            if np.ptp(rows[of]) > 0:
                yield unrelated(f"{name} and {what}", (rows[of] - rows[of].mean(dtype=float), score))


class _Along:
    """Sums over the components of noise along features, which should be N(0, 1) in every class."""

    def __init__(self, classes: int) -> None:
        self._sums, self._sizes, self._square = _zeros(classes), _zeros(classes), 0.0

    def add(self, along: Tensor, coarse: Tensor) -> None:
        """Add components, with the classes of their samples."""
        classes = len(self._sums)
        self._sums += torch.bincount(coarse, along.double(), minlength=classes)
        self._sizes += torch.bincount(coarse, minlength=classes)
        self._square += float(along.square().sum())

    def check(self, name: str) -> Iterator[Check]:
        """The check of the mean, the means by class, and the squares."""
        some = self._sizes > 0
        if not some.any():
            return
        n, z = float(self._sizes.sum()), float(self._sums.sum()) / math.sqrt(float(self._sizes.sum()))
        classes = float((self._sums[some].square() / self._sizes[some]).sum())
        p = [of_normal(z), of_large_squares(classes, int(some.sum())), of_squares(self._square, n)]
        yield tested(name, worst_of(p), f"z = {z:+.2f} along v, σ² ratio {self._square / n:.4f}")


def _dot(dictionary: Dictionary, replica: int, z: Tensor, node: Tensor) -> Tensor:
    """⟨z, v_node⟩."""
    if dictionary.canonical:
        return z.gather(1, node[:, None])[:, 0]
    return (z * dictionary.vectors[replica, node]).sum(-1)


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(*shape, dtype=torch.float64)
