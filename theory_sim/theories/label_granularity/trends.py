"""Trends of the paper's theory, which studies decide from the measures (`theory_sim.theories.label_granularity.measures`).

The theorems hold with high probability and for large d; each trend is a numerical form of this. The measures and bounds are ours.
"""

from functools import partial
from typing import TYPE_CHECKING

from theory_sim import stats
from theory_sim.stats import Estimate
from theory_sim.theories.label_granularity.extremes import at_largest, mean_of_cells
from theory_sim.theories.trends import Trend

if TYPE_CHECKING:
    import pandas as pd

BOTH = "Theorems 1 and 2"
GROWTH = "Theorem 1: growth of lucky neurons"


def _success(table: "pd.DataFrame", confidence: float) -> Estimate:
    """Share of the replicas that meet all conclusions, at the largest dimension."""
    last = at_largest("data.dim", table).success
    return stats.proportion(float(last.sum()), len(last), confidence)


TRENDS = [
    Trend(
        "success-probability",
        "At the largest d, a replica meets the bounds of all nine claims of both theorems with probability at least 0.9.",
        BOTH,
        _success,
        "≥",
        0.9,
        keys=["data.dim"],
    ),
    Trend(
        "lucky-growth-least",
        "In the coarse model, correlations of lucky neurons with rare features grow at least 0.8/k times as much as those with"
        " common features, for every k.",
        GROWTH,
        partial(mean_of_cells, "lucky-growth", False),
        "≥",
        0.8,
    ),
    Trend(
        "lucky-growth-most",
        "In the coarse model, correlations of lucky neurons with rare features grow at most 1.2/k times as much as those with"
        " common features, for every k.",
        GROWTH,
        partial(mean_of_cells, "lucky-growth", True),
        "≤",
        1.2,
    ),
]
