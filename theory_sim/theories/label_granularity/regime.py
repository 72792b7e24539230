"""The assumptions of the label-granularity theory at one configuration.

The theory is asymptotic in d; each line states how its order of growth is read at one d. The default configuration itself
lies outside on some lines, and both theorems hold in it all the same.
"""

import math

from scipy import stats

from theory_sim.config import Config
from theory_sim.data.law import described
from theory_sim.data.parts import Node, OtherClass, gaussian_norm
from theory_sim.data.setup import law_of
from theory_sim.theories.regime import Assumption


def regime(config: Config) -> list[Assumption]:
    """All assumptions, for one configuration."""
    law, network = described(law_of(config), "regime"), config.network
    tree, tau, ln_d = law.tree, config.threshold, math.log(config.data.dim)
    k_all = [tree.coarse_of_leaf.tolist().count(y) for y in range(tree.n_coarse)]
    k, total = max(k_all), tree.n_leaves
    noise = gaussian_norm(law.noise, "regime")
    dominant = gaussian_norm(law.own_noises[0], "regime") if law.own_noises else 0.0
    s, weakest = next((group.patches, float(group.strength.ppf(0.0))) for group in law.kinds["easy"] if group.holds == Node(1))
    foreign = next(group for group in law.kinds["hard"] if group.holds == OtherClass())
    theory_tau = math.sqrt((4 + 2 * network.c0) * ln_d)

    # ⟨w, v⟩ + b > 0 at initialisation has probability Q(τ).
    lucky = config.neurons * float(stats.norm.sf(tau))
    # One patch of pure noise fires a given neuron at initialisation when σ_0‖ζ‖ N(0, 1) > σ_0 τ, ‖ζ‖ ≈ σ_ζ√d.
    noise_fires = float(stats.norm.sf(tau / noise)) if noise > 0 else 0.0
    noise_fires_one = noise_fires * config.neurons * total * law.patches
    misleading, least_misleading = (foreign.patches * float(foreign.strength.ppf(q)) for q in (1.0, 0.0))

    def line(assumption: str, value: float, low: float | None, high: float | None, text: str, source: str) -> Assumption:
        return Assumption(assumption, float(value), low, high, text, source)

    return [
        line("coarse classes K", tree.n_coarse, 2, 2, "2", "paper"),
        line("subclasses, largest k", k, None, config.data.dim**0.4, "k ≤ d^0.4", "paper"),
        line("subclasses, smallest k", min(k_all), ln_d, None, "k ≥ polylog d, read as ln d", "paper"),
        line("depth of the label tree", tree.depth, 2, 2, "2", "paper"),
        line("dimension d", config.data.dim, law.n_features, None, "d ≥ number of features", "paper"),
        line("noise norm σ_ζ√d", noise, None, 1 / ln_d, "o(1) of the features' norm 1, read as 1/ln d", "recalled"),
        line(
            "feature share s/P",
            s / law.patches,
            None,
            0.5 / tree.depth,
            "most patches noise: s·depth ≤ P/2",
            "ours",
        ),
        line("strength spread ι", config.data.strength_spread, None, 1 / ln_d, "1/polylog d, read as 1/ln d", "recalled"),
        line("hard feature noise s†·ι†_hi", misleading, None, s * weakest, "s†·ι† below s·√(1−ι)", "ours"),
        line(
            "hard feature noise s†·ι†_lo",
            least_misleading,
            1e-12,
            None,
            "> 0: it misleads",
            "recalled",
        ),
        line("hard dominant noise σ*√d", dominant, noise, None, "σ* ≥ σ_ζ", "recalled"),
        line("threshold τ", tau, theory_tau, None, "τ ≥ √((4+2c₀) ln d)", "recalled"),
        line("lucky neurons per head and feature m·Q(τ)", lucky, 1, None, "≥ 1 expected", "ours"),
        line("noise firings per sample at init", noise_fires_one, None, 1, "≤ 1 expected, all heads of the fine model", "ours"),
        line("width m", config.neurons, config.data.dim ** (2 + 2 * network.c0), None, "m ≥ d^(2+2c₀)", "recalled"),
        line("bias decay κ", config.bias_decay, None, max(ln_d**-5, 1e-12), "κ ≤ 1/ln⁵ d", "recalled"),
        line("initial weights σ_0", network.init_std, None, 1 / math.sqrt(config.data.dim), "small: σ_0 ≤ 1/√d", "ours"),
        line("batch B per leaf", config.training.batch / total, 1, None, "≥ 1: each leaf in every batch", "ours"),
        line("hard share in training ρ", law.training_shares["hard"], None, 0, "0", "paper"),
        line("label noise", law.label_noise, None, 0, "0", "recalled"),
        line("fresh samples (training set size)", config.data.training_samples, None, 0, "0: fresh at every step", "recalled"),
    ]
