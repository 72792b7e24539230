"""The law of noise, in every kind of patch: its numbers, its coordinates, its norm, and that it knows nothing of the sample.

Noise of any law is first turned into what must be standard normal numbers, z = Φ⁻¹(F(ζ)), and these are tested. With n patches
in d dimensions, and S_i = Σ_n z_ni²:

    Σ z² ~ χ²(nd),   Σ z⁴ ≈ N(3nd, 96nd),   ‖z‖² ~ χ²(d),   t_ij = Σ_n z_ni z_nj / √S_i ~ N(0, 1) for i ≠ j.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy import stats
from scipy.special import ndtri
from torch import Tensor

from theory_sim.data.checks.base import Check, exactly, tested, two_sided
from theory_sim.data.checks.tools import alike, classes
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.law import Gaussian, Noise, PatchLaw
from theory_sim.data.sampler import Batch

BINS = 1000
"""Bins of equal probability in which the shape of noise is tested."""
MOST_COORDINATES = 1024
"""Coordinates whose covariance is tested at most, chosen at random."""
ROWS = 4096
"""Patches that are worked on at once."""


def noise_laws(law: PatchLaw, dictionary: Dictionary, batch: Batch, kind: str) -> Iterator[Check]:
    """The noise of plain patches, of patches with a feature, and of each other noise law."""
    parts: list[tuple[str, Tensor, Noise]] = [
        ("noise of plain patches", batch.content == NOISE, law.noise),
        ("noise of feature patches", batch.content >= 0, law.noise),
    ]
    for number, noise in enumerate(law.own_noises):
        parts.append(("dominant noise" + (f" {number + 1}" if number else ""), batch.content == DOMINANT_NOISE - number, noise))
    for what, mask, noise in parts:
        if not mask.any():
            continue
        if noise.norm == 0:
            broken = residual(dictionary, batch)[mask].abs() >= 1e2 * torch.finfo(batch.x.dtype).eps
            yield exactly(f"{kind}: {what}", broken, "numbers are not 0")
        else:
            yield from _Part(law, dictionary, batch, mask, noise).checks(f"{kind}: ", what)


def residual(dictionary: Dictionary, batch: Batch) -> Tensor:
    """x_p − α v: what is noise by the batch's own truth."""
    x = batch.x.clone()
    dictionary.add_to(x, batch.content, -batch.strength)
    return x


def standard(zeta: Tensor, noise: Noise) -> Tensor:
    """Numbers that are standard normal if the noise follows its law."""
    d = zeta.shape[-1]
    if isinstance(noise, Gaussian):
        return zeta * (math.sqrt(d) / noise.norm)
    return torch.from_numpy(ndtri(noise.cdf(zeta.double().cpu().numpy(), d))).to(zeta)


class _Part:
    """Sums over the noise of some patches of a batch, gathered a block of patches at a time.

    Args:
        law: the law of the batch.
        dictionary: its features.
        batch: the samples.
        mask: the patches.
        noise: their noise's law.
    """

    def __init__(self, law: PatchLaw, dictionary: Dictionary, batch: Batch, mask: Tensor, noise: Noise) -> None:
        d = batch.x.shape[-1]
        chosen = np.random.default_rng(0).permutation(d)[:MOST_COORDINATES]
        self._chosen = torch.from_numpy(np.sort(chosen)).to(batch.x.device)
        self.d, self.n, c = d, 0, len(chosen)
        self._square = self._fourth = 0.0
        self._bins = torch.zeros(BINS, dtype=torch.float64)
        self._sums = torch.zeros(d, dtype=torch.float64)
        self._squares = torch.zeros(d, dtype=torch.float64)
        self._products = torch.zeros(c, c, dtype=torch.float64)
        # Along the feature that the patch holds, then along those of the sample's path, whatever the patch holds.
        self._along = torch.zeros(1 + law.tree.depth, dtype=torch.float64)
        self._tries = torch.zeros(1 + law.tree.depth, dtype=torch.float64)
        norms = []
        paths = law.tree.paths.to(batch.leaf.device)
        for r in range(len(batch.x)):
            sample, place = mask[r].nonzero(as_tuple=True)
            for rows, where in zip(sample.split(ROWS), place.split(ROWS), strict=True):
                norms.append(self._gather(dictionary, batch, r, (rows, where), noise, paths))
        self._norms = torch.cat(norms).double().cpu().numpy()
        index = mask.nonzero()
        self._leaf, self._place = classes(batch.leaf[index[:, 0], index[:, 1]]), classes(index[:, 2])

    def _gather(
        self, dictionary: Dictionary, batch: Batch, r: int, at: tuple[Tensor, Tensor], noise: Noise, paths: Tensor
    ) -> Tensor:
        """Add a block of patches of one replica; ‖z‖² of each."""
        rows, where = at
        zeta, content = batch.x[r, rows, where].clone(), batch.content[r, rows, where]
        vectors = dictionary.vectors[r]
        zeta -= torch.where(content >= 0, batch.strength[r, rows, where], 0)[:, None] * vectors[content.clamp(min=0)]
        z = standard(zeta, noise)
        square = z.square()
        self.n += len(z)
        self._fourth += float(square.square().sum(dtype=torch.float64))
        self._bins += torch.histc(torch.special.ndtr(z).clamp(0, 1), BINS, 0, 1).double().cpu()
        self._sums += z.sum(0, dtype=torch.float64).cpu()
        self._squares += square.sum(0, dtype=torch.float64).cpu()
        some = z[:, self._chosen]
        self._products += (some.mT @ some).double().cpu()
        for level, node in enumerate([content, *paths[batch.leaf[r, rows]].T]):
            along = (z * vectors[node.clamp(min=0)]).sum(-1)[node >= 0]
            self._along[level] += float(along.sum(dtype=torch.float64))
            self._tries[level] += len(along)
        return square.sum(-1)

    def checks(self, kind: str, what: str) -> Iterator[Check]:
        """All checks of the part, named after it."""
        n, d, square = self.n, self.d, float(self._squares.sum())
        normal, many, total = stats.norm(), self.n * self.d, float(self._sums.sum())
        yield tested(f"{kind}variance of {what}", two_sided(stats.chi2(many), square), f"σ² ratio {square / many:.4f}")
        yield tested(f"{kind}mean of {what}", two_sided(normal, total / math.sqrt(many)), f"mean {total / many:+.1e} σ")
        yield from self._shape(kind, what)
        yield from self._coordinates(kind, what)
        for level, (along, tries) in enumerate(zip(self._along.tolist(), self._tries.tolist(), strict=True)):
            if tries:
                z = along / math.sqrt(tries)
                name = f"{kind}{what} ignores " + (f"the level-{level} feature" if level else "its feature")
                yield tested(name, two_sided(normal, z), f"z = {z:+.2f} along v")
        # Excess of ‖z‖², whose law is χ²(d): its variance is 2d, its fourth central moment 12d² + 48d.
        excess = float(((self._norms - d) ** 2).sum()) / (2 * d)
        z = (excess - n) / math.sqrt(n * (2 + 12 / d))
        if n * d >= 1000:
            yield tested(f"{kind}spread of the norm of {what}", two_sided(normal, z), f"variance {excess / n:.4f} of its law's")
        yield from alike(f"{kind}norm of {what}", self._norms, self._leaf, "leaf")
        yield from alike(f"{kind}norm of {what}", self._norms, self._place, "place")

    def _shape(self, kind: str, what: str) -> Iterator[Check]:
        """The distribution function in bins, which rests on all numbers, and the fourth moment, which sees the tails."""
        many = self.n * self.d
        if many < 5 * BINS:
            return
        yield tested(
            f"{kind}shape of {what}", stats.chisquare(self._bins.numpy()).pvalue, f"{BINS} equally probable bins, {many} numbers"
        )
        z = (self._fourth - 3 * many) / math.sqrt(96 * many)
        if many >= 100_000:  # z⁴ has heavy tails: fewer numbers are not near enough to normal
            yield tested(f"{kind}tails of {what}", two_sided(stats.norm(), z), f"fourth moment {self._fourth / many:.4f} σ⁴")

    def _coordinates(self, kind: str, what: str) -> Iterator[Check]:
        """Every coordinate has mean 0 and variance σ², and any two are uncorrelated."""
        n, d = self.n, self.d
        worst, name = float(self._sums.abs().max()) / math.sqrt(n), f"{kind}coordinates of {what}"
        yield tested(f"{name}: means", _worst_of(2 * stats.norm.sf(worst), d), f"largest {worst:.2f} standard errors")
        least, most = float(self._squares.min()), float(self._squares.max())
        tail = 2 * min(stats.chi2(n).cdf(least), stats.chi2(n).sf(most))
        yield tested(f"{name}: variances", _worst_of(tail, d), f"{least / n:.3f} to {most / n:.3f} σ²")
        spread = float(((self._squares - n) ** 2).sum()) / (2 * n)
        z = (spread - d) / math.sqrt(d * (2 + 12 / n))
        if n * d >= 1000:
            yield tested(f"{name}: spread of variances", two_sided(stats.norm(), z), f"{spread / d:.3f} of its law's")
        c = len(self._chosen)
        if c < 2:
            return
        t = self._products / self._products.diagonal().sqrt()[:, None]
        upper = torch.ones(c, c, dtype=torch.bool).triu(1)
        largest = float(t[upper].abs().max())
        pairs = c * (c - 1) // 2
        yield tested(
            f"{name}: pairs", _worst_of(2 * stats.norm.sf(largest), pairs), f"largest correlation {largest / math.sqrt(n):.4f}"
        )
        lags = [float(t.diagonal(lag).sum()) / math.sqrt(c - lag) for lag in range(1, c)]
        lag = int(np.argmax(np.abs(lags)))
        p = _worst_of(2 * stats.norm.sf(abs(lags[lag])), c - 1)
        yield tested(f"{name}: pairs at each distance", p, f"most at {lag + 1}: z = {lags[lag]:+.2f}")
        z = float(t[upper].sum()) / math.sqrt(pairs)
        yield tested(f"{name}: all pairs", two_sided(stats.norm(), z), f"z = {z:+.2f}")


def _worst_of(p: float, tries: int) -> float:
    """P-value of the smallest of as many p-values (Šidák)."""
    return float(-math.expm1(tries * math.log1p(-min(float(p), 1 - 1e-16))))
