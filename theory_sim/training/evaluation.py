"""Tests of trained networks: how often each readout answers right, on every kind of sample."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from theory_sim.data.sampler import Batch
from theory_sim.training.readouts import Answer, correctness, readouts
from theory_sim.training.trainer import Model, Training


def evaluate(training: Training, on_progress: Callable[[int], None] = lambda samples: None) -> dict[str, Tensor]:
    """Probability of the right coarse answer: (replica, kind, sample, readout) for each network, on the same samples.

    Args:
        training: its networks as they are now; its test sampler and configuration say what is drawn and how it is read.
        on_progress: called with the number of test samples judged since its last call.
    """
    answers = {name: readouts(training, model) for name, model in training.models.items()}
    correct: dict[str, list[Tensor]] = {name: [] for name in training.models}
    for kind in training.kinds:
        parts: dict[str, list[Tensor]] = {name: [] for name in training.models}
        for batch in training.test_batches(kind):
            for name, model in training.models.items():
                parts[name].append(score(batch, model, answers[name]))
            on_progress(batch.leaf.shape[1])
        for name in training.models:
            correct[name].append(torch.cat(parts[name], 1))
    return {name: torch.stack(parts, 1).cpu() for name, parts in correct.items()}


def score(batch: Batch, model: Model, answers: Mapping[str, Answer]) -> Tensor:
    """Probability of the right answer: (replica, sample, readout)."""
    heads = model.engine.heads(batch)
    return torch.stack([correctness(answer(batch, heads), batch.coarse) for answer in answers.values()], -1)
