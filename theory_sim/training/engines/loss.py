"""The softmax cross-entropy and its derivative: on a CPU one loop, compiled by Numba, where PyTorch takes six passes."""

from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.runtime.compiled import compiled


def cross_entropy(
    logits: Float[Tensor, "R B logit"], labels: Int[Tensor, "R B"]
) -> tuple[Float[Tensor, "R B"], Float[Tensor, "R B logit"]]:
    """Loss −ln p_y of each sample, in nats, and its derivative p − 1{y}, with p = softmax(F)."""
    if logits.device.type != "cpu":
        log_p, at_label = logits.log_softmax(-1), labels[..., None]
        loss = log_p.gather(-1, at_label)[..., 0].neg_()
        return loss, log_p.exp_().scatter_(-1, at_label, -1.0, reduce="add")
    loss, slope = logits.new_empty(labels.shape), torch.empty_like(logits)
    _cross_entropy(logits.numpy(), labels.numpy(), loss.numpy(), slope.numpy())
    return loss, slope


@compiled(error_model="numpy")
@no_type_check
def _cross_entropy(logits, labels, loss, slope):
    n = logits.shape[2]
    for r in range(len(logits)):
        for b in range(logits.shape[1]):
            most = logits[r, b, 0]
            for c in range(1, n):
                most = max(most, logits[r, b, c])
            total = loss.dtype.type(0)
            for c in range(n):
                slope[r, b, c] = np.exp(logits[r, b, c] - most)
                total += slope[r, b, c]
            for c in range(n):
                slope[r, b, c] /= total
            y = labels[r, b]
            loss[r, b] = np.log(total) - (logits[r, b, y] - most)
            slope[r, b, y] -= 1
