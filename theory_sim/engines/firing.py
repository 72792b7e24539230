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
        spread = self.value.sign().mul_(slope[:, :, None])
        return spread.flatten(1, 2).mT @ x.flatten(1, 2)


@dataclass(frozen=True)
class ListedFiring:
    """The firing pairs alone, in the order of their patches. NumPy lists and sorts them several times faster than PyTorch.

    Attributes:
        patch: which of the r·B·P patches.
        neuron: which of its replica's neurons.
        value: ReLU of the pair.
        shape: r, B, P, number of neurons.
    """

    patch: Int[np.ndarray, " pair"]
    neuron: Int[np.ndarray, " pair"]
    value: Float[np.ndarray, " pair"]
    shape: torch.Size

    def activity(self) -> Float[Tensor, "r B neuron"]:
        """As `DenseFiring.activity`."""
        r, samples, patches, neurons = self.shape
        place = torch.from_numpy(self.patch // patches * neurons + self.neuron)
        sums = torch.bincount(place, torch.from_numpy(self.value), r * samples * neurons)
        # Without any pair PyTorch counts in integers.
        return sums.view(r, samples, neurons).to(torch.from_numpy(self.value).dtype)

    def gradient(self, slope: Float[Tensor, "r B neuron"], x: Float[Tensor, "r B P d"]) -> Float[Tensor, "r neuron d"]:
        """As `DenseFiring.gradient`."""
        r, samples, patches, neurons = self.shape
        sample = self.patch // patches
        # Pairs in order of their neuron, each neuron's patches in the order of the batch.
        row = sample // samples * neurons + self.neuron
        order = _stable_order(row, r * neurons)
        first = np.searchsorted(row[order], np.arange(r * neurons))
        weights = slope.numpy().reshape(-1)[(sample * neurons + self.neuron)[order]]
        listed = (torch.from_numpy(part) for part in (self.patch[order], first, weights))
        patch, offsets, weight = listed
        patches_of = embedding_bag(patch, x.flatten(0, 2), offsets, mode="sum", per_sample_weights=weight)
        return patches_of.view(r, neurons, -1)


def _stable_order(keys: Int[np.ndarray, " n"], end: int) -> Int[np.ndarray, " n"]:
    """Places of keys from 0 to `end` − 1 in their order, equal ones as they stood; 16 bits are sorted in linear time."""
    if end <= 2**16:
        return np.argsort(keys.astype(np.uint16), kind="stable")
    return torch.sort(torch.from_numpy(keys.astype(np.int32)), stable=True)[1].numpy()


def firing(pre: Float[Tensor, "r B P neuron"]) -> DenseFiring | ListedFiring:
    """ReLU of pre-activations, which may be overwritten."""
    if pre.device.type != "cpu":
        return DenseFiring(pre.relu_())
    values = pre.numpy().reshape(-1)
    mask = ~(values <= 0)  # NaN is listed too: it must reach the loss
    if np.count_nonzero(mask) > _FEW * mask.size:
        return DenseFiring(pre.relu_())
    pair = np.flatnonzero(mask)
    patch = pair // pre.shape[-1]
    return ListedFiring(patch, pair - patch * pre.shape[-1], values[pair], pre.shape)
