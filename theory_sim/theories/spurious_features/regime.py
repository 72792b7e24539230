"""The assumptions of the spurious-features theorem at one configuration.

The theorem's conditions [recalled] are orders of growth with unknown constants. Each line states the reading at one
configuration, with constant 1 [ours].

Two lines are about the feature that grows first. β_c³ < (2α−1) β_s³ is the theorem's condition as recalled, and right for
networks without biases. With trained biases a feature grows in a time near to ∝ 1/(κβ), not 1/(κβ³) (see
`theory_sim.theories.spurious_features.growth`), and the ratio of the expected first times says which is the first [ours]. That
biases are trained is recalled of the authors' script as we read it; whether the theorem's network has biases is not known to us.
"""

import math

from theory_sim.config import Config
from theory_sim.theories.regime import Assumption
from theory_sim.theories.spurious_features.growth import covered, ratio_of_first_times
from theory_sim.theories.spurious_features.law import NETWORK, LawSettings
from theory_sim.training.engines.gradient import initial_std


def regime(config: Config) -> list[Assumption]:
    """All assumptions, for one configuration."""
    law, n, d = LawSettings.model_validate(config.law), config.data.training_samples, config.data.dim
    correlated = (2 * law.agreement - 1) * law.spurious**3
    stronger = law.core**3 / correlated if correlated > 0 else math.inf
    smallest = n * min(law.agreement, 1 - law.agreement) / 2
    noise = law.noise_std / math.sqrt(smallest) if smallest > 0 else math.inf
    lines = [
        Assumption(
            "core ÷ spurious β_c³/((2α−1)β_s³)", stronger, None, 1, "< 1: the theorem's, right without biases", "recalled"
        ),
        Assumption("agreement α", law.agreement, 0.5, None, "> 1/2: the spurious feature has the majority's sign", "recalled"),
        Assumption(
            "samples of the smallest group n(1−α)/2", smallest, d, None, f"enough to learn from, read as ≥ d = {d}", "ours"
        ),
        Assumption("noise σ_p/√(n(1−α)/2)", noise, None, law.core, "≤ β_c", "ours"),
        Assumption("steps of the whole training set", float(config.training.batch == "full"), 1, 1, "full batch", "recalled"),
        Assumption(
            "activation z³, biases trained",
            float(covered(config)),
            1,
            1,
            "the script's; the theorem may have no biases",
            "recalled",
        ),
    ]
    if covered(config):
        ratio, said = ratio_of_first_times(config), "< 1: trained on all samples, the spurious feature grows first"
        lines.insert(0, Assumption("first time, spurious ÷ core", ratio, None, 1, said, "ours"))
    if config.training.engine == "gradient":
        start, eta = initial_std(config), config.training.step_size[NETWORK]
        lines.append(Assumption("initial σ_0", start, None, 0.1, "small: all logits start near 0, read as ≤ 0.1", "recalled"))
        growth = max(1.5 * eta * beta * (1 + beta**2) * start for beta in (law.core, law.spurious))
        lines.append(
            Assumption("growth in a step (3/2) η β(1+β²) σ_0", growth, None, 0.1, "small: gradient flow, read as ≤ 0.1", "ours")
        )
    return lines
