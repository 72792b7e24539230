"""The engine `gradient`: gradient descent with the options of other theories' networks and optimisers, in closed form.

With z = ⟨w_{c,r}, x_p⟩ + b_{c,r}, an activation φ, ν = 1 (sum over patches) or 1/P (mean), p = softmax(F(X)) and sample weights
π_b that sum to 1,

    F_c(X) = Σ_r a_{c,r} ν Σ_p φ(z_{c,r,p}),     L = −Σ_b π_b ln p_y(X_b),
    ∂L/∂z_{b,c,r,p} = π_b (p_c − 1{c = y}) a_{c,r} ν φ′(z),
    ∂L/∂w_{c,r} = Σ_{b,p} ∂L/∂z x_{b,p},   ∂L/∂b_{c,r} = Σ_{b,p} ∂L/∂z,   ∂L/∂a_{c,r} = Σ_b π_b (p_c − 1{c = y}) ν Σ_p φ(z),
    V ← μ V + ∂L/∂θ,     θ ← θ − η V,

with momentum μ for w, for a where it is trained (``network.train_output``), and for b where ``engine.biases`` is ``trained``.
Biases that are ``scheduled`` follow b ← b − κ‖Δw‖₂ as in the engine `dense`, ``frozen`` ones stay. The defaults are the model
of the engine `dense`, which is faster where few pairs fire.

Training is a sequence of phases. Each has its step size, its momentum, whose V starts at 0, and its samples: all of the batch, or
a group-balanced subset of the training set. A group is the samples of one coarse class and one kind; the subset has as many of
each group as the smallest has, the first ones of the training set.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, linalg

from theory_sim.config import Config, StepSize
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law
from theory_sim.data.sampler import Batch
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.memory import check_fits
from theory_sim.runtime.settings import Count, Positive, Section
from theory_sim.runtime.streams import Streams
from theory_sim.runtime.threads import map_blocks
from theory_sim.training.engines.base import HeadGroups, StepReport, register_engine
from theory_sim.training.engines.loss import cross_entropy
from theory_sim.training.network import Parameters
from theory_sim.training.nonlinearity import ACTIVATION, RELU, Nonlinearity, Pooling

_MOST = 2**18
"""Pre-activations computed at once. They fit into a cache: four times as many take twice as long."""
_NAMES = ("weight", "bias", "output")

Block = tuple[slice, slice]
"""Some replicas, and some of their samples."""


class Phase(Section):
    """Some steps of training."""

    samples: Literal["all", "balanced"] = "all"
    """All of the batch, or a group-balanced subset of the training set, which needs ``training.batch: full``."""
    steps: Count | None = None
    """Number of steps; null, of the last phase alone: those that remain of ``training.steps``."""
    step_size: StepSize | None = None
    """η; null: ``training.step_size`` of the network."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """μ."""


class GradientSettings(Section):
    """Settings of the engine `gradient`, in the section ``engine``."""

    activation: Annotated[str, Field(pattern=ACTIVATION)] = RELU
    """φ: ``relu``, or ``z^q`` with q from 2 to 19."""
    pooling: Pooling = "sum"
    """Over the patches of a sample: ``sum`` or ``mean``."""
    biases: Literal["scheduled", "frozen", "trained"] = "scheduled"
    """b ← b − κ‖Δw‖ with κ = ``training.bias_decay``, unchanged, or trained by the gradient."""
    init: Literal["normal", "uniform"] = "normal"
    """w ~ N(0, σ_0² I) and b = −σ_0 τ (``network.init_std``, ``network.threshold``), or both ~ U(−c/√d, c/√d)."""
    init_scale: Positive = 1.0
    """c of the uniform law."""
    phases: Annotated[list[Phase], Field(min_length=1)] = [Phase()]  # noqa: RUF012 - pydantic copies defaults
    """The phases of training, in their order."""


def initial_std(config: Config) -> float:
    """σ_0, standard deviation of an initial weight: c/√(3 d) of the uniform law."""
    settings = GradientSettings.model_validate(config.engine)
    return config.network.init_std if settings.init == "normal" else settings.init_scale / math.sqrt(3 * config.data.dim)


@dataclass(frozen=True)
class Part:
    """What some samples contribute to a step: their weighted losses, summed, and the derivatives by all parameters."""

    loss: Float[Tensor, " r"]
    gradient: dict[str, Tensor]


@register_engine("gradient")
class GradientEngine:
    """R networks in training, side by side.

    Args:
        parameters: where to start; `step` overwrites them.
        settings: the options.
        step_size: η of phases that name none.
        bias_decay: κ.
        train_output: whether a is trained too [ours].

    Attributes:
        nonlinearity: activation and pooling.
    """

    noise_patches: ClassVar[bool] = True
    settings: ClassVar[type[Section]] = GradientSettings

    def __init__(
        self, parameters: Parameters, settings: GradientSettings, step_size: float, bias_decay: float, train_output: bool = False
    ) -> None:
        self.parameters, self.options = parameters, settings
        self.step_size, self.bias_decay, self.train_output = step_size, bias_decay, train_output
        self.nonlinearity = Nonlinearity(settings.activation, settings.pooling)
        trained = {"weight": True, "bias": settings.biases == "trained", "output": train_output}
        self._trained = [name for name in _NAMES if trained[name]]
        self._velocity: dict[str, Tensor] = {}
        if any(phase.momentum for phase in settings.phases):
            self._velocity = {name: torch.zeros_like(getattr(parameters, name)) for name in self._trained}
        self._steps_done = 0
        self._balanced: tuple[Tensor, Tensor] | None = None
        self._head_groups: HeadGroups | None = None

    @staticmethod
    def check(config: Config, law: Law) -> None:
        """Refuse phases that do not fit ``training.steps`` and ``training.batch``."""
        *first, last = GradientSettings.model_validate(config.engine).phases
        if any(phase.steps is None for phase in first):
            raise InputError("engine.phases: only the last phase may leave out its number of steps")
        given, steps = sum(phase.steps or 0 for phase in (*first, last)), config.training.steps
        if given > steps or (last.steps is not None and given != steps):
            raise InputError(
                f"engine.phases: their steps sum to {given}, not to training.steps = {steps}; the last phase may leave out its"
            )
        if config.training.batch != "full" and any(phase.samples == "balanced" for phase in (*first, last)):
            raise InputError("engine.phases: balanced samples need training.batch: full")

    @classmethod
    def initial(
        cls, config: Config, law: Law, streams: Streams, heads: int, step_size: float, dictionary: Dictionary
    ) -> "GradientEngine":
        """As `theory_sim.training.engines.base.Engine.initial`."""
        settings, network, like = GradientSettings.model_validate(config.engine), config.network, dictionary.vectors
        shape = (len(streams), heads, config.neurons)
        # The weights, their derivative and the momentum's velocity.
        needed = 3 * len(streams) * heads * config.neurons * config.data.dim * like.dtype.itemsize
        check_fits(needed, like.device, f"network.neurons: {config.neurons} neurons in each head need")
        if settings.init == "normal":
            start = Parameters.initial(
                streams, heads, config.neurons, config.data.dim, network.init_std, config.threshold, like.dtype
            )
        else:
            drawn = streams.uniform(*shape[1:], config.data.dim + 1, dtype=like.dtype).to(like.device)
            drawn = (2 * drawn - 1) * (settings.init_scale / config.data.dim**0.5)
            bias = drawn[..., -1].clone()
            start = Parameters(drawn[..., :-1].contiguous(), bias, torch.ones_like(bias))
        return cls(start, settings, step_size, config.bias_decay, network.train_output)

    def regrouped(self, step_size: float, group: HeadGroups) -> "GradientEngine":
        """As `theory_sim.training.engines.base.Engine.regrouped`; one phase without momentum, on all samples."""
        p = self.parameters
        own = Parameters(p.weight.clone(), p.bias.clone(), p.output.clone())
        options = self.options.model_copy(update={"phases": [Phase()]})
        engine = GradientEngine(own, options, step_size, self.bias_decay, self.train_output)
        engine._head_groups = group
        return engine

    @property
    def bias(self) -> Float[Tensor, "R head m"]:
        """Biases, b."""
        return self.parameters.bias

    @property
    def output(self) -> Float[Tensor, "R head m"]:
        """Output weights, a."""
        return self.parameters.output

    def norm(self) -> Float[Tensor, "R head m"]:
        """‖w‖₂."""
        norm: Tensor = self.parameters.weight.norm(dim=-1)
        return norm

    def correlation(self, dictionary: Dictionary) -> Float[Tensor, "R head m feature"]:
        """⟨w, v⟩ of every neuron and feature."""
        return dictionary.correlation(self.parameters.weight)

    def certificate(self) -> None:
        """None: nothing is left out."""

    def state(self) -> dict[str, Tensor]:
        """Parameters, velocities, and the number of steps, which says the phase."""
        own = {name: getattr(self.parameters, name) for name in _NAMES}
        own |= {f"velocity_{name}": value for name, value in self._velocity.items()}
        return own | {"steps_done": torch.tensor(self._steps_done)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        for name in _NAMES:
            getattr(self.parameters, name).copy_(tensors[name])
        for name, value in self._velocity.items():
            value.copy_(tensors[f"velocity_{name}"])
        self._steps_done = int(tensors["steps_done"])
        self._balanced = None

    @torch.no_grad()
    def activity(self, batch: Batch) -> Float[Tensor, "R B head m"]:
        """h_{c,r}(X), the pooled activations: the frozen features of a linear probe."""
        out = batch.x.new_empty(*batch.x.shape[:2], *self.parameters.bias.shape[1:])

        def fill(block: Block) -> None:
            out[block] = self._activity(self._pre(block[0], batch.x[block])).unflatten(-1, out.shape[2:])

        map_blocks(fill, self._blocks(batch.x))
        return out

    @torch.no_grad()
    def heads(self, batch: Batch) -> Float[Tensor, "R B head"]:
        """F(X) of every head."""
        heads: Tensor = (self.activity(batch) * self.parameters.output[:, None]).sum(-1)
        return heads

    @torch.no_grad()
    def logits(self, batch: Batch) -> Float[Tensor, "R B logit"]:
        """What the softmax sees: the heads, or their sums where the engine finetunes for a coarser target."""
        return self._grouped(self.heads(batch))

    @torch.no_grad()
    def step(self, batch: Batch, labels: Int[Tensor, "R B"]) -> StepReport:
        """One step of gradient descent, for every replica; the loss is that of the phase's samples."""
        phase, begins = self._phase()
        x, share = batch.x, batch.x.new_full(labels.shape, 1 / labels.shape[1])
        if phase.samples == "balanced":
            if begins or self._balanced is None:
                self._balanced = balanced_rows(batch)
            rows, share = self._balanced[0], self._balanced[1].to(x)
            x, labels = x[torch.arange(len(rows), device=rows.device)[:, None], rows], labels.gather(1, rows)
        gradient = {name: torch.zeros_like(getattr(self.parameters, name)) for name in self._trained}
        loss, blocks = x.new_zeros(len(x)), list(self._blocks(x))
        parts = map_blocks(lambda block: self._part(block, x[block], labels[block], share[block]), blocks)
        for (replicas, _), part in zip(blocks, parts, strict=True):
            loss[replicas] += part.loss
            for name, value in gradient.items():
                value[replicas] += part.gradient[name]
        update = self._move(gradient, phase, begins)
        self._steps_done += 1
        return StepReport(loss, update)

    def _move(self, gradient: dict[str, Tensor], phase: Phase, begins: bool) -> Float[Tensor, " R"]:
        """Update all parameters, and say how far the neurons moved at most. Overwrites the derivatives."""
        step_size = self.step_size if phase.step_size is None else phase.step_size
        for name, change in gradient.items():
            if self._velocity:
                change.add_(self._velocity[name], alpha=0.0 if begins else phase.momentum)
                self._velocity[name].copy_(change)
            getattr(self.parameters, name).add_(change.mul_(-step_size))
        length: Tensor = linalg.vector_norm(gradient["weight"], dim=-1)
        if self.options.biases == "scheduled":
            self.parameters.bias.sub_(length, alpha=self.bias_decay)
        return length.amax((1, 2))

    def _phase(self) -> tuple[Phase, bool]:
        """The phase of the next step, and whether it begins there."""
        first = 0
        for phase in self.options.phases[:-1]:
            if self._steps_done < first + (phase.steps or 0):
                return phase, self._steps_done == first
            first += phase.steps or 0
        return self.options.phases[-1], self._steps_done == first

    def _part(self, block: Block, x: Float[Tensor, "r b P d"], labels: Int[Tensor, "r b"], share: Float[Tensor, "r b"]) -> Part:
        """Loss and derivatives of some samples of some replicas."""
        output = self.parameters.output[block[0]]
        z = self._pre(block[0], x)
        h = self._activity(z).unflatten(-1, output.shape[1:])
        loss, slope = cross_entropy(self._grouped((h * output[:, None]).sum(-1)), labels)
        slope = slope * share[..., None]
        if self._head_groups is not None:
            slope = slope[..., self._head_groups.of]
        by_activity = (slope[..., None] * output[:, None]).flatten(2) * self.nonlinearity.share(x.shape[2])
        by_z = self.nonlinearity.slope(z) * by_activity[:, :, None]
        gradient = {"weight": (by_z.flatten(1, 2).mT @ x.flatten(1, 2)).unflatten(1, output.shape[1:])}
        if "bias" in self._trained:
            gradient["bias"] = by_z.sum((1, 2)).unflatten(1, output.shape[1:])
        if "output" in self._trained:
            gradient["output"] = torch.einsum("rbc,rbcm->rcm", slope, h)
        return Part((loss * share).sum(-1), gradient)

    def _pre(self, replicas: slice, x: Float[Tensor, "r b P d"]) -> Float[Tensor, "r b P neuron"]:
        weight, bias = self.parameters.weight[replicas].flatten(1, 2), self.parameters.bias[replicas].flatten(1)
        pre: Tensor = torch.baddbmm(bias[:, None], x.flatten(1, 2), weight.mT).unflatten(1, x.shape[1:3])
        return pre

    def _activity(self, z: Float[Tensor, "r b P neuron"]) -> Float[Tensor, "r b neuron"]:
        return self.nonlinearity.pooled(self.nonlinearity.of(z), 2)

    def _grouped(self, heads: Float[Tensor, "r b head"]) -> Float[Tensor, "r b logit"]:
        return heads if self._head_groups is None else self._head_groups.sum(heads)

    def _blocks(self, x: Float[Tensor, "R B P d"]) -> Iterator[Block]:
        """Parts of a batch to be computed on their own. They depend on sizes alone, never on the number of cores."""
        replicas, samples = x.shape[:2]
        pairs = self.parameters.bias[0].numel() * x.shape[2]
        size = max(1, min(samples, _MOST // pairs))
        together = max(1, _MOST // (samples * pairs))
        for first in range(0, replicas, together):
            for start in range(0, samples, size):
                yield slice(first, first + together), slice(start, start + size)


def balanced_rows(batch: Batch) -> tuple[Int[Tensor, "R b"], Float[Tensor, "R b"]]:
    """The group-balanced subset of each replica's samples: their places, and their weights, which sum to 1.

    A replica whose subset is smaller than another's is filled up with samples of weight 0. Groups without a sample do not count.
    """
    group = batch.coarse * (int(batch.kind.max()) + 1) + batch.kind
    own = group[..., None] == torch.arange(int(group.max()) + 1, device=group.device)
    count = own.sum(1)
    smallest = count.masked_fill(count == 0, group.shape[1] + 1).amin(1, keepdim=True)
    rank = own.long().cumsum(1).gather(-1, group[..., None])[..., 0]
    kept = rank <= smallest
    n = kept.sum(1, keepdim=True)
    rows = (~kept).int().argsort(dim=1, stable=True)[:, : int(n.max())]
    return rows, kept.gather(1, rows).double() / n
