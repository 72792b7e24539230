"""What the lucky engine leaves out, decided before anything is drawn: how near candidates lie, and which patches they meet."""

import math
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy.stats import norm

from theory_sim.config import Config
from theory_sim.data.law import Law, PatchLaw, described
from theory_sim.data.parts import Nothing, Uniform, gaussian_norm
from theory_sim.runtime.errors import InputError
from theory_sim.training.engines.lucky.certificate import STEPS, Ledger, StrengthTable, feature_bound, largest_cut, noise_bound
from theory_sim.training.engines.lucky.dominant import relu_moments

_SHARE = 0.01
"""Part of the certificate that one replica of a model is planned to spend in one way: many replicas fit into a run."""
_DOMINANT_ERROR = 0.05
"""Largest bound on the error (Kolmogorov distance) of a central-limit law that replaces undrawn neurons."""


@dataclass(frozen=True)
class Design:
    """The plan for one model.

    Attributes:
        cut: z; neurons with ⟨u, v_f⟩ ≤ z for every feature are not drawn.
        reach: drawn neurons that a patch could make fire only with noise beyond so many standard deviations do not meet it.
        drawn: expected number of neurons drawn for a replica.
        dominant: bound for one undrawn neuron on one dominant-noise patch; None: they may fire there.
        threshold: τ.
        std: σ_0.
        neurons: m.
        heads: number of heads.
        noise: σ_ζ√d.
        loud: σ*√d of dominant noise, 0 where there is none.
        dim: d.
        patches: P.
        ranges: the laws of all strengths, uniform between two ends.
        limit: what the model's certificate may come to.
    """

    cut: float
    reach: float
    drawn: float
    dominant: float | None
    threshold: float
    std: float
    neurons: int
    heads: int
    noise: float
    loud: float
    dim: int
    patches: int
    ranges: list[tuple[float, float]]
    limit: float

    @classmethod
    def of(cls, config: Config, law: PatchLaw, heads: int) -> "Design":
        """Plan a model with so many heads, for samples of a law that `check_law` has passed.

        Raises:
            InputError: too much could fire to be left out; the message names the key to change.
        """
        tau, dim, noise, features = config.threshold, config.data.dim, law.noise.norm, law.n_features
        loud = dominant_norm(law)
        everyone, limit = heads * config.neurons, config.training.certificate / len(config.networks)
        target = config.training.certificate * _SHARE
        samples, patches = _samples(config, len(law.kinds)), _patches(law)
        silent = noise_bound(tau, noise, dim)

        def expected(cut: float) -> float:
            held = sum(n * _mean_bound(ends, cut, tau, noise, dim) for ends, n in patches.items())
            return everyone * samples * (held + law.patches * silent)

        highest = tau / _beyond(max([high for _, high in patches], default=1.0))
        cut = largest_cut(expected, target, highest)
        if cut is None:
            raise InputError(
                f"data.noise: pure noise of norm {noise:g} can make neurons fire at the threshold {tau:.3g}, which the"
                f" training.engine 'lucky' leaves out; it needs less noise, a higher network.threshold, or training.engine dense"
            )
        drawn = everyone * -math.expm1(features * float(norm.logcdf(cut)))
        dominant: float | None = noise_bound(tau, loud, dim)
        if everyone * samples * most_dominant(law) * (dominant or 0.0) > target:
            dominant = None
        plan = cls(
            cut=cut,
            reach=float(norm.isf(target / max(1.0, drawn * samples * law.patches))),
            dominant=dominant,
            drawn=drawn,
            threshold=tau,
            std=config.network.init_std,
            neurons=config.neurons,
            heads=heads,
            noise=noise,
            loud=loud,
            dim=dim,
            patches=law.patches,
            ranges=list(patches),
            limit=limit,
        )
        if dominant is None:
            plan.check_dominant(law)
        return plan

    def check_dominant(self, law: PatchLaw) -> None:
        """Refuse dominant noise that undrawn neurons answer in a way that no law here describes.

        Raises:
            InputError: it would train them, or too few of them fire for a central-limit law.
        """
        loud = dominant_norm(law)
        if any(share and _dominant_patches(law, kind) for kind, share in law.training_shares.items()):
            raise InputError(
                f"hard.noise: dominant noise of norm {loud:g} in training samples fires neurons that training.engine 'lucky' does"
                " not draw: lower hard.noise, or set data.hard_share to 0 or training.engine to dense"
            )
        self.dominant_sum(np.array([loud]), np.array([self.neurons - self.drawn / self.heads]), np.zeros((1, 0)))

    def dominant_sum(self, length: np.ndarray, undrawn: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean and standard deviation of Σ ReLU(⟨w, ζ*⟩ + b) over undrawn neurons, and a bound on the error of a normal law.

        Given ζ* the terms are independent copies of h = σ_0 r (X − k)₊ with r = ‖ζ*‖, k = τ/r, and X = ⟨u, ζ*⟩/r of a neuron
        that is no candidate; their moments are exact (`relu_moments`). So the bound is Berry and Esseen's,
        0.4748 E|h − μ|³ / (s³ √n), with E|h − μ|³ ≤ E h³ + μ³, which holds for every h ≥ 0.

        Args:
            length: r of each patch.
            undrawn: n, number of undrawn neurons of each head.
            along: ⟨ζ*, v_f⟩, (patch, feature).

        Returns:
            Mean and standard deviation, (patch, head), and the largest bound, on a Kolmogorov distance.

        Raises:
            InputError: the bound is too large.
        """
        first, second, third = relu_moments(self.threshold / length, along / length[:, None], self.cut)
        with np.errstate(divide="ignore", invalid="ignore"):
            std = np.sqrt(second - first**2)
            n = np.sqrt(undrawn)
            error = float(np.max(0.4748 * ((third + first**3) / std**3)[:, None] / n, initial=0.0))
        if not error <= _DOMINANT_ERROR:
            raise InputError(
                f"hard.noise: at the norm {length.max():g} the neurons that training.engine 'lucky' does not draw fire too often"
                " to be left out, and too seldom for a normal law of their sum: change it, or set training.engine to dense"
            )
        unit = self.std * length[:, None]
        return unit * first[:, None] * undrawn, unit * std[:, None] * n, error

    def ledger(self, replicas: int) -> Ledger:
        """An empty ledger for a run of this plan."""
        strengths = StrengthTable(
            [(low, _beyond(high)) for low, high in self.ranges],
            lambda alpha: feature_bound(alpha, self.cut, self.threshold, self.noise, self.dim),
        )
        silent = noise_bound(self.threshold, self.noise, self.dim)
        return Ledger(replicas, self.limit, silent, self.dominant, strengths, self.heads * self.neurons)


def check_law(law: Law) -> PatchLaw:
    """The law, if the engine covers it.

    Raises:
        InputError: it is not described, its noise is not Gaussian, or features have signs or other laws than uniform ones.
    """
    what = "training.engine 'lucky'"
    law = described(law, what)
    for noise in (law.noise, *law.own_noises):
        gaussian_norm(noise, what)
    if len(law.own_noises) > 1:
        raise InputError(f"{what} covers one law of dominant noise, not {len(law.own_noises)}")
    for group in chain.from_iterable(law.kinds.values()):
        if isinstance(group.holds, Nothing) or not group.patches:
            continue
        if not isinstance(group.strength, Uniform) or group.strength.low < 0 or group.sign != "+":
            raise InputError(f"{what} covers only features of positive, uniform strength: set training.engine to dense")
    return law


def dominant_norm(law: PatchLaw) -> float:
    """σ*√d of dominant noise, 0 where there is none."""
    return law.own_noises[0].norm if law.own_noises else 0.0


def most_dominant(law: PatchLaw) -> int:
    """Most dominant-noise patches of a sample of any kind, at least 1."""
    return max(1, *(_dominant_patches(law, kind) for kind in law.kinds))


def _dominant_patches(law: PatchLaw, kind: str) -> int:
    return sum(group.patches for group in law.kinds[kind] if group.noise is not None)


def _samples(config: Config, kinds: int) -> int:
    """Samples of a replica in a whole run: training, curves, test, and what readouts are fitted on."""
    training, transfer = config.training, config.transfer
    curves = kinds * config.test.curve_samples * (config.record.points + 2)
    fitted = transfer.samples * ("linear_probe" in transfer.readouts)
    fitted += transfer.steps * config.batch * ("finetuning" in transfer.readouts)
    return (training.steps + 1) * config.batch + kinds * config.test.samples + curves + fitted


def _patches(law: PatchLaw) -> dict[tuple[float, float], int]:
    """Feature patches of a sample by the range of their strength, at most: the sum over kinds of sample of each range's most."""
    most: dict[tuple[float, float], int] = {}
    for groups in law.kinds.values():
        count: dict[tuple[float, float], int] = {}
        for group in groups:
            if group.patches and not isinstance(group.holds, Nothing) and isinstance(group.strength, Uniform):
                ends = (group.strength.low, group.strength.high)
                count[ends] = count.get(ends, 0) + group.patches
        most = {ends: max(most.get(ends, 0), count.get(ends, 0)) for ends in (*most, *(e for e in count if e not in most))}
    return most


def _beyond(strength: float) -> float:
    """A little more: strengths of samples are rounded to single precision."""
    return strength * (1 + 1e-6) + 1e-9


def _mean_bound(ends: tuple[float, float], cut: float, tau: float, noise: float, dim: int) -> float:
    """`feature_bound` for a strength that is uniform between two ends."""
    alpha = np.linspace(ends[0], _beyond(ends[1]), STEPS)
    return float(feature_bound(alpha, cut, tau, noise, dim)[1:].mean())
