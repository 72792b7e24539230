"""One pass over the patches of all batches: each number of noise is read once, for all checks of noise.

A block is as many samples of one replica as fit into a processor's cache.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from theory_sim.data.checks.base import Check
from theory_sim.data.checks.independence import Directions, Pairs
from theory_sim.data.checks.noise import Part, Rows, Zeros
from theory_sim.data.checks.p_values import levels, scores
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.law import PatchLaw
from theory_sim.data.parts import Gaussian, Noise
from theory_sim.data.sampler import Batch

BLOCK = 2**20
"""About how many numbers a block has."""


class _Drawn(NamedTuple):
    """A batch: how it differs from the first one, its kind, and the number of its first sample among those of its kind."""

    beside: str
    kind: str
    first: int
    batch: Batch


def noise_checks(law: PatchLaw, dictionary: Dictionary, steps: Sequence[Batch], others: Mapping[str, Batch]) -> list[Check]:
    """All checks of noise; arguments are those of `theory_sim.data.checks.suite.check_batches`, on the CPU."""
    replicas, _, d = dictionary.vectors.shape
    kind, samples = next(iter(law.kinds)), steps[0].leaf.shape[1]
    drawn = [_Drawn("", kind, 0, steps[0])]
    drawn += [_Drawn("steps", kind, samples, batch) for batch in steps[1:2]]
    drawn += [_Drawn(f"samples of another kind, {kind}", kind, 0, batch) for kind, batch in others.items()]
    parts = {kind: _parts(law, dictionary, kind) for kind in (kind, *others)}
    pairs = Pairs(d, sum(of.batch.content.numel() for of in drawn))
    rng = np.random.default_rng(0)
    each = max(2, BLOCK // (law.patches * d))
    for start in range(0, max(of.batch.leaf.shape[1] for of in drawn), each):
        before: dict[str, Directions] = {}
        for r in range(replicas):
            here = {}
            for of in drawn:
                block = of.batch.slice(start, start + each)
                z, there = _gather(law, dictionary, parts[of.kind], block, (r, of.first + start), rng)
                here[of.beside] = Directions.of(z, there)
            pairs.add(here, before)
            before = here
    return [check for of_kind in parts.values() for _, _, part in of_kind for check in part.checks()] + list(pairs.checks())


def _parts(law: PatchLaw, dictionary: Dictionary, kind: str) -> list[tuple[range, Noise, Part | Zeros]]:
    """The patches that have one law of noise: which contents, the law, and sums over them."""
    own = [(f"dominant noise{f' {i + 1}' if i else ''}", DOMINANT_NOISE - i, noise) for i, noise in enumerate(law.own_noises)]
    found: list[tuple[range, Noise, Part | Zeros]] = []
    for what, contents, noise in (
        ("noise of plain patches", range(NOISE, NOISE + 1), law.noise),
        ("noise of feature patches", range(law.n_features), law.noise),
        *((what, range(content, content + 1), noise) for what, content, noise in own),
    ):
        name = f"{kind}: {what}"
        found.append((contents, noise, Part(name, law, dictionary) if noise.norm else Zeros(name)))
    return found


def _gather(
    law: PatchLaw,
    dictionary: Dictionary,
    parts: list[tuple[range, Noise, Part | Zeros]],
    block: Batch,
    at: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Add the samples of one replica to the sums over their parts.

    Returns:
        x_p − α v, the noise according to the batch's own truth, as numbers that are standard normal if the noise follows its
        law; and which patches have noise.
    """
    r, first = at
    x, content, strength = block.x[r : r + 1].clone(), block.content[r], block.strength[r]
    Dictionary(dictionary.vectors[r : r + 1], dictionary.canonical).add_to(x, content[None], -strength[None])
    z, there = x[0], torch.zeros_like(content, dtype=torch.bool)
    sample = torch.arange(first, first + len(content))[:, None].expand(content.shape)
    place = torch.arange(content.shape[1]).expand(content.shape)
    leaf, coarse, tag = (of[r][:, None].expand(content.shape) for of in (block.leaf, block.coarse, block.tag))
    for contents, noise, part in parts:
        mask = (content >= contents.start) & (content < contents.stop)
        if not mask.any():
            continue
        rows = Rows(r, *(of[mask] for of in (sample, place, leaf, coarse, content, strength, tag)))
        if isinstance(part, Zeros):
            part.add(z[mask], rows)
            continue
        own = standard(z[mask], noise, rng)
        z[mask], there = own, there | mask
        part.add(own, rows)
    return z, there


def standard(zeta: Tensor, noise: Noise, rng: np.random.Generator) -> Tensor:
    """Numbers that are standard normal if the noise follows its law."""
    d = zeta.shape[-1]
    if isinstance(noise, Gaussian):
        return zeta * (math.sqrt(d) / noise.norm)
    values = zeta.flatten().double().numpy()
    # Subtracting a feature of strength about 1 leaves a rounding error.
    rounding = 8 * torch.finfo(zeta.dtype).eps * (1 + np.abs(values))
    level = levels(values, lambda x: noise.cdf(x, d), rounding, rng)
    return torch.from_numpy(scores(level)).view(zeta.shape).to(zeta)
