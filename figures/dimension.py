"""Errors against the dimension, with the number of subclasses growing as the theory has it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures import Needs, style
from theory_sim.figures.groups import interval
from theory_sim.runs.results import Results

NAME = "dimension"
CAPTION = (
    "Error on hard test samples after training on coarse and on fine labels, read for the coarse classes, against the dimension"
    " d, with k = ⌊d^0.4⌋ subclasses per coarse class. Markers are means over replicas, bars 95 % intervals (t over replicas,"
    " widened to the Clopper–Pearson interval of all samples). Dashed: the same for easy samples, both models. Grey: guessing."
)
SIZE = (style.COLUMN, 2.7)
LAYOUT: dict[str, Any] = {"mosaic": [["error"]]}

_SCALES = {1 / 4: 10, 1 / 2: 10, 1: None, 2: 3, 4: 3}
"""Dimensions as multiples of the configuration's, and replicas: many where they differ much, few where they cost much."""


def needs(config: Config) -> Needs:
    """A run per dimension; at the configuration's own it is the configuration."""
    runs = []
    for scale, replicas in _SCALES.items():
        d = int(config.data.dim * scale)
        k = subclasses(d)
        own = replicas is None and config.tree.subclasses == k
        values = {"name": f"{config.name}-d{d}", "data.dim": d, "tree.subclasses": k}
        runs.append(config if own else config.replace(values | {"replicas": _replicas(config, replicas)}))
    return Needs(runs)


def subclasses(d: int) -> int:
    """K = ⌊d^0.4⌋, the theory's upper end [paper]."""
    return math.floor(d**0.4)


def compute(config: Config, results: Sequence[Results], evaluations: Sequence[xr.Dataset] = ()) -> pd.DataFrame:
    """Errors with intervals.

    Returns:
        Columns ``model``, ``samples`` (easy or hard), ``d``, ``k``, ``coarse classes``, ``value``, ``low``, ``high``, ``method``.
    """
    rows: list[dict[str, Any]] = []
    for result in results:
        readout = result.config.transfer.readouts[0]
        for model, data in (("coarse", result.coarse), ("fine", result.fine)):
            for kind in ("easy", "hard"):
                e = stats.error_rate(data.test_correct.sel(kind=kind, test_readout=readout).values)
                rows.append(
                    {
                        "model": model,
                        "samples": kind,
                        "d": result.config.data.dim,
                        "k": result.config.tree.subclasses,
                        "coarse classes": result.config.tree.coarse,
                    }
                    | interval(e)
                )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Mapping[str, Axes]) -> None:
    """Both models in one panel."""
    ax = axes["error"]
    dims = table[["d", "k"]].drop_duplicates().sort_values("d")
    for model, own in table.groupby("model"):
        color = style.PALETTE[model]
        for kind, look in (("hard", {"linestyle": "solid"}), ("easy", {"linestyle": (0, (3, 2)), "linewidth": 0.9})):
            points = own[own.samples == kind].sort_values("d")
            if kind == "hard":
                style.estimates(ax, points, "d", color, label=f"{model} {kind} estimate")
            ax.plot(points.d, points.value, color=color, label=f"{model} labels, {kind}", zorder=3, **look)
    guess = 1 - 1 / table["coarse classes"].iloc[0]
    ax.axhline(guess, color=style.PALETTE["noise"], linewidth=0.8, zorder=1, label="guessing")
    ax.annotate("guessing", (dims.d.min(), guess), (0, 3), textcoords="offset points", color=style.PALETTE["noise"], fontsize=7)
    ax.set_xscale("log", base=2)
    ax.set_xticks(dims.d, [f"{d}\n$k$ = {k}" for d, k in dims.itertuples(index=False)])
    ax.minorticks_off()
    ax.set_ylim(-0.03, 1)
    ax.set_xlabel("dimension $d$")
    ax.set_ylabel("error on test samples")
    handles, labels = ax.get_legend_handles_labels()
    shown = [i for i, label in enumerate(labels) if "labels" in label]
    ax.figure.legend([handles[i] for i in shown], [labels[i] for i in shown], loc="outside lower center", ncols=2)


def _replicas(config: Config, wanted: int | None) -> int:
    # Small configurations, as of --smoke, stay small.
    return config.replicas if wanted is None or config.replicas < 3 else wanted
