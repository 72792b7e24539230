"""Estimates with intervals, paired tests, and corrections for many comparisons; the distributions are SciPy's."""

from theory_sim.stats.base import FEW, NO_P, ONE_REPLICA, P_NORMAL, Estimate, notes_of, undefined
from theory_sim.stats.errors import (
    error_of_rates,
    error_rate,
    gain_of_rates,
    gain_over,
    gain_over_of_rates,
    paired_gain,
    proportion,
)
from theory_sim.stats.means import bootstrap, mean, positive_mean, ratio, slope
from theory_sim.stats.power import MOST, replicas_needed
from theory_sim.stats.tests import holm, mcnemar

__all__ = [
    "FEW",
    "MOST",
    "NO_P",
    "ONE_REPLICA",
    "P_NORMAL",
    "Estimate",
    "bootstrap",
    "error_of_rates",
    "error_rate",
    "gain_of_rates",
    "gain_over",
    "gain_over_of_rates",
    "holm",
    "mcnemar",
    "mean",
    "notes_of",
    "paired_gain",
    "positive_mean",
    "proportion",
    "ratio",
    "replicas_needed",
    "slope",
    "undefined",
]
