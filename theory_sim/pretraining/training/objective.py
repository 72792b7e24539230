"""What one step minimises, and how: losses with mixup and several labels, the optimizer, and its step size."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from theory_sim.pretraining.config import TrainingRecipe


def step_size(training: TrainingRecipe, step: int) -> float:
    """η_i at step i = 0, 1, …, T − 1.

    η (i + 1) / W in the W steps of warm-up; then η, or with the cosine schedule η (1 + cos(π (i − W) / (T − W))) / 2.
    """
    warmup = round(training.warmup * training.steps)
    if step < warmup:
        return training.step_size * (step + 1) / warmup
    if training.schedule == "constant":
        return training.step_size
    done = (step - warmup) / max(1, training.steps - warmup)
    return training.step_size * (1 + math.cos(math.pi * done)) / 2


def continues(short: TrainingRecipe, long: TrainingRecipe) -> bool:
    """Whether a longer run takes the same steps as a shorter one up to the end of that: recipes differ in `steps` alone."""
    return all(step_size(short, step) == step_size(long, step) for step in range(short.steps))


def loss_of(
    logits: Float[Tensor, "n label"],
    targets: Int[Tensor, " n"] | Int[Tensor, "n most"],
    share: Float[Tensor, " n"] | None = None,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean loss: softmax cross-entropy, or with rows of labels sigmoid cross-entropy summed over the labels.

    Args:
        logits: the network's.
        targets: one label, or a row of labels padded with −1.
        share: of mixup, λ: the target is λ times the own and 1 − λ times the neighbour's.
        smoothing: of the labels.
    """
    if targets.ndim == 2:
        hot = multi_hot(targets, logits.shape[1]).float()
        if share is not None:
            hot = share[:, None] * hot + (1 - share[:, None]) * swap_neighbours(hot)
        return functional.binary_cross_entropy_with_logits(logits, hot, reduction="sum") / len(logits)
    if share is None:
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    own, other = (
        functional.cross_entropy(logits, y, label_smoothing=smoothing, reduction="none")
        for y in (targets, swap_neighbours(targets))
    )
    return (share * own + (1 - share) * other).mean()


def swap_neighbours(x: Tensor) -> Tensor:
    """Rows 1, 0, 3, 2, …"""
    return x.view(len(x) // 2, 2, *x.shape[1:]).flip(1).reshape(x.shape)


def multi_hot(labels: Int[Tensor, "n most"], n_classes: int) -> Bool[Tensor, "n label"]:
    """Targets of a sigmoid cross-entropy: true at each of a sample's labels; −1 is padding."""
    hot = torch.zeros(len(labels), n_classes + 1, dtype=torch.bool, device=labels.device)
    hot.scatter_(1, labels.where(labels >= 0, n_classes), True)
    return hot[:, :n_classes]


def make_optimizer(parameters: list[nn.Parameter], training: TrainingRecipe) -> torch.optim.Optimizer:
    """Weight decay on matrices and filters only."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=training.step_size)
    return torch.optim.SGD(groups, lr=training.step_size, momentum=training.momentum, nesterov=training.momentum > 0)
