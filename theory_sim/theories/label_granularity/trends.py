"""Trends of the paper's theory, which studies decide from the measures (`theory_sim.theories.label_granularity.measures`).

The theorems hold with high probability and for large d; each trend is a numerical form of this. The measures and bounds are ours.
"""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from theory_sim import stats
from theory_sim.stats import Estimate
from theory_sim.theories.trends import Trend

if TYPE_CHECKING:
    import pandas as pd

BOTH = "Theorems 1 and 2"
GROWTH = "Theorem 1: growth of lucky neurons"
SETS = "lucky sets"


def _success(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Share of the replicas that meet all conclusions, at the largest dimension."""
    last = table[table["data.dim"] == table["data.dim"].max()].success
    return stats.proportion(float(last.sum()), len(last), confidence)


def _by_cell(measure: str, most: bool, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The smallest or largest mean of a cell; its interval covers all cells together (Bonferroni)."""
    cells = [rows[measure].to_numpy(float) for _, rows in table.groupby("cell", sort=False)]
    each = 1 - (1 - confidence) / len(cells)
    found = [stats.mean(values, each) for values in cells]
    if any(e.value != e.value for e in found):
        return stats.undefined("a replica has no lucky neuron for a rare or for a common feature")
    chosen = max(found, key=lambda e: e.high) if most else min(found, key=lambda e: e.low)
    which = f"{'largest' if most else 'smallest'} of {len(cells)} cells"
    return replace(chosen, method=f"{chosen.method}, {which}")


def _slope(measure: str, key: str, table: "pd.DataFrame", confidence: float) -> Estimate:
    """Slope of log(measure) against log(key): the mean of the slopes of all replicas."""
    slopes = []
    for _, rows in table.groupby("replica"):
        if not (rows[measure] > 0).all():
            return stats.undefined(f"{measure} is not above 0 in all replicas")
        slopes.append(np.polyfit(np.log(rows[key].to_numpy(float)), np.log(rows[measure].to_numpy(float)), 1)[0])
    return stats.mean(slopes, confidence)


def _highest_threshold(measure: str, table: "pd.DataFrame", confidence: float) -> Estimate:
    last = table[table["network.threshold"] == table["network.threshold"].max()]
    return stats.mean(last[measure].to_numpy(float), confidence)


def _coverage_excess(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Observed − predicted share of replicas in which some leaf is *uncovered*: it has no lucky neuron.

    The interval is Clopper and Pearson's of the share over all cells together.
    """
    seen = stats.proportion(float((table.uncovered > 0).sum()), len(table), confidence)
    predicted = float(table["uncovered-predicted"].mean())
    return Estimate(seen.value - predicted, seen.low - predicted, seen.high - predicted, seen.method)


def _covered(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Hard error of the fine model in replicas whose leaves all have a lucky neuron."""
    return stats.positive_mean(table[table.uncovered == 0]["fine-hard-error"].to_numpy(float), confidence)


def _uncovered_more(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Slope of the fine model's hard error on the number of uncovered leaves, over all replicas."""
    x, y = table.uncovered.to_numpy(float), table["fine-hard-error"].to_numpy(float)
    return stats.slope(x, y, confidence)


TRENDS = [
    Trend(
        "success-probability",
        "At the largest d, a replica meets the bounds of all nine claims of both theorems with probability at least 0.9.",
        BOTH,
        _success,
        "≥",
        0.9,
    ),
    Trend(
        "lucky-growth-least",
        "In the coarse model, correlations of lucky neurons with rare features grow at least 0.8/k times as much as those with"
        " common features, for every k.",
        GROWTH,
        partial(_by_cell, "lucky-growth", False),
        "≥",
        0.8,
    ),
    Trend(
        "lucky-growth-most",
        "In the coarse model, correlations of lucky neurons with rare features grow at most 1.2/k times as much as those with"
        " common features, for every k.",
        GROWTH,
        partial(_by_cell, "lucky-growth", True),
        "≤",
        1.2,
    ),
    Trend(
        "lucky-sets-kept",
        "At the highest threshold, at least 99 % of the fine model's lucky neurons still fire at every recorded step.",
        SETS,
        partial(_highest_threshold, "fine-kept"),
        "≥",
        0.99,
        source="recalled",
    ),
    Trend(
        "lucky-sets-newcomers",
        "At the highest threshold, the fine model has at most one newcomer for every twenty lucky neurons.",
        SETS,
        partial(_highest_threshold, "fine-newcomers"),
        "≤",
        0.05,
        source="recalled",
    ),
    Trend(
        "leaf-coverage-most",
        "The share of replicas in which some leaf has no lucky neuron is at most 0.05 above the one predicted from the law of"
        " initial weights.",
        SETS,
        _coverage_excess,
        "≤",
        0.05,
    ),
    Trend(
        "leaf-coverage-least",
        "The share of replicas in which some leaf has no lucky neuron is at most 0.05 below the one predicted from the law of"
        " initial weights.",
        SETS,
        _coverage_excess,
        "≥",
        -0.05,
    ),
    Trend(
        "uncovered-leaves-fail",
        "The fine model's hard error increases with the number of leaves that have no lucky neuron.",
        SETS,
        _uncovered_more,
        ">",
        0.0,
    ),
    Trend(
        "dominant-response-slope",
        "The fine model's expected response to a dominant-noise patch grows at least in proportion to the norm σ*√d.",
        "noise",
        partial(_slope, "fine-dominant", "hard.noise"),
        "≥",
        1.0,
    ),
]
"""Grouped by the studies that decide them."""
