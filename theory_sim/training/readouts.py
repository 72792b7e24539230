"""Readouts: how a network, trained with any labels, answers the coarse question.

==================  =======================================================================================
sum_logits          the coarse class whose heads' logits sum highest
sum_probabilities   … whose heads' softmax probabilities sum highest
argmax_parent       the coarse class of the highest head
linear_probe        logistic regression on the frozen features h_{c,r}(X), fitted to coarse training labels
finetuning          all weights trained on coarse labels, the coarse logit being the sum of its heads' logits
==================  =======================================================================================

The paper finetunes and says that this can further help [paper]; the set of readouts is ours. Each answers with
probabilities: one coarse class gets 1. Where several are exactly tied, as when nothing fires, each gets the same share; for
``argmax_parent`` in proportion to its tied heads, and for ``linear_probe`` the first gets 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from theory_sim.data.sampler import Batch
from theory_sim.runtime.contracts import READOUTS
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.returned import expect_function, expect_tensor
from theory_sim.training.engines.base import HeadGroups
from theory_sim.training.trainer import Model, Training

Answer = Callable[[Batch, Float[Tensor, "R B head"]], Float[Tensor, "R B coarse"]]
"""From samples and the network's heads to the probability of answering each coarse class."""
Scores = Callable[[Batch, Float[Tensor, "R B head"]], Float[Tensor, "R B coarse"]]
"""From samples and the network's heads to a score of each coarse class; margins are differences of scores."""
OfHeads = Callable[[Float[Tensor, "R B head"], HeadGroups], Float[Tensor, "R B coarse"]]
"""From the network's heads, and the coarse class of each, to the probability of answering each coarse class, or to its score."""
Fit = Callable[[Training, Model], Answer]
"""From a trained network to its answers."""
_SLACK = 1e-3
"""How far a user's probabilities may sum to something else than 1."""


@dataclass(frozen=True)
class Readout:
    """The contract of a readout.

    Attributes:
        name: what ``transfer.readouts`` takes.
        fit: from a trained network to its answers.
        quick: whether nothing is fitted, so that it is evaluated during training too.
        description: what it answers, in a line.
        check: refuses before the first step, by an `InputError`, what `fit` could not use after the last.
    """

    name: str
    fit: Fit
    quick: bool = False
    description: str = ""
    check: Callable[[Training], None] = lambda training: None


def register_readout(name: str) -> Callable[[OfHeads], OfHeads]:
    """Register a readout that needs no fitting: a function ``(heads, parents) → probabilities``.

    ``heads`` are the logits, (R, B, head), and ``parents`` a `HeadGroups`, the coarse class of each head; the function returns
    the probability of answering each coarse class, (R, B, coarse), which sums to 1 up to 1e-3. `choose` makes it of scores.

    Args:
        name: what ``transfer.readouts`` takes.

    Raises:
        InputError: the function takes other arguments, or the name is taken.
    """
    expect("register_readout: name", name, str)

    def register(of_heads: OfHeads) -> OfHeads:
        expect_function(f"readout '{name}'", of_heads, "heads", "parents")
        fit = _Quick(of_heads, _SCORES.get(name))
        READOUTS.add(name, Readout(name, fit, quick=True, description=_first_line(of_heads)), of_heads)
        return of_heads

    return register


def register_fitted_readout(name: str, check: Callable[[Training], None] = lambda training: None) -> Callable[[Fit], Fit]:
    """Register a readout that is fitted: a function ``(training, network) → answer``.

    Args:
        name: what ``transfer.readouts`` takes.
        check: see `Readout`.
    """
    expect("register_fitted_readout: name", name, str)

    def register(fit: Fit) -> Fit:
        expect_function(f"readout '{name}'", fit, "training", "network")
        READOUTS.add(name, Readout(name, fit, description=_first_line(fit), check=check), fit)
        return fit

    return register


@dataclass(frozen=True)
class Scored:
    """An answer that follows from a score of each coarse class.

    Attributes:
        scores: the scores.
        choice: from the scores and the heads to the probability of answering each class; by default the highest score's class.
    """

    scores: Scores
    choice: Callable[[Tensor, Tensor], Tensor] = lambda scores, heads: choose(scores)

    def __call__(self, batch: Batch, heads: Float[Tensor, "R B head"]) -> Float[Tensor, "R B coarse"]:
        """The probability of answering each class."""
        return self.choice(self.scores(batch, heads), heads)


@dataclass(frozen=True)
class _Quick:
    """The fit of a readout that needs none."""

    of_heads: OfHeads
    scores: OfHeads | None = None
    """None: the probabilities are the scores."""

    def __call__(self, training: Training, model: Model) -> Answer:
        parents, of_heads, scores = training.parents(model), self.of_heads, self.scores
        if scores is None:
            return lambda batch, heads: of_heads(heads, parents)
        return Scored(lambda batch, heads: scores(heads, parents), lambda _, heads: of_heads(heads, parents))


def _first_line(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]


def choose(values: Float[Tensor, "*n option"]) -> Float[Tensor, "*n option"]:
    """1 for the largest value, shared where several are exactly equal to it."""
    top = (values == values.amax(-1, keepdim=True)).to(values.dtype)
    return top / top.sum(-1, keepdim=True)


def readouts(training: Training, model: Model) -> dict[str, Answer]:
    """The configured readouts of a trained network; the learning ones are fitted here."""
    return {name: fitted(name, training, model) for name in training.config.transfer.readouts}


def fitted(name: str, training: Training, model: Model) -> Answer:
    """A readout of a network. The answers of a user's are checked at every call, those of the package's own are not.

    Raises:
        InputError: what fits it gives no function.
    """
    entry = READOUTS.entry(name)
    answer: Answer = entry.value.fit(training, model)
    if entry.is_core:
        return answer
    what = READOUTS.named(name)
    if not isinstance(entry.value.fit, _Quick):
        expect_function(f"{what}, what it gives", answer, "batch", "heads")

    def checked(batch: Batch, heads: Tensor) -> Tensor:
        given = answer(batch, heads)
        shape = (*heads.shape[:2], training.target.n_classes)
        expect_tensor(what, given, shape, device=heads.device, meaning="the probability of each coarse class")
        fits = (given >= 0).all(-1) & ((given.sum(-1) - 1).abs() < _SLACK)  # NaN is neither
        if not bool(fits.all()):
            raise InputError(f"{what}: expected probabilities that sum to 1, got {given[~fits][0].tolist()} for a sample")
        return given

    return checked


def check_readouts(training: Training) -> None:
    """Check before the first step that the configured readouts can be fitted after the last.

    Raises:
        InputError: one cannot.
    """
    for name in training.config.transfer.readouts:
        READOUTS[name].check(training)


def quick_names(training: Training) -> tuple[str, ...]:
    """The readouts that are looked at during training: the package's quick ones, then those configured."""
    own = [name for name in training.config.transfer.readouts if READOUTS[name].quick]
    return tuple(dict.fromkeys([*QUICK_READOUTS, *own]))


def quick_readouts(training: Training, model: Model) -> dict[str, Answer]:
    """The readouts that need no fitting, to be looked at during training."""
    return {name: fitted(name, training, model) for name in quick_names(training)}


def correctness(answer: Float[Tensor, "R B coarse"], coarse: Int[Tensor, "R B"]) -> Float[Tensor, "R B"]:
    """Probability of the right answer, 0 or 1 where there is no tie."""
    return answer.gather(-1, coarse[..., None])[..., 0]


def judge(answer: Answer, batch: Batch, heads: Float[Tensor, "R B head"]) -> tuple[Float[Tensor, "R B"], Float[Tensor, "R B"]]:
    """Whether a readout's answers are right, and with which margin.

    Args:
        answer: of the readout.
        batch: the samples.
        heads: the network's heads on them.

    Returns:
        The probability of the right answer; and the margin: the score of the right class minus the largest score of another
        class. For a user's readout the probabilities are the scores.
    """
    if isinstance(answer, Scored):
        scores = answer.scores(batch, heads)
        given = answer.choice(scores, heads)
    else:
        scores = given = answer(batch, heads)
    right = one_hot(batch.coarse, scores.shape[-1]).bool()
    margin = correctness(scores, batch.coarse) - scores.masked_fill(right, -torch.inf).amax(-1)
    return correctness(given, batch.coarse), margin.to(heads)


_SCORES: dict[str, OfHeads] = {
    "sum_logits": lambda heads, parents: parents.sum(heads),
    "sum_probabilities": lambda heads, parents: parents.sum(heads.softmax(-1)),
    "argmax_parent": lambda heads, parents: parents.largest(heads),
}
"""Scores of the package's readouts that need no fitting."""


@register_readout("sum_logits")
def _sum_logits(heads: Tensor, parents: HeadGroups) -> Tensor:
    """The coarse class whose heads' logits have the largest sum."""
    return choose(parents.sum(heads))


@register_readout("sum_probabilities")
def _sum_probabilities(heads: Tensor, parents: HeadGroups) -> Tensor:
    """The coarse class whose heads' probabilities have the largest sum."""
    return choose(parents.sum(heads.softmax(-1)))


@register_readout("argmax_parent")
def _argmax_parent(heads: Tensor, parents: HeadGroups) -> Tensor:
    """The coarse class of the head with the largest logit."""
    return parents.sum(choose(heads))


QUICK_READOUTS = ("sum_logits", "sum_probabilities", "argmax_parent")
"""The package's readouts that need no fitting."""


def _probe_samples(training: Training, latents: bool = False) -> Batch:
    """The samples that every network's probe is fitted on."""
    return training.draw_target(training.streams("probe"), training.config.transfer.samples, latents)


def _check_probe(training: Training) -> None:
    """Each replica's samples must have two classes."""
    labels = training.target.assign(_probe_samples(training, latents=True))
    alone = (labels == labels[:, :1]).all(1).nonzero()
    if len(alone):
        raise InputError(
            f"transfer.samples: the {training.config.transfer.samples} samples of the linear probe are of one class in replica"
            f" {int(alone[0])}; a probe needs two, so take more samples"
        )


@register_fitted_readout("linear_probe", _check_probe)
def _linear_probe(training: Training, model: Model) -> Answer:
    """Logistic regression (scikit-learn, ℓ2 with C = 1), one per replica.

    All features are divided by one number, their root mean square. A scale for each would blow up neurons that hardly
    ever fire on easy samples, and dominant noise fires those: such a probe guesses on hard samples whatever was learned.
    """
    from sklearn.linear_model import LogisticRegression

    data = _probe_samples(training)
    features = model.engine.activity(data).flatten(2).cpu().numpy()
    scale = np.sqrt(np.mean(np.square(features), (1, 2), keepdims=True)) + np.finfo(features.dtype).tiny
    labels = training.target.assign(data).cpu().numpy()
    probes: list[Any] = [LogisticRegression(max_iter=1000).fit(f, y) for f, y in zip(features / scale, labels, strict=True)]

    def scores(batch: Batch, heads: Tensor) -> Tensor:
        activity = model.engine.activity(batch).flatten(2).cpu().numpy() / scale
        out = np.full((*activity.shape[:2], training.target.n_classes), -np.inf)  # for classes that a probe was not fitted on
        for of_replica, probe, a in zip(out, probes, activity, strict=True):
            decision = probe.decision_function(a)
            two = np.stack([np.zeros_like(decision), decision], -1) if decision.ndim == 1 else decision
            of_replica[:, probe.classes_] = two
        return torch.from_numpy(out).to(heads.device)

    # Of exactly tied classes the first, as in scikit-learn.
    return Scored(scores, lambda scores, heads: one_hot(scores.argmax(-1), scores.shape[-1]).to(heads))


@register_fitted_readout("finetuning")
def _finetuning(training: Training, model: Model) -> Answer:
    """A copy of the network takes `transfer.steps` steps on fresh coarse-labelled batches."""
    config, stream = training.config, training.streams("finetuning")
    engine = model.engine.regrouped(config.transfer.step_size, training.parents(model))
    for _ in range(config.transfer.steps):
        batch = training.draw_target(stream, config.batch)
        engine.step(batch, training.target.assign(batch))
    return Scored(lambda batch, heads: engine.logits(batch))
