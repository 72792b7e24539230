"""The invariants of noise: its law in every kind of patch, and its independence of features, patches, samples, steps, replicas.

Noise of any law is first turned into what must be standard normal numbers, z = Φ⁻¹(F(ζ)), and these are tested.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from scipy import stats
from scipy.special import ndtri
from torch import Tensor

from theory_sim.data.checks.base import Check, exactly, some_of, tested, two_sided
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.law import PatchLaw
from theory_sim.data.parts import Gaussian, Noise
from theory_sim.data.sampler import Batch


def noise_laws(law: PatchLaw, dictionary: Dictionary, batch: Batch, kind: str) -> Iterator[Check]:
    """Mean, variance and shape of the noise of plain patches, of patches with a feature, and of each other noise law."""
    residual, directions = _residual(dictionary, batch), _directions(dictionary, batch)
    parts: list[tuple[str, Tensor, Noise]] = [
        ("noise of plain patches", batch.content == NOISE, law.noise),
        ("noise of feature patches", batch.content >= 0, law.noise),
    ]
    for number, noise in enumerate(law.own_noises):
        parts.append(("dominant noise" + (f" {number + 1}" if number else ""), batch.content == DOMINANT_NOISE - number, noise))
    for what, mask, noise in parts:
        zeta = residual[mask]
        if not len(zeta):
            continue
        if noise.norm == 0:
            broken = zeta.abs() >= 1e2 * torch.finfo(zeta.dtype).eps
            yield exactly(f"{kind}: {what}", broken, "numbers are not 0")
            continue
        z = _standard(zeta, noise)
        n = z.numel()
        total, square = float(z.sum(dtype=torch.float64)), float(z.square().sum(dtype=torch.float64))
        yield tested(f"{kind}: variance of {what}", two_sided(stats.chi2(n), square), f"σ² ratio {square / n:.4f}")
        yield tested(f"{kind}: mean of {what}", two_sided(stats.norm(), total / math.sqrt(n)), f"mean {total / n:+.1e} σ")
        yield tested(f"{kind}: shape of {what}", stats.kstest(some_of(z), "norm").pvalue, "Kolmogorov–Smirnov against its law")
        along = float((z * directions[mask]).sum(dtype=torch.float64)) / math.sqrt(len(z))
        yield tested(f"{kind}: {what} ignores the feature", two_sided(stats.norm(), along), f"z = {along:+.2f} along v")


def independence(law: PatchLaw, dictionary: Dictionary, steps: Sequence[Batch]) -> Iterator[Check]:
    """Noise of different patches, samples, steps, replicas and coordinates is independent.

    For independent directions in R^d the squared cosine has mean 1/d and variance 2(d−1)/(d²(d+2)); pairs that share
    noise push the mean up. Correlation of neighbouring coordinates is tested on their products.
    """
    d = dictionary.vectors.shape[-1]
    if law.noise.norm == 0 or d == 1:
        return
    first, second = (_standard(_residual(dictionary, batch.slice(0, 200)).double(), law.noise) for batch in steps[:2])
    unit = first / first.norm(dim=-1, keepdim=True)
    later = second / second.norm(dim=-1, keepdim=True)
    pairs = {"steps": (unit * later).sum(-1)}
    if unit.shape[2] > 1:
        pairs["patches"] = (unit[:, :, :-1] * unit[:, :, 1:]).sum(-1)
        gram = unit[:, :50] @ unit[:, :50].mT
        upper = torch.triu(torch.ones(gram.shape[-2:], dtype=torch.bool, device=gram.device), 1)
        pairs["patches of a sample"] = gram[..., upper]
    if unit.shape[1] > 1:
        pairs["samples"] = (unit[:, :-1] * unit[:, 1:]).sum(-1)[:, ::2]
    if len(unit) > 1:
        pairs["replicas"] = (unit[:-1] * unit[1:]).sum(-1)[::2]
    for what, cosine in pairs.items():
        mean = float((cosine**2).mean())
        spread = math.sqrt(2 * (d - 1) / (d**2 * (d + 2)) / cosine.numel())
        z = (mean - 1 / d) / spread
        yield tested(f"independent {what}", two_sided(stats.norm(), z), f"mean cos² · d = {mean * d:.4f}")
    product = first[..., :-1:2] * first[..., 1::2]
    t = float(product.sum()) / math.sqrt(product.numel())
    yield tested("independent coordinates", two_sided(stats.norm(), t), f"mean product {t / math.sqrt(product.numel()):+.1e}")


def _residual(dictionary: Dictionary, batch: Batch) -> Tensor:
    """x_p − α v: what is noise by the batch's own truth."""
    x = batch.x.clone()
    dictionary.add_to(x, batch.content, -batch.strength)
    return x


def _standard(zeta: Tensor, noise: Noise) -> Tensor:
    """Numbers that are standard normal if the noise follows its law."""
    d = zeta.shape[-1]
    if isinstance(noise, Gaussian):
        return zeta * (math.sqrt(d) / noise.norm)
    return torch.from_numpy(ndtri(noise.cdf(zeta.double().cpu().numpy(), d))).to(zeta)


def _directions(dictionary: Dictionary, batch: Batch) -> Tensor:
    """The feature of each patch, or one of those that there are where it holds none: its coarse class's if there is one."""
    vectors = dictionary.vectors
    if not vectors.shape[1]:  # a law of noise alone: any direction
        vectors = torch.eye(1, vectors.shape[-1]).to(vectors).expand(len(vectors), -1, -1)
    index = torch.where(batch.content >= 0, batch.content, batch.coarse[..., None] % vectors.shape[1])
    replica = torch.arange(len(index), device=index.device)[:, None, None]
    return vectors[replica, index]
