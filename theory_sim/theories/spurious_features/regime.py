"""The assumptions of the spurious-features theorem at one configuration.

The theorem's conditions [recalled] are orders of growth with unknown constants. Each line states the reading at one
configuration, with constant 1 [ours].
"""

import math

from theory_sim.config import Config
from theory_sim.theories.regime import Assumption
from theory_sim.theories.spurious_features.growth import covered
from theory_sim.theories.spurious_features.law import NETWORK, LawSettings
from theory_sim.training.engines.gradient import GradientSettings


def regime(config: Config) -> list[Assumption]:
    """All assumptions, for one configuration."""
    law, n, d = LawSettings.model_validate(config.law), config.data.training_samples, config.data.dim
    correlated = (2 * law.agreement - 1) * law.spurious**3
    stronger = law.core**3 / correlated if correlated > 0 else math.inf
    smallest = n * (1 - law.agreement) / 2
    lines = [
        Assumption("core ÷ spurious β_c³/((2α−1)β_s³)", stronger, None, 1, "< 1: the spurious feature grows first", "recalled"),
        Assumption("agreement α", law.agreement, 0.5, None, "> 1/2: the spurious feature has the majority's sign", "recalled"),
        Assumption(
            "samples of the smallest group n(1−α)/2", smallest, d, None, f"enough to learn from, read as ≥ d = {d}", "ours"
        ),
        Assumption("noise σ_p/√(n(1−α)/2)", law.noise_std / math.sqrt(max(smallest, 1e-9)), None, law.core, "≤ β_c", "ours"),
        Assumption("steps of the whole training set", float(config.training.batch == "full"), 1, 1, "full batch", "recalled"),
        Assumption("activation z³, biases trained", float(covered(config)), 1, 1, "the network of the theorem", "recalled"),
    ]
    if config.training.engine == "gradient":
        start = _start(config)
        lines.append(Assumption("initial σ_0", start, None, 0.1, "small: all logits start near 0, read as ≤ 0.1", "recalled"))
        growth = 1.5 * config.training.step_size[NETWORK] * max(law.core, law.spurious) ** 3 * start
        lines.append(
            Assumption("growth in a step (3/2) η β³ σ_0", growth, None, 0.1, "small: gradient flow, read as ≤ 0.1", "ours")
        )
    return lines


def _start(config: Config) -> float:
    """Standard deviation of an initial weight."""
    settings = GradientSettings.model_validate(config.engine)
    return config.network.init_std if settings.init == "normal" else settings.init_scale / math.sqrt(3 * config.data.dim)
