"""Growth of the response to rare features relative to common ones, against the number of subclasses."""

from typing import Any

import numpy as np
import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common import rates, style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import grouped
from theory_sim.theories.label_granularity.claims import growth_by_leaf

_SUBCLASSES = (2, 4, 8, 16, 32)
_REPLICAS = 3


def needs(config: Config) -> Needs:
    """One run per number of subclasses whose features use at most a third of the dimensions."""
    fits = [k for k in _SUBCLASSES if config.tree.coarse * (1 + k) <= config.data.dim / 3]
    replicas = min(config.replicas, _REPLICAS)
    return Needs(
        [
            config.replace({"name": f"{config.name}-k{k}", "tree.subclasses": k, "replicas": replicas, "test.samples": 100})
            for k in fits
        ]
    )


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Growth ratios and fitted slopes.

    Returns:
        Columns ``model``, ``part`` (ratio, or slope of log ratio against log k), ``k``, ``value``, ``low``, ``high``,
        ``intercept`` (of the fit: log ratio at k = 1), ``method``.
    """
    ks = [result.config.label_tree.n_leaves // result.config.label_tree.n_coarse for result in inputs.runs]
    rows: list[dict[str, Any]] = []
    for model in ("coarse", "fine"):
        grown = [growth_by_leaf(getattr(result, model), result.config) for result in inputs.runs]
        ratio = np.array([rare.mean(1) / common.mean(1) for rare, common in grown])
        rows.extend(rates.rows("k", ks, ratio, "ratio", {"model": model}))
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw both models in one panel."""
    ax = axes["ratio"]
    ks = np.sort(table.k.dropna().unique())
    fits = {}
    for model, own in grouped(table, "model"):
        color = style.PALETTE[model]
        style.estimates(ax, own[own.part == "ratio"], "k", color, label=f"{model} labels")
        fits[model] = rates.line(ax, ks, rates.fit(own), color)
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
    # Legends are filled column by column: there is a row per model.
    marks = style.entries_of(ax)
    handles: list[Any] = [*(marks[f"{model} labels"] for model in fits), *fits.values()]
    labels = [*(f"{model} labels" for model in fits), *(str(fit.get_label()) for fit in fits.values())]
    ax.figure.legend(handles, labels, loc="outside lower center", ncols=2)


FIGURE = register(
    Figure(
        "rare_growth",
        "Growth of the response to rare features relative to common ones, against the number of subclasses.",
        caption=(
            "Growth of the response to a leaf's rare feature, divided by that of the response to its common feature, against"
            " the number k of subclasses, in the head that the leaf is trained on. Markers are means over replicas with 95 % t"
            " intervals. Lines are power laws with the mean parameters of fits to each replica; the slope is the mean of the"
            " fitted slopes with its 95 % t interval. Dotted: 1/k, the bound of the claim about the coarse model."
        ),
        size=(style.COLUMN, 2.9),
        layout={"mosaic": [["ratio"]]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
