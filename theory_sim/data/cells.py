"""Samples of several cells of a sweep side by side: each cell's replicas have a law of their own.

Each cell's samples are drawn from its own streams, so that they are those of the cell alone, bit for bit. What does not depend on
the law is done for all cells at once; and neighbouring cells whose laws differ in the noise alone share all but its scale.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import PatchLaw, Shares
from theory_sim.data.sampler import Batch, PatchSampler
from theory_sim.runtime.memory import ReusableBuffer
from theory_sim.runtime.streams import Streams

TRAINING = "of training"
"""Instead of shares: each law's own shares of training samples."""

Part = tuple[slice, PatchSampler]
"""Replicas of neighbouring cells, and what draws their samples."""


class CellsSampler:
    """Draws samples of several laws, cell after cell.

    Args:
        laws: of the cells; their samples have the same shapes.
        dictionary: the features of all replicas.
    """

    def __init__(self, laws: Sequence[PatchLaw], dictionary: Dictionary) -> None:
        self._dictionary, self._patches = dictionary, laws[0].patches
        every = tuple(field.name for field in fields(PatchLaw))
        self._of_law = list(_parts(laws, dictionary, every))
        # The noise is no part of the truth about samples: cells that differ in it are one part here.
        self._of_truth = list(_parts(laws, dictionary, tuple(name for name in every if name != "noise")))
        self._std = np.empty(len(dictionary.vectors))
        for here, sampler in self._of_law:
            self._std[here] = sampler.drawn_std
        self._memory = ReusableBuffer()

    def sample(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """As `theory_sim.data.sampler.Sampler.sample`; `TRAINING` are each law's own shares."""
        truth, like = self._truth(streams, samples, shares), self._dictionary.vectors
        shape = len(streams), samples, self._patches, like.shape[-1]
        x = streams.normal_(self._memory.empty(*shape, device=like.device, dtype=like.dtype), self._std)
        for here, sampler in self._of_law:
            if not sampler.draws_noise:
                sampler.make_noise(x[here], truth["content"][here], _of(sampler, shares))
        self._dictionary.add_to(x, truth["content"], truth["strength"])
        return Batch(x, **truth)

    def latents(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """As `theory_sim.data.sampler.Sampler.latents`."""
        truth = self._truth(streams, samples, shares)
        return Batch(truth["strength"].new_empty(*truth["strength"].shape, 0), **truth)

    def _truth(self, streams: Streams, samples: int, shares: Shares) -> dict[str, Tensor]:
        found = [sampler.truth(streams.part(here), samples, _of(sampler, shares)) for here, sampler in self._of_truth]
        return found[0] if len(found) == 1 else {name: torch.cat([truth[name] for truth in found]) for name in found[0]}


def _parts(laws: Sequence[PatchLaw], dictionary: Dictionary, names: Sequence[str]) -> Iterator[Part]:
    """Neighbouring cells whose laws are alike in some fields, with a sampler of the first one's law."""
    each = len(dictionary.vectors) // len(laws)
    alike = [all(getattr(a, name) == getattr(b, name) for name in names) for a, b in pairwise(laws)]
    starts = [0, *(cell for cell, same in enumerate(alike, start=1) if not same)]
    for start, stop in pairwise([*starts, len(laws)]):
        here = slice(start * each, stop * each)
        yield here, PatchSampler(laws[start], replace(dictionary, vectors=dictionary.vectors[here]))


def _of(sampler: PatchSampler, shares: Shares) -> Shares:
    return sampler.law.training_shares if shares is TRAINING else shares
