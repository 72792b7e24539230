"""Tests of trained models: how often each readout answers right, on easy and on hard samples."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from theory_sim.data.sampler import Batch
from theory_sim.training.readouts import Answer, correctness, readouts
from theory_sim.training.trainer import MODELS, Model, ModelName, Training

KINDS = ("easy", "hard")
"""Of test samples."""
_CHUNK = 250
"""Test samples per replica drawn and judged at once."""


def evaluate(training: Training, progress: Callable[[int], None] = lambda samples: None) -> dict[ModelName, Tensor]:
    """Probability of the right coarse answer: (replica, kind, sample, readout) for each model, on the same samples.

    Args:
        training: its models as they are now; its test sampler and configuration say what is drawn and how it is read.
        progress: told the number of test samples judged since it was last called.
    """
    answers = {name: readouts(training, model) for name, model in training.models.items()}
    correct: dict[ModelName, list[Tensor]] = {name: [] for name in MODELS}
    for kind in KINDS:
        stream = training.streams(f"test {kind}")
        parts: dict[ModelName, list[Tensor]] = {name: [] for name in MODELS}
        for start in range(0, training.config.test.samples, _CHUNK):
            size = min(_CHUNK, training.config.test.samples - start)
            batch = training.test_sampler.sample(stream, size, float(kind == "hard"))
            for name, model in training.models.items():
                parts[name].append(score(batch, model, answers[name]))
            progress(size)
        for name in MODELS:
            correct[name].append(torch.cat(parts[name], 1))
    return {name: torch.stack(parts, 1).cpu() for name, parts in correct.items()}


def score(batch: Batch, model: Model, answers: Mapping[str, Answer]) -> Tensor:
    """Probability of the right answer: (replica, sample, readout)."""
    heads = model.engine.heads(batch)
    return torch.stack([correctness(answer(batch, heads), batch.coarse) for answer in answers.values()], -1)
