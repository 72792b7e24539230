"""Times at which lucky neurons have grown and the loss has fallen, observed and predicted, and how they scale [ours].

Let each feature have s patches of mean strength ᾱ, π_l be the probability of leaf l, h(l) its head, and p_h the predicted
probability of head h. The correlation of a lucky neuron in head h with its feature v grows, if it fires on each patch of v, by

    η s ᾱ Σ_l π_l 1{v on the path of leaf l} (1{h(l) = h} − p_h)

per step. In the growth phase, before the loss falls, all H heads have p_h = 1/H, and for n = K k equal leaves the *rate* of
growth is η s ᾱ times

    =========  ======================  ======================
    network    common, v_y             rare, v_{y,c}
    =========  ======================  ======================
    coarse     (1 − 1/K)/K             (1 − 1/K)/n
    fine       (1 − 1/K)/n             (1 − 1/n)/n
    =========  ======================  ======================

(samples of a fine head's own leaf raise its correlation with v_y, those of the k − 1 other leaves of its class lower it). So the
time T₀ of growth by a fixed level is ∝ 1/rate: in the coarse model ∝ 1/(ηs) for common features and ∝ k/(ηs) for rare ones, in
the fine model ∝ k/(ηs) for both. The level is as small as σ₀/4, because in the coarse model common features grow k times as much
while rare ones reach the level, and the loss must not have fallen by then.

The loss falls when logits have grown by about 1. A head has m Q(τ) lucky neurons for each feature, each fires on s patches, so
that a logit grows per step by m Q(τ) s ᾱ (rate of common + rate of rare). This is the rate of the loss: the time at which the
loss falls is ∝ 1/(ηs²) in the coarse model and ∝ k/(ηs²) in the fine one, no function of ηs/k alone.
"""

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy.special import ndtr

from theory_sim.data.setup import law_of
from theory_sim.labels.functions import label_function
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate, mean, undefined
from theory_sim.theories.estimates import passed, values_of
from theory_sim.theories.label_granularity.extremes import extreme
from theory_sim.theories.label_granularity.measures import Pairs, pairs_of
from theory_sim.theories.label_granularity.recursion import followed
from theory_sim.theories.measures import Measure
from theory_sim.theories.trends import Trend

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.25
"""Growth of a correlation that is reached at T₀, in units of σ₀."""
LOSS = 0.5
"""Share of the initial loss that is reached at the time of the loss."""
GROWN = ("common", "rare")
KINDS = [f"{network}-{feature}" for network in ("coarse", "fine") for feature in GROWN]
"""Correlations whose growth is timed: network and sort of feature."""
LOSSES = ["coarse-loss", "fine-loss"]
_MOST_RATIO = 2.0
_POINTS = 30
"""About how many steps of a prediction are recorded: all of the first ones, later ones at most a fifth apart."""


def _pairs(data: xr.Dataset, feature: str, results: Results) -> Pairs:
    return dict(zip(("rare", "common"), pairs_of(data, results.config), strict=True))[feature]


def _growth(correlation: np.ndarray, lucky: np.ndarray) -> np.ndarray:
    """Mean growth of lucky neurons, (replica, step), from the arrays of `_of_pairs`."""
    grown = (correlation - correlation[:, :, :1]) * lucky[:, :, None]
    with np.errstate(invalid="ignore"):
        growth: np.ndarray = grown.sum((0, 3)) / lucky.sum((0, 2))[:, None]
    return growth


def _growth_time(feature: str, results: Results, start: xr.Dataset, then: xr.Dataset) -> np.ndarray:
    """T₀ in the record `then`, of the neurons that are lucky in `start`; interpolated between the steps of `start` alone."""
    heads, features = _pairs(start, feature, results)
    growth = _growth(values_of(then, "correlation")[:, :, heads, :, features], values_of(start, "lucky")[:, heads, :, features])
    at, steps = values_of(then, "step"), values_of(start, "step")
    steps = steps[steps <= at[-1]]
    at_steps = np.array([np.interp(steps, at, own) for own in growth])
    return passed(steps, at_steps, LEVEL * results.config.network.init_std)


def _loss_time(results: Results, start: xr.Dataset, then: xr.Dataset) -> np.ndarray:
    """When the loss has fallen to `LOSS` times its initial value, in steps, linear between two steps."""
    loss = values_of(then, "training_loss").astype(float)
    return passed(np.arange(loss.shape[1]), -loss / loss[:, :1], -LOSS)


def _times(what: str, results: Results, start: xr.Dataset, then: xr.Dataset) -> np.ndarray:
    return _loss_time(results, start, then) if what == "loss" else _growth_time(what, results, start, then)


def time(network: str, what: str, results: Results) -> np.ndarray:
    """The observed time: T₀ of common or rare features, or the time of the loss."""
    data = results.records[network]
    return _times(what, results, data, data)


def time_ratio(network: str, what: str, results: Results) -> np.ndarray:
    """Predicted ÷ observed time; it needs ``record.predicted``.

    The ratio is 2 where the predicted time is more than twice the observed one, and NaN where no time was observed or predicted.
    """
    if not results.config.record.predicted:
        return np.full(results.config.replicas, np.nan)
    data = results.records[network]
    seen = {each: time(network, each, results) for each in (*GROWN, "loss")}
    finite = np.concatenate(list(seen.values()))
    finite = finite[np.isfinite(finite)]
    ratio = np.full(results.config.replicas, np.nan)
    if not np.isfinite(seen[what]).any():
        return ratio
    steps = values_of(data, "step").tolist()
    long = math.ceil(_MOST_RATIO * finite.max())
    # The prediction ends at a recorded step, so that both times are interpolated between the same ones.
    horizon = next((step for step in steps if step >= long), steps[-1])
    predicted = followed(results, network, horizon, _POINTS)
    if predicted is None:
        return ratio
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _times(what, results, data, predicted) / seen[what]
    late = np.isfinite(seen[what]) & ~(ratio <= _MOST_RATIO)
    ended = horizon < _MOST_RATIO * seen[what]  # the prediction ends too early to show that the ratio is above 2
    result: np.ndarray = np.where(late, np.where(ended, np.nan, _MOST_RATIO), ratio)
    return result


def rate(network: str, what: str, results: Results) -> np.ndarray:
    """Growth per step in the growth phase: of a correlation, or of a logit for the loss."""
    config, data = results.config, results.records[network]
    law = law_of(config)
    spread = config.data.strength_spread
    reach = config.data.feature_patches * (math.sqrt(1 - spread) + math.sqrt(1 + spread)) / 2  # s ᾱ
    rates = {}
    for feature in GROWN:
        heads, features = _pairs(data, feature, results)
        if not len(heads):
            return np.full(config.replicas, np.nan)
        truth = label_function(data.attrs["labels"], law.tree, config.data.training_samples).probability().numpy()
        on_path = (law.tree.paths.numpy() == features[:, None, None]).any(2)
        drift = truth[:, heads].T - 1 / data.sizes["head"]
        each = (np.asarray(law.tree.leaf_probability) * on_path * drift).sum(1)
        rates[feature] = config.training.step_size[network] * reach * float(each.mean())
    if what == "loss":
        value = config.neurons * float(ndtr(-config.threshold)) * reach * sum(rates.values())
    else:
        value = rates[what]
    return np.full(config.replicas, value)


def _ratio_of(kinds: list[str], most: bool, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The smallest or largest time ratio of some kinds: the mean over cells of each replica, then over replicas."""
    if table[[f"{kind}-time-ratio" for kind in kinds]].isna().any(axis=None):
        return undefined("a time was not observed, or is not predicted: without record.predicted, or it takes too long")
    means = [partial(mean, [float(rows[f"{kind}-time-ratio"].mean()) for _, rows in table.groupby("replica")]) for kind in kinds]
    found = extreme(means, most, confidence, f"of {len(kinds)} times")
    late = int((table[[f"{kind}-time-ratio" for kind in kinds]].to_numpy(float) >= _MOST_RATIO).sum())
    if not late:
        return found
    return replace(
        found, high=math.inf, notes=(*found.notes, f"{late} predicted times are more than {_MOST_RATIO:g} times those seen")
    )


def _slope_of(kinds: list[str], most: bool, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The smallest or largest slope of log time on log rate of some kinds: the mean of the slopes of all replicas."""
    slopes = []
    for kind in kinds:
        of_kind = []
        for _, rows in table.groupby("replica"):
            x, y = (rows[f"{kind}-{of}"].to_numpy(float) for of in ("rate", "time"))
            if not ((x > 0) & (y > 0)).all() or np.ptp(x) == 0:
                return undefined(f"{kind}: a time was not observed, or all rates are the same")
            of_kind.append(np.polyfit(np.log(x), np.log(y), 1)[0])
        slopes.append(partial(mean, of_kind))
    return extreme(slopes, most, confidence, f"of {len(kinds)} slopes")


_MEANING = {
    "common": "T₀, the step at which correlations of lucky neurons with common features have grown by σ₀/4 on average",
    "rare": "T₀, the step at which correlations of lucky neurons with rare features have grown by σ₀/4 on average",
    "loss": "the step at which the training loss has fallen to half",
}
MEASURES = [
    measure
    for network in ("coarse", "fine")
    for what, meaning in _MEANING.items()
    for measure in (
        Measure(f"{network}-{what}-time", f"{meaning}, {network} model", partial(time, network, what), "step"),
        Measure(
            f"{network}-{what}-time-ratio",
            f"predicted ÷ observed {network}-{what}-time, at most 2; needs record.predicted",
            partial(time_ratio, network, what),
        ),
        Measure(
            f"{network}-{what}-rate",
            f"rate of {network}-{what}-time: growth per step before the loss falls of a correlation (for the loss, of a logit)",
            partial(rate, network, what),
            "1/step",
        ),
    )
]
_ABOUT = {
    "growth": ("times at which correlations with common and rare features have grown by σ₀/4", KINDS),
    "loss": ("times at which the loss has fallen to half", LOSSES),
}
_ENDS = (("least", False, "≥"), ("most", True, "≤"))
TRENDS = [
    Trend(
        f"{about}-time-{number}-{end}",
        statement.format(what=what, bound=f"at {end} {bounds[most]}".replace("-", "−")),
        "growth phase",
        partial(estimate, kinds, most),
        side,
        bounds[most],
    )
    for about, (what, kinds) in _ABOUT.items()
    for number, estimate, statement, bounds in (
        ("ratio", _ratio_of, "The predicted {what} are, on average over cells, {bound} times the observed ones.", (0.9, 1.1)),
        ("slope", _slope_of, "The slope of log(time) against log(rate) is {bound}, for the {what}.", (-1.1, -0.9)),
    )
    for end, most, side in _ENDS
]
