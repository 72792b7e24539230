"""How improbable it is that anything the lucky engine leaves out could have fired; `lucky.md` derives the bounds.

Every bound is an upper one: Q(t) ≤ ½ exp(−t²/2) for t ≥ 0, and expectations are upper Riemann sums of monotone functions.
Lengths are in units of σ_0: a neuron is u ~ N(0, I_d), and fires where ⟨u, x⟩ > τ.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import chi2

from theory_sim.runtime.errors import InputError

_TAILS = 2.0 ** -(np.arange(0, 301) / 2)
"""Survival probabilities between which the norm of noise is taken at its larger end; beyond the last, 2⁻¹⁵⁰, all fires."""
STEPS = 256
"""Strengths between two ends, each patch taken at the next larger one."""


@dataclass(frozen=True)
class Certificate:
    """What a lucky engine left out in a run so far, all replicas of one model together.

    Attributes:
        left_out: bound on the probability that a neuron that was never drawn should have fired.
        unmet: the same for drawn neurons and the feature patches that they were not multiplied with.
        noise: the same for drawn neurons and patches of noise alone, including dominant noise.
        limit: the most that the three may sum to; a step that would pass it is refused.
        drawn: number of neurons that were drawn, all heads and replicas.
        neurons: number of neurons that there are, all heads and replicas.
        dominant_error: the largest bound so far on the Kolmogorov distance between the normal law that replaces the sum over a
            head's undrawn neurons on a dominant-noise patch and its true law; 0 where these neurons provably do not fire there.
    """

    left_out: float
    unmet: float
    noise: float
    limit: float
    drawn: int
    neurons: int
    dominant_error: float

    @property
    def total(self) -> float:
        """Bound on the probability that anything was wrongly left out."""
        return self.left_out + self.unmet + self.noise


def _scales(norm: float, dim: int, fixed: float = 0.0, free: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Upper ends of bins of S = norm/√d · √(fixed² + χ²_free), and their probabilities; the last end is infinite."""
    squared = np.append(chi2.isf(_TAILS[1:], free or dim), np.inf)
    return norm * np.sqrt((fixed**2 + squared) / dim), -np.diff(np.append(_TAILS, 0.0))


def noise_bound(threshold: float, norm: float, dim: int) -> float:
    """P(⟨u, ζ⟩ > τ) for u ~ N(0, I) and ζ ~ N(0, norm²/d I): at most E[½ exp(−τ² / 2S²)], S = norm χ_d/√d.

    Args:
        threshold: τ.
        norm: σ√d, the noise's norm.
        dim: d.
    """
    if norm == 0:
        return 0.0
    scale, probability = _scales(norm, dim)
    return float(np.exp(-((threshold / scale) ** 2) / 2) @ probability / 2)


def feature_bound(strength: np.ndarray, cut: float, threshold: float, norm: float, dim: int) -> np.ndarray:
    """P(g ≤ z and α g + ⟨u, ζ⟩ > τ) for g = ⟨u, v⟩, one entry per strength; never falls as a strength grows.

    For 0 ≤ g ≤ z, S = σ_ζ√(z² + ‖u − g v‖²) is at least σ_ζ‖u‖, and the bound is, given S,

        ∫_{0}^{z} φ(g) ½ exp(−(τ − αg)²/2S²) dg = S/(2√(α² + S²)) exp(−τ²/2(α² + S²)) [Φ((z − g*) ρ) − Φ(−g* ρ)],

    g* = τα/(α² + S²), ρ = √(α² + S²)/S. The integrand grows with α, since αg ≤ τ. For g < 0 noise alone must reach τ: this part
    is at most `noise_bound`, whatever α. Only the sum of both bounds the probability.

    Args:
        strength: α, at most τ/z.
        cut: z.
        threshold: τ.
        norm: σ_ζ√d.
        dim: d.
    """
    if norm == 0:
        return np.zeros_like(strength)
    scale, probability = _scales(norm, dim, cut, max(1, dim - 1))
    s, alpha = scale[:-1], strength[:, None]
    both = np.sqrt(alpha**2 + s**2)
    peak, rate = threshold * alpha / both**2, both / s
    share = ndtr((cut - peak) * rate) - ndtr(-peak * rate)
    bound = s / (2 * both) * np.exp(-((threshold / both) ** 2) / 2) * share
    return np.asarray(bound @ probability[:-1] + probability[-1] + noise_bound(threshold, norm, dim))


def largest_cut(expected: Callable[[float], float], target: float, highest: float) -> float | None:
    """The largest z whose expected number of wrongly left-out firings is at most `target`; None: even z = 0 gives more."""
    if expected(0.0) > target:
        return None
    low, high = 0.0, highest
    if expected(high) <= target:
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) <= target else (low, middle)
    return low


class StrengthTable:
    """`feature_bound` at all strengths that patches can have, each rounded up.

    Args:
        ranges: lower and upper ends of the strengths' laws.
        bound: the bound at an array of strengths.
    """

    def __init__(self, ranges: list[tuple[float, float]], bound: Callable[[np.ndarray], np.ndarray]) -> None:
        self.edges = np.unique(np.concatenate([np.linspace(low, high, STEPS) for low, high in ranges]))
        self.bounds = bound(self.edges)

    def sum(self, strength: np.ndarray) -> float:
        """Sum of the bounds over patches."""
        return float(self.bounds[np.searchsorted(self.edges, strength)].sum())


class Ledger:
    """What a model's engine has left out so far, and how improbable it is that any of it should have fired.

    Args:
        replicas: R.
        limit: the most that the bounds may sum to over a run.
        silent: bound for one undrawn neuron on one pure noise patch.
        dominant: the same on one dominant-noise patch; None where undrawn neurons may fire there.
        strengths: the same on feature patches.
        neurons: number of all neurons of a replica's model, heads × m; an upper bound of the number of undrawn ones.
    """

    def __init__(
        self,
        replicas: int,
        limit: float,
        silent: float,
        dominant: float | None,
        strengths: StrengthTable,
        neurons: int,
    ) -> None:
        self.limit, self.neurons = limit, neurons
        self.silent, self.dominant, self.strengths = silent, dominant, strengths
        self.spent = np.zeros((replicas, 3))
        self.dominant_error = 0.0

    def charge(self, replica: int, strengths: np.ndarray, noise_patches: int, dominant_patches: int) -> None:
        """Book patches that undrawn neurons did not meet."""
        each = self.strengths.sum(strengths) + noise_patches * self.silent + dominant_patches * (self.dominant or 0.0)
        self.spent[replica, 0] += self.neurons * each

    def certificate(self, drawn: int) -> Certificate:
        """All replicas together."""
        left_out, unmet, noise = self.spent.sum(0).tolist()
        neurons = self.neurons * len(self.spent)
        return Certificate(left_out, unmet, noise, self.limit, drawn, neurons, self.dominant_error)

    def check(self) -> None:
        """Refuse what would pass the limit, before it is done.

        Raises:
            InputError: names the key to change.
        """
        spent = self.spent.sum(0)
        if not spent.sum() <= self.limit:
            cause = (
                "replicas or training.steps: fewer",
                "data.noise: less, on feature patches",
                "data.noise: less, or a larger network.init_std, so that noise fires no trained neuron",
            )[int(spent.argmax())]
            raise InputError(
                f"training.engine 'lucky': what it leaves out could have fired with probability {spent.sum():.1e}, more than"
                f" training.certificate allows for a model ({self.limit:.1e}); change {cause}"
            )
