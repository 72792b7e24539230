"""A generator of the paper's law as a user may write it, in plain PyTorch, with a method for each part that may be wrong."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

import theory_sim as ts
from theory_sim.data.latents import DOMINANT_NOISE, NOISE


class Own:
    """The generator, for `theory_sim.testing.generated`."""

    def __call__(
        self, config: ts.Config, streams: ts.Streams, samples: int, shares: Mapping[str, float], dictionary: ts.Dictionary
    ) -> ts.Batch:
        tree, data, hard, dtype = config.label_tree, config.data, config.hard, dictionary.vectors.dtype
        patches, s, levels = data.patches, data.feature_patches, tree.depth

        def uniform(*shape: int) -> Tensor:
            return streams.uniform(*shape, dtype=torch.float64)

        leaf = self.leaf(tree, uniform(samples))
        flipped = uniform(samples) < data.label_noise
        labelled = torch.where(flipped, self.other_label(tree, uniform(samples)), leaf)
        is_hard = uniform(samples) < shares["hard"]
        order = self.order(uniform(samples, patches), levels * s + hard.feature_noise_patches)
        slot = (uniform(samples, patches) * patches).long() if self.independent(config) else order

        # s slots for each level, then those of other classes; the rest is noise.
        content = self.paths(tree)[leaf].gather(-1, (slot // s).clamp(max=levels - 1))
        content[slot >= levels * s] = NOISE
        others = torch.where(is_hard, hard.feature_noise_patches, data.feature_noise_patches)[..., None]
        coarse = tree.coarse_of_leaf[leaf][..., None]
        is_other = (slot >= levels * s) & (slot < levels * s + others)
        content = torch.where(is_other, self.other_class(coarse, uniform(samples, patches), tree.n_coarse), content)
        low, high = (torch.full(content.shape, end).double() for end in self.full(data.strength_spread))
        for condition, ends in ((is_other & ~is_hard[..., None], data), (is_other & is_hard[..., None], hard)):
            for end, value in zip((low, high), ends.feature_noise, strict=True):
                end[condition] = value
        common = (slot < s) & is_hard[..., None]
        if hard.common == "missing":
            content[common] = NOISE
        else:
            for end, value in zip((low, high), self.weak(config), strict=True):
                end[common] = value

        is_dominant = (hard.noise > 0) & is_hard[..., None] & self.dominant(order, config)
        content[is_dominant] = DOMINANT_NOISE
        strength = (low + (high - low) * uniform(samples, patches)) * (content >= 0)
        norm = torch.where(is_dominant, hard.noise, data.noise).to(dtype)
        x = streams.normal(samples, patches, data.dim, dtype=dtype) * self.scale(norm, data.dim)[..., None]
        self.add_features(x, content, strength.to(dtype), dictionary)
        batch = ts.Batch.of(x, leaf, tree, streams, is_hard.long(), content, strength.to(dtype))
        return replace(batch, labelled_leaf=labelled)

    def leaf(self, tree: ts.LabelTree, u: Tensor) -> Tensor:
        edges = torch.tensor(tree.leaf_probability, dtype=torch.float64).cumsum(0)[:-1]
        return torch.bucketize(u, edges, right=True)

    other_label = leaf

    def order(self, u: Tensor, dominant: int) -> Tensor:
        """A random slot for each patch, each slot once."""
        return u.argsort(-1)

    def independent(self, config: ts.Config) -> bool:
        return config.data.patch_law == "independent"

    def paths(self, tree: ts.LabelTree) -> Tensor:
        """The features of each leaf's path; where it is shorter than the tree is deep, noise."""
        paths = [[*tree.ancestors(node)] for node in tree.leaves]
        return torch.tensor([path + [NOISE] * (tree.depth - len(path)) for path in paths])

    def other_class(self, coarse: Tensor, u: Tensor, classes: int) -> Tensor:
        return (coarse + 1 + (u * (classes - 1)).long()) % classes

    def full(self, spread: float) -> tuple[float, float]:
        return (1 - spread) ** 0.5, (1 + spread) ** 0.5

    def weak(self, config: ts.Config) -> list[float]:
        return config.hard.weak_strength

    def dominant(self, order: Tensor, config: ts.Config) -> Tensor:
        """Which patch of a hard sample holds dominant noise."""
        if config.data.patch_law == "independent":
            return order == 0
        return order == config.label_tree.depth * config.data.feature_patches + config.hard.feature_noise_patches

    def scale(self, norm: Tensor, dim: int) -> Tensor:
        return norm / dim**0.5

    def add_features(self, x: Tensor, content: Tensor, strength: Tensor, dictionary: ts.Dictionary) -> None:
        vectors = dictionary.vectors[torch.arange(len(x))[:, None, None], content.clamp(min=0)]
        x += strength[..., None] * vectors
