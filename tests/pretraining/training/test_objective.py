"""Losses, targets and step sizes by their formulas."""

import numpy as np
import torch
from torch.nn import functional

from theory_sim.pretraining.config import TrainingRecipe
from theory_sim.pretraining.training.objective import loss_of, multi_hot, step_size, swap_neighbours


def test_step_sizes_rise_and_fall_to_zero():
    settings = TrainingRecipe(steps=100, warmup=0.1, step_size=2.0)
    sizes = [step_size(settings, step) for step in range(100)]
    np.testing.assert_allclose(sizes[:10], 0.2 * np.arange(1, 11))
    np.testing.assert_allclose(sizes[10:], 1 + np.cos(np.pi * np.arange(90) / 90))


def test_losses_are_their_formulas():
    draw = torch.Generator().manual_seed(0)
    logits, share = torch.randn(6, 5, generator=draw), torch.rand(3, generator=draw).repeat_interleave(2)
    targets = torch.tensor([0, 1, 4, 2, 3, 3])
    assert torch.equal(swap_neighbours(targets), torch.tensor([1, 0, 2, 4, 3, 3]))
    soft = share[:, None] * functional.one_hot(targets, 5) + (1 - share[:, None]) * functional.one_hot(
        swap_neighbours(targets), 5
    )
    torch.testing.assert_close(loss_of(logits, targets, share), functional.cross_entropy(logits, soft))
    rows = torch.tensor([[0, 1], [2, -1], [3, 4], [0, -1], [1, 2], [4, -1]])
    hot = torch.zeros(6, 5)
    for place, row in enumerate(rows.tolist()):
        hot[place, [label for label in row if label >= 0]] = 1
    assert torch.equal(multi_hot(rows, 5).float(), hot)
    expected = -(hot * logits.sigmoid().log() + (1 - hot) * (-logits).sigmoid().log()).sum(1).mean()
    torch.testing.assert_close(loss_of(logits, rows), expected)
