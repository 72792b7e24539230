"""The assumptions of the label-granularity theory at one configuration.

The theory is asymptotic in d; each line states how its order of growth is read at one d. The default configuration is outside
the regime on some lines, and all claims hold for it all the same. Four kinds of lines are derived here [ours], with a probability
of failure δ = 0.05, L leaves, K coarse classes, π_ℓ the share of leaf ℓ, and s patches of mean strength ᾱ for each feature:

* **Lucky neurons.** A feature has no lucky neuron in a head with probability (1 − Q(τ))^m ≤ exp(−m Q(τ)). The theorems need
  one for each coarse class (its feature, its head of the coarse model) and one for each leaf (its rare feature, its head of
  the fine model). By the union bound none of these is missing with probability 1 − δ where m Q(τ) ≥ ln((L + K)/δ). At τ =
  √((4+2c₀) ln d), m Q(τ) is about m d^−(2+c₀)/(τ√2π): for m = d^(2+2c₀) it grows with d at every c₀ > 0, for d^(1+2c₀) only
  at c₀ > 1.
* **Batch.** A batch lacks a leaf with probability at most Σ_ℓ (1 − π_ℓ)^B; for equal shares this is δ at B ≈ L ln(L/δ).
* **Step size.** At the start all H heads have the probability 1/H. With X_ℓf = s ᾱ for the features f of leaf ℓ, else 0, one
  step moves a lucky neuron of f in head h by η Σ_ℓ π_ℓ X_ℓf (1{h(ℓ) = h} − 1/H). A feature that has lucky neurons has n =
  λ/(1 − e^−λ) of them on average, λ = m Q(τ), so that the logit of h on samples of leaf ℓ' moves by η n Σ_ℓ (X Xᵀ)_ℓ'ℓ π_ℓ
  (1{h(ℓ) = h} − 1/H). A step that moves a logit by more than 1 changes its odds by more than a factor e: the gradient at the
  start of the step is no longer valid at its end, and the step overshoots.
* **Steps.** The rare feature alone raises its leaf's logit F by A (1 − p) a step, A = η n (s ᾱ)² π_ℓ, p = e^F/(e^F + L − 1).
  In continuous time the logit reaches F after [F + (e^F − 1)/(L − 1)]/A steps. After T₀ = (1 + ln L)/A steps F = ln L: from then
  on the leaf is likelier than all others together. Neurons that start to fire in training shorten this time: it is 6 steps
  instead of 13 in simulations of the default configuration.
"""

import math

import torch
from jaxtyping import Float
from scipy import optimize, stats
from torch import Tensor
from torch.nn.functional import one_hot

from theory_sim.config import Config
from theory_sim.data.law import PatchLaw, described
from theory_sim.data.parts import Group, Holds, Node, OtherClass, gaussian_norm, words
from theory_sim.data.setup import law_of
from theory_sim.runtime.errors import InputError
from theory_sim.theories.prediction import Contents, contents_of
from theory_sim.theories.regime import Assumption

DELTA = 0.05
"""δ, the allowed probability that a batch lacks a leaf, or that the initial weights lack a lucky neuron [ours]."""


def regime(config: Config) -> list[Assumption]:
    """All assumptions, for one configuration.

    Raises:
        InputError: the law samples by a function of its own, its noise is not Gaussian, or the law or the networks lack a part
            that the theory makes assumptions on.
    """
    law, network = described(law_of(config), "regime"), config.network
    if missing := [name for name in ("coarse", "fine") if name not in config.networks]:
        raise _not_covered(f"a network '{missing[0]}'; the networks are {', '.join(config.networks)}")
    tree, tau, ln_d = law.tree, config.threshold, math.log(config.data.dim)
    k_all = [tree.coarse_of_leaf.tolist().count(y) for y in range(tree.n_coarse)]
    k, total = max(k_all), tree.n_leaves
    noise = gaussian_norm(law.noise, "regime")
    dominant = gaussian_norm(law.own_noises[0], "regime") if law.own_noises else 0.0
    common, foreign = _group(law, "easy", Node(1)), _group(law, "hard", OtherClass())
    _group(law, "easy", Node(tree.depth))
    s, weakest = common.patches, float(common.strength.ppf(0.0))
    theory_tau = math.sqrt((4 + 2 * network.c0) * ln_d)

    # ⟨w, v⟩ + b > 0 at initialisation has probability Q(τ).
    lucky = config.neurons * float(stats.norm.sf(tau))
    # One patch of pure noise fires a given neuron at initialisation when σ_0‖ζ‖ N(0, 1) > σ_0 τ, ‖ζ‖ ≈ σ_ζ√d.
    noise_fires = float(stats.norm.sf(tau / noise)) if noise > 0 else 0.0
    noise_fires_one = noise_fires * config.neurons * total * law.patches
    misleading, least_misleading = (foreign.patches * float(foreign.strength.ppf(q)) for q in (1.0, 0.0))
    move = {
        name: config.training.step_size[name] * (lucky / -math.expm1(-lucky) if lucky else 1.0) for name in ("coarse", "fine")
    }
    contents = contents_of(law, config.data.dim)
    exposure = contents.exposure(law.n_features)
    by_class, by_leaf = one_hot(tree.coarse_of_leaf).double(), torch.eye(total, dtype=torch.float64)
    pairs, batch = math.log((total + tree.n_coarse) / DELTA), smallest_batch(tree.leaf_probability)
    learned = (1 + math.log(total)) / (move["fine"] * _slowest_rare(law, contents, exposure))
    coarse_step, fine_step = (
        move[name] * _first_step(contents, exposure, label) for name, label in (("coarse", by_class), ("fine", by_leaf))
    )

    def line(assumption: str, value: float, low: float | None, high: float | None, text: str, source: str) -> Assumption:
        return Assumption(assumption, float(value), low, high, text, source)

    return [
        line("coarse classes K", tree.n_coarse, 2, 2, "2", "paper"),
        line("subclasses, largest k", k, None, config.data.dim**0.4, "k ≤ f(σ_ζ), read as the paper's example d^0.4", "paper"),
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
        line(
            "lucky neurons per head and feature m·Q(τ)",
            lucky,
            pairs,
            None,
            f"≥ {pairs:.3g} = ln((L + K)/δ), δ = {DELTA:g}: each leaf and each class has one",
            "ours",
        ),
        line("noise firings per sample at init", noise_fires_one, None, 1, "≤ 1 expected, all heads of the fine model", "ours"),
        line("width m", config.neurons, config.data.dim ** (2 + 2 * network.c0), None, "m ≥ d^(2+2c₀)", "recalled"),
        line("bias decay κ", config.bias_decay, None, max(ln_d**-5, 1e-12), "κ ≤ 1/ln⁵ d", "recalled"),
        line("initial weights σ_0", network.init_std, None, 1 / math.sqrt(config.data.dim), "small: σ_0 ≤ 1/√d", "ours"),
        line(
            "batch B",
            config.batch,
            batch,
            None,
            f"≥ {batch}, about L ln(L/δ), δ = {DELTA:g}: each leaf is in a batch",
            "ours",
        ),
        line("first step of a logit, coarse labels", coarse_step, None, 1, "≤ 1: a step of size η does not overshoot", "ours"),
        line("first step of a logit, leaf labels", fine_step, None, 1, "≤ 1: a step of size η does not overshoot", "ours"),
        line(
            "steps T",
            config.training.steps,
            learned,
            None,
            f"T ≥ T₀ = {learned:.3g}: rare features with a lucky neuron are learned from leaf labels",
            "ours",
        ),
        line("hard share in training ρ", law.training_shares["hard"], None, 0, "0", "paper"),
        line("label noise", law.label_noise, None, 0, "0", "recalled"),
        line("fresh samples (training set size)", config.data.training_samples, None, 0, "0: fresh at every step", "recalled"),
    ]


def smallest_batch(shares: tuple[float, ...], delta: float = DELTA) -> int:
    """The smallest B with Σ_ℓ (1 − π_ℓ)^B ≤ δ: by the union bound a batch of B has every leaf with probability at least 1 − δ."""
    missing = torch.log1p(-torch.tensor(shares, dtype=torch.float64))  # logarithm of the share of all other leaves
    most = math.log(len(shares) / delta) / -float(missing.max())
    size = optimize.brentq(lambda b: float((b * missing).exp().sum()) - delta, 0, most * (1 + 1e-9))
    return math.ceil(float(size) - 1e-9)


def _first_step(contents: Contents, exposure: Float[Tensor, "kind feature"], label: Float[Tensor, "leaf head"]) -> float:
    """Largest change of a logit in the first step, for η n = 1; `label` has a one for each leaf's head."""
    slope = label[contents.leaf] - 1 / label.shape[1]
    return float((exposure @ exposure.T @ (contents.probability[:, None] * slope)).abs().max())


def _slowest_rare(law: PatchLaw, contents: Contents, exposure: Float[Tensor, "kind feature"]) -> float:
    """The smallest (s ᾱ)² π_ℓ of a leaf's own feature."""
    own = torch.tensor(law.tree.leaves)[contents.leaf]
    seen = exposure.gather(1, own[:, None])[:, 0].square() * contents.probability
    by_leaf = torch.zeros(law.tree.n_leaves, dtype=seen.dtype).index_add_(0, contents.leaf, seen)
    return float(by_leaf.min())


def _group(law: PatchLaw, kind: str, holds: Holds) -> Group:
    """The group of a kind of sample that the theory makes assumptions on."""
    for group in law.kinds.get(kind, ()):
        if group.holds == holds:
            return group
    raise _not_covered(f"{kind} samples with patches of {words(Group(holds, 1))}")


def _not_covered(needed: str) -> InputError:
    return InputError(
        f"regime: the assumptions of label-granularity need {needed}; give a theory without them a regime of its own,"
        " Theory(regime=...)"
    )
