"""Noise of different patches, samples, steps, kinds and replicas is independent, and no two streams are the same.

For independent directions in R^d the squared cosine is Beta(1/2, (d−1)/2) distributed, with mean 1/d and variance
2(d−1)/(d²(d+2)); pairs that share noise push the mean up.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from theory_sim.data.checks.base import Check, tested, two_sided
from theory_sim.data.checks.noise import residual, standard
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.latents import DOMINANT_NOISE
from theory_sim.data.law import PatchLaw
from theory_sim.data.sampler import Batch

MOST = 20_000_000
"""Numbers of a batch that are held at once."""
ANY = 4000
"""Patches, chosen at random among all, of which every two are compared."""


def independence(law: PatchLaw, dictionary: Dictionary, steps: Sequence[Batch], others: Mapping[str, Batch]) -> Iterator[Check]:
    """Cosines between the noise of patches that should have nothing in common."""
    d = dictionary.vectors.shape[-1]
    if d == 1:
        return
    for number, noise in enumerate(law.own_noises):
        for kind, batch in {"": steps[0], **others}.items():
            of = batch.content == DOMINANT_NOISE - number
            if noise.norm and of.any():
                r, b, p = of.nonzero(as_tuple=True)
                unit = _unit(batch.x[r, b, p])
                name = f"{kind}: dominant noise" + (f" {number + 1}" if number else "")
                yield from _apart(f"{name}: independent samples", (unit[:-1:2][: len(unit) // 2] * unit[1::2]).sum(-1), d)
    if law.noise.norm == 0:
        return
    units = [_unit(standard(residual(dictionary, _part(batch)).double(), law.noise)) for batch in steps[:2]]
    unit, later = units
    pairs = {"steps": (unit * later).sum(-1)}
    if unit.shape[2] > 1:
        pairs["patches"] = (unit[:, :, :-1] * unit[:, :, 1:]).sum(-1)
        gram = unit[:, :200] @ unit[:, :200].mT
        upper = torch.triu(torch.ones(gram.shape[-2:], dtype=torch.bool, device=gram.device), 1)
        pairs["patches of a sample"] = gram[..., upper]
    if unit.shape[1] > 1:
        pairs["samples"] = (unit[:, :-1] * unit[:, 1:]).sum(-1)
    if len(unit) > 1:
        pairs["replicas"] = (unit[:-1] * unit[1:]).sum(-1)
    for kind, batch in others.items():
        part = _part(batch)
        n = min(part.x.shape[1], unit.shape[1])
        plain = (part.content[:, :n] > DOMINANT_NOISE)[..., None]
        zeta = torch.where(plain, standard(residual(dictionary, part)[:, :n].double(), law.noise), 1.0)
        cosine = (unit[:, :n] * _unit(zeta)).sum(-1)
        pairs[f"samples of another kind, {kind}"] = cosine[plain[..., 0]]
    for what, cosine in pairs.items():
        yield from _apart(f"independent {what}", cosine, d)
    yield from _any_two(torch.cat([u.flatten(0, 2) for u in units]))


def distinct(keys: Mapping[str, Sequence[int]]) -> Check:
    """No two random streams have the same key.

    Args:
        keys: the keys of the replicas of each purpose.
    """
    owner: dict[int, str] = {}
    shared = []
    for name, own in keys.items():
        for r, key in enumerate(own):
            here = f"{name}, replica {r}"
            if key in owner:
                shared.append(f"{owner[key]} and {here}")
            owner.setdefault(key, here)
    finding = f"{len(owner)} keys" if not shared else f"the same stream: {shared[0]}" + (" and more" if shared[1:] else "")
    return Check("streams are distinct", finding, not shared)


def _part(batch: Batch) -> Batch:
    """Samples that follow each other, as many as can be held."""
    each = max(1, batch.x[:, :1].numel())
    return batch.slice(0, max(2, MOST // each))


def _unit(zeta: Tensor) -> Tensor:
    return torch.nn.functional.normalize(zeta, dim=-1, eps=1e-30)


def _apart(name: str, cosine: Tensor, d: int) -> Iterator[Check]:
    """Squared cosines have the mean of independent directions."""
    if not cosine.numel():
        return
    mean = float((cosine.double() ** 2).mean())
    spread = math.sqrt(2 * (d - 1) / (d**2 * (d + 2)) / cosine.numel())
    yield tested(name, two_sided(stats.norm(), (mean - 1 / d) / spread), f"mean cos² · d = {mean * d:.4f}")


def _any_two(unit: Tensor) -> Iterator[Check]:
    """No two patches at all, however far apart, have noise that is nearly the same."""
    n, d = unit.shape
    rows = np.random.default_rng(0).permutation(n)[:ANY]
    some = unit[torch.from_numpy(rows).to(unit.device)]
    largest = max(float((some[i : i + 500] @ some[i:].mT).triu(1).abs().max()) for i in range(0, len(some), 500))
    pairs = len(some) * (len(some) - 1) / 2
    one = float(stats.beta(0.5, (d - 1) / 2).sf(min(1.0, largest**2)))
    p = float(-math.expm1(pairs * math.log1p(-min(one, 1 - 1e-16))))
    yield tested("independent patches, any two", p, f"largest cos² · d = {largest**2 * d:.2f}")
