"""How much less the response to rare features grows, against the number of subclasses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from theory_sim.config import Config
from theory_sim.figures import Needs, rates, style
from theory_sim.runs.results import Results
from theory_sim.theories.label_granularity.claims import growth_by_leaf

NAME = "rare_growth"
CAPTION = (
    "Growth of the response to a leaf's rare feature, divided by that of the response to its common feature, against the number"
    " k of subclasses, in the head that the leaf is trained on. Markers are means over replicas with 95 % t intervals; lines are"
    " power laws fitted to each replica, at the mean of their parameters, and the slope is that mean with its 95 % t interval."
    " Dotted: 1/k, the bound of the claim about the coarse model."
)
SIZE = (style.COLUMN, 2.9)
LAYOUT: dict[str, Any] = {"mosaic": [["ratio"]]}

_SUBCLASSES = (2, 4, 8, 16, 32)
_REPLICAS = 3


def needs(config: Config) -> Needs:
    """A run per number of subclasses whose features fill at most a third of the dimensions."""
    fits = [k for k in _SUBCLASSES if config.tree.coarse * (1 + k) <= config.data.dim / 3]
    replicas = min(config.replicas, _REPLICAS)
    return Needs(
        [
            config.replace({"name": f"{config.name}-k{k}", "tree.subclasses": k, "replicas": replicas, "test.samples": 100})
            for k in fits
        ]
    )


def compute(config: Config, results: Sequence[Results], evaluations: Sequence[xr.Dataset] = ()) -> pd.DataFrame:
    """Growth ratios and fitted slopes.

    Returns:
        Columns ``model``, ``part`` (ratio, or slope of log ratio against log k), ``k``, ``value``, ``low``, ``high``,
        ``intercept`` (of the fit: log ratio at k = 1), ``method``.
    """
    ks = [result.config.tree.subclasses for result in results]
    rows: list[dict[str, Any]] = []
    for model in ("coarse", "fine"):
        grown = [growth_by_leaf(getattr(result, model), result.config) for result in results]
        ratio = np.array([rare.mean(1) / common.mean(1) for rare, common in grown])
        rows.extend(rates.rows("k", ks, ratio, "ratio", {"model": model}))
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Mapping[str, Axes]) -> None:
    """Both models in one panel."""
    ax = axes["ratio"]
    ks = np.sort(table.k.dropna().unique())
    for model, own in table.groupby("model"):
        color = style.PALETTE[model]
        style.estimates(ax, own[own.part == "ratio"], "k", color, label=f"{model} labels")
        rates.line(ax, ks, rates.fit(own), color)
    ax.plot(ks, 1 / ks, label="1/k", **style.BOUND)
    ax.annotate("$1/k$", (ks[-1], 1 / ks[-1]), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
    rates.axes(ax, ks)
    shown = table[table.part == "ratio"]
    drawn = np.concatenate([shown.value, shown.high, 1 / shown.k])
    drawn = drawn[drawn > 0]
    points = np.concatenate([shown.value, 1 / shown.k])
    ax.set_ylim(0.25 * float(points[points > 0].min()), 1.6 * float(drawn.max()))
    ax.set_xlabel("subclasses per coarse class $k$")
    ax.set_ylabel("rare ÷ common growth of response")
    handles, labels = ax.get_legend_handles_labels()
    shown = [i for i, label in enumerate(labels) if label != "1/k"]
    # Legends fill column by column: a row per model.
    order = sorted(shown, key=lambda i: labels[i].startswith("slope"))
    ax.figure.legend([handles[i] for i in order], [labels[i] for i in order], loc="outside lower center", ncols=2)
