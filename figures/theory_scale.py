"""The theorems' Ω(1) and o(1): hard error against the dimension, at the theory's threshold and width."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from theory_sim import stats
from theory_sim.config import Config, load_config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.groups import interval
from theory_sim.runs.results import Results
from theory_sim.theories.estimates import correct

DIMS = (128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_TOGETHER = 4096
"""Replicas are trained side by side up to this dimension; beyond, each is a run with a seed of its own, to save memory."""
_PANELS = ("many", "few")
_FILE = Path(__file__).resolve().parent.parent / "configs" / "theory_scale.yaml"
"""Beside this folder in a checkout, and in the package above it once installed: the path is the same."""
_LINEAR_BELOW = 1e-3
_SERIES: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "coarse": ("coarse", None, {"marker": "s", "label": "coarse labels"}),
    "fine": ("fine", None, {"marker": "o", "label": "fine labels, summed logits"}),
    "fine, highest head": (
        "fine",
        "argmax_parent",
        {"marker": "o", "markerfacecolor": "white", "linestyle": "--", "label": "fine labels, highest head"},
    ),
}
"""Model, readout (None: the first) and look of each line."""


def at(dim: int, luck: str, base: Sequence[str] = ()) -> Config:
    """``configs/theory_scale.yaml`` at another dimension, by the rules in its header.

    Args:
        dim: d.
        luck: ``many`` neurons fire for a feature (ι = 1/ln d), or ``few`` (ι = 0.02; less noise, larger steps, more replicas).
        base: further overrides.
    """
    root, many = math.sqrt(dim), luck == "many"
    rules = {
        "data.dim": dim,
        # At most d^0.4, and at least ln d: 9 is both from d = 256 to 4096, and 10 beyond, up to 16384.
        "tree.subclasses": max(min(9, math.floor(dim**0.4)), math.ceil(math.log(dim))),
        "data.strength_spread": _short(1 / math.log(dim)) if many else 0.02,
        # The only neuron of a feature grows large, and so does its correlation with noise: at 0.2 noise may fire it at d = 128.
        "data.noise": _short((0.5 if many else 0.1) / root),
        "network.init_std": _short(0.09 / root),
        # There are a tenth of the neurons, which have to move ten times as far.
        "training.step_size.coarse": _short((0.8 if many else 8) / root),
        "training.step_size.fine": _short((3.2 if many else 32) / root),
    }
    replicas = [] if many else ["replicas=6"]
    return load_config(_FILE, [*(f"{key}={value}" for key, value in rules.items()), *replicas, *base])


def needs(config: Config) -> Needs:
    """All dimensions, with many lucky neurons and with few. The configuration is not used."""
    return Needs([run for luck in _PANELS for dim in DIMS for run in _alone(at(dim, luck))])


def _alone(config: Config) -> list[Config]:
    """The configuration itself, or one run for each replica where replicas side by side would need too much memory."""
    if config.data.dim <= _TOGETHER:
        return [config]
    return [config.replace({"replicas": 1, "seed": config.seed + r}) for r in range(config.replicas)]


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Hard errors with their intervals, and the expected share of unlucky subclasses.

    Returns:
        Columns ``panel``, ``model`` (of `_SERIES`; ``unlucky`` for the expected share), ``dim``, ``neurons`` (m), ``replicas``,
        ``value``, ``low``, ``high`` and ``method``.
    """
    points: dict[tuple[str, int], list[Results]] = {}
    for result in inputs.runs:
        panel = "few" if result.config.data.strength_spread == 0.02 else "many"
        points.setdefault((panel, result.config.data.dim), []).append(result)
    found: list[dict[str, Any]] = []
    for (panel, dim), together in points.items():
        own = together[0].config
        replicas = sum(result.config.replicas for result in together)
        known = {"panel": panel, "dim": dim, "neurons": own.neurons, "replicas": replicas}
        for model, (network, readout, _) in _SERIES.items():
            parts = [correct(result, network, "hard", readout) for result in together]
            e = stats.error_rate(np.concatenate(parts), own.claims.confidence)
            found.append(known | {"model": model} | interval(e))
        share = unlucky(own)
        found.append({**known, "model": "unlucky", "value": share, "low": share, "high": share, "method": "(1 − Q(τ/√(1+ι)))^m"})
    return pd.DataFrame(found)


def unlucky(config: Config) -> float:
    """Probability (1 − Q(τ/√(1+ι)))^m that none of m neurons fires on a feature's strongest patch."""
    return float(math.exp(config.neurons * norm.logcdf(config.threshold / math.sqrt(1 + config.data.strength_spread))))


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw one panel for many lucky neurons and one for few."""
    for panel, ax in axes.items():
        own = table[table.panel == panel]
        expected = own[own.model == "unlucky"].sort_values("dim")
        ax.plot(expected.dim, expected.value, **style.BOUND, label="expected share of unlucky subclasses")
        for model, (network, _, look) in _SERIES.items():
            rows = own[own.model == model].sort_values("dim")
            ax.errorbar(
                rows.dim,
                rows.value,
                [rows.value - rows.low, rows.high - rows.value],
                color=style.PALETTE[network],
                markersize=4,
                capsize=2,
                elinewidth=1,
                **look,
            )
        ax.set_xscale("log", base=2)
        ax.set_yscale("symlog", linthresh=_LINEAR_BELOW, linscale=0.4)
        dims = sorted(own.dim.unique())
        ax.set_xticks(dims, [f"{dim}\n{_power(m)}" for dim, m in zip(dims, own.groupby("dim").neurons.first(), strict=True)])
        ax.yaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
        ax.set_ylim(-_LINEAR_BELOW / 4, 1.3)
        ax.set_xlabel("dimension $d$, neurons per head $m$")
        style.label_left(ax)
    axes["many"].set_title(r"strengths vary by $\iota = 1/\ln d$")
    axes["few"].set_title(r"$\iota = 0.02$: few neurons are lucky")
    axes["many"].set_ylabel("hard test error")
    style.legend(axes["many"], style.entries_of(axes["many"]), ncols=2)


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _power(m: int) -> str:
    """A width as a rounded power of ten."""
    mantissa, exponent = f"{m:.0e}".split("e")
    return rf"${mantissa}\cdot10^{{{int(exponent)}}}$"


FIGURE = register(
    Figure(
        "theory_scale",
        "The theorems' Ω(1) and o(1): hard error against the dimension, at the theory's threshold and width.",
        caption=(
            "Error on hard test samples against the dimension d, at the theory's threshold τ = √((4+2c₀) ln d) and width m ="
            " ⌈d^(2+2c₀)⌉ neurons per head, c₀ = 0.5: up to 4·10¹² neurons per head, of which those that can ever fire are"
            " simulated. Points are estimates over replicas with 95% intervals (t, Cox's log-normal one and Clopper–Pearson)."
            " Left: strengths vary by ι = 1/ln d. Right: strengths vary by ι = 0.02, so that often no neuron fires for the rare"
            " feature of a subclass; noise has a fifth of the norm on the left, and step sizes are ten times as large. Dotted:"
            " the expected share of subclasses for whose feature no neuron fires, (1 − Q(τ/√(1+ι)))^m. The"
            " fine model is read by the summed logits of each coarse class's heads, and by the head with the highest logit. The"
            " vertical axis is linear up to 0.001, logarithmic beyond."
        ),
        size=(style.PAGE, 3.1),
        layout={"mosaic": [["many", "few"]], "sharey": True},
        needs=needs,
        compute=compute,
        draw=draw,
        cost="an hour and 5 GB",
    )
)
