"""The dense engine: every weight of R networks, and one step of SGD on the softmax cross-entropy in closed form.

With p = softmax(F(X)) and the loss −ln p_y averaged over the batch [paper],

    ∂L/∂F_c = (p_c − 1{c = y}) / B,     ∂F_c/∂w_{c,r} = a_{c,r} Σ_p 1{⟨w_{c,r}, x_p⟩ + b_{c,r} > 0} x_p,
    w ← w − η ∂L/∂w,     b_{c,r} ← b_{c,r} − κ ‖Δw_{c,r}‖₂ [recalled],

where ReLU′(0) = 0. Biases follow their schedule and no gradient.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, linalg
from torch.nn.functional import linear

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law
from theory_sim.data.sampler import Batch
from theory_sim.runtime.memory import check_fits
from theory_sim.runtime.streams import Streams
from theory_sim.runtime.threads import map_blocks
from theory_sim.training.engines import small
from theory_sim.training.engines.base import HeadGroups, StepReport, register_engine
from theory_sim.training.engines.firing import Firing, firing
from theory_sim.training.engines.loss import cross_entropy
from theory_sim.training.network import Parameters

BLOCK = 2**19
"""Pre-activations that are worth a thread of their own: small replicas are computed together up to this number."""
ALONE = 2**15
"""Pre-activations of one replica from which on it is never computed together with those of other cells."""
_MOST = 2**22
"""Pre-activations held at once where nothing is trained."""

_NAMES = ("weight", "bias", "output")

Block = tuple[slice, slice]
"""Some replicas, and some of their samples."""
Rates = tuple[slice, float, float]
"""Rows of replicas with the same η and κ, and these."""


@dataclass(frozen=True)
class Part:
    """What some samples contribute to a step: their losses, and derivatives summed over them; None: not trained."""

    loss: Float[Tensor, "r b"]
    weight: Float[Tensor, "r head m d"]
    output: Float[Tensor, "r head m"] | None


@register_engine("dense")
class DenseEngine:
    """R networks in training, side by side.

    Args:
        parameters: where to start; `step` overwrites them.
        step_size: η.
        bias_decay: κ.
        train_output: whether a is trained too, with the same η [ours].
    """

    noise_patches: ClassVar[bool] = True

    def __init__(
        self,
        parameters: Parameters,
        step_size: float,
        bias_decay: float,
        train_output: bool = False,
    ) -> None:
        self.parameters = parameters
        self.step_size, self.bias_decay, self.train_output = step_size, bias_decay, train_output
        self._head_groups: HeadGroups | None = None

    @staticmethod
    def check(config: Config, law: Law) -> None:
        """It covers everything."""

    @classmethod
    def initial(
        cls, config: Config, law: Law, streams: Streams, heads: int, step_size: float, dictionary: Dictionary
    ) -> "DenseEngine":
        """As `theory_sim.training.engines.base.Engine.initial`."""
        like, network = dictionary.vectors, config.network
        weights = len(streams) * heads * config.neurons * like.shape[-1]
        # The weights and their change; other arrays are small beside them where it matters.
        what = f"network.neurons: {config.neurons} neurons in each head need"
        check_fits(2 * weights * like.dtype.itemsize, like.device, what)
        start = Parameters.initial(streams, heads, config.neurons, like.shape[-1], network.init_std, config.threshold, like.dtype)
        return cls(start, step_size, config.bias_decay, network.train_output)

    def regrouped(self, step_size: float, group: "HeadGroups") -> "DenseEngine":
        """A copy that goes on training with sums of heads as logits: a fine model finetuned for the coarse target [ours]."""
        p = self.parameters
        own = Parameters(p.weight.clone(), p.bias.clone(), p.output.clone())
        engine = DenseEngine(own, step_size, self.bias_decay, self.train_output)
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

    def state(self) -> dict[str, Tensor]:
        """All parameters."""
        return {name: getattr(self.parameters, name) for name in _NAMES}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        for name in _NAMES:
            getattr(self.parameters, name).copy_(tensors[name])

    def certificate(self) -> None:
        """None: nothing is left out."""

    def correlation(self, dictionary: Dictionary) -> Float[Tensor, "R head m feature"]:
        """⟨w, v⟩ of every neuron and feature."""
        return dictionary.correlation(self.parameters.weight)

    @torch.no_grad()
    def heads(self, batch: Batch) -> Float[Tensor, "R B head"]:
        """F(X) of every head."""
        out = batch.x.new_empty(*batch.x.shape[:2], self.parameters.bias.shape[1])

        def fill(block: Block) -> None:
            out[block] = self._firing(block[0], batch.x[block]).heads(self.parameters.output[block[0]])

        map_blocks(fill, self._blocks(batch.x, _MOST))
        return out

    @torch.no_grad()
    def activity(self, batch: Batch) -> Float[Tensor, "R B head m"]:
        """h_{c,r}(X) = Σ_p ReLU(⟨w_{c,r}, x_p⟩ + b_{c,r}): the frozen features of a linear probe."""
        out = batch.x.new_empty(*batch.x.shape[:2], *self.parameters.bias.shape[1:])

        def fill(block: Block) -> None:
            out[block] = self._firing(block[0], batch.x[block]).activity().unflatten(-1, out.shape[2:])

        map_blocks(fill, self._blocks(batch.x, _MOST))
        return out

    @torch.no_grad()
    def logits(self, batch: Batch) -> Float[Tensor, "R B logit"]:
        """What the softmax sees: the heads, or their sums where the engine finetunes for a coarser target."""
        return self._grouped(self.heads(batch))

    @torch.no_grad()
    def step(self, batch: Batch, labels: Int[Tensor, "R B"]) -> StepReport:
        """One step of SGD on a batch, for every replica."""
        if self._is_small(batch.x):
            return self._step_small(batch.x, labels)
        blocks, samples = list(self._blocks(batch.x)), labels.shape[1]
        parts = map_blocks(lambda b: self._part(b, batch.x[b], labels[b]), blocks)
        if len(blocks) == 1:
            return StepReport(parts[0].loss.mean(-1), self._move(blocks[0][0], parts, samples))
        loss, update = batch.x.new_empty(labels.shape), batch.x.new_empty(len(labels))
        for block, part in zip(blocks, parts, strict=True):
            loss[block] = part.loss

        def move(same: list[tuple[Block, Part]]) -> None:
            """Some replicas, whose parts these are."""
            replicas = same[0][0][0]
            update[replicas] = self._move(replicas, [part for _, part in same], samples)

        of_replicas = groupby(zip(blocks, parts, strict=True), lambda pair: pair[0][0].start)
        map_blocks(move, [list(same) for _, same in of_replicas])
        return StepReport(loss.mean(-1), update)

    def _move(self, replicas: slice, parts: list[Part], samples: int) -> Float[Tensor, " r"]:
        """Update some replicas, and say how far their neurons moved at most. Overwrites the parts."""
        change = parts[0].weight
        for part in parts[1:]:
            change += part.weight
        rates = self._rates(replicas)
        for rows, step_size, _ in rates:
            change[rows].mul_(-step_size / samples)
        self.parameters.weight[replicas] += change
        if self.train_output:
            output_change = torch.stack([part.output for part in parts if part.output is not None]).sum(0)
            for rows, step_size, _ in rates:
                self.parameters.output[replicas][rows].sub_(step_size / samples * output_change[rows])
        return self._lower(replicas, rates, linalg.vector_norm(change, dim=-1))  # it overflows where steps are absurd

    def _lower(self, replicas: slice, rates: list[Rates], length: Float[Tensor, "r head m"]) -> Float[Tensor, " r"]:
        """Lower the biases by κ‖Δw‖₂, and say the largest of these norms."""
        for rows, _, bias_decay in rates:
            self.parameters.bias[replicas][rows].sub_(length[rows], alpha=bias_decay)
        return length.amax((1, 2))

    def _is_small(self, x: Float[Tensor, "R B P d"]) -> bool:
        """Whether each replica makes its step in one pass. It depends on the replica alone, not on those beside it."""
        whole = not self.train_output and self._head_groups is None
        return whole and x.device.type == "cpu" and x[0].numel() <= small.MOST

    def _step_small(self, x: Float[Tensor, "R B P d"], labels: Int[Tensor, "R B"]) -> StepReport:
        p, (samples, patches) = self.parameters, x.shape[1:3]
        together = max(1, BLOCK // (samples * patches * p.bias[0].numel()))

        def step(replicas: slice) -> StepReport:
            own = Parameters(p.weight[replicas], p.bias[replicas], p.output[replicas])
            rates, rate = self._rates(replicas), np.empty(len(own.bias), x.numpy().dtype)
            for rows, step_size, _ in rates:
                rate[rows] = -step_size / samples
            loss, length = small.descend(own, x[replicas], labels[replicas], rate)
            return StepReport(loss.mean(-1), self._lower(replicas, rates, length))

        reports = map_blocks(step, [slice(first, first + together) for first in range(0, len(x), together)])
        if len(reports) == 1:
            return reports[0]
        return StepReport(torch.cat([part.loss for part in reports]), torch.cat([part.update for part in reports]))

    def _rates(self, replicas: slice) -> list[Rates]:
        """η and κ of some replicas: rows among these that have the same ones."""
        return [(slice(None), self.step_size, self.bias_decay)]

    def _part(self, block: Block, x: Float[Tensor, "r b P d"], labels: Int[Tensor, "r b"]) -> Part:
        """Loss and summed derivatives of some samples of some replicas."""
        replicas, output = block[0], self.parameters.output[block[0]]
        fired = self._firing(replicas, x)
        loss, slope = cross_entropy(self._grouped(fired.heads(output)), labels)
        if self._head_groups is not None:
            slope = slope[..., self._head_groups.of]
        by_weight = fired.gradient(slope, output, x)
        if not self.train_output:
            return Part(loss, by_weight, None)
        return Part(loss, by_weight, torch.einsum("rbc,rbcm->rcm", slope, fired.activity().unflatten(-1, output.shape[1:])))

    def _firing(self, block: slice, x: Float[Tensor, "r b P d"]) -> Firing:
        weight, bias = self.parameters.weight[block].flatten(1, 2), self.parameters.bias[block].flatten(1)
        patches = x.flatten(1, 2)
        # The batched product first writes the bias into every row. Small networks use it even so, for the same numbers alone as
        # beside others: the two products may differ in rounding.
        if len(x) == 1 and patches.shape[1] * weight.shape[1] > ALONE:
            pre = linear(patches[0], weight[0], bias[0])[None]
        else:
            pre = torch.baddbmm(bias[:, None], patches, weight.mT)
        return firing(pre.unflatten(1, x.shape[1:3]), self._cells(len(x)))

    def _cells(self, replicas: int) -> int:
        """How many cells of a sweep some replicas, which are trained together, belong to."""
        return 1

    def _grouped(self, heads: Float[Tensor, "r b head"]) -> Float[Tensor, "r b logit"]:
        return heads if self._head_groups is None else self._head_groups.sum(heads)

    def _blocks(self, x: Float[Tensor, "R B P d"], most: int | None = None) -> Iterator[Block]:
        """Parts of a batch to be computed on their own.

        They depend on sizes alone, never on the number of cores: sums are taken in the same order on every machine.
        """
        replicas, samples = x.shape[:2]
        pairs = self.parameters.bias[0].numel() * x.shape[2]
        # Halves of the batch where the replicas cannot be halved, so that two cores are at work.
        whole = x.device.type != "cpu" or replicas * samples * pairs <= BLOCK or replicas % 2 == 0
        size = samples if whole else math.ceil(samples / 2)
        if most is not None:
            size = max(1, min(size, most // pairs))
        # Parts of several replicas do not lie in one piece of memory, and would be copied.
        together = max(1, BLOCK // (size * pairs)) if size == samples else 1
        for first in range(0, replicas, together):
            for start in range(0, samples, size):
                yield slice(first, first + together), slice(start, start + size)
