"""The regime: each assumption of the theory, the value that a configuration gives it, and whether it lies inside.

The theory is asymptotic in d. An order such as Θ(d^0.4) says nothing about one d, so each line states the reading that
was chosen, and outside is a warning, never a refusal: the default configuration itself lies outside on some lines and
both theorems happen all the same.
"""

import math
from dataclasses import dataclass

from scipy import stats

from theory_sim.config import Config


@dataclass(frozen=True)
class Line:
    """One assumption.

    Attributes:
        assumption: what is assumed, in the paper's symbols.
        value: what the configuration gives.
        low: lower end of the theory's range at this configuration; None: none.
        high: upper end; None: none.
        range: the range as the theory states it.
        source: ``paper``, ``recalled`` or ``ours``.
        inside: whether the value lies in the range.
    """

    assumption: str
    value: float
    low: float | None
    high: float | None
    range: str
    source: str
    inside: bool


def check(config: Config) -> list[Line]:
    """All assumptions, for one configuration."""
    data, hard, network = config.data, config.hard, config.network
    tree, tau, ln_d = config.label_tree, config.threshold, math.log(data.dim)
    k_all = [tree.coarse_of_leaf.tolist().count(y) for y in range(tree.n_coarse)]
    k = max(k_all)
    total = tree.n_leaves
    weakest = math.sqrt(1 - data.strength_spread)
    theory_tau = math.sqrt((4 + 2 * network.c0) * ln_d)

    # ⟨w, v⟩ + b > 0 at initialisation has probability Q(τ).
    lucky = config.neurons * float(stats.norm.sf(tau))
    # One patch of pure noise fires a given neuron at initialisation when σ_0‖ζ‖ N(0, 1) > σ_0 τ, ‖ζ‖ ≈ σ_ζ√d.
    noise_fires = float(stats.norm.sf(tau / data.noise)) if data.noise > 0 else 0.0
    noise_fires_one = noise_fires * config.neurons * total * data.patches
    feature_noise = hard.feature_noise_patches * hard.feature_noise[1]

    def line(assumption: str, value: float, low: float | None, high: float | None, text: str, source: str) -> Line:
        inside = (low is None or value >= low) and (high is None or value <= high)
        return Line(assumption, float(value), low, high, text, source, inside)

    return [
        line("coarse classes K", tree.n_coarse, 2, 2, "2", "paper"),
        line("subclasses, largest k", k, None, data.dim**0.4, "k ≤ d^0.4", "paper"),
        line("subclasses, smallest k", min(k_all), ln_d, None, "k ≥ polylog d, read as ln d", "paper"),
        line("depth of the label tree", tree.depth, 2, 2, "2", "paper"),
        line("dimension d", data.dim, tree.n_nodes, None, "d ≥ number of features", "paper"),
        line("noise norm σ_ζ√d", data.noise, None, 1 / ln_d, "o(1) of the features' norm 1, read as 1/ln d", "recalled"),
        line(
            "feature share s/P",
            data.feature_patches / data.patches,
            None,
            0.5 / tree.depth,
            "most patches noise: s·depth ≤ P/2",
            "ours",
        ),
        line("strength spread ι", data.strength_spread, None, 1 / ln_d, "1/polylog d, read as 1/ln d", "recalled"),
        line("hard feature noise s†·ι†_hi", feature_noise, None, data.feature_patches * weakest, "s†·ι† below s·√(1−ι)", "ours"),
        line(
            "hard feature noise s†·ι†_lo",
            hard.feature_noise_patches * hard.feature_noise[0],
            1e-12,
            None,
            "> 0: it misleads",
            "recalled",
        ),
        line("hard dominant noise σ*√d", hard.noise, data.noise, None, "σ* ≥ σ_ζ", "recalled"),
        line("threshold τ", tau, theory_tau, None, "τ ≥ √((4+2c₀) ln d)", "recalled"),
        line("lucky neurons per head and feature m·Q(τ)", lucky, 1, None, "≥ 1 expected", "ours"),
        line("noise firings per sample at init", noise_fires_one, None, 1, "≤ 1 expected, all heads of the fine model", "ours"),
        line("width m", config.neurons, data.dim ** (1 + 2 * network.c0), None, "m ≥ d^(1+2c₀)", "recalled"),
        line("bias decay κ", config.bias_decay, None, max(ln_d**-5, 1e-12), "κ ≤ 1/ln⁵ d", "recalled"),
        line("initial weights σ_0", network.init_std, None, 1 / math.sqrt(data.dim), "small: σ_0 ≤ 1/√d", "ours"),
        line("batch B per leaf", config.training.batch / total, 1, None, "≥ 1: each leaf in every batch", "ours"),
        line("hard share in training ρ", data.hard_share, None, 0, "0", "paper"),
        line("label noise", data.label_noise, None, 0, "0", "recalled"),
        line("fresh samples (training set size)", data.training_samples, None, 0, "0: fresh at every step", "recalled"),
    ]


def outside(lines: list[Line]) -> list[Line]:
    """The assumptions that the configuration does not meet."""
    return [line for line in lines if not line.inside]
