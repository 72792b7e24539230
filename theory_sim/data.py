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
from torch import Generator, Tensor

from theory_sim.config import Config
from theory_sim.features import Dictionary
from theory_sim.memory import Reused
from theory_sim.parallel import map_blocks
from theory_sim.tree import LabelTree

NOISE = -1
"""`Batch.content` of a patch that holds ζ alone."""
DOMINANT_NOISE = -2
"""`Batch.content` of a patch that holds ζ*."""


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

    def slice(self, start: int, stop: int) -> "Batch":
        """Samples start … stop − 1 of every replica, as views."""
        return Batch(**{f.name: getattr(self, f.name)[:, start:stop] for f in dataclasses.fields(self)})


@dataclass(frozen=True)
class Draws:
    """Raw random numbers of B samples for each of R replicas.

    Attributes:
        uniform: U[0, 1); the columns are those of `PatchSampler.columns`.
        normal: N(0, 1).
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
        self._paths = self.tree.paths.to(self.device)
        edges = torch.tensor(self.tree.leaf_probability, dtype=torch.float64).cumsum(0)[:-1]
        self._leaf_edges = edges.to(self.device, self.dtype)
        patches = config.data.patches
        sizes = {"leaf": 1, "tag": 1, "hard": 1, "flip": 1, "flipped leaf": 1}
        sizes |= {"order": patches, "strength": patches, "other class": patches}
        if config.data.patch_law == "independent":
            sizes["content"] = patches
        starts = [0, *torch.tensor(list(sizes.values())).cumsum(0).tolist()]
        self.columns: dict[str, slice] = {
            name: slice(start, start + size) for (name, size), start in zip(sizes.items(), starts, strict=False)
        }
        self._width = starts[-1]
        self._patch_memory = Reused()

    def draw(self, generators: Sequence[Generator], samples: int) -> Draws:
        """Raw numbers of `samples` samples for each generator."""
        shape = (self.data.patches, self.data.dim)
        uniform = self._uniform(generators, samples)
        normal = self._patch_memory.empty(len(generators), samples, *shape, device=self.device, dtype=self.dtype)

        def fill(r: int) -> None:
            normal[r].normal_(generator=generators[r])

        map_blocks(fill, range(len(generators)))  # a generator draws on one core only
        return Draws(uniform, normal)

    def assemble(self, draws: Draws, hard_share: float) -> Batch:
        """The samples that the raw numbers stand for. Overwrites `draws.normal` with the patches.

        Args:
            draws: the raw numbers.
            hard_share: each sample is hard with this probability; 0 gives easy samples only, 1 hard ones only.
        """
        return self._patches(draws.normal, self._truth(draws.uniform, hard_share))

    def sample(self, generators: Sequence[Generator], samples: int, hard_share: float) -> Batch:
        """`samples` samples for each generator; see `assemble`."""
        if self.noise_patches:
            return self.assemble(self.draw(generators, samples), hard_share)
        truth = self._truth(self._uniform(generators, samples), hard_share)
        held = truth["content"] != NOISE
        order = (~held).int().argsort(dim=-1, stable=True)[..., : int(held.sum(-1).max())]
        truth |= {name: truth[name].gather(-1, order) for name in ("content", "strength")}
        held = held.gather(-1, order)
        normal = torch.zeros(*held.shape, self.data.dim, device=self.device, dtype=self.dtype)

        def fill(r: int) -> None:
            # As many numbers as this replica needs, whatever the others hold.
            normal[r, held[r]] = torch.empty_like(normal[r, held[r]]).normal_(generator=generators[r])

        map_blocks(fill, range(len(generators)))
        return self._patches(normal, truth)

    def truth(self, generators: Sequence[Generator], samples: int, hard_share: float) -> Batch:
        """The truth about samples whose patches nobody needs: `Batch.x` has no dimension."""
        truth = self._truth(self._uniform(generators, samples), hard_share)
        return Batch(truth["strength"].new_empty(*truth["strength"].shape, 0), **truth)

    def _uniform(self, generators: Sequence[Generator], samples: int) -> Float[Tensor, "R B column"]:
        uniform = torch.empty(len(generators), samples, self._width, device=self.device, dtype=self.dtype)
        for u, generator in zip(uniform, generators, strict=True):
            u.uniform_(generator=generator)
        return uniform

    def _patches(self, x: Float[Tensor, "R B P d"], truth: dict[str, Tensor]) -> Batch:
        """Standard normal numbers become noise of its norm, in place, and features are added."""
        kind = torch.arange(2, device=self.device, dtype=self.dtype)  # plain and dominant noise
        plain, dominant = (self.data.noise + (self.hard.noise - self.data.noise) * kind) / math.sqrt(self.data.dim)
        at = (truth["content"] == DOMINANT_NOISE).nonzero(as_tuple=True)
        loud = x[at] * dominant
        x *= plain
        x[at] = loud
        self.dictionary.add_to(x, truth["content"], truth["strength"])
        return Batch(x, **truth)

    def _truth(self, uniform: Float[Tensor, "R B column"], hard_share: float) -> dict[str, Tensor]:
        """All of a `Batch` but its patches."""
        u = {name: uniform[..., columns] for name, columns in self.columns.items()}
        one = {name: value[..., 0] for name, value in u.items() if value.shape[-1] == 1}
        leaf = self._leaf_at(one["leaf"])
        labelled_leaf = torch.where(one["flip"] < self.data.label_noise, self._leaf_at(one["flipped leaf"]), leaf)
        hard = one["hard"] < hard_share
        coarse = self._paths[leaf, 0]

        content, lower, upper = self._layout(u, leaf, coarse, hard)
        strength = torch.where(content >= 0, lower + (upper - lower) * u["strength"], 0)
        return {
            "coarse": coarse,
            "leaf": leaf,
            "labelled_leaf": labelled_leaf,
            "hard": hard,
            "content": content,
            "strength": strength,
            "tag": one["tag"],
            "index": torch.arange(leaf.shape[1], device=self.device).expand(leaf.shape),
        }

    def _leaf_at(self, u: Float[Tensor, "R B"]) -> Int[Tensor, "R B"]:
        return torch.bucketize(u.contiguous(), self._leaf_edges, right=True)

    def _layout(
        self, u: dict[str, Tensor], leaf: Int[Tensor, "R B"], coarse: Int[Tensor, "R B"], hard: Bool[Tensor, "R B"]
    ) -> tuple[Int[Tensor, "R B P"], Float[Tensor, "R B P"], Float[Tensor, "R B P"]]:
        """What each patch holds, and the range of its strength.

        P slots stand in this order: s for each node on the path, s† of feature noise, one of dominant noise, the rest
        plain noise. Fixed patch counts: a random permutation sends patches to slots. Independent patches: each patch
        has a uniform slot of its own, so that the counts are binomial with the same means.
        """
        s, depth = self.data.feature_patches, self.tree.depth
        order = u["order"].argsort(-1)
        place = torch.empty_like(order).scatter_(-1, order, torch.arange(order.shape[-1], device=self.device).expand_as(order))
        slot = place if "content" not in u else (u["content"] * self.data.patches).long()
        hard_patch, leaf_patch = hard[..., None], leaf[..., None].expand_as(slot)

        own = slot < s * depth
        level = (slot // s).clamp(max=depth - 1)
        common = own & (level == 0)
        feature_noise_patches = torch.where(hard_patch, self.hard.feature_noise_patches, self.data.feature_noise_patches)
        feature_noise = ~own & (slot < s * depth + feature_noise_patches)

        n = self.tree.n_coarse
        step = 1 + (u["other class"] * (n - 1)).long().clamp_(max=n - 2)
        other = (coarse[..., None] + step) % n
        content = torch.where(own, self._paths[leaf_patch, level], torch.where(feature_noise, other, NOISE))

        spread = self.data.strength_spread
        ranges = [
            (own, (math.sqrt(1 - spread), math.sqrt(1 + spread))),
            (feature_noise & ~hard_patch, self.data.feature_noise),
            (feature_noise & hard_patch, self.hard.feature_noise),
        ]
        if self.hard.common == "missing":
            content = torch.where(common & hard_patch, NOISE, content)
        else:
            ranges.append((common & hard_patch, self.hard.weak_strength))
        bounds = torch.zeros(2, *slot.shape, device=self.device, dtype=self.dtype)
        for which, (low, high) in ranges:
            bounds[0].masked_fill_(which, low)
            bounds[1].masked_fill_(which, high)
        if self.hard.noise > 0:
            # Fixed counts: the slot behind the feature noise. Independent patches: any one patch, the first of the order.
            at = s * depth + self.hard.feature_noise_patches if "content" not in u else 0
            content = torch.where(hard_patch & (place == at), DOMINANT_NOISE, content)
        return content, bounds[0], bounds[1]
