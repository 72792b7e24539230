"""Which (patch, neuron) pairs fire, and the two sums over them that a training step needs.

Three classes give the same numbers up to rounding: `DenseFiring` holds the ReLU of every pair, `ListedFiring` the pre-activations
and a list of the pairs that fire, `JoinedFiring` one of the two for each cell. Past its bias a neuron fires for few
patches (2 % at the default configuration), so on a CPU the pairs are listed and only their patches are gathered, by loops that
Numba compiles; where many fire, and on a GPU, a second matrix product is faster.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.runtime.compiled import compiled

_FEW = 0.3
"""Share of firing pairs up to which they are listed: measured, gathering costs as much as a product at 0.23 to 0.34."""
_compiled = compiled()


@dataclass(frozen=True)
class DenseFiring:
    """ReLU of every pair."""

    value: Float[Tensor, "r B P neuron"]

    def activity(self) -> Float[Tensor, "r B neuron"]:
        """h_{c,r}(X) = Σ_p ReLU(⟨w_{c,r}, x_p⟩ + b_{c,r})."""
        return self.value.sum(2)

    def heads(self, output: Float[Tensor, "r head m"]) -> Float[Tensor, "r B head"]:
        """F_c(X) = Σ_r a_{c,r} h_{c,r}(X)."""
        heads: Tensor = (self.activity().unflatten(-1, output.shape[1:]) * output[:, None]).sum(-1)
        return heads

    def gradient(
        self, slope: Float[Tensor, "r B head"], output: Float[Tensor, "r head m"], x: Float[Tensor, "r B P d"]
    ) -> Float[Tensor, "r head m d"]:
        """Σ_b slope_{b,c} a_{c,r} Σ_p 1{fires} x_{b,p}: the derivative by w, given the one by F."""
        by_activity = (slope[..., None] * output[:, None]).flatten(2)
        spread = self.value.sign().mul_(by_activity[:, :, None])
        change: Tensor = (spread.flatten(1, 2).mT @ x.flatten(1, 2)).unflatten(1, output.shape[1:])
        return change


@dataclass(frozen=True)
class ListedFiring:
    """The firing pairs alone, patch by patch.

    Attributes:
        neuron: the neurons that fire, in ascending order for each of the r·B·P patches.
        first: where each patch's neurons begin in the list, and at the end where the last patch's end: r·B·P + 1 numbers.
        value: pre-activations of all pairs.
    """

    neuron: Int[np.ndarray, " pair"]
    first: Int[np.ndarray, " patch_and_end"]
    value: Float[np.ndarray, "r B P neuron"]

    def activity(self) -> Float[Tensor, "r B neuron"]:
        """As `DenseFiring.activity`."""
        h = np.zeros((*self.value.shape[:2], self.value.shape[3]), self.value.dtype)
        _add_values(self.neuron, self.first, self.value, h)
        return torch.from_numpy(h)

    def heads(self, output: Float[Tensor, "r head m"]) -> Float[Tensor, "r B head"]:
        """As `DenseFiring.heads`."""
        out = np.zeros((*self.value.shape[:2], output.shape[1]), self.value.dtype)
        _add_outputs(self.neuron, self.first, self.value, output.numpy(), out)
        return torch.from_numpy(out)

    def gradient(
        self, slope: Float[Tensor, "r B head"], output: Float[Tensor, "r head m"], x: Float[Tensor, "r B P d"]
    ) -> Float[Tensor, "r head m d"]:
        """As `DenseFiring.gradient`; each neuron's patches are added in the order of the batch."""
        change = x.new_empty(*output.shape, x.shape[-1])
        _add_patches(self.neuron, self.first, slope.numpy(), output.numpy(), x.numpy(), change.numpy())
        return change


@dataclass(frozen=True)
class JoinedFiring:
    """Cells one after the other, each in the form that it has alone."""

    cells: "list[DenseFiring | ListedFiring | JoinedFiring]"

    def activity(self) -> Float[Tensor, "r B neuron"]:
        """As `DenseFiring.activity`."""
        return torch.cat([cell.activity() for cell in self.cells])

    def heads(self, output: Float[Tensor, "r head m"]) -> Float[Tensor, "r B head"]:
        """As `DenseFiring.heads`."""
        parts = zip(self.cells, output.chunk(len(self.cells)), strict=True)
        return torch.cat([cell.heads(a) for cell, a in parts])

    def gradient(
        self, slope: Float[Tensor, "r B head"], output: Float[Tensor, "r head m"], x: Float[Tensor, "r B P d"]
    ) -> Float[Tensor, "r head m d"]:
        """As `DenseFiring.gradient`."""
        parts = zip(self.cells, *(values.chunk(len(self.cells)) for values in (slope, output, x)), strict=True)
        return torch.cat([cell.gradient(*of_cell) for cell, *of_cell in parts])


Firing = DenseFiring | ListedFiring | JoinedFiring


def firing(pre: Float[Tensor, "r B P neuron"], cells: int = 1) -> Firing:
    """ReLU of pre-activations, which may be overwritten.

    Args:
        pre: the pre-activations.
        cells: equal parts of the replicas. Each takes the form that it takes alone, so that its numbers are the same.
    """
    if pre.device.type != "cpu":
        return DenseFiring(pre.relu_())
    value = pre.numpy()
    neuron = np.empty(cells * (int(_FEW * (value.size // cells)) + value.shape[-1]), np.int32)
    first = np.empty(value[..., 0].size + 1, np.int64)
    n = _list(value, neuron, first, cells)
    if n >= 0:
        return ListedFiring(neuron[:n], first, value)
    if cells == 1:
        return DenseFiring(pre.relu_())
    return JoinedFiring([firing(part) for part in pre.chunk(cells)])


@_compiled
@no_type_check
def _list(value, neuron, first, cells):
    """How many fire, or −1 where they are more in a cell than there is room for. NaN fires: it must reach the loss."""
    rows = value.reshape(-1, value.shape[-1])
    each = len(rows) // cells
    n, most = np.uint64(0), np.uint64(0)
    for p in range(len(rows)):
        if p % each == 0:
            most = n + np.uint64(len(neuron) // cells - rows.shape[1])
        if n > most:
            return -1
        first[p] = n
        row = rows[p]
        for i in range(len(row)):
            # Always written, kept only if it fires: whether it does cannot be foreseen.
            neuron[n] = i
            n += np.uint64(not row[i] <= 0)
    first[len(rows)] = n
    return np.int64(n)


@_compiled
@no_type_check
def _add_values(neuron, first, value, h):
    replicas, samples, patches, _ = value.shape
    p = 0
    for r in range(replicas):
        for b in range(samples):
            into = h[r, b]
            for patch in range(patches):
                of = value[r, b, patch]
                for i in neuron[first[p] : first[p + 1]]:
                    into[i] += of[i]
                p += 1


@_compiled
@no_type_check
def _add_outputs(neuron, first, value, output, out):
    replicas, samples, patches, _ = value.shape
    head = np.repeat(np.arange(output.shape[1]), output.shape[2])
    p = 0
    for r in range(replicas):
        weight = output[r].reshape(-1)
        for b in range(samples):
            into = out[r, b]
            for patch in range(patches):
                of = value[r, b, patch]
                for i in neuron[first[p] : first[p + 1]]:
                    into[head[i]] += weight[i] * of[i]
                p += 1


@_compiled
@no_type_check
def _add_patches(neuron, first, slope, output, x, change):
    replicas, samples, patches, _ = x.shape
    head = np.repeat(np.arange(output.shape[1]), output.shape[2])
    p = 0
    for r in range(replicas):
        weight, rows = output[r].reshape(-1), change[r].reshape(-1, change.shape[-1])
        rows[:] = 0  # replica by replica, so that they are still in the cache
        for b in range(samples):
            by_head = slope[r, b]
            for patch in range(patches):
                of = x[r, b, patch]
                for i in neuron[first[p] : first[p + 1]]:
                    row, by_activity = rows[i], by_head[head[i]] * weight[i]
                    for j in range(len(of)):
                        row[j] += by_activity * of[j]
                p += 1
