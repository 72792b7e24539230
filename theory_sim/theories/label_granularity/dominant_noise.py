"""The response of networks to patches of dominant noise, the part of it that training added, and the error it causes [ours]."""

import json
from functools import partial

import numpy as np
from scipy import stats as scipy_stats

from theory_sim.data.law import described
from theory_sim.data.parts import gaussian_norm
from theory_sim.data.setup import law_of
from theory_sim.runs.results import Results
from theory_sim.theories.estimates import values_of
from theory_sim.theories.label_granularity.extremes import error_of_cells, mean_of_cells
from theory_sim.theories.measures import Measure
from theory_sim.theories.trends import Trend


def dominant_response(network: str, step: int, results: Results) -> np.ndarray:
    """Expected response Σ_r a ReLU(⟨w, ζ*⟩ + b) to a fresh ζ* ~ N(0, σ*² I), mean over heads, given the weights of one step.

    ⟨w, ζ*⟩ ~ N(0, s²) with s = σ*‖w‖, and E ReLU(sZ + b) = s φ(b/s) + b Φ(b/s). NaN where the engine did not draw all neurons.
    """
    data, config = results.records[network], results.config
    law = described(law_of(config), "the response to dominant noise")
    if not law.own_noises or json.loads(data.attrs["certificate"]) is not None:
        return np.full(config.replicas, np.nan)
    sigma = gaussian_norm(law.own_noises[0], "dominant response") / np.sqrt(config.data.dim)
    spread, bias = sigma * values_of(data, "norm")[:, step], values_of(data, "bias")[:, step]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = bias / spread
        each = np.where(spread > 0, spread * scipy_stats.norm.pdf(z) + bias * scipy_stats.norm.cdf(z), np.maximum(bias, 0))
    if "output" in data:
        each = each * values_of(data, "output")[:, step]
    response: np.ndarray = each.sum(2).mean(1)
    return response


def dominant_grown(network: str, results: Results) -> np.ndarray:
    """The part of `dominant_response` that training added."""
    return np.asarray(dominant_response(network, -1, results) - dominant_response(network, 0, results))


MEASURES = [
    measure
    for network in ("coarse", "fine")
    for measure in (
        Measure(
            f"{network}-dominant",
            f"expected response to a dominant-noise patch at the end, mean over heads, {network} model",
            partial(dominant_response, network, -1),
        ),
        Measure(
            f"{network}-dominant-grown",
            f"the part of this response (id {network}-dominant) that training added",
            partial(dominant_grown, network),
        ),
    )
]
"""For the tables of studies."""
TRENDS = [
    Trend(
        "dominant-response-grown",
        "Training adds to the fine model's response to a patch of dominant noise, whatever the norm of this noise.",
        "noise",
        partial(mean_of_cells, "fine-dominant-grown", False),
        ">",
        0.0,
    ),
    Trend(
        "dominant-noise-harmless",
        "The fine model errs on at most 0.05 of hard samples, whatever the norm of dominant noise.",
        "noise",
        partial(error_of_cells, "fine-hard-error", True),
        "≤",
        0.05,
    ),
]
"""Decided by the study ``dominant_noise``. That the whole response grows at least in proportion to the norm needs no trial: for
b ≤ 0, f(s) = s φ(b/s) + b Φ(b/s) has s f′(s) = s φ(b/s) ≥ f(s)."""
