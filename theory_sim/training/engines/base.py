"""How a training step is computed: `dense` holds all weights, `lucky` those that can ever fire at theory-scale widths."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.data.dictionary import Dictionary
from theory_sim.data.sampler import Batch
from theory_sim.training.engines.dense import HeadGroups, StepReport
from theory_sim.training.engines.lucky.certificate import Certificate
from theory_sim.training.network import Parameters


@runtime_checkable
class Engine(Protocol):
    """R networks in training, side by side. Whoever holds one need not know which."""

    step_size: float
    bias_decay: float
    train_output: bool

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
