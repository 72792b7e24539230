"""Readouts: how a model, trained with any labels, answers the coarse question.

==================  =======================================================================================
sum_logits          the coarse class whose heads' logits sum highest
sum_probabilities   … whose heads' softmax probabilities sum highest
argmax_parent       the coarse class of the highest head
linear_probe        logistic regression on the frozen features h_{c,r}(X), fitted to coarse training labels
finetuning          all weights trained on coarse labels, the coarse logit being the sum of its heads' logits
==================  =======================================================================================

The paper finetunes and says that this can further help [paper]; the set of readouts is ours. Each answers with
probabilities: one coarse class gets 1, or, where several are exactly tied (as when nothing fires), each its share.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from theory_sim.data.sampler import Batch
from theory_sim.training.engines.dense import HeadGroups
from theory_sim.training.trainer import Model, Training

Answer = Callable[[Batch, Float[Tensor, "R B head"]], Float[Tensor, "R B coarse"]]
"""From samples and the model's heads to the probability of answering each coarse class."""


def choose(values: Float[Tensor, "*n option"]) -> Float[Tensor, "*n option"]:
    """1 for the largest value, shared where several are exactly equal to it."""
    top = (values == values.amax(-1, keepdim=True)).to(values.dtype)
    return top / top.sum(-1, keepdim=True)


def readouts(training: Training, model: Model) -> dict[str, Answer]:
    """The configured readouts of a trained model; the learning ones are fitted here."""
    learning = {"linear_probe": _linear_probe, "finetuning": _finetuning}
    return {
        name: learning[name](training, model) if name in learning else _from_heads(name, training, model)
        for name in training.config.transfer.readouts
    }


def quick_readouts(training: Training, model: Model) -> dict[str, Answer]:
    """The readouts that need no fitting, to be looked at during training."""
    return {name: _from_heads(name, training, model) for name in _of_heads}


def correctness(answer: Float[Tensor, "R B coarse"], coarse: Int[Tensor, "R B"]) -> Float[Tensor, "R B"]:
    """Probability of the right answer, 0 or 1 where there is no tie."""
    return answer.gather(-1, coarse[..., None])[..., 0]


_of_heads: dict[str, Callable[[Tensor, HeadGroups], Tensor]] = {
    "sum_logits": lambda heads, parent: choose(parent.sum(heads)),
    "sum_probabilities": lambda heads, parent: choose(parent.sum(heads.softmax(-1))),
    "argmax_parent": lambda heads, parent: parent.sum(choose(heads)),
}

QUICK_READOUTS = tuple(_of_heads)
"""The readouts that need no fitting."""


def _from_heads(name: str, training: Training, model: Model) -> Answer:
    parent = training.parents(model)
    return lambda batch, heads: _of_heads[name](heads, parent)


def _linear_probe(training: Training, model: Model) -> Answer:
    """Logistic regression (scikit-learn, ℓ2 with C = 1), one per replica.

    All features are divided by one number, their root mean square. A scale for each would blow up neurons that hardly
    ever fire on easy samples, and dominant noise fires those: such a probe guesses on hard samples whatever was learned.
    """
    from sklearn.linear_model import LogisticRegression

    data = training.draw_target(training.streams("probe"), training.config.transfer.samples)
    features = model.engine.activity(data).flatten(2).cpu().numpy()
    scale = np.sqrt(np.mean(np.square(features), (1, 2), keepdims=True)) + np.finfo(features.dtype).tiny
    labels = training.target.assign(data).cpu().numpy()
    probes = [LogisticRegression(max_iter=1000).fit(f, y) for f, y in zip(features / scale, labels, strict=True)]

    def answer(batch: Batch, heads: Tensor) -> Tensor:
        activity = model.engine.activity(batch).flatten(2).cpu().numpy() / scale
        chosen = np.stack([probe.predict(a) for probe, a in zip(probes, activity, strict=True)])
        return one_hot(torch.from_numpy(chosen), training.target.n_classes).to(heads)

    return answer


def _finetuning(training: Training, model: Model) -> Answer:
    """A copy of the model takes `transfer.steps` steps on fresh coarse-labelled batches."""
    config, stream = training.config, training.streams("finetuning")
    engine = model.engine.regrouped(config.transfer.step_size, training.parents(model))
    for _ in range(config.transfer.steps):
        batch = training.draw_target(stream, config.training.batch)
        engine.step(batch, training.target.assign(batch))
    return lambda batch, heads: choose(engine.logits(batch))
