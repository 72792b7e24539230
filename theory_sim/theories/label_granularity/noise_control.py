"""Noise control: whether patches of noise alone fire neurons in training, and the bias decay κ that prevents this.

In the theory each step lowers a neuron's bias by κ‖Δw‖, so that ⟨w, ζ⟩ + b stays below 0 while ‖w‖ grows, with κ = 1/ln⁵ d
[recalled]. With ``record.noise`` a run records the largest ⟨w, ζ⟩ + b. The trends and their bounds are ours.
"""

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from theory_sim import stats
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate
from theory_sim.theories.estimates import values_of
from theory_sim.theories.measures import Measure
from theory_sim.theories.trends import Trend

if TYPE_CHECKING:
    import pandas as pd


def _margins(network: str, results: Results) -> np.ndarray:
    """``noise_margin`` of a network, (replica, step); NaN where it is not recorded."""
    data = results.records[network]
    if "noise_margin" not in data:
        return np.full((results.config.replicas, 1), np.nan)
    return values_of(data, "noise_margin").astype(float)


def largest(network: str, results: Results) -> np.ndarray:
    """The largest (⟨w, ζ⟩ + b)/σ_0 over recorded steps, neurons and noise patches."""
    most: np.ndarray = _margins(network, results).max(1)
    return most


def firing(network: str, results: Results) -> np.ndarray:
    """Share of recorded steps at which a noise patch fires some neuron."""
    margins = _margins(network, results)
    return np.where(np.isnan(margins).any(1), np.nan, (margins > 0).mean(1))


def decay(results: Results) -> np.ndarray:
    """κ ln⁵ d: the bias decay in units of the theory's."""
    config = results.config
    return np.full(config.replicas, config.bias_decay * math.log(config.data.dim) ** 5)


MEASURES = [
    Measure("bias-decay", "κ ln⁵ d: the bias decay in units of the theory's", decay),
    *(
        measure
        for network in ("coarse", "fine")
        for measure in (
            Measure(
                f"{network}-noise-largest",
                "largest (⟨w, ζ⟩ + b)/σ_0 over recorded steps, neurons and noise patches; needs record.noise",
                partial(largest, network),
            ),
            Measure(
                f"{network}-noise-firing",
                "share of recorded steps at which a noise patch fires a neuron; needs record.noise",
                partial(firing, network),
            ),
        )
    ),
]
"""For the tables of studies."""


def _at_noise(table: "pd.DataFrame", most: bool) -> "pd.DataFrame":
    """The rows with the largest or the smallest noise."""
    noise = table["data.noise"]
    rows: pd.DataFrame = table.loc[noise == (noise.max() if most else noise.min())]
    return rows


def fired(network: str, most: bool, kappa: float, table: "pd.DataFrame", confidence: float) -> Estimate:
    """Share of the replicas in which a noise patch fires some neuron at some recorded step.

    Args:
        network: its name.
        most: whether at the largest noise in the table, or at the smallest.
        kappa: κ ln⁵ d.
        table: of measures.
        confidence: of the interval.
    """
    rows = _at_noise(table, most)
    found = rows[np.isclose(rows["bias-decay"].astype(float), kappa)][f"{network}-noise-largest"].to_numpy(float)
    if not len(found) or np.isnan(found).any():
        return stats.undefined(f"no replica has κ ln⁵ d = {kappa:g}, or record.noise is not true")
    return stats.proportion(float((found > 0).sum()), len(found), confidence)


def least_decay(network: str, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The smallest κ ln⁵ d from which on no noise patch fires a neuron, at the largest noise: the mean over replicas.

    In each replica it is where the largest ⟨w, ζ⟩ + b falls to 0, by linear interpolation between two values of κ; 0 where no
    noise patch fires at any κ. A replica in which one fires at the largest κ counts with this κ, and the interval then has no
    upper end.
    """
    found, beyond = [], 0
    for _, rows in _at_noise(table, True).groupby("replica"):
        ordered = rows.sort_values("bias-decay")
        kappa, margin = (ordered[name].to_numpy(float) for name in ("bias-decay", f"{network}-noise-largest"))
        if np.isnan(margin).any():
            return stats.undefined("record.noise is not true")
        found.append(_crossing(kappa, margin))
        beyond += bool(margin[-1] > 0)
    estimate = stats.mean(found, confidence)
    if not beyond:
        return estimate
    return replace(estimate, high=math.inf, notes=(*estimate.notes, f"noise fires at the largest κ in {beyond} replicas"))


def _crossing(kappa: np.ndarray, margin: np.ndarray) -> float:
    """The κ at which the margin crosses 0 for the last time; the largest κ where the margin is above 0 there."""
    above = np.flatnonzero(margin > 0)
    if not len(above):
        return 0.0
    last = int(above[-1])
    if last == len(margin) - 1:
        return float(kappa[last])
    (k0, k1), (m0, m1) = kappa[last : last + 2], margin[last : last + 2]
    return float(k0 + (k1 - k0) * m0 / (m0 - m1))


NOISE = "noise control"
TRENDS = [
    Trend(
        "noise-silent",
        "At the smallest noise and the theory's κ, noise patches fire a neuron of the fine model in at most a fifth of replicas.",
        NOISE,
        partial(fired, "fine", False, 1.0),
        "≤",
        0.2,
        source="recalled",
        keys=["data.noise"],
    ),
    Trend(
        "bias-decay-needed",
        "At the largest noise and κ = 0, noise patches fire a neuron of the fine model in at least four fifths of replicas.",
        NOISE,
        partial(fired, "fine", True, 0.0),
        "≥",
        0.8,
        keys=["data.noise"],
    ),
    Trend(
        "bias-decay-enough",
        "At the largest noise, the smallest κ at which noise patches fire no neuron of the fine model is at most the theory's κ.",
        NOISE,
        partial(least_decay, "fine"),
        "≤",
        1.0,
        source="recalled",
        keys=["data.noise"],
    ),
]
"""Decided by the study ``noise_control``."""
