"""Growth of both features, recorded and predicted while the weights are small [ours].

Let s_c = ±1 be the sign of class c, g_f = s_c ⟨w_{c,r}, v_f⟩ for f = c (core) and s (spurious), and b the neuron's bias. While
all logits are near 0, head c has the slope 1/2 − 1{y = s_c} = −s_c y/2. With κ_c = E[y·y] = 1 and κ_s = E[y a] = 2α − 1, or 0 on
group-balanced samples, the expected derivatives of the loss for the activation z³ give

    g_f ← g_f + η (3/2) κ_f β_f (β_f² g_f² + b²),      b ← b + η 3 Σ_f κ_f β_f g_f b.

The noise patch drops out: E[y (⟨w, ξ⟩ + b)³] = 0. With momentum μ the changes are velocities, V ← μ V + change/η.

For one feature alone and small steps, with c = (3/2) η κ β and one step as the unit of time, this is

    dg/dt = c (β² g² + b²),      d|b|/dt = 2 c g |b|.

A neuron with g_0 > 0 grows without bound at a time T. Without biases

    b_0 = 0:              T = 1/(c β² g_0) = 2/(3 η κ β³ g_0).

Trained biases make β² g² the smaller part of dg/dt where β < 1. With u = g + |b|, and as b² − 2 g² is constant for β → 0,

    b_0 ≠ 0, β = 1:       T = 1/(c u_0) = 2/(3 η κ u_0),
    b_0 ≠ 0, β → 0:       T = arccot(g_0/A)/(2 c A) = arccot(g_0/A)/(3 η κ β A),      A² = b_0²/2 − g_0²,

with arcoth and |A| instead where A² < 0. For β² < 2 all such neurons are drawn to g/|b| = 1/√(2 − β²), and T = 1/(3 η κ β g_0)
exactly for one that starts there. So a feature is learned in a time ∝ 1/(κ β³) without biases, but with trained ones and β ≤ 1
in a time near to ∝ 1/(κ β), where correlations start alike. Both features share a neuron's bias. Yet the ratio of their first
times when each is alone, `ratio_of_first_times`, says which of them is the first: in 18 settings of β_c, β_s and α the equations
with both features gave the same order for at least 95 % of 200 initial networks wherever the ratio was below 0.85 or above 1.5.

The *growth* of a feature is how much max g_f over all neurons has risen since the start. The *first time* is when one of the
features has grown by 0.1 (`LEVEL`). There g and |b| are about 0.11 at β = 1, a neuron changes a logit by (g + |b|)³ ≈ 0.01, and
in six replicas of 2,000 samples the loss had fallen by less than 1 %.
"""

import math

import numpy as np
import xarray as xr

from theory_sim.config import Config
from theory_sim.runs.results import Results
from theory_sim.theories.estimates import passed
from theory_sim.theories.spurious_features.law import NETWORK, LawSettings
from theory_sim.training.engines.gradient import GradientSettings, Phase, initial_std

LEVEL = 0.1
"""Growth at the first time."""
_RISE = 0.002
"""Largest share by which g or b rises in a step of `time_alone`."""
_SIGN = np.array([1.0, -1.0])
"""Of the two classes."""


def largest(data: xr.Dataset) -> np.ndarray:
    """Largest g_f of all neurons: (replica, step, feature), core first."""
    signed = data.correlation.values * _SIGN[:, None, None]
    largest: np.ndarray = signed.max((2, 3))
    return largest


def growth(data: xr.Dataset) -> np.ndarray:
    """Growth of both features: (replica, step, feature)."""
    now = largest(data)
    grown: np.ndarray = now - now[:, :1]
    return grown


def first_time(results: Results) -> np.ndarray:
    """First time of each replica, linear between recorded steps; NaN where neither feature grows so much."""
    data = results.records[NETWORK]
    return passed(data.step.values, growth(data).max(2), LEVEL)


def predicted_first_time(results: Results) -> np.ndarray:
    """First time by the equations above from the initial weights and biases, on the recorded steps; NaN as in `first_time`.

    NaN too where the network is not that of the equations: another activation or pooling, or biases that are not trained.
    """
    config, start = results.config, results.records[NETWORK].isel(step=0)
    steps = results.records[NETWORK].step.values
    if not covered(config):
        return np.full(config.replicas, np.nan)
    followed = _followed(config, np.moveaxis(start.correlation.values * _SIGN[:, None, None], 3, 0), start.bias.values, steps)
    return passed(steps, followed - followed[:, :1], LEVEL)


def covered(config: Config) -> bool:
    """Whether the equations are those of a configuration's network."""
    if config.training.engine != "gradient" or config.network.train_output:
        return False
    options = GradientSettings.model_validate(config.engine)
    return (options.activation, options.pooling, options.biases) == ("z^3", "sum", "trained")


def ratio_of_first_times(config: Config) -> float:
    """First time of the spurious feature ÷ that of the core feature, each alone, on all samples and in small steps.

    Both start at g = √3 σ_0, the end of the uniform law, and |b| is the same, or σ_0 τ where weights are normal. η and momentum
    drop out. ∞ where the spurious feature does not grow, whatever the core feature does. For configurations that are `covered`.
    """
    law, start = LawSettings.model_validate(config.law), math.sqrt(3) * initial_std(config)
    uniform = GradientSettings.model_validate(config.engine).init == "uniform"
    bias = start if uniform else config.network.init_std * config.threshold
    rates = (2 * law.agreement - 1) * law.spurious, law.core
    times = [
        time_alone(beta, start, bias) / rate if rate > 0 else math.inf
        for beta, rate in zip((law.spurious, law.core), rates, strict=True)
    ]
    return times[0] / times[1] if times[0] < math.inf else math.inf


def time_alone(beta: float, start: float, bias: float, level: float = LEVEL) -> float:
    """Time at which g of one feature alone has grown by a level, times c = (3/2) η κ β.

    Args:
        beta: β, strength of the feature.
        start: g_0 > 0.
        bias: b_0.
        level: the growth.
    """
    g, b, time = np.array([start]), np.array([bias]), 0.0
    rate, strength = np.array([1 / 1.5]), np.array([beta])
    while True:
        by_g, by_b = (float(each.item()) for each in _changes(rate, strength, g[:, None], b))
        if by_g == 0:
            return math.inf
        now, share = float(g.item()), by_b / float(b.item()) if bias else 0.0
        step, left = _RISE / max(by_g / now, share), start + level - now
        if step * by_g >= left:
            return time + left / by_g
        g, b, time = g + step * by_g, b + step * by_b, time + step


def _changes(rate: np.ndarray, beta: np.ndarray, g: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Change of g and of b in a step, divided by η; `rate` is κ_f β_f, and the features are the first axis."""
    return 1.5 * rate * (beta**2 * g**2 + b**2), 3 * (rate * g).sum(0) * b


def _followed(config: Config, g: np.ndarray, b: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Largest g of either feature above its start, at some steps; arrays are (feature, replica, head, neuron)."""
    law = LawSettings.model_validate(config.law)
    beta = np.array([law.core, law.spurious])[:, None, None, None]
    g, b, start = g.astype(float), b.astype(float), g.max((2, 3))
    v, w, found = np.zeros_like(g), np.zeros_like(b), []
    for step, (phase, begins) in enumerate(_phases(config, int(steps[-1]) + 1)):
        if step in steps:
            found.append((g.max((2, 3)) - start).max(0))
        agreement = 0.0 if phase.samples == "balanced" else 2 * law.agreement - 1
        rate = np.array([1.0, agreement])[:, None, None, None] * beta
        kept, eta = 0.0 if begins else phase.momentum, phase.step_size or config.training.step_size[NETWORK]
        by_g, by_b = _changes(rate, beta, g, b)
        v, w = kept * v + by_g, kept * w + by_b
        # A neuron that has passed the level need not be followed; without a cap it would overflow.
        g, b = np.minimum(g + eta * v, 1.0), np.clip(b + eta * w, -1.0, 1.0)
    return np.stack(found, 1)


def _phases(config: Config, steps: int) -> list[tuple[Phase, bool]]:
    """The phase of each step, and whether it begins there."""
    phases = GradientSettings.model_validate(config.engine).phases
    found = [(phase, n == 0) for phase in phases for n in range(steps if phase.steps is None else phase.steps)]
    return (found + [(phases[-1], False)] * steps)[:steps]
