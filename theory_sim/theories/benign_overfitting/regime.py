"""The assumptions of the benign-overfitting theorem at one configuration.

The theorem's conditions [recalled] are orders of growth with unknown constants, up to logarithms: d ≥ Ω̃(max{n ‖μ‖²/σ_p², n²})
(noise patches are nearly orthogonal, and the signal is not too strong), n, m ≥ Ω(log), p a small enough constant, small initial
weights, and a small step. Each line states the reading at one d, with constant 1 [ours]. The published grid, and the defaults
here, are outside on several lines.
"""

import math

from theory_sim.config import Config
from theory_sim.theories.benign_overfitting.claims import BENIGN, HARMFUL, ratio
from theory_sim.theories.benign_overfitting.law import NETWORK, LawSettings
from theory_sim.theories.regime import Assumption
from theory_sim.training.engines.gradient import initial_std


def regime(config: Config) -> list[Assumption]:
    """All assumptions, for one configuration."""
    law, n, d = LawSettings.model_validate(config.law), config.data.training_samples, config.data.dim
    between = ratio(config)
    # Which of the two regimes it is in; a value between them is outside of both.
    benign = between >= math.sqrt(BENIGN * HARMFUL)
    low, high = (BENIGN, None) if benign else (None, HARMFUL)
    name = f"≥ C₁ = {BENIGN:g}: benign" if benign else f"≤ C₃ = {HARMFUL:g}: harmful"
    lines = [
        Assumption("n‖μ‖⁴/(σ_p⁴ d)", between, low, high, f"{name} (constants ours)", "recalled"),
        Assumption("dimension d", d, n**2, None, f"d ≥ Ω̃(n²), read as n² = {n**2}", "recalled"),
        Assumption(
            "n‖μ‖²/(σ_p² d)", n * (law.signal / law.noise_std) ** 2 / d, None, 1, "d ≥ Ω̃(n‖μ‖²/σ_p²), read as ≤ 1", "recalled"
        ),
        Assumption("training samples n", n, math.log(d), None, "n ≥ Ω(log d), read as ln d", "recalled"),
        Assumption("neurons per class m", config.neurons, math.log(d), None, "m ≥ Ω(log), read as ln d", "recalled"),
        Assumption("flip probability p", law.flip, None, 0.25, "a small constant, read as ≤ 1/4", "recalled"),
        Assumption("steps of the whole training set", float(config.training.batch == "full"), 1, 1, "full batch", "recalled"),
    ]
    if config.training.engine == "gradient":
        lines.append(_start(config, law))
    eta = config.training.step_size[NETWORK] * law.noise_std**2 * d / n
    return [*lines, Assumption("step η σ_p² d/n", eta, None, 1, "small: ≤ 1, a step does not overshoot", "ours")]


def _start(config: Config, law: LawSettings) -> Assumption:
    """σ_0 σ_p √d, the size of ⟨w, ξ⟩ at the start."""
    value = initial_std(config) * law.noise_std * math.sqrt(config.data.dim)
    return Assumption("initial σ_0 σ_p√d", value, None, 0.1, "small: noise correlations start near 0, read as ≤ 0.1", "recalled")
