"""One step of SGD of small networks on a CPU, replica by replica: what a replica needs stays in the processor's cache.

It is the step of `theory_sim.training.engines.dense` where only w and b are trained. The first product, ⟨w, x_p⟩, is PyTorch's.
The second one is a sum over the patches that a neuron fires for; once it is complete, the neuron's weights are moved, so that no
array of derivatives is written and read again.
"""

from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.runtime.compiled import compiled
from theory_sim.training.engines.loss import cross_entropy
from theory_sim.training.network import Parameters

MOST = 2**16
"""Coordinates of a replica's patches, B·P·d, up to which it is small: each neuron reads its patches anew, from the cache."""
_compiled = compiled(error_model="numpy")


def descend(
    parameters: Parameters, x: Float[Tensor, "r B P d"], labels: Int[Tensor, "r B"], rate: Float[np.ndarray, " r"]
) -> tuple[Float[Tensor, "r B"], Float[Tensor, "r head m"]]:
    """Move the weights: w ← w + rate · Σ_b ∂loss_b/∂w. Whatever r is, each replica's numbers are the same.

    Args:
        parameters: of r networks; the weights are overwritten.
        x: patches.
        labels: of the samples.
        rate: −η / B.

    Returns:
        The loss of each sample before the update, in nats, and ‖Δw‖₂.
    """
    weight, bias, output = parameters.weight, parameters.bias, parameters.output
    patches = x.flatten(1, 2).contiguous()
    # In this order each neuron's numbers lie side by side.
    z = torch.bmm(weight.flatten(1, 2), patches.mT).view(*bias.shape, -1).numpy()
    logits, length = x.new_empty(*labels.shape, bias.shape[1]), torch.empty_like(bias)
    _heads(z, bias.numpy(), output.numpy(), logits.numpy())
    loss, slope = cross_entropy(logits, labels)
    _move(z, slope.numpy(), output.numpy(), patches.numpy(), rate, weight.numpy(), length.numpy())
    return loss, length


@_compiled
@no_type_check
def _heads(z, bias, output, logits):
    """F_c(X) of all samples; the bias is added to z, ⟨w, x_p⟩ of (replica, head, neuron, patch). NaN fires: it must be seen."""
    replicas, heads, neurons, rows = z.shape
    samples, zero = logits.shape[1], z.dtype.type(0)
    active = np.empty((neurons, rows), z.dtype)
    for r in range(replicas):
        for c in range(heads):
            for i in range(neurons):
                shift, a = bias[r, c, i], output[r, c, i]
                for p in range(rows):
                    value = z[r, c, i, p] + shift
                    z[r, c, i, p] = value
                    active[i, p] = a * (zero if value <= 0 else value)
            for b in range(samples):
                total = zero
                for p in range(b * rows // samples, (b + 1) * rows // samples):
                    for i in range(neurons):
                        total += active[i, p]
                logits[r, b, c] = total


@_compiled
@no_type_check
def _move(z, slope, output, x, rate, weight, length):
    """w_{c,r} += rate · Σ_b slope_{b,c} a_{c,r} Σ_p 1{z > 0} x_{b,p}, neuron by neuron, and the norms of these changes."""
    replicas, heads, neurons, rows = z.shape
    samples = slope.shape[1]
    fires, by_patch = np.empty(rows + 1, np.uint32), np.empty(rows, x.dtype)
    change = np.empty(x.shape[2], x.dtype)
    for r in range(replicas):
        for c in range(heads):
            for p in range(rows):
                by_patch[p] = slope[r, p * samples // rows, c]
            for i in range(neurons):
                n = _list(z[r, c, i], fires)
                change[:] = 0
                _add(change, x[r], fires[:n], by_patch, output[r, c, i])
                of = weight[r, c, i]
                for j in range(len(change)):
                    change[j] *= rate[r]
                    of[j] += change[j]
                length[r, c, i] = _norm(change)


@_compiled
@no_type_check
def _list(z, fires):
    """How many patches a neuron fires for; `fires` begins with them."""
    n = np.uint64(0)
    for p in range(len(z)):
        # Always written, kept only if it fires: whether it does cannot be foreseen.
        fires[n] = p
        n += np.uint64(not z[p] <= 0)
    return n


@_compiled
@no_type_check
def _add(change, x, fires, by_patch, a):
    """Add the patches that a neuron fires for, one after the other; four in one loop, so that sums stay in registers."""
    fours = len(fires) // 4 * 4
    for n in range(0, fours, 4):
        p0, p1, p2, p3 = fires[n], fires[n + 1], fires[n + 2], fires[n + 3]
        f0, f1, f2, f3 = by_patch[p0] * a, by_patch[p1] * a, by_patch[p2] * a, by_patch[p3] * a
        x0, x1, x2, x3 = x[p0], x[p1], x[p2], x[p3]
        for j in range(len(change)):
            change[j] = change[j] + f0 * x0[j] + f1 * x1[j] + f2 * x2[j] + f3 * x3[j]
    for n in range(fours, len(fires)):
        f0, x0 = by_patch[fires[n]] * a, x[fires[n]]
        for j in range(len(change)):
            change[j] += f0 * x0[j]


@compiled(error_model="numpy", fastmath={"reassoc"})
@no_type_check
def _norm(change):
    """‖Δw‖₂, several squares added at once; it overflows where steps are absurd."""
    total = change.dtype.type(0)
    for j in range(len(change)):
        total += change[j] * change[j]
    return np.sqrt(total)
