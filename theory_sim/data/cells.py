"""Samples of several cells of a sweep side by side: each cell's replicas have a law of their own.

Each cell's samples are drawn from its own streams, so that they are those of the cell alone, bit for bit. Neighbouring cells of
equal laws are drawn together.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import torch

from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law, Shares
from theory_sim.data.sampler import Batch, Sampler, make_sampler
from theory_sim.runtime.memory import ReusableBuffer
from theory_sim.runtime.streams import Streams

TRAINING = "of training"
"""Instead of shares: each law's own shares of training samples."""


class CellsSampler:
    """Draws samples of several laws, cell after cell.

    Args:
        laws: of the cells; their samples have the same shapes.
        dictionary: the features of all replicas.
    """

    def __init__(self, laws: Sequence[Law], dictionary: Dictionary) -> None:
        each = len(dictionary.vectors) // len(laws)
        starts = [cell for cell, law in enumerate(laws) if not cell or law != laws[cell - 1]]
        self._parts: list[tuple[slice, Law, Sampler]] = []
        for start, stop in zip(starts, [*starts[1:], len(laws)], strict=True):
            here = slice(start * each, stop * each)
            own = replace(dictionary, vectors=dictionary.vectors[here])
            self._parts.append((here, laws[start], make_sampler(laws[start], own)))
        self._memory = ReusableBuffer()

    def sample(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """As `theory_sim.data.sampler.Sampler.sample`; `TRAINING` are each law's own shares."""
        return self._each(lambda sampler, own, told: sampler.sample(own, samples, told), streams, shares)

    def latents(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """As `theory_sim.data.sampler.Sampler.latents`."""
        return self._each(lambda sampler, own, told: sampler.latents(own, samples, told), streams, shares)

    def _each(self, draw: Callable[[Sampler, Streams, Shares], Batch], streams: Streams, shares: Shares) -> Batch:
        batches = [
            draw(sampler, streams.part(here), law.training_shares if shares is TRAINING else shares)
            for here, law, sampler in self._parts
        ]
        return batches[0] if len(batches) == 1 else self._joined(batches)

    def _joined(self, batches: Sequence[Batch]) -> Batch:
        x = batches[0].x
        replicas = sum(len(batch.leaf) for batch in batches)
        whole = x.new_empty(replicas, *x.shape[1:])  # latents alone
        if x.numel():
            whole = self._memory.empty(*whole.shape, device=x.device, dtype=x.dtype)
            torch.cat([batch.x for batch in batches], out=whole)
        names = [field.name for field in fields(Batch) if field.name != "x"]
        return Batch(whole, **{name: torch.cat([getattr(batch, name) for batch in batches]) for name in names})
