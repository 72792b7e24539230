"""The hard error, and the strength of noise at which it passes 1/2, predicted by the large-batch recursion alone [ours].

The recursion (`theory_sim.theories.prediction`) gives each neuron's correlations u, norm and bias at the end of training. With
two coarse classes y and y', summed logits classify a hard sample of class y correctly if its margin D is above 0. Over its
patches x_p,

    D = Σ_p [R_y(x_p) − R_{y'}(x_p)],    R_y(x) = Σ_{heads of y} Σ_r ReLU(⟨w, x⟩ + b).

The s patches of the rare feature add about s R_y(v_{y,c}) to D; the s† patches of the other class's common feature (the foreign
feature), of strength α†, take about s† R_{y'}(α† v_{y'}) away. A patch x = α v + ζ has a component ⟨ζ, v_f⟩ ~ N(0, σ²) along
each feature. Given these components and α, a pre-activation is normal with some mean μ and the standard deviation
S = σ √(‖w‖² − ‖u‖²), so that E ReLU = μ Φ(μ/S) + S φ(μ/S). α and the components are drawn from one fixed Sobol sequence. The
patches of a sample are independent given its leaf, so that

    P(wrong) = mean over leaves and draws of Φ(−(M + D*)/√V),

where M and V are the sums of the means and variances of all patches except that of dominant noise. The contribution D* of the
dominant-noise patch is far from normal, so that its draws are used one by one.
"""

import json
import math
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from scipy import special, stats
from torch import Tensor

from theory_sim.config import Config
from theory_sim.data.law import Law, PatchLaw
from theory_sim.data.parts import Gaussian, gaussian_norm
from theory_sim.data.setup import law_of
from theory_sim.labels.functions import label_function
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate, mean, positive_mean, undefined
from theory_sim.theories.label_granularity.extremes import extreme
from theory_sim.theories.label_granularity.recursion import followed
from theory_sim.theories.measures import Measure
from theory_sim.theories.prediction import contents_of
from theory_sim.theories.trends import Trend

if TYPE_CHECKING:
    import pandas as pd

_DRAWS = 512
_HARD = "hard"


class Margins:
    """The contribution of each sort of patch to a network's margin; the hard error under any law of hard samples follows.

    Args:
        weights: ``correlation`` (replica, head, neuron, feature), ``bias`` and ``norm`` of a network with frozen outputs.
        parent: coarse class of each head, 0 or 1.
    """

    def __init__(self, weights: xr.Dataset, parent: np.ndarray) -> None:
        u, bias, norm = (torch.from_numpy(weights[key].values.astype(float)) for key in ("correlation", "bias", "norm"))
        self.u, self.bias = u.flatten(1, 2), bias.flatten(1, 2)
        self.rest = (norm.flatten(1, 2).square() - self.u.square().sum(-1)).clamp(min=0).sqrt()
        self.toward_first = torch.from_numpy(1.0 - 2.0 * parent).repeat_interleave(weights.sizes["neuron"])
        self._known: dict[tuple[int, tuple[float, ...], float], Float[Tensor, "replica draw"]] = {}

    def hard_error(self, config: Config) -> np.ndarray:
        """P(wrong), one for each replica; NaN where the prediction does not cover the law of samples.

        Args:
            config: the configuration whose law of hard samples is used.
        """
        law, unit = law_of(config), math.sqrt(config.data.dim)
        replicas = len(self.u)
        if not _covered(law):
            return np.full(replicas, np.nan)
        contents = contents_of(replace(law, training={_HARD: 1.0}), config.data.dim)
        seen = [
            self._patch(int(feature), tuple(alpha.tolist()), tuple(weight.tolist()), float(noise))
            for feature, alpha, weight, noise in zip(
                contents.feature, contents.alpha, contents.weight, contents.noise, strict=True
            )
        ]
        draws = torch.stack(seen, 1)  # (replica, content, draw)
        own_noise = (contents.feature < 0) & (contents.noise != gaussian_norm(law.noise, "hard error") / unit)
        usual = torch.where(own_noise, 0, contents.count)
        middle, variance = draws.mean(-1) @ usual.T, draws.var(-1) @ usual.T  # (replica, kind of sample)
        dominant = torch.einsum("tj,rjn->rtn", torch.where(own_noise, contents.count, 0), draws)
        sign = 1 - 2 * law.tree.coarse_of_leaf[contents.leaf].double()
        margin = sign[:, None] * (middle[..., None] + dominant)
        wrong = torch.special.ndtr(-margin / variance.clamp(min=1e-30).sqrt()[..., None]).mean(-1)
        error: np.ndarray = (wrong @ contents.probability).numpy()
        return error

    def _patch(
        self, feature: int, alpha: tuple[float, ...], weight: tuple[float, ...], noise: float
    ) -> Float[Tensor, "replica draw"]:
        """R_0 − R_1 of a patch, for each draw of its strength and noise."""
        known = (feature, alpha, noise)
        if known not in self._known:
            uniform = _sobol(1 + self.u.shape[-1])
            x = noise * torch.from_numpy(special.ndtri(uniform[:, 1:]))
            if feature >= 0:
                node = np.searchsorted(np.cumsum(weight)[:-1], uniform[:, 0])
                x[:, feature] += torch.tensor(alpha, dtype=x.dtype)[node]
            mean = x @ self.u.mT + self.bias[:, None]  # (replica, draw, neuron)
            spread = (noise * self.rest).clamp(min=1e-300)[:, None]
            z = mean / spread
            fired = mean * torch.special.ndtr(z) + spread * torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
            self._known[known] = fired @ self.toward_first
        return self._known[known]


def margins_of(results: Results, network: str) -> Margins | None:
    """The margins that the recursion predicts for the end of training; None if it does not cover the run, or takes too long."""
    data, config = results.records[network], results.config
    law = law_of(config)
    labels = label_function(data.attrs["labels"], law.tree, config.data.training_samples)
    if not _covered(law) or labels.placeholder or config.transfer.readouts[0] != "sum_logits":
        return None
    predicted = followed(results, network, config.training.steps)
    return None if predicted is None else Margins(predicted.isel(step=-1), labels.parent.numpy())


def _covered(law: Law) -> TypeGuard[PatchLaw]:
    """Whether a law has two classes, hard samples with fixed counts of patches, and Gaussian noise."""
    if not isinstance(law, PatchLaw) or law.tree.n_coarse != 2 or law.independent or _HARD not in law.kinds:
        return False
    return all(isinstance(noise, Gaussian) for noise in (law.noise, *law.own_noises))


@lru_cache(maxsize=4)
def _sobol(dims: int) -> np.ndarray:
    """Sobol numbers in (0, 1), (draw, dim), the same in every process."""
    drawn = stats.qmc.Sobol(dims, rng=np.random.default_rng(0)).random(_DRAWS)
    clipped: np.ndarray = np.clip(drawn, 1e-9, 1 - 1e-9)
    return clipped


def predicted_hard_error(network: str, results: Results) -> np.ndarray:
    """The hard error that the recursion predicts, by replica; NaN without ``record.predicted``."""
    margins = margins_of(results, network) if results.config.record.predicted else None
    return np.full(results.config.replicas, np.nan) if margins is None else margins.hard_error(results.config)


def _difference(table: "pd.DataFrame", confidence: float) -> Estimate:
    """|predicted − observed| hard error: the mean over cells of each replica, then over replicas; the larger of both networks."""
    found = []
    for network in ("coarse", "fine"):
        apart = (table[f"{network}-hard-error-predicted"] - table[f"{network}-hard-error"]).abs()
        by_replica = apart.groupby(table["replica"]).agg(lambda values: values.mean(skipna=False))
        found.append(partial(positive_mean, by_replica.to_numpy(float)))
    return extreme(found, True, confidence, "of 2 networks")


def border(strength: np.ndarray, error: np.ndarray) -> float:
    """The strength at which the error first passes ½, by linear interpolation in the logarithm of the strength.

    Returns:
        NaN where the error does not pass ½, or an error is missing.
    """
    if np.isnan(error).any():
        return math.nan
    order = np.argsort(strength)
    x, y = np.log(strength[order]), error[order]
    for i in range(1, len(x)):
        if y[i - 1] < 0.5 <= y[i]:
            return float(np.exp(x[i - 1] + (0.5 - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1])))
    return math.nan


def _border_ratio(most: bool, table: "pd.DataFrame", confidence: float) -> Estimate:
    """Predicted ÷ observed `border` of foreign features: the smallest or largest of both networks.

    It is the geometric mean over norms of dominant noise of each replica, then the mean over replicas.
    """
    strength = table["hard.feature_noise"].map(lambda ends: sum(json.loads(ends)) / 2)
    found = []
    for network in ("coarse", "fine"):
        logs = []
        for _, own in table.groupby("replica"):
            ratios = []
            for _, rows in own.groupby("hard.noise"):
                x = strength[rows.index].to_numpy(float)
                seen, predicted = (
                    border(x, rows[f"{network}-hard-error{which}"].to_numpy(float)) for which in ("", "-predicted")
                )
                ratios.append(predicted / seen)
            if not np.isfinite(ratios).all():
                return undefined(f"the error of the {network} model does not pass 1/2")
            logs.append(float(np.exp(np.mean(np.log(ratios)))))
        found.append(partial(mean, logs))
    return extreme(found, most, confidence, "of 2 networks")


_PREDICTED = "hard error of the {} model by summed logits, as the large-batch recursion predicts it; needs record.predicted"
MEASURES = [
    Measure(f"{network}-hard-error-predicted", _PREDICTED.format(network), partial(predicted_hard_error, network))
    for network in ("coarse", "fine")
]
TRENDS = [
    Trend(
        "phase-difference",
        "Over the plane of feature and dominant noise, the mean |predicted − observed| hard error of each model is at most 0.05.",
        "hard samples",
        _difference,
        "≤",
        0.05,
    ),
    *(
        Trend(
            f"phase-border-{end}",
            "The predicted strength of foreign features at which the hard error passes 1/2 is"
            f" {'at most 1.1' if most else 'at least 0.9'} times the observed one, for both models.",
            "hard samples",
            partial(_border_ratio, most),
            side,
            bound,
            keys=["hard.feature_noise", "hard.noise"],
        )
        for end, most, side, bound in (("least", False, "≥", 0.9), ("most", True, "≤", 1.1))
    ),
]
