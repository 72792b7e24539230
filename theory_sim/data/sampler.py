"""Samples as sets of patches, with their ground truth attached, drawn from a law (`theory_sim.data.law`).

Drawing is split in two: `PatchSampler.draw` takes raw uniform and normal numbers, one call per replica and kind of
number; `PatchSampler.assemble` turns them into samples without any randomness, so that a slow, literal transcription
can be compared number by number.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from theory_sim.data.dictionary import Dictionary
from theory_sim.data.latents import DOMINANT_NOISE, NOISE, Latents
from theory_sim.data.law import Law, PatchLaw, SampledLaw, Shares, shares_of
from theory_sim.data.parts import Gaussian, Noise
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.memory import ReusableBuffer
from theory_sim.runtime.returned import expect_finite, expect_tensor, expect_type, expect_whole, place, shown
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
        kind: number of its kind among the law's, such as 0: easy, 1: hard.
        content: for each patch the feature it holds (a node of the tree, then features of no class), or `NOISE`, or
            `DOMINANT_NOISE` and below: a noise law of a group's own.
        strength: α of the feature with its sign; 0 where there is none.
        tag: a number in [0, 1), independent of all else; random labels are made from it.
        index: place of the sample in the draw that it came from.
    """

    x: Float[Tensor, "R B P d"]
    coarse: Int[Tensor, "R B"]
    leaf: Int[Tensor, "R B"]
    labelled_leaf: Int[Tensor, "R B"]
    kind: Int[Tensor, "R B"]
    content: Int[Tensor, "R B P"]
    strength: Float[Tensor, "R B P"]
    tag: Float[Tensor, "R B"]
    index: Int[Tensor, "R B"]

    @classmethod
    def of(
        cls,
        x: Float[Tensor, "R B P d"],
        leaf: Int[Tensor, "R B"],
        tree: LabelTree,
        streams: Streams,
        kind: Int[Tensor, "R B"] | None = None,
        content: Int[Tensor, "R B P"] | None = None,
        strength: Float[Tensor, "R B P"] | None = None,
    ) -> "Batch":
        """A batch from part of its ground truth: the rest follows from the tree, or is filled in as unknown.

        Args:
            x: the patches.
            leaf: index of each sample's leaf.
            tree: the label tree.
            streams: where `tag` is drawn from.
            kind: number of each sample's kind; 0 without it.
            content: of each patch; `NOISE` without it.
            strength: of the content; 0 without it.
        """
        expect_tensor("Batch.of: x", x, (len(streams), -1, -1, -1), meaning="replica, sample, patch, coordinate")
        replicas, samples, patches = x.shape[:3]
        expect_tensor("Batch.of: leaf", leaf, (replicas, samples), torch.long, meaning="the index of each sample's leaf")
        try:
            coarse = tree.coarse_of_leaf.to(leaf.device)[leaf]
        except IndexError:
            expect_whole("Batch.of: leaf", leaf, 0, tree.n_leaves)
            raise
        return cls(
            x=x,
            coarse=coarse,
            leaf=leaf,
            labelled_leaf=leaf,
            kind=torch.zeros_like(leaf) if kind is None else kind,
            content=leaf.new_full((replicas, samples, patches), NOISE) if content is None else content,
            strength=x.new_zeros(replicas, samples, patches) if strength is None else strength,
            tag=streams.uniform(samples, dtype=x.dtype).to(x.device),
            index=torch.arange(samples, device=x.device).expand(replicas, -1),
        )

    @property
    def hard(self) -> Bool[Tensor, "R B"]:
        """Whether it is of another kind than the law's first."""
        return self.kind != 0

    def take(self, rows: Int[Tensor, "r b"], replicas: Int[Tensor, " r"] | None = None) -> "Batch":
        """The samples at `rows`, for each replica its own; of some replicas where these are named."""
        replica = (torch.arange(len(rows), device=rows.device) if replicas is None else replicas)[:, None]
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

    def of_replicas(self, replicas: Int[Tensor, " r"] | slice) -> "Batch":
        """The samples of some replicas: of a slice as views."""
        return Batch(**{f.name: getattr(self, f.name)[replicas] for f in dataclasses.fields(self)})

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


@runtime_checkable
class Sampler(Protocol):
    """Draws samples of a law."""

    def sample(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """`samples` samples for each stream, their kinds drawn with these shares."""

    def latents(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """The truth about such samples alone, for those who need no patches; `Batch.x` need not be filled."""


def make_sampler(law: Law, dictionary: Dictionary, noise_patches: bool = True) -> Sampler:
    """The sampler of a law; arguments are those of `PatchSampler`."""
    if isinstance(law, SampledLaw):
        return OwnSampler(law, dictionary)
    return PatchSampler(law, dictionary, noise_patches)


class OwnSampler:
    """Samples of a law that brings its own sampling function.

    Args:
        law: the law.
        dictionary: the features of the R replicas.
    """

    def __init__(self, law: SampledLaw, dictionary: Dictionary) -> None:
        self.law, self.dictionary = law, dictionary
        self._checked: set[tuple[int, tuple[float, ...]]] = set()

    def sample(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """As `Sampler.sample`; the first batch of each size and mixture of kinds is checked.

        Raises:
            InputError: the law's function gives no `Batch`, or one of other shapes or types, or of labels that do not exist.
        """
        told = shares_of(self.law, shares)
        try:
            batch = self.law.sample(streams, samples, told, self.dictionary)
        except InputError as error:
            raise InputError(f"{self._what}: {error}") from None
        asked = samples, tuple(told.values())
        if asked not in self._checked:
            self._check(batch, len(streams), samples)
            self._checked.add(asked)
        return batch

    def latents(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """As `Sampler.latents`."""
        return self.sample(streams, samples, shares)

    @property
    def _what(self) -> str:
        """The law's function in messages."""
        return f"sample ({place(self.law.sample)})"

    def _check(self, batch: Batch, replicas: int, samples: int) -> None:
        what, law, like = self._what, self.law, self.dictionary.vectors
        expect_type(what, batch, Batch)
        wanted = (replicas, samples)
        expect_tensor(f"{what}: x", batch.x, (*wanted, -1, like.shape[-1]), like.dtype, like.device)
        patches = batch.x.shape[2]
        if not patches:
            raise InputError(f"{what}: x: expected one patch or more, got {shown(batch.x)}")
        leaves, classes = law.tree.n_leaves, law.tree.n_coarse
        for name, most in {"leaf": leaves, "labelled_leaf": leaves, "coarse": classes, "kind": len(law.kinds)}.items():
            expect_tensor(f"{what}: {name}", getattr(batch, name), wanted, torch.long, like.device)
            expect_whole(f"{what}: {name}", getattr(batch, name), 0, most)
        expect_tensor(f"{what}: content", batch.content, (*wanted, patches), torch.long, like.device)
        expect_tensor(f"{what}: strength", batch.strength, (*wanted, patches), None, like.device)
        expect_tensor(f"{what}: tag", batch.tag, wanted, None, like.device)
        expect_tensor(f"{what}: index", batch.index, wanted, torch.long, like.device)
        expect_finite(f"{what}: x", batch.x)


class PatchSampler:
    """Draws samples of a described law.

    Args:
        law: the law.
        dictionary: the features of the R replicas; its device and dtype are those of the samples.
        noise_patches: False leaves out patches that hold the law's noise alone; the order of the others does not matter
            then. Samples that hold fewer than others are filled up with patches that are 0.

    Attributes:
        columns: which uniform numbers of a sample say what.
        drawn_std: σ of the normal numbers.
        draws_noise: whether these are the noise of all patches as they are drawn.
    """

    def __init__(self, law: PatchLaw, dictionary: Dictionary, noise_patches: bool = True) -> None:
        self.law, self.noise_patches, self.dictionary = law, noise_patches, dictionary
        like = dictionary.vectors
        self.device, self.dtype, self.dim = like.device, like.dtype, like.shape[-1]
        self._latents = Latents(law, self.dtype)
        self.columns = self._latents.columns
        self._patch_memory = ReusableBuffer()
        # Plain noise is drawn at its final scale; where there is none, the first other noise is.
        self._drawn_norm = next((noise.norm for noise in (law.noise, *law.own_noises) if noise.norm), 1.0)
        self.drawn_std = self._drawn_norm / math.sqrt(self.dim)
        # Noise that is not as it is drawn, by its content, and the kinds of samples that have it.
        self._noises = [
            (DOMINANT_NOISE - number, noise, [kind for kind, groups in law.kinds.items() if noise in [g.noise for g in groups]])
            for number, noise in enumerate(law.own_noises)
            if not self._is_drawn(noise)
        ]
        self.draws_noise = self._is_drawn(law.noise) and not self._noises
        self._shares: dict[str | float, dict[str, float]] = {}

    def draw(self, streams: Streams, samples: int) -> Draws:
        """Raw numbers of `samples` samples for each stream."""
        shape = (self.law.patches, self.dim)
        uniform = self._uniform(streams, samples)
        normal = self._patch_memory.empty(len(streams), samples, *shape, device=self.device, dtype=self.dtype)
        return Draws(uniform, streams.normal_(normal, self.drawn_std))

    def assemble(self, draws: Draws, shares: Shares) -> Batch:
        """The samples of the raw numbers. Overwrites `draws.normal` with the patches.

        Args:
            draws: the raw numbers.
            shares: which kinds of samples; 0.0 gives the first kind only, 1.0 the last.
        """
        told = self._told(shares)
        return self._patches(draws.normal, self._truth(draws.uniform, told), told)

    def truth(self, streams: Streams, samples: int, shares: Shares) -> dict[str, Tensor]:
        """All of a `Batch` but its patches."""
        return self._truth(self._uniform(streams, samples), self._told(shares))

    def sample(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """`samples` samples for each stream; see `assemble`."""
        if self.noise_patches:
            return self.assemble(self.draw(streams, samples), shares)
        told = self._told(shares)
        truth = self._truth(self._uniform(streams, samples), told)
        held = truth["content"] != NOISE
        order = (~held).int().argsort(dim=-1, stable=True)[..., : int(held.sum(-1).max())]
        truth |= {name: truth[name].gather(-1, order) for name in ("content", "strength")}
        held = held.gather(-1, order)
        normal = torch.zeros(*held.shape, self.dim, device=self.device, dtype=self.dtype)

        def fill(r: int) -> None:
            # As many numbers as this replica needs, whatever the others hold.
            own = torch.empty(1, int(held[r].sum()), self.dim, device=self.device, dtype=self.dtype)
            normal[r, held[r]] = streams.one(r).normal_(own, self.drawn_std)[0]

        map_blocks(fill, range(len(streams)))
        return self._patches(normal, truth, told)

    def latents(self, streams: Streams, samples: int, shares: Shares) -> Batch:
        """Samples without their patches, which nobody needs: `Batch.x` is (R, B, P, 0)."""
        truth = self.truth(streams, samples, shares)
        return Batch(truth["strength"].new_empty(*truth["strength"].shape, 0), **truth)

    def _uniform(self, streams: Streams, samples: int) -> Float[Tensor, "R B column"]:
        return streams.uniform(samples, self._latents.width, dtype=self.dtype)

    def _truth(self, uniform: Float[Tensor, "R B column"], shares: Mapping[str, float]) -> dict[str, Tensor]:
        """All of a `Batch` but its patches."""
        truth = self._latents.of(uniform, shares)
        return truth if self.device.type == "cpu" else {name: value.to(self.device) for name, value in truth.items()}

    def _patches(self, x: Float[Tensor, "R B P d"], truth: dict[str, Tensor], shares: Mapping[str, float]) -> Batch:
        """Normal numbers become noise of its law, in place, and features are added."""
        self.make_noise(x, truth["content"], shares)
        self.dictionary.add_to(x, truth["content"], truth["strength"])
        return Batch(x, **truth)

    def make_noise(self, x: Float[Tensor, "R B P d"], content: Int[Tensor, "R B P"], shares: Shares) -> None:
        """Turn normal numbers into the noise of each patch, in place.

        Args:
            x: the numbers, with the σ of `drawn_std`.
            content: of each patch.
            shares: probability of every kind of sample.
        """
        if not self._is_drawn(self.law.noise):
            self._make_noise(x, content >= NOISE, self.law.noise)
        told = self._told(shares) if self._noises else {}
        for of, noise, kinds in self._noises:
            if any(told[kind] for kind in kinds):
                self._make_noise(x, content == of, noise)

    def _is_drawn(self, noise: Noise) -> bool:
        """Whether normal numbers are this noise as they are drawn."""
        return isinstance(noise, Gaussian) and noise.norm == self._drawn_norm

    def _told(self, shares: Shares) -> dict[str, float]:
        """The share of every kind; a name or a number is looked up once."""
        if isinstance(shares, Mapping):
            return shares_of(self.law, shares)
        if shares not in self._shares:
            self._shares[shares] = shares_of(self.law, shares)
        return self._shares[shares]

    def _make_noise(self, x: Float[Tensor, "R B P d"], where: Bool[Tensor, "R B P"], noise: Noise) -> None:
        """Rescale or transform the normal numbers of some patches, in place."""
        if noise.norm == 0:
            x[where] = 0
        elif isinstance(noise, Gaussian):
            x[where] *= noise.norm / self._drawn_norm
        elif where.any():
            x[where] = noise.of_normal(x[where] / self.drawn_std)
