"""Growth of both features, recorded and predicted while the weights are small [ours].

Let s_c = ±1 be the sign of class c, g_f = s_c ⟨w_{c,r}, v_f⟩ for f = c (core) and s (spurious), and b the neuron's bias. While
all logits are near 0, head c has the slope 1/2 − 1{y = s_c} = −s_c y/2. With κ_c = E[y·y] = 1 and κ_s = E[y a] = 2α − 1, or 0 on
group-balanced samples, the expected derivatives of the loss for the activation z³ give

    g_f ← g_f + η (3/2) κ_f β_f (β_f² g_f² + b²),      b ← b + η 3 Σ_f κ_f β_f g_f b.

The noise patch drops out: E[y (⟨w, ξ⟩ + b)³] = 0. With momentum μ the changes are velocities, V ← μ V + change/η. For one
feature with β = 1 and u = g + b this is u ← u + η (3/2) κ u²: u grows without bound at about T = 2/(3 η κ u_0). So a feature is
learned in a time ∝ 1/(κ_f β_f³), where its correlations start alike, and the feature with the larger κ_f β_f³ is the first.

The *growth* of a feature is how much max g_f over all neurons has risen since the start. The *first time* is when one of the
features has grown by `LEVEL`.
"""

import numpy as np
import xarray as xr

from theory_sim.config import Config
from theory_sim.runs.results import Results
from theory_sim.theories.estimates import passed
from theory_sim.theories.spurious_features.law import NETWORK, LawSettings
from theory_sim.training.engines.gradient import GradientSettings, Phase

LEVEL = 0.1
"""Growth at the first time. There a neuron adds less than 0.002 to a logit, and the loss has not moved."""
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
        v = kept * v + 1.5 * rate * (beta**2 * g**2 + b**2)
        w = kept * w + 3 * (rate * g).sum(0) * b
        # A neuron that has passed the level need not be followed; without a cap it would overflow.
        g, b = np.minimum(g + eta * v, 1.0), np.clip(b + eta * w, -1.0, 1.0)
    return np.stack(found, 1)


def _phases(config: Config, steps: int) -> list[tuple[Phase, bool]]:
    """The phase of each step, and whether it begins there."""
    phases = GradientSettings.model_validate(config.engine).phases
    found = [(phase, n == 0) for phase in phases for n in range(steps if phase.steps is None else phase.steps)]
    return (found + [(phases[-1], False)] * steps)[:steps]
