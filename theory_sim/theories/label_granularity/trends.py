"""What studies decide of the paper's theory over several runs; see `theory_sim.theories.label_granularity.measures`.

The theorems hold with high probability and for large d, so each trend says what that means for numbers. That they are decided by
these numbers and bounds is ours.
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
    """Slope of log(measure) against log(key), the mean of the slopes of each replica."""
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
    """Observed share of replicas with an uncovered leaf − the predicted one; Clopper–Pearson of the pooled share."""
    seen = stats.proportion(float((table.uncovered > 0).sum()), len(table), confidence)
    predicted = float(table["uncovered-predicted"].mean())
    return Estimate(seen.value - predicted, seen.low - predicted, seen.high - predicted, seen.method)


def _covered(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Hard error of the fine model in replicas whose leaves all have a lucky neuron."""
    return stats.positive_mean(table[table.uncovered == 0]["fine-hard-error"].to_numpy(float), confidence)


def _uncovered_more(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Slope of the fine model's hard error on the share of uncovered leaves, over all replicas."""
    x, y = table.uncovered.to_numpy(float), table["fine-hard-error"].to_numpy(float)
    return stats.slope(x, y, confidence)


TRENDS = [
    Trend(
        "success-probability",
        "At the largest dimension, a replica meets all conclusions of both theorems with probability at least 0.9.",
        BOTH,
        _success,
        "≥",
        0.9,
    ),
    Trend(
        "lucky-growth-least",
        "Lucky neurons for rare features grow at least 0.8/k times as much as those for common ones, for every k.",
        GROWTH,
        partial(_by_cell, "lucky-growth", False),
        "≥",
        0.8,
    ),
    Trend(
        "lucky-growth-most",
        "Lucky neurons for rare features grow at most 1.2/k times as much as those for common ones, for every k.",
        GROWTH,
        partial(_by_cell, "lucky-growth", True),
        "≤",
        1.2,
    ),
    Trend(
        "lucky-sets-kept",
        "At the highest threshold, lucky neurons of the fine model stay: S(0) ⊆ S(t) but for one in a hundred.",
        SETS,
        partial(_highest_threshold, "fine-kept"),
        "≥",
        0.99,
        source="recalled",
    ),
    Trend(
        "lucky-sets-newcomers",
        "At the highest threshold, newcomers are fewer than one for twenty lucky neurons of the fine model.",
        SETS,
        partial(_highest_threshold, "fine-newcomers"),
        "≤",
        0.05,
        source="recalled",
    ),
    Trend(
        "leaf-coverage-most",
        "Leaves without a lucky neuron are at most 0.05 more frequent than the initial law predicts.",
        SETS,
        _coverage_excess,
        "≤",
        0.05,
    ),
    Trend(
        "leaf-coverage-least",
        "Leaves without a lucky neuron are at most 0.05 less frequent than the initial law predicts.",
        SETS,
        _coverage_excess,
        "≥",
        -0.05,
    ),
    Trend(
        "uncovered-leaves-fail",
        "The fine model's hard error grows with the number of leaves that have no lucky neuron.",
        SETS,
        _uncovered_more,
        ">",
        0.0,
    ),
    Trend(
        "dominant-response-slope",
        "The fine model's response to dominant noise grows at least in proportion to its norm.",
        "noise",
        partial(_slope, "fine-dominant", "hard.noise"),
        "≥",
        1.0,
    ),
]
"""In the order of the studies that decide them."""
