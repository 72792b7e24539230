"""The hierarchical multi-view data model: easy and hard samples as sets of patches, with their truth attached.

Notation (paper's symbol → name): d `dim`, P `patches`, s `feature_patches`, α `strength`, ι `strength_spread`,
ζ `noise`, s† `feature_noise_patches`, α† its `strength`, [ι†_lo, ι†_hi] `feature_noise`, ζ* `dominant noise`.

A sample of leaf (y, c) holds, in random positions [paper, the laws recalled]:

* *easy*: s patches α v_y + ζ and s patches α v_{y,c} + ζ, α ~ U[√(1−ι), √(1+ι)]; s† patches α† v_{y'} + ζ of other
  coarse classes y' ≠ y (each patch's y' uniform among them [ours]); the rest ζ ~ N(0, σ_ζ² I);
* *hard*: the same, but the common-feature patches hold noise alone, or are weak; with its own s† and α†; and one patch
  holds dominant noise ζ* ~ N(0, σ*² I).

A deeper tree has s patches for every node on the leaf's path [ours].

Drawing is split in two: `PatchSampler.draw` takes raw uniform and normal numbers, one call per replica and kind of
number; `PatchSampler.assemble` turns them into samples without any randomness, so that a slow, literal transcription
can be compared number by number.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.latents import DOMINANT_NOISE, NOISE, Slots
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.memory import ReusableBuffer
from theory_sim.runtime.streams import Streams
from theory_sim.runtime.threads import map_blocks


@dataclass(frozen=True)
class Batch:
    """B samples for each of R replicas, and the truth about them.

    Attributes:
        x: the patches.
        coarse: y, from 0.
        leaf: index of the leaf (y, c) in `LabelTree.leaves`.
        labelled_leaf: the leaf that training labels are made from: `leaf`, unless label noise struck.
        hard: whether it is a hard sample.
        content: for each patch the feature it holds (a node of the tree), or `NOISE`, or `DOMINANT_NOISE`.
        strength: α of the feature; 0 where there is none.
        tag: a number in [0, 1), independent of all else; random labels are made from it.
        index: place of the sample in the draw that it came from.
    """

    x: Float[Tensor, "R B P d"]
    coarse: Int[Tensor, "R B"]
    leaf: Int[Tensor, "R B"]
    labelled_leaf: Int[Tensor, "R B"]
    hard: Bool[Tensor, "R B"]
    content: Int[Tensor, "R B P"]
    strength: Float[Tensor, "R B P"]
    tag: Float[Tensor, "R B"]
    index: Int[Tensor, "R B"]

    def take(self, rows: Int[Tensor, "R b"]) -> "Batch":
        """The samples at `rows`, for each replica its own."""
        replica = torch.arange(len(rows), device=rows.device)[:, None]
        return Batch(**{f.name: getattr(self, f.name)[replica, rows] for f in dataclasses.fields(self)})

    @classmethod
    def joined(cls, batches: Sequence["Batch"]) -> "Batch":
        """One after the other, those of fewer patches filled up with patches that are 0."""
        patches = max(batch.x.shape[2] for batch in batches)

        def filled(name: str, value: Tensor) -> Tensor:
            missing = patches - value.shape[2] if name in ("x", "content", "strength") else 0
            if not missing:
                return value
            return pad(value, (0, 0) * (value.dim() - 3) + (0, missing), value=NOISE if name == "content" else 0)

        names = [f.name for f in dataclasses.fields(cls)]
        return cls(**{name: torch.cat([filled(name, getattr(batch, name)) for batch in batches], 1) for name in names})

    def slice(self, start: int, stop: int) -> "Batch":
        """Samples start … stop − 1 of every replica, as views."""
        return Batch(**{f.name: getattr(self, f.name)[:, start:stop] for f in dataclasses.fields(self)})


@dataclass(frozen=True)
class Draws:
    """Raw random numbers of B samples for each of R replicas.

    Attributes:
        uniform: U[0, 1), on the CPU; the columns are those of `PatchSampler.columns`.
        normal: N(0, σ²), with the σ of `PatchSampler.drawn_std`.
    """

    uniform: Float[Tensor, "R B column"]
    normal: Float[Tensor, "R B P d"]


class PatchSampler:
    """Draws samples of a configuration's data model.

    Args:
        config: the configuration.
        dictionary: the features of the R replicas; its device and dtype are those of the samples.
        noise_patches: False leaves out patches that hold ζ alone, the order of the others being of no account. Samples
            that hold fewer than others are filled up with patches that are 0.
    """

    def __init__(self, config: Config, dictionary: Dictionary, noise_patches: bool = True) -> None:
        self.noise_patches = noise_patches
        self.data, self.hard = config.data, config.hard
        self.tree: LabelTree = config.label_tree
        self.dictionary = dictionary
        like = dictionary.vectors
        self.device, self.dtype = like.device, like.dtype
        self._slots = Slots(config)
        self.columns = self._slots.columns
        self._patch_memory = ReusableBuffer()
        # Plain noise is drawn as long as it is to be; without any, dominant noise is.
        self._drawn_norm = self.data.noise or self.hard.noise or 1.0
        self.drawn_std = self._drawn_norm / math.sqrt(self.data.dim)

    def draw(self, streams: Streams, samples: int) -> Draws:
        """Raw numbers of `samples` samples for each stream."""
        shape = (self.data.patches, self.data.dim)
        uniform = self._uniform(streams, samples)
        normal = self._patch_memory.empty(len(streams), samples, *shape, device=self.device, dtype=self.dtype)
        return Draws(uniform, streams.normal_(normal, self.drawn_std))

    def assemble(self, draws: Draws, hard_share: float) -> Batch:
        """The samples that the raw numbers stand for. Overwrites `draws.normal` with the patches.

        Args:
            draws: the raw numbers.
            hard_share: each sample is hard with this probability; 0 gives easy samples only, 1 hard ones only.
        """
        return self._patches(draws.normal, self._truth(draws.uniform, hard_share), hard_share)

    def sample(self, streams: Streams, samples: int, hard_share: float) -> Batch:
        """`samples` samples for each stream; see `assemble`."""
        if self.noise_patches:
            return self.assemble(self.draw(streams, samples), hard_share)
        truth = self._truth(self._uniform(streams, samples), hard_share)
        held = truth["content"] != NOISE
        order = (~held).int().argsort(dim=-1, stable=True)[..., : int(held.sum(-1).max())]
        truth |= {name: truth[name].gather(-1, order) for name in ("content", "strength")}
        held = held.gather(-1, order)
        normal = torch.zeros(*held.shape, self.data.dim, device=self.device, dtype=self.dtype)

        def fill(r: int) -> None:
            # As many numbers as this replica needs, whatever the others hold.
            own = torch.empty(1, int(held[r].sum()), self.data.dim, device=self.device, dtype=self.dtype)
            normal[r, held[r]] = streams.one(r).normal_(own, self.drawn_std)[0]

        map_blocks(fill, range(len(streams)))
        return self._patches(normal, truth, hard_share)

    def truth(self, streams: Streams, samples: int, hard_share: float) -> Batch:
        """The truth about samples whose patches nobody needs: `Batch.x` has no dimension."""
        truth = self._truth(self._uniform(streams, samples), hard_share)
        return Batch(truth["strength"].new_empty(*truth["strength"].shape, 0), **truth)

    def _uniform(self, streams: Streams, samples: int) -> Float[Tensor, "R B column"]:
        return streams.uniform(samples, self._slots.width, dtype=self.dtype)

    def _truth(self, uniform: Float[Tensor, "R B column"], hard_share: float) -> dict[str, Tensor]:
        """All of a `Batch` but its patches."""
        truth = self._slots.truth(uniform, hard_share)
        return truth if self.device.type == "cpu" else {name: value.to(self.device) for name, value in truth.items()}

    def _patches(self, x: Float[Tensor, "R B P d"], truth: dict[str, Tensor], hard_share: float) -> Batch:
        """Normal numbers become noise of its norm, in place, and features are added."""
        if self.data.noise == 0:
            x[truth["content"] != DOMINANT_NOISE] = 0
        if self.hard.noise > 0 and hard_share > 0:
            x[truth["content"] == DOMINANT_NOISE] *= self.hard.noise / self._drawn_norm
        self.dictionary.add_to(x, truth["content"], truth["strength"])
        return Batch(x, **truth)
