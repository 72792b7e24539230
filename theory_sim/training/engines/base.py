"""The contract of an engine: how a training step is computed.

`dense` holds all weights, `lucky` those that can ever fire at theory-scale widths. An engine is registered by its class, under
the name that ``training.engine`` takes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law
from theory_sim.data.sampler import Batch
from theory_sim.runtime.contracts import ENGINES
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.returned import place
from theory_sim.runtime.settings import Section
from theory_sim.runtime.streams import Streams
from theory_sim.training.engines.lucky.certificate import Certificate
from theory_sim.training.network import Parameters


@dataclass(frozen=True)
class StepReport:
    """What a step came to.

    Attributes:
        loss: cross-entropy on the batch before the update, in nats.
        update: the largest ‖Δw_{c,r}‖₂.
    """

    loss: Float[Tensor, " R"]
    update: Float[Tensor, " R"]


@dataclass(frozen=True)
class HeadGroups:
    """Heads that belong together, such as those of one coarse class.

    Attributes:
        of: the group of each head.
        n: number of groups; some may be empty.
    """

    of: Int[Tensor, " head"]
    n: int

    def sum(self, values: Float[Tensor, "*n head"]) -> Float[Tensor, "*n group"]:
        """Sum over the heads of each group."""
        return values.new_zeros(*values.shape[:-1], self.n).index_add_(-1, self.of.to(values.device), values)

    def largest(self, values: Float[Tensor, "*n head"]) -> Float[Tensor, "*n group"]:
        """Largest value of each group; −∞ in those without heads."""
        out = values.new_full((*values.shape[:-1], self.n), -torch.inf)
        return out.scatter_reduce_(-1, self.of.to(values.device).expand_as(values), values, "amax")


@runtime_checkable
class Engine(Protocol):
    """R networks in training, side by side.

    An engine with settings of its own names their section in a class attribute, ``settings: ClassVar[type[Section]]``. They are
    keys of ``engine`` in a configuration, `Config.engine`, checked and with their defaults filled in. An engine whose networks
    are not ReLU networks that sum over patches has an attribute ``nonlinearity``, a
    `theory_sim.training.nonlinearity.Nonlinearity`.

    Attributes:
        noise_patches: whether it needs the patches that hold the law's noise alone.
        step_size: η.
        bias_decay: κ.
        train_output: whether a is trained too.
    """

    noise_patches: ClassVar[bool]
    step_size: float
    bias_decay: float
    train_output: bool

    @staticmethod
    def check(config: Config, law: Law) -> None:
        """Refuse a configuration that the engine does not cover.

        Raises:
            InputError: the message names the key to change.
        """

    @classmethod
    def initial(
        cls, config: Config, law: Law, streams: Streams, heads: int, step_size: float, dictionary: Dictionary
    ) -> "Engine":
        """Networks as they start, one for each stream.

        Args:
            config: the configuration.
            law: its law of samples.
            streams: of the initial weights; their number is R.
            heads: number of outputs.
            step_size: η.
            dictionary: the features.

        Raises:
            InputError: they do not fit into memory, or not into what the engine covers.
        """

    @property
    def parameters(self) -> Parameters:
        """All neurons that the engine holds, those that it leaves out being silent."""

    @property
    def bias(self) -> Float[Tensor, "R head neuron"]:
        """Biases, b."""

    @property
    def output(self) -> Float[Tensor, "R head neuron"]:
        """Output weights, a."""

    def norm(self) -> Float[Tensor, "R head neuron"]:
        """‖w‖₂."""

    def correlation(self, dictionary: Dictionary) -> Float[Tensor, "R head neuron feature"]:
        """⟨w, v⟩ of every neuron and feature."""

    def heads(self, batch: Batch) -> Float[Tensor, "R B head"]:
        """F(X) of every head."""

    def activity(self, batch: Batch) -> Float[Tensor, "R B head neuron"]:
        """h_{c,r}(X) = Σ_p ReLU(⟨w_{c,r}, x_p⟩ + b_{c,r}): the frozen features of a linear probe."""

    def logits(self, batch: Batch) -> Float[Tensor, "R B logit"]:
        """What the softmax sees: the heads, or their sums where the engine finetunes for a coarser target."""

    def step(self, batch: Batch, labels: Int[Tensor, "R B"]) -> StepReport:
        """One step of SGD on a batch, for every replica."""

    def regrouped(self, step_size: float, group: HeadGroups) -> "Engine":
        """A copy that goes on training with sums of heads as logits: a fine model finetuned for the coarse target [ours]."""

    def state(self) -> dict[str, Tensor]:
        """All that a later process needs to go on to the same numbers, bit for bit."""

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a `state`, on an engine just made."""

    def certificate(self) -> Certificate | None:
        """How improbable it is that anything left out mattered; None where nothing is left out."""


EngineClass = TypeVar("EngineClass", bound=type)


def register_engine(name: str) -> Callable[[EngineClass], EngineClass]:
    """Register the class below it as an engine.

    Args:
        name: what ``training.engine`` takes.
    """
    expect("register_engine: name", name, str)

    def add(class_: EngineClass) -> EngineClass:
        expect(f"engine '{name}'", class_, type)
        methods = [name for name, part in vars(Engine).items() if callable(part) or isinstance(part, classmethod | staticmethod)]
        needed = [*(name for name in methods if not name.startswith("_")), "noise_patches"]
        if missing := [name for name in needed if not hasattr(class_, name)]:
            raise InputError(f"engine '{name}': {place(class_)} has no {', '.join(missing)}; see theory_sim.Engine")
        settings = getattr(class_, "settings", None)
        if settings is not None and not (isinstance(settings, type) and issubclass(settings, Section)):
            raise InputError(f"engine '{name}': settings: expected a class that derives from Section, got {settings!r}")
        ENGINES.add(name, class_)
        return class_

    return add
