"""Which (patch, neuron) pairs fire, and the two sums over them that a training step needs.

Both representations hold ReLU(⟨w, x_p⟩ + b) and give the same numbers up to rounding. Past its bias a neuron fires for few
patches (2 % at the default configuration), so on a CPU the pairs are listed and only their patches are gathered; where
many fire, and on a GPU, a second matrix product is faster.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

_FEW = 0.1
"""Share of firing pairs up to which they are listed."""


@dataclass(frozen=True)
class DenseFiring:
    """ReLU of every pair."""

    value: Float[Tensor, "r B P neuron"]

    def activity(self) -> Float[Tensor, "r B neuron"]:
        """h_{c,r}(X) = Σ_p ReLU(⟨w_{c,r}, x_p⟩ + b_{c,r})."""
        return self.value.sum(2)

    def gradient(self, slope: Float[Tensor, "r B neuron"], x: Float[Tensor, "r B P d"]) -> Float[Tensor, "r neuron d"]:
        """Σ_b slope_b Σ_p 1{fires} x_{b,p}: the derivative by w, given the one by h."""
        spread = torch.where(self.value > 0, slope[:, :, None], 0)
        return spread.flatten(1, 2).mT @ x.flatten(1, 2)


@dataclass(frozen=True)
class ListedFiring:
    """The firing pairs alone, in the order of their patches.

    Attributes:
        patch: which of the r·B·P patches.
        neuron: which of its replica's neurons.
        value: ReLU of the pair.
        shape: r, B, P, number of neurons.
    """

    patch: Int[Tensor, " pair"]
    neuron: Int[Tensor, " pair"]
    value: Float[Tensor, " pair"]
    shape: torch.Size

    def activity(self) -> Float[Tensor, "r B neuron"]:
        """As `DenseFiring.activity`."""
        r, samples, patches, neurons = self.shape
        place = self.patch // patches * neurons + self.neuron
        sums = torch.bincount(place, self.value, r * samples * neurons)
        return sums.view(r, samples, neurons).to(self.value.dtype)  # without any pair PyTorch counts in integers

    def gradient(self, slope: Float[Tensor, "r B neuron"], x: Float[Tensor, "r B P d"]) -> Float[Tensor, "r neuron d"]:
        """As `DenseFiring.gradient`."""
        r, samples, patches, neurons = self.shape
        sample = self.patch // patches
        # Pairs in order of their neuron, each neuron's patches in the order of the batch.
        row, order = torch.sort((sample // samples * neurons + self.neuron).int(), stable=True)
        first = torch.searchsorted(row, torch.arange(r * neurons, dtype=row.dtype))
        weights = slope.flatten(0, 1)[sample, self.neuron]
        patches_of = embedding_bag(self.patch[order], x.flatten(0, 2), first, mode="sum", per_sample_weights=weights[order])
        return patches_of.view(r, neurons, -1)


def firing(pre: Float[Tensor, "r B P neuron"]) -> DenseFiring | ListedFiring:
    """ReLU of pre-activations, which may be overwritten."""
    if pre.device.type != "cpu":
        return DenseFiring(pre.relu_())
    mask = (pre <= 0).logical_not_().numpy().ravel()  # NaN is listed too: it must reach the loss
    if np.count_nonzero(mask) > _FEW * mask.size:
        return DenseFiring(pre.relu_())
    pair = torch.from_numpy(np.flatnonzero(mask))
    patch = pair // pre.shape[-1]
    return ListedFiring(patch, pair - patch * pre.shape[-1], pre.flatten()[pair], pre.shape)
