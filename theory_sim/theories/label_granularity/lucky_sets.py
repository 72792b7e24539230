"""Lucky sets in training: whether they are kept, how many newcomers there are, and what leaves without lucky neurons cost [ours].

Notation as in `theory_sim.theories.label_granularity.measures`: S(t) holds the neurons of a head that a pure feature fires after
t steps, S(0) the lucky ones, S(t) ∖ S(0) the newcomers. A leaf is *uncovered* if its own head has no lucky neuron for its rare
feature. Of n leaves with m neurons in each head, some leaf is uncovered with the probability

    P = 1 − Π_l (1 − (1 − Q(τ))^m) = 1 − (1 − (1 − Q(τ))^m)^n.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy import stats as scipy_stats

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate
from theory_sim.theories.estimates import values_of
from theory_sim.theories.label_granularity.extremes import at_largest, error_of
from theory_sim.theories.label_granularity.measures import pairs_of
from theory_sim.theories.measures import Measure
from theory_sim.theories.trends import Trend

if TYPE_CHECKING:
    import pandas as pd


def _firing(data: xr.Dataset, config: Config) -> Iterator[np.ndarray]:
    """Whether each neuron fires at each step, for rare and then for common pairs: (pair, replica, step, neuron)."""
    for heads, features in pairs_of(data, config):
        yield values_of(data, "firing")[:, :, heads, :, features]


def lucky_neurons(network: str, results: Results) -> np.ndarray:
    """|S(0)| by replica, all pairs together."""
    count: np.ndarray = sum(fires[:, :, 0].sum((0, 2)) for fires in _firing(results.records[network], results.config))
    return count


def _moved(network: str, results: Results) -> np.ndarray:
    """Whether training moved any correlation, by replica: an untrained network keeps its lucky sets for no reason."""
    correlation = values_of(results.records[network], "correlation")
    moved: np.ndarray = (correlation[:, -1] != correlation[:, 0]).any((1, 2, 3))
    return moved


def kept(network: str, results: Results) -> np.ndarray:
    """The smallest share of S(0) that S(t) contains, over recorded steps t; all pairs of the network are counted together.

    NaN where nothing was trained.
    """
    still, were = 0, 0
    for fires in _firing(results.records[network], results.config):
        lucky = fires[:, :, :1]
        still, were = still + (fires & lucky).sum((0, 3)), were + lucky.sum((0, 3))
    with np.errstate(invalid="ignore"):
        share = np.asarray(still / were)
    return np.where(_moved(network, results), share.min(1), np.nan)


def newcomers(network: str, results: Results) -> np.ndarray:
    """|S(T) ∖ S(0)| ÷ |S(0)|; all pairs of the network are counted together. NaN where nothing was trained."""
    new, were = np.zeros(results.config.replicas), np.zeros(results.config.replicas)
    for fires in _firing(results.records[network], results.config):
        lucky = fires[:, :, 0]
        new += (fires[:, :, -1] & ~lucky).sum((0, 2))
        were += lucky.sum((0, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((were > 0) & _moved(network, results), new / were, np.nan)


def uncovered(results: Results) -> np.ndarray:
    """Number of leaves whose own head has no lucky neuron for their rare feature, fine model."""
    data = results.records["fine"]
    (heads, features), _ = pairs_of(data, results.config)
    missed: np.ndarray = (~values_of(data, "lucky")[:, heads, :, features].any(2)).sum(0)
    return missed.astype(float)


def uncovered_predicted(results: Results) -> np.ndarray:
    """1 − (1 − (1 − Q(τ))^m)^n: probability that some of n leaves has no lucky neuron, by the law of the initial weights."""
    config = results.config
    (heads, _), _ = pairs_of(results.records["fine"], config)
    missed = float(scipy_stats.norm.cdf(config.threshold)) ** config.neurons
    return np.full(config.replicas, 1 - (1 - missed) ** len(heads))


def threshold(results: Results) -> np.ndarray:
    """τ, the same for all replicas."""
    return np.full(results.config.replicas, results.config.threshold)


MEASURES = [
    Measure("threshold", "the threshold τ", threshold),
    Measure("uncovered", "number of leaves without a lucky neuron for their rare feature, fine model", uncovered),
    Measure(
        "uncovered-predicted",
        "probability that some of n leaves has no lucky neuron, by the law of the initial weights: 1 − (1 − (1 − Q(τ))^m)^n",
        uncovered_predicted,
    ),
    *(
        measure
        for network in ("coarse", "fine")
        for measure in (
            Measure(
                f"{network}-lucky",
                f"number of lucky neurons of all pairs of a leaf's head and feature, {network} model",
                partial(lucky_neurons, network),
            ),
            Measure(
                f"{network}-kept",
                f"smallest share of the lucky neurons S(0) that still fire, over recorded steps, {network} model",
                partial(kept, network),
            ),
            Measure(
                f"{network}-newcomers",
                f"newcomers at the end per lucky neuron, |S(T) ∖ S(0)| ÷ |S(0)|, {network} model",
                partial(newcomers, network),
            ),
        )
    ),
]
"""For the tables of studies."""


def _kept_share(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Share of lucky neurons that are kept, at the highest threshold: 1 − an error on the replicas' fewest lucky neurons."""
    rows = at_largest("threshold", table)
    lost = stats.error_of_rates(1 - rows["fine-kept"].to_numpy(float), max(1, round(rows["fine-lucky"].min())), confidence)
    return replace(lost, value=1 - lost.value, low=1 - lost.high, high=1 - lost.low)


def _newcomers(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Newcomers for each lucky neuron, at the highest threshold."""
    return stats.positive_mean(at_largest("threshold", table)["fine-newcomers"].to_numpy(float), confidence)


def _coverage_excess(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Observed − predicted share of replicas in which some leaf is uncovered.

    The interval is Clopper and Pearson's of the share over all cells together.
    """
    seen = stats.proportion(float((table.uncovered > 0).sum()), len(table), confidence)
    predicted = float(table["uncovered-predicted"].mean())
    return Estimate(seen.value - predicted, seen.low - predicted, seen.high - predicted, seen.method, None, seen.notes)


def _coverage_slope(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Slope of "some leaf is uncovered" (0 or 1) on its predicted probability: 1 if the prediction is right in every cell."""
    return stats.slope(table["uncovered-predicted"].to_numpy(float), (table.uncovered > 0).to_numpy(float), confidence)


def _covered_error(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Hard error of the fine model in replicas without an uncovered leaf."""
    rows = table[table.uncovered == 0]
    return error_of("fine-hard-error", rows, confidence) if len(rows) else stats.undefined("no replica covers all leaves")


def _uncovered_slope(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Slope of the fine model's hard error on the number of uncovered leaves, within cells: both less their means in a cell."""
    x, y = (
        (table[name] - table.groupby("cell")[name].transform("mean")).to_numpy(float) for name in ("uncovered", "fine-hard-error")
    )
    return stats.slope(x, y, confidence)


SETS = "lucky sets"
_SHARE = "The share of replicas in which some leaf has no lucky neuron is at most 0.1 {} the one predicted from the initial law."
TRENDS = [
    Trend(
        "lucky-sets-kept",
        "At the highest threshold, at least 99 % of the fine model's lucky neurons still fire at every recorded step.",
        SETS,
        _kept_share,
        "≥",
        0.99,
    ),
    Trend(
        "lucky-sets-newcomers",
        "At the highest threshold, the fine model has at most one newcomer for every twenty lucky neurons.",
        SETS,
        _newcomers,
        "≤",
        0.05,
    ),
    Trend("leaf-coverage-most", _SHARE.format("above"), SETS, _coverage_excess, "≤", 0.1),
    Trend("leaf-coverage-least", _SHARE.format("below"), SETS, _coverage_excess, "≥", -0.1),
    Trend(
        "leaf-coverage-slope",
        "From cell to cell, the share of replicas with a leaf without a lucky neuron changes at least 0.7 times as predicted.",
        SETS,
        _coverage_slope,
        "≥",
        0.7,
    ),
    Trend(
        "covered-leaves-succeed",
        "Where every leaf has a lucky neuron, the fine model errs on at most 0.05 of hard samples.",
        SETS,
        _covered_error,
        "≤",
        0.05,
    ),
    Trend(
        "uncovered-leaves-fail",
        "At the same width, the fine model's hard error grows with the number of leaves that have no lucky neuron.",
        SETS,
        _uncovered_slope,
        ">",
        0.0,
    ),
]
"""Decided by the studies ``kept_sets``, ``theory_sets`` and ``leaf_coverage``; the bounds are ours."""
