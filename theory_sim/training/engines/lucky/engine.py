"""The lucky engine: of m neurons per head, m as large as the theory requires, only those that can ever fire are drawn.

A neuron that no patch makes fire never moves. At the theory's threshold that is so for all but a handful of neurons per
head and feature (`candidates`), so a step needs only these, and only the patches that hold something: the result has the
law of the dense engine's, except with a probability that is bounded as the run goes on (`certificate`). The derivation,
its assumptions and what the certificate says are in ``lucky.md`` beside this file.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.latents import DOMINANT_NOISE
from theory_sim.data.law import Law
from theory_sim.data.sampler import Batch
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.memory import check_fits
from theory_sim.runtime.streams import Streams
from theory_sim.runtime.threads import map_blocks
from theory_sim.training.engines.base import HeadGroups, StepReport, register_engine
from theory_sim.training.engines.loss import cross_entropy
from theory_sim.training.engines.lucky import candidates
from theory_sim.training.engines.lucky.candidates import COPIED, Candidates
from theory_sim.training.engines.lucky.certificate import Certificate, Ledger
from theory_sim.training.engines.lucky.design import Design, check_law
from theory_sim.training.network import Parameters

_PAIRS = 2**14
"""Firing pairs whose patches are summed at once: enough for a thread of its own."""


class Pairs(NamedTuple):
    """Firing (patch, neuron) pairs of one replica, and their ReLU."""

    patch: Int[Tensor, " pair"]
    neuron: Int[Tensor, " pair"]
    value: Float[Tensor, " pair"]


@dataclass(frozen=True)
class Meeting:
    """Patches of one replica that hold the same, and the neurons that they could make fire."""

    replica: int
    patches: Int[Tensor, " patch"]
    neurons: Int[Tensor, " n"]


@register_engine("lucky")
class LuckyEngine:
    """R networks in training, side by side; see `theory_sim.training.engines.base.Engine` for what its methods give.

    Args:
        drawn: the candidates of each replica.
        heads: number of heads.
        directions: for each replica and head, ξ ~ N(0, I): what undrawn neurons give on dominant noise is a function of it.
        dictionary: the features.
        design: what to leave out.
        ledger: where what was left out is booked.
        step_size: η.
        bias_decay: κ.
        train_output: whether a is trained too.
    """

    noise_patches: ClassVar[bool] = False

    def __init__(
        self,
        drawn: list[Candidates],
        heads: int,
        directions: Float[Tensor, "R head d"],
        dictionary: Dictionary,
        design: Design,
        ledger: Ledger,
        step_size: float,
        bias_decay: float,
        train_output: bool,
    ) -> None:
        self.drawn, self.n_heads, self.directions = drawn, heads, directions
        self.dictionary, self.design, self.ledger = dictionary, design, ledger
        self.step_size, self.bias_decay, self.train_output = step_size, bias_decay, train_output
        self._head_groups: HeadGroups | None = None
        self._neurons = max([1, *(int(c.slot.max()) + 1 for c in drawn if len(c.slot))])

    @staticmethod
    def check(config: Config, law: Law) -> None:
        """It covers fresh, unshifted samples of a described law with Gaussian noise and positive strengths."""
        if config.data.training_samples:
            raise InputError("data.training_samples: training.engine 'lucky' needs fresh samples, 0; or training.engine dense")
        if config.at_target is not config:
            raise InputError("target: training.engine 'lucky' tests on unshifted samples only; or training.engine dense")
        if config.record.noise:
            raise InputError(
                "record.noise: training.engine 'lucky' bounds it in its certificate and draws no noise patches; set it to false,"
                " or take training.engine dense"
            )
        check_law(law)

    @classmethod
    def initial(
        cls, config: Config, law: Law, streams: Streams, heads: int, step_size: float, dictionary: Dictionary
    ) -> "LuckyEngine":
        """Draw the candidates; one stream per replica.

        Raises:
            InputError: too much could fire to be drawn, or to be left out; the message names the key to change.
        """
        design, like = Design.of(config, check_law(law), heads), dictionary.vectors
        # Half more, for what is recorded and for the largest copies of parts.
        needed = 1.5 * len(streams) * design.drawn * config.data.dim * like.dtype.itemsize
        check_fits(needed, like.device, f"network.neurons: {design.drawn:.3g} of a replica's neurons can fire; they need")
        std, tau = config.network.init_std, config.threshold
        drawn = [
            candidates.draw(streams.one(r), v, dictionary.canonical, heads, config.neurons, design.cut, std, tau)
            for r, v in enumerate(dictionary.vectors)
        ]
        directions = streams.normal(heads, like.shape[-1], dtype=like.dtype)
        ledger = design.ledger(len(streams))
        return cls(
            drawn, heads, directions, dictionary, design, ledger, step_size, config.bias_decay, config.network.train_output
        )

    def regrouped(self, step_size: float, group: HeadGroups) -> "LuckyEngine":
        """A copy that goes on training with sums of heads as logits; what it leaves out is booked with the model's."""
        engine = LuckyEngine(
            [c.clone() for c in self.drawn],
            self.n_heads,
            self.directions,
            self.dictionary,
            self.design,
            self.ledger,
            step_size,
            self.bias_decay,
            self.train_output,
        )
        engine._head_groups = group
        return engine

    @property
    def parameters(self) -> Parameters:
        """All drawn neurons. Heads with fewer are filled up with neurons of weight 0, which never fire."""
        return Parameters(self._padded("weight"), self.bias, self.output)

    @property
    def bias(self) -> Float[Tensor, "R head neuron"]:
        """Biases of the drawn neurons, −σ_0 τ where there is none."""
        return self._padded("bias", -self.design.std * self.design.threshold)

    @property
    def output(self) -> Float[Tensor, "R head neuron"]:
        """Output weights of the drawn neurons."""
        return self._padded("output", 1.0)

    def norm(self) -> Float[Tensor, "R head neuron"]:
        """‖w‖₂."""
        return self._padded("norm")

    def correlation(self, dictionary: Dictionary) -> Float[Tensor, "R head neuron feature"]:
        """⟨w, v⟩ of every drawn neuron and feature of its own dictionary."""
        return self._padded("correlation")

    def certificate(self) -> Certificate:
        """What was left out so far."""
        return self.ledger.certificate(sum(len(c.bias) for c in self.drawn))

    def state(self) -> dict[str, Tensor]:
        """The neurons that moved, with their place (replica, head, slot): the others are drawn again."""
        rows = [c.moved.nonzero()[:, 0] for c in self.drawn]
        place = [torch.stack([torch.full_like(i, r), c.head[i], c.slot[i]], 1) for r, (c, i) in enumerate(self._with(rows))]
        state = {name: self._rows(name, rows) for name in ("weight", "bias", "output")}
        return state | {"place": torch.cat(place), "spent": torch.from_numpy(self.ledger.spent.copy())}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a `state`; the engine is as it was drawn."""
        place = tensors["place"]
        for r, c in enumerate(self.drawn):
            row_of = c.head.new_full((self.n_heads, self._neurons), -1)
            row_of[c.head, c.slot] = torch.arange(len(c.head), device=c.head.device)
            own = place[:, 0] == r
            rows = row_of[place[own, 1].to(row_of.device), place[own, 2].to(row_of.device)]
            for name in ("weight", "bias", "output"):
                getattr(c, name)[rows] = tensors[name][own].to(c.weight)
            c.moved[rows] = True
            c.look_again(rows, self.dictionary.vectors[r])
        self.ledger.spent[:] = tensors["spent"].numpy()

    @torch.no_grad()
    def heads(self, batch: Batch) -> Float[Tensor, "R B head"]:
        """F(X) of every head."""
        out = torch.stack([self._sums(r, pairs, batch) for r, pairs in enumerate(self._firing(batch))])
        return out if self.ledger.dominant is not None else out + self._undrawn(batch)

    @torch.no_grad()
    def activity(self, batch: Batch) -> Float[Tensor, "R B head neuron"]:
        """Activities h of the drawn neurons; the others' are 0 where there is no dominant noise: no probe gives them weight."""
        patches = batch.x.shape[2]
        out = batch.x.new_zeros(*batch.x.shape[:2], self.n_heads, self._neurons)
        for r, (c, pairs) in enumerate(zip(self.drawn, self._firing(batch), strict=True)):
            place = (pairs.patch // patches, c.head[pairs.neuron], c.slot[pairs.neuron])
            out[r].index_put_(place, pairs.value, accumulate=True)
        return out

    @torch.no_grad()
    def logits(self, batch: Batch) -> Float[Tensor, "R B logit"]:
        """What the softmax sees."""
        return self._grouped(self.heads(batch))

    @torch.no_grad()
    def step(self, batch: Batch, labels: Int[Tensor, "R B"]) -> StepReport:
        """One step of SGD on a batch, for every replica."""
        firing = self._firing(batch)

        def slopes(r: int) -> tuple[Tensor, Pairs, Tensor]:
            pairs, c = firing[r], self.drawn[r]
            loss, slope = cross_entropy(self._grouped(self._sums(r, pairs, batch))[None], labels[r : r + 1])
            if self._head_groups is not None:
                slope = slope[..., self._head_groups.of]
            # In order of their neuron, each neuron's patches in the order that they were met in.
            neuron, order = torch.sort(pairs.neuron, stable=True)
            pairs = Pairs(pairs.patch[order], neuron, pairs.value[order])
            return loss[0], pairs, slope[0, pairs.patch // batch.x.shape[2], c.head[neuron]]

        by_replica = map_blocks(slopes, range(len(self.drawn)))
        most = max(1, min(_PAIRS, COPIED // batch.x.shape[-1]))  # each pair may have a neuron of its own, whose weights change
        blocks = [(r, *cut) for r, (_, pairs, _) in enumerate(by_replica) for cut in _cuts(pairs.neuron, most)]

        def update(block: tuple[int, int, int]) -> Tensor:
            r, start, stop = block
            _, pairs, slope = by_replica[r]
            return self._move(r, Pairs(*(t[start:stop] for t in pairs)), slope[start:stop], batch.x[r])

        lengths: list[list[Tensor]] = [[batch.x.new_zeros(())] for _ in self.drawn]
        for (r, _, _), length in zip(blocks, map_blocks(update, blocks), strict=True):
            lengths[r].append(length)
        loss = torch.stack([loss for loss, _, _ in by_replica])
        return StepReport(loss.mean(-1), torch.stack([torch.stack(of).amax() for of in lengths]))

    def _move(self, r: int, pairs: Pairs, slope: Float[Tensor, " pair"], x: Float[Tensor, "B P d"]) -> Float[Tensor, ""]:
        """Update some neurons of a replica by their pairs, sorted by neuron; the largest ‖Δw‖₂."""
        c, rate = self.drawn[r], self.step_size / len(x)
        rows, count = torch.unique_consecutive(pairs.neuron, return_counts=True)
        first = count.cumsum(0) - count
        weights = slope * c.output[pairs.neuron]
        change = embedding_bag(pairs.patch, x.flatten(0, 1), first, mode="sum", per_sample_weights=weights).mul_(-rate)
        length = change.norm(dim=-1)
        c.weight[rows] += change
        c.bias[rows] -= self.bias_decay * length
        if self.train_output:
            c.output.index_add_(0, pairs.neuron, slope * pairs.value, alpha=-rate)
        c.moved[rows] = True
        c.look_again(rows, self.dictionary.vectors[r])
        longest: Tensor = length.amax()
        return longest

    def _firing(self, batch: Batch) -> list[Pairs]:
        """The firing pairs of each replica; what is left out on the way is booked."""
        meetings = map_blocks(lambda r: self._meetings(r, batch), range(len(self.drawn)))
        self.ledger.check()
        blocks = [meeting for of_replica in meetings for meeting in of_replica]
        found = map_blocks(lambda meeting: self._met(meeting, batch), blocks)
        by_replica: list[list[Pairs]] = [[] for _ in self.drawn]
        for meeting, pairs in zip(blocks, found, strict=True):
            by_replica[meeting.replica].append(pairs)
        return [Pairs(*(torch.cat(parts) for parts in zip(*of, strict=True))) if of else _no_pairs(batch.x) for of in by_replica]

    def _meetings(self, r: int, batch: Batch) -> list[Meeting]:
        """Which neurons have to meet which patches, feature by feature.

        A neuron as it was drawn can be fired by the features alone that it is near: the rest is booked with the undrawn. One
        that moved is looked at afresh: by its largest other correlation, since that is hardly ever near a threshold.
        """
        c, n_features = self.drawn[r], self.dictionary.vectors.shape[1]
        content, strength = batch.content[r].flatten(), batch.strength[r].flatten()
        order = torch.argsort(content, stable=True)
        count = torch.bincount(content - DOMINANT_NOISE, minlength=n_features + 2)
        dominant, _, *held = count.tolist()
        patches = order.split(count.tolist())
        noise_patches = batch.x.shape[1] * self.design.patches - dominant - sum(held)
        self.ledger.charge(r, strength[content >= 0].cpu().numpy(), noise_patches, dominant)

        top = strength.new_zeros(n_features).scatter_reduce_(0, content.clamp(min=0), strength, "amax")
        spread = self.design.noise / math.sqrt(batch.x.shape[-1]) * c.norm + torch.finfo(c.norm.dtype).tiny
        moved = c.moved.nonzero()[:, 0]
        # Noise of t standard deviations would be needed, on the strongest patch, on any other feature's, on noise alone.
        feature, neuron = c.near_pairs
        t = (-c.bias[neuron] - top[feature] * c.correlation[neuron, feature].clamp(min=0)) / spread[neuron]
        t_other = (-c.bias[moved] - top.amax() * c.other[moved]) / spread[moved]
        t_noise = -c.bias[moved] / spread[moved]
        met, stray = t <= self.design.reach, t_other <= self.design.reach
        odds = torch.where(met, 0, _tail_bound(t)) * count[2:].to(t.dtype)[feature]
        odds_other = torch.where(stray, 0, _tail_bound(t_other)) * sum(held)
        self.ledger.spent[r, 1] += float(odds.sum(dtype=torch.float64) + odds_other.sum(dtype=torch.float64))
        self.ledger.spent[r, 2] += noise_patches * float(_tail_bound(t_noise).sum(dtype=torch.float64))

        neurons = neuron[met].split(torch.bincount(feature[met], minlength=n_features).tolist())
        strays = moved[stray]
        meetings = []
        for f in (f for f in range(n_features) if held[f]):
            far = strays[~c.near[strays, f]]
            meetings.append(Meeting(r, patches[f + 2], torch.cat([neurons[f], far]) if len(far) else neurons[f]))
        if dominant:
            t_dominant = -c.bias / (self.design.loud / math.sqrt(batch.x.shape[-1]) * c.norm + torch.finfo(c.norm.dtype).tiny)
            loud = t_dominant <= self.design.reach
            odds_loud = torch.where(loud, 0, _tail_bound(t_dominant))
            self.ledger.spent[r, 2] += dominant * float(odds_loud.sum(dtype=torch.float64))
            meetings.extend(Meeting(r, patches[0], part) for part in c.parts(loud.nonzero()[:, 0]) if len(part))
        return meetings

    def _met(self, meeting: Meeting, batch: Batch) -> Pairs:
        """The firing pairs among patches and neurons that meet."""
        c, x = self.drawn[meeting.replica], batch.x[meeting.replica].flatten(0, 1)
        pre = torch.addmm(c.bias[meeting.neurons], x[meeting.patches], c.weight[meeting.neurons].T)
        patch, neuron = (pre <= 0).logical_not_().nonzero(as_tuple=True)  # NaN is kept: it must reach the loss
        return Pairs(meeting.patches[patch], meeting.neurons[neuron], pre[patch, neuron])

    def _sums(self, r: int, pairs: Pairs, batch: Batch) -> Float[Tensor, "B head"]:
        """Σ a h of a replica's heads."""
        samples, patches = batch.x.shape[1:3]
        c = self.drawn[r]
        place = pairs.patch // patches * self.n_heads + c.head[pairs.neuron]
        sums = torch.bincount(place, pairs.value * c.output[pairs.neuron], samples * self.n_heads)
        return sums.view(samples, self.n_heads).to(batch.x.dtype)

    def _undrawn(self, batch: Batch) -> Float[Tensor, "R B head"]:
        """What undrawn neurons give on the dominant-noise patches, from its central-limit law.

        Mean and variance given ζ* are exact; the normal number is ⟨ξ, ζ*⟩/‖ζ*‖, so that samples have it in common as
        far as their dominant noise has a direction in common, and the same sample has the same one each time.
        """
        out = batch.x.new_zeros(*batch.x.shape[:2], self.n_heads)
        for r, c in enumerate(self.drawn):
            sample, patch = (batch.content[r] == DOMINANT_NOISE).nonzero(as_tuple=True)
            noise = batch.x[r, sample, patch]
            length = noise.norm(dim=-1)
            left = self.design.neurons - torch.bincount(c.head, minlength=self.n_heads).cpu().numpy()
            along = (noise @ self.dictionary.vectors[r].T).double().cpu().numpy()
            mean, std, error = self.design.dominant_sum(length.double().cpu().numpy(), left, along)
            z = (noise / length[:, None]) @ self.directions[r].T
            out[r].index_add_(0, sample, torch.from_numpy(mean).to(out) + torch.from_numpy(std).to(out) * z)
            self.ledger.dominant_error = max(self.ledger.dominant_error, error)
        return out

    def _grouped(self, heads: Float[Tensor, "*b head"]) -> Float[Tensor, "*b logit"]:
        return heads if self._head_groups is None else self._head_groups.sum(heads)

    def _rows(self, name: str, rows: list[Tensor]) -> Tensor:
        """A field of some neurons of each replica, replica by replica; copied once, since it may be half of all memory."""
        first: Tensor = getattr(self.drawn[0], name)
        out = first.new_empty(sum(len(i) for i in rows), *first.shape[1:])
        for part, (c, i) in zip(out.split([len(i) for i in rows]), self._with(rows), strict=True):
            torch.index_select(getattr(c, name), 0, i, out=part)
        return out

    def _with(self, rows: list[Tensor]) -> list[tuple[Candidates, Tensor]]:
        return list(zip(self.drawn, rows, strict=True))

    def _padded(self, name: str, fill: float = 0.0) -> Tensor:
        """A field of all candidates, (R, head, neuron, …)."""
        first: Tensor = getattr(self.drawn[0], name)
        out = first.new_full((len(self.drawn), self.n_heads, self._neurons, *first.shape[1:]), fill)
        for r, c in enumerate(self.drawn):
            out[r, c.head, c.slot] = getattr(c, name)
        return out


def _tail_bound(t: Tensor) -> Tensor:
    """Q(t) ≤ ½ exp(−t²/2) for t ≥ 0, else 1."""
    return torch.where(t >= 0, torch.exp(-(t**2) / 2) / 2, 1)


def _no_pairs(like: Tensor) -> Pairs:
    none = torch.zeros(0, dtype=torch.long, device=like.device)
    return Pairs(none, none, like.new_zeros(0))


def _cuts(neuron: Int[Tensor, " pair"], size: int) -> list[tuple[int, int]]:
    """Parts of sorted pairs, of about `size` each, that have no neuron in common; sizes alone decide, never the cores."""
    n, cuts = len(neuron), [0]
    while cuts[-1] < n:
        stop = cuts[-1] + size
        cuts.append(n if stop >= n else int(torch.searchsorted(neuron, neuron[stop], right=True)))
    return list(pairwise(cuts))
