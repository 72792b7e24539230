"""Tests of trained networks: how often each readout is correct, and with which margin, on every kind of sample."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.data.sampler import Batch
from theory_sim.training.readouts import Answer, correctness, judge, readouts
from theory_sim.training.trainer import Model, Training

MARGIN_QUANTILES = (0.0, 0.01, 0.1, 0.5)
"""The quantiles of margins over samples that are stored. All margins together do not compress, and would need more space than the
correlations of many networks."""


@dataclass(frozen=True)
class Judged:
    """Test results of a network.

    Attributes:
        correct: probability of the right coarse answer.
        margin: quantiles `MARGIN_QUANTILES` of the margins (`theory_sim.training.readouts.judge`) over samples.
        coarse: the right answer.
    """

    correct: Float[Tensor, "R kind sample readout"]
    margin: Float[Tensor, "R kind quantile readout"]
    coarse: Int[Tensor, "R kind sample"]


def evaluate(training: Training, on_progress: Callable[[int], None] = lambda samples: None) -> dict[str, Judged]:
    """Test each network, all on the same samples.

    Args:
        training: its networks as they are now; its test sampler and configuration say what is drawn and how it is read.
        on_progress: called with the number of test samples judged since its last call.
    """
    answers = {name: readouts(training, model) for name, model in training.models.items()}
    correct: dict[str, list[Tensor]] = {name: [] for name in training.models}
    margin: dict[str, list[Tensor]] = {name: [] for name in training.models}
    coarse: list[Tensor] = []
    for kind in training.kinds:
        labels: list[Tensor] = []
        parts: dict[str, list[Tensor]] = {name: [] for name in training.models}
        for batch in training.test_batches(kind):
            labels.append(batch.coarse.to("cpu", torch.int16))
            for name, model in training.models.items():
                heads = model.engine.heads(batch)
                judged = [torch.stack(judge(answer, batch, heads), -1) for answer in answers[name].values()]
                parts[name].append(torch.stack(judged, -2))
            on_progress(batch.leaf.shape[1])
        coarse.append(torch.cat(labels, 1))
        for name, found in parts.items():
            right, margins = torch.cat(found, 1).unbind(-1)
            correct[name].append(right)
            margin[name].append(quantiles(margins))
    of_class = torch.stack(coarse, 1)
    return {
        name: Judged(torch.stack(correct[name], 1).cpu(), torch.stack(margin[name], 1).cpu(), of_class)
        for name in training.models
    }


def quantiles(values: Float[Tensor, "R sample readout"]) -> Float[Tensor, "R quantile readout"]:
    """`MARGIN_QUANTILES` of the samples: the smallest value that a share q of them does not exceed."""
    n = values.shape[1]
    return values.sort(dim=1).values[:, [max(0, math.ceil(q * n) - 1) for q in MARGIN_QUANTILES]]


def score(batch: Batch, model: Model, answers: Mapping[str, Answer]) -> Tensor:
    """Probability of the right answer: (replica, sample, readout)."""
    heads = model.engine.heads(batch)
    return torch.stack([correctness(answer(batch, heads), batch.coarse) for answer in answers.values()], -1)
