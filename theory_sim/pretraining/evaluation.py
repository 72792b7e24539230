"""Evaluation of networks on the coarse target."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from theory_sim.pretraining.distributed import processes
from theory_sim.pretraining.loading.images import Images, View
from theory_sim.pretraining.models import Classifier

Readout = Callable[[Float[Tensor, "n label"]], Float[Tensor, "n coarse"]]
"""From logits to probabilities of the coarse classes."""

_BATCH = 256


@dataclass(frozen=True)
class Answers:
    """What one network answered on a set of images.

    Attributes:
        correct: whether the most probable class is the true one.
        confidence: probability of the true class.
        predicted: the most probable class.
        highest: its probability; by the readout ``argmax_parent`` always 1.
        label: the network's own label of the largest logit; where it was trained on coarse classes, `predicted`.
    """

    correct: Bool[Tensor, " n"]
    confidence: Float[Tensor, " n"]
    predicted: Int[Tensor, " n"]
    highest: Float[Tensor, " n"]
    label: Int[Tensor, " n"]


def readouts(parent: Int[Tensor, " label"], n_coarse: int, several: bool = False) -> dict[str, Readout]:
    """Readouts of a network that was trained on other labels.

    ``sum_logits``: the coarse class whose labels' logits sum highest; ``sum_probabilities``: whose labels' probabilities
    do; ``argmax_parent``: the coarse class of the most probable label, with probability 1.

    Args:
        parent: coarse class of each label.
        n_coarse: number of coarse classes.
        several: whether an image may have several labels: a label's probability is then its logit's sigmoid, by which the
            network was trained, and the coarse classes' sums are divided by their total.
    """
    probability = _shares_of_sigmoids if several else softmax
    group = functional.one_hot(parent, n_coarse).float()
    return {
        "sum_logits": lambda logits: (logits @ group.to(logits.device)).softmax(1),
        "sum_probabilities": lambda logits: probability(logits) @ group.to(logits.device),
        "argmax_parent": lambda logits: group.to(logits.device)[logits.argmax(1)],
    }


def softmax(logits: Float[Tensor, "n coarse"]) -> Float[Tensor, "n coarse"]:
    """The readout of a network that was trained on the coarse labels."""
    return logits.softmax(1)


def _shares_of_sigmoids(logits: Float[Tensor, "n label"]) -> Float[Tensor, "n label"]:
    # By logarithms: where every sigmoid is 0 in single precision the shares are still numbers.
    return functional.logsigmoid(logits).softmax(1)


@torch.no_grad()
def answer(
    model: Classifier,
    images: Images,
    indices: Int[Tensor, " n"],
    truth: Int[Tensor, " n"],
    image_size: int,
    read: dict[str, Readout],
    on_progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Answers]:
    """Answers on a set of images, which all processes share out among themselves.

    Args:
        model: the network.
        images: where images are read.
        indices: which.
        truth: their coarse classes.
        image_size: side of the images.
        read: the readouts; answers are named as these are.
        on_progress: called with the number of images that are done, of all processes together.
    """
    model.eval()
    accelerator = processes()
    share = -(-len(indices) // accelerator.num_processes)
    # The last process may have fewer: it repeats the last image, and what is repeated is cut off again.
    places = (torch.arange(share) + share * accelerator.process_index).clamp(max=len(indices) - 1)
    rows: dict[str, list[Tensor]] = {name: [] for name in read}
    for chunk in places.split(_BATCH):
        batch = images.batch(indices[chunk].tolist(), View(image_size)).to(accelerator.device)
        logits = model(batch).float()
        own = truth[chunk].to(accelerator.device)
        for name, readout in read.items():
            probability = readout(logits)
            confidence = probability.gather(1, own[:, None])[:, 0]
            highest, predicted = probability.max(1)
            said = (confidence, predicted, highest, logits.argmax(1))
            rows[name].append(torch.stack([column.double() for column in said], 1))
        on_progress(min(len(indices), (int(chunk[-1]) + 1 - int(places[0])) * accelerator.num_processes))
    answers = {}
    for name, parts in rows.items():
        together = accelerator.gather(torch.cat(parts))[: len(indices)].cpu()
        confidence, predicted, highest = together[:, 0].float(), together[:, 1].long(), together[:, 2].float()
        answers[name] = Answers(predicted == truth, confidence, predicted, highest, together[:, 3].long())
    return answers
