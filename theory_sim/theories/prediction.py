"""The large-batch recursion: correlations, biases and losses predicted from the initial weights alone, without drawing samples.

As B → ∞ a step of SGD follows the expected gradient. For each neuron the expectation over patches depends on three quantities
only: its correlations u_f = ⟨w, v_f⟩, its norm ‖w‖ and its bias b [ours]. A patch α v_f + ζ gives the pre-activation

    μ + S z,    μ = α u_f + b,    S = σ_ζ ‖w‖,    z ~ N(0, 1),

    E ReLU = μ Φ(μ/S) + S φ(μ/S),
    E[x 1{fires}] = α Φ(μ/S) v_f + (σ_ζ/‖w‖) φ(μ/S) w       (the second term by Stein's lemma),

which are averaged over α by Gauss–Legendre quadrature; a patch of noise alone is the case α = 0, with its own σ. With t a kind
of sample (leaf; easy or hard) of probability π_t that holds n_{t,j} patches of content j on average, and P(h | t) the probability
that such a sample has label h,

    F_h(t) = Σ_j n_{t,j} Σ_r E ReLU_{h,r,j},
    Δw_{h,r} = −η Σ_t π_t Σ_j n_{t,j} E[(p_h − P(h | t)) x_j 1{fires}],    b ← b − κ ‖Δw‖,    p = softmax F.

In the coarse model the correlation of a lucky neuron with v_y grows by η s ᾱ E[(1 − p_y) 1{label = y}] per step while the neuron
fires on all patches of v_y; that of one with v_{y,c} grows by 1/k of this.

Logits of samples of one kind differ, because α and ζ of their patches do. With G_h = Σ_r ReLU_{h,r} of a patch, and E[∇G_h] = Σ_r
Φ_r w_{h,r} its expected gradient with respect to ζ, the closure treats patches as independent and logits as normal, of covariance

    V_{hk}(t) = Σ_j n_{t,j} [Cov_α(E[G_h | α], E[G_k | α]) + σ_j² ⟨E[∇G_h], E[∇G_k]⟩ + 1{h = k} Σ_r R_r],

where R_r = E[Var(ReLU_r | α) − Φ² S²] is the variance of the part that is not linear in ζ. To first order in V the means of the
softmax, and of the loss at the label y, are then

    E p = softmax(F + ½ diag V − V p),      E[−ln p_y] = ln Σ_h exp(F_h + ½ V_hh − V_hy) − F_y + (V p)_y − ½ pᵀ V p

with p = softmax F on the right; both are exact for every V where p_y is near 1 (a log-normal mean). A patch also changes the p of
its own sample: given the patch, p_h − P(h | t) is its mean plus Σ_k J_{hk} (E[G_k | α] − E G_k + ⟨E[∇G_k], ζ⟩), J = diag p
− p pᵀ. The expectation of this sum times x 1{fires} has a closed form too. With N = Σ_k J_{hk} E[∇G_k],

    E[⟨N, ζ⟩ x 1{fires}] = σ² Φ N + σ ⟨N, w⟩/‖w‖ φ (α v_f − σ (μ/S) w/‖w‖).

The recursion leaves out the noise of finite batches, in Δw and in ‖Δw‖, which it always increases; third and higher moments of
logits; the variance of random numbers of patches (``data.patch_law: independent``); and products ⟨w_r, w_r'⟩ of two neurons
outside the span of the features, where they start near 0 and N is small.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.config import Config
from theory_sim.data.law import PatchLaw, described
from theory_sim.data.parts import Extra, Holds, Node, Nothing, OtherClass, Strength, Uniform, gaussian_norm
from theory_sim.data.setup import law_of
from theory_sim.labels.functions import label_function
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.threads import cores_share_blocks, map_blocks
from theory_sim.training.trainer import log_spaced_steps

_NODES = 3, 32
"""Fewest and most Gauss–Legendre nodes for α. Three are exact up to α⁵ for uniform strengths; 32 are taken for other laws,
whose quantile functions are curved, and where noise is too small to smooth the kink of the ReLU over the range of α."""
_NO_FEATURE = -1
_NO_STRENGTH = Uniform(0.0, 0.0)


@dataclass(frozen=True)
class Contents:
    """What patches hold, and how often.

    Attributes:
        feature: of each content, `_NO_FEATURE` for noise alone.
        alpha: nodes of its signed strength.
        weight: their weights.
        noise: σ of its noise.
        count: n_{t,j}, patches of each content in each kind of sample.
        probability: π_t of each kind of sample.
        leaf: the leaf of each kind of sample.
    """

    feature: Int[Tensor, " content"]
    alpha: Float[Tensor, "content node"]
    weight: Float[Tensor, "content node"]
    noise: Float[Tensor, " content"]
    count: Float[Tensor, "kind content"]
    probability: Float[Tensor, " kind"]
    leaf: Int[Tensor, " kind"]

    def exposure(self, n_features: int) -> Float[Tensor, "kind feature"]:
        """X_tf = Σ_j n_tj ᾱ_j over contents j that hold f: the expected sum of the feature's strengths in a sample."""
        held = self.feature != _NO_FEATURE
        strength = self.count * (self.alpha * self.weight).sum(-1)
        found = strength.new_zeros(len(self.count), n_features)
        return found.index_add_(1, self.feature[held], strength[:, held])


def check_covered(config: Config) -> None:
    """Check before training that the recursion covers a configuration.

    Raises:
        InputError: it does not cover trained output weights, an engine that has settings, a finite training set, noise that is
            not Gaussian, nor a law that samples by a function of its own.
    """
    if config.network.train_output:
        raise InputError("prediction: network.train_output is not covered, only a = 1 frozen")
    if config.engine:
        raise InputError(
            f"prediction: the engine {config.training.engine} is not covered, since it has settings of its own: set it to dense"
        )
    if config.data.training_samples:
        raise InputError("prediction: data.training_samples is not covered, only fresh samples")
    contents_of(described(law_of(config), "prediction"), config.data.dim)


def predict(config: Config, start: xr.Dataset) -> xr.Dataset:
    """Predict a model's record from its initial state.

    Args:
        config: the configuration.
        start: a model's record (`theory_sim.training.recording`); only its step 0 is used.

    Returns:
        ``correlation``, ``bias``, ``norm`` (at the recorded steps) and ``training_loss`` (before each update), with the
        dimensions of the record.

    Raises:
        InputError: as `check_covered`; or `start` is no record.
    """
    check_covered(config)
    if missing := [name for name in ("correlation", "bias", "norm") if name not in start]:
        raise InputError(f"prediction: the record of a network is needed; {missing[0]} is missing")
    initial = start.isel(step=0)
    states = [torch.from_numpy(initial[key].values.astype(np.float64)) for key in ("correlation", "bias", "norm")]
    recursion = Recursion(config, start.attrs["model"], start.attrs["labels"])
    with cores_share_blocks():
        runs = map_blocks(lambda state: recursion.follow(*state), list(zip(*states, strict=True)))
    dims = ("replica", "step", "head", "neuron", "feature")
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for key in ("correlation", "bias", "norm"):
        values = torch.stack([run[key] for run in runs]).numpy()
        variables[key] = (dims[: values.ndim], values)
    variables["training_loss"] = (("replica", "update"), torch.stack([run["training_loss"] for run in runs]).numpy())
    dataset = xr.Dataset(variables, attrs=start.attrs)
    for name, variable in dataset.data_vars.items():
        if name in start:
            variable.attrs |= start[name].attrs
    own = {name: start.coords[name] for name in start.coords if set(start.coords[name].dims) <= set(dataset.dims)}
    times = {"step": recursion.steps, "update": list(range(config.training.steps + 1))}
    return dataset.assign_coords(
        own | {name: (name, at, dict(start[name].attrs) if name in start.coords else {}) for name, at in times.items()}
    )


class Recursion:
    """The recursion for one model of a configuration.

    Args:
        config: the configuration.
        model: which model's step size is taken.
        labels: its label function.
    """

    def __init__(self, config: Config, model: str, labels: str) -> None:
        law = described(law_of(config), "prediction")
        self.contents = contents = contents_of(law, config.data.dim)
        self.step_size, self.bias_decay = config.training.step_size[model], config.bias_decay
        self.n_steps = config.training.steps
        self.steps = log_spaced_steps(self.n_steps, config.record.points)
        self.truth = _with_noise(label_function(labels, law.tree).probability(), law)[contents.leaf]
        self.alpha, self.weight = contents.alpha, contents.weight

    def follow(
        self, u: Float[Tensor, "head m feature"], bias: Float[Tensor, "head m"], norm: Float[Tensor, "head m"]
    ) -> dict[str, Tensor]:
        """Correlations, biases and norms at `steps`, and the loss before every update, for one replica."""
        contents, alpha, weight, noise = self.contents, self.alpha, self.weight, self.contents.noise
        held = contents.feature != _NO_FEATURE
        rest = (norm.square() - u.square().sum(-1)).clamp(min=0).sqrt()
        seen: dict[str, list[Tensor]] = {"correlation": [], "bias": [], "norm": [], "training_loss": []}
        for step in range(self.n_steps + 1):
            norm = (rest.square() + u.square().sum(-1)).sqrt()
            if step in self.steps:
                for key, value in {"correlation": u, "bias": bias, "norm": norm}.items():
                    seen[key].append(value)
            # (head, neuron, content, node)
            mean = u[..., contents.feature.clamp(min=0), None] * alpha + bias[..., None, None]
            spread = (norm[..., None, None] * noise[:, None]).clamp(min=1e-300)
            far = mean / spread
            fires = torch.special.ndtr(far)
            density = far.square().mul_(-0.5).exp_() / math.sqrt(2 * math.pi)
            value = mean * fires + spread * density
            square = (mean.square() + spread.square()) * fires + mean * spread * density
            # (head, neuron, content): Φ, and the part of the variance that no other neuron shares
            firing = (fires * weight).sum(-1)
            alone = ((square - value.square() - (fires * spread).square()) * weight).sum(-1)
            alone += (firing * rest[..., None] * noise).square()
            logits = Logits.of(contents, value.sum(1), torch.einsum("hmj,hmf->hjf", firing, u), alone.sum(1))
            seen["training_loss"].append(logits.loss(self.truth, contents.probability))

            slope, along = logits.slopes(self.truth, contents)
            # ⟨N, w⟩/‖w‖
            lean = torch.einsum("hjf,hmf->hmj", along, u) / norm[..., None]
            by_feature = torch.einsum("hmjn,jn,hjn->hmj", fires * alpha, weight, slope)
            by_feature += lean * noise * (density * alpha * weight).sum(-1)
            by_self = torch.einsum("hmjn,jn,hjn,j->hm", density, weight, slope, noise)
            by_self = (by_self - (lean * noise.square() * (far * density * weight).sum(-1)).sum(-1)) / norm
            gradient = by_self[..., None] * u + torch.einsum("hmj,hjf->hmf", firing * noise.square(), along)
            gradient.index_add_(-1, contents.feature[held], by_feature[..., held])
            gradient_rest = by_self * rest
            u, rest = u - self.step_size * gradient, rest - self.step_size * gradient_rest
            bias = bias - self.bias_decay * self.step_size * (gradient.square().sum(-1) + gradient_rest.square()).sqrt()
        return {key: torch.stack(values) for key, values in seen.items()}


@dataclass(frozen=True)
class Logits:
    """The law of logits within each kind of sample, to second order.

    Attributes:
        mean: F_h(t).
        covariance: V.
        deviation: E[G_h | α] − E G_h of a patch.
        gradient: components of E[∇G_h] along features.
    """

    mean: Float[Tensor, "kind head"]
    covariance: Float[Tensor, "kind head head"]
    deviation: Float[Tensor, "head content node"]
    gradient: Float[Tensor, "head content feature"]

    @classmethod
    def of(
        cls,
        contents: Contents,
        value: Float[Tensor, "head content node"],
        gradient: Float[Tensor, "head content feature"],
        alone: Float[Tensor, "head content"],
    ) -> "Logits":
        """From each content's E[G_h | α], E[∇G_h] along features, and the part of G_h's variance that no two neurons share."""
        average = (value * contents.weight).sum(-1)
        deviation = value - average[..., None]
        patch = torch.einsum("hjn,kjn,jn->jhk", deviation, deviation, contents.weight)
        patch += contents.noise.square()[:, None, None] * torch.einsum("hjf,kjf->jhk", gradient, gradient)
        patch += torch.diag_embed(alone.T)
        mean, covariance = torch.einsum("hj,tj->th", average, contents.count), torch.einsum("tj,jhk->thk", contents.count, patch)
        return cls(mean, covariance, deviation, gradient)

    def probability(self) -> Float[Tensor, "kind head"]:
        """E softmax(F)."""
        return (self.mean + self._half() - self._turned()).softmax(-1)

    def loss(self, truth: Float[Tensor, "kind head"], share: Float[Tensor, " kind"]) -> Float[Tensor, ""]:
        """Expected cross-entropy."""
        p, turned = self.mean.softmax(-1), self._turned()
        sums = ((self.mean + self._half())[:, None] - self.covariance).logsumexp(-1)  # of each label y
        each = sums - self.mean + turned - ((p * turned).sum(-1) / 2)[:, None]
        return ((each * truth).sum(-1) * share).sum()

    def slopes(
        self, truth: Float[Tensor, "kind head"], contents: Contents
    ) -> tuple[Float[Tensor, "head content node"], Float[Tensor, "head content feature"]]:
        """Σ_t π_t n_{t,j} (p_h − P(h | t)) given a patch.

        Returns:
            Its mean at each α; and its gradient N with respect to ζ, along features.
        """
        p = self.probability()
        share = contents.probability[:, None] * contents.count
        jacobian = torch.einsum("tj,thk->jhk", share, torch.diag_embed(p) - p[:, :, None] * p[:, None, :])
        level = torch.einsum("th,tj->hj", p - truth, share)[..., None]
        at = level + torch.einsum("jhk,kjn->hjn", jacobian, self.deviation)
        return at, torch.einsum("jhk,kjf->hjf", jacobian, self.gradient)

    def _half(self) -> Float[Tensor, "kind head"]:
        """½ diag V."""
        return self.covariance.diagonal(dim1=1, dim2=2) / 2

    def _turned(self) -> Float[Tensor, "kind head"]:
        """V p."""
        return torch.einsum("thk,tk->th", self.covariance, self.mean.softmax(-1))


def contents_of(law: PatchLaw, dim: int) -> Contents:
    """Expected contents of training samples of a law, in `dim` dimensions."""
    tree, unit = law.tree, math.sqrt(dim)
    base = gaussian_norm(law.noise, "prediction")
    # Each content: feature, strength, sign, σ√d.
    table: dict[tuple[int, Strength, float, float], int] = {}

    def place(feature: int, strength: Strength, sign: float, noise: float) -> int:
        return table.setdefault((feature, strength, sign, noise), len(table))

    rows: list[dict[int, float]] = []
    probability: list[float] = []
    leaves: list[int] = []
    for kind, share in law.training_shares.items():
        if share == 0:
            continue
        exact = sum(group.patches for group in law.kinds[kind] if group.exact) if law.independent else 0
        left = 1 - exact / law.patches  # of independent patches those that draw their group
        for index, leaf in enumerate(tree.leaves):
            row: dict[int, float] = {}

            def add(at: int, patches: float, row: dict[int, float] = row) -> None:
                row[at] = row.get(at, 0.0) + patches

            path = tree.ancestors(leaf)
            others = [y for y in range(tree.n_coarse) if y != path[0]]
            for group in law.kinds[kind]:
                patches = group.patches * (1.0 if group.exact or not law.independent else left)
                if not patches:
                    continue
                if isinstance(group.holds, Nothing):
                    if group.noise is not None:
                        add(place(_NO_FEATURE, _NO_STRENGTH, 1.0, gaussian_norm(group.noise, "prediction")), patches)
                    continue
                signs = {"+": (1.0,), "random": (1.0, -1.0), "class": (1.0 - 2.0 * path[0],), "-class": (2.0 * path[0] - 1.0,)}
                for feature in _features(law, group.holds, path, others):
                    for sign in signs[group.sign]:
                        share_of = len(others) if isinstance(group.holds, OtherClass) else 1
                        add(place(feature, group.strength, sign, base), patches / share_of / len(signs[group.sign]))
            add(place(_NO_FEATURE, _NO_STRENGTH, 1.0, base), law.patches - sum(row.values()))
            rows.append(row)
            probability.append(share * tree.leaf_probability[index])
            leaves.append(index)
    count = torch.zeros(len(rows), len(table), dtype=torch.float64)
    for t, row in enumerate(rows):
        for j, n in row.items():
            count[t, j] = n
    alpha, weight = _quadrature([(strength, sign) for _, strength, sign, _ in table], base / unit)
    return Contents(
        torch.tensor([feature for feature, *_ in table]),
        alpha,
        weight,
        torch.tensor([noise for *_, noise in table], dtype=torch.float64) / unit,
        count,
        torch.tensor(probability, dtype=torch.float64),
        torch.tensor(leaves),
    )


def _features(law: PatchLaw, holds: Holds, path: tuple[int, ...], others: list[int]) -> list[int]:
    """The features that patches of a group may hold, in samples of a leaf with this path."""
    if isinstance(holds, Node):
        return [path[holds.level - 1]] if holds.level <= len(path) else []
    return others if isinstance(holds, OtherClass) else [law.feature_of(holds)] if isinstance(holds, Extra) else []


def _with_noise(truth: Float[Tensor, "leaf label"], law: PatchLaw) -> Float[Tensor, "leaf label"]:
    """P(label | leaf) where some samples carry the label of a random leaf."""
    leaf = torch.tensor(law.tree.leaf_probability, dtype=torch.float64)
    return (1 - law.label_noise) * truth + law.label_noise * (leaf @ truth)


def _quadrature(
    laws: list[tuple[Strength, float]], noise: float
) -> tuple[Float[Tensor, "content node"], Float[Tensor, "content node"]]:
    """Signed strengths and their weights for each content: E f(α) = ∫ f(F⁻¹(u)) du by Gauss and Legendre's rule.

    A neuron's Φ((α u + b)/S) rises within a range of α of S/u ≥ σ_ζ = `noise`. With nodes no further apart than this range, its
    mean over a uniform α is accurate to 1e-4; without noise, to 0.024.
    """
    fewest, nodes = _NODES
    widths = [strength.high - strength.low for strength, _ in laws if isinstance(strength, Uniform)]
    if len(widths) == len(laws) and max(widths) <= nodes * noise:
        nodes = max(fewest, math.ceil(max(widths) / noise)) if noise else fewest
    x, w = np.polynomial.legendre.leggauss(nodes)
    alpha = [sign * np.asarray(strength.ppf((1 + x) / 2)) for strength, sign in laws]
    return torch.from_numpy(np.array(alpha)), torch.from_numpy(w / 2).expand(len(laws), -1)
