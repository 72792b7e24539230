"""Trends in the dimension: the fine model's margins, and the coarse model's error on hard samples."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist

from theory_sim.config import Config
from theory_sim.figures.common import comparisons, rates, style
from theory_sim.figures.common.figure import Figure, Inputs, Panels, register
from theory_sim.figures.common.tables import of_part

_KEY = "data.dim"
_CURVES = {
    "fine-margin-deviations": ("margin", "fine", "median ÷ standard deviation"),
    "fine-margin-median": ("margin", "rare", "median ÷ median of easy samples"),
    "fine-margin-low": ("margin", "common", "1 % quantile ÷ median of easy samples"),
    "coarse-hard-error": ("error", "coarse", "coarse labels"),
}
"""Panel, colour and words of each measure."""
_FITTED = ("fine-margin-deviations", "coarse-hard-error")
"""The measures whose rates the study decides."""
_GUESSING = 0.5


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Measures at each dimension, and the power law of each replica.

    Returns:
        Columns ``measure``, ``part`` (measure, or slope of its logarithm against that of the dimension), ``data.dim``, ``value``,
        ``low``, ``high``, ``method``, and for the slope ``intercept``, the log value at dimension 1.
    """
    (tables,) = inputs.studies
    rows: list[dict[str, Any]] = []
    for measure in _CURVES:
        values = tables.measures.pivot(index=_KEY, columns="replica", values=measure).sort_index()
        rows.extend(rates.rows(_KEY, values.index.tolist(), values.to_numpy(float), "measure", {"measure": measure}))
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw the margins at the left and the error at the right, with fitted power laws."""
    entries: dict[str, Artist] = {}
    for measure, (panel, color, words) in _CURVES.items():
        ax, own = axes[panel], table[table.measure == measure]
        points = of_part(own, "measure").sort_values(_KEY)
        xs = points[_KEY].to_numpy(float)
        rates.axes(ax, xs)
        style.estimates(ax, points, _KEY, style.PALETTE[color], label=f"{words} estimate")
        if measure in _FITTED:
            drawn = rates.line(ax, xs, rates.fit(own), style.PALETTE[color], f"{words}: ")
        else:
            look: dict[str, Any] = {"color": style.PALETTE[color], "linestyle": style.DASHED, "linewidth": 0.9}
            (drawn,) = ax.plot(xs, points.value, label=words, **look)
        entries[str(drawn.get_label())] = drawn
        ax.set_xlabel("dimension $d$")
    entries["guessing"] = axes["error"].axhline(_GUESSING, label="guessing", **style.BOUND)
    axes["margin"].set_ylabel("margin on hard samples")
    axes["margin"].set_title("fine labels", color=style.PALETTE["fine"], weight="bold")
    axes["error"].set_ylabel("error on hard samples")
    axes["error"].set_title("coarse labels", color=style.PALETTE["coarse"], weight="bold")
    axes["error"].set_ylim(0.1, 1)
    axes["error"].set_yticks([0.1, 0.2, 0.5, 1], ["0.1", "0.2", "0.5", "1"])
    style.legend(axes["margin"], entries, ncols=2)


FIGURE = register(
    Figure(
        "dimension_trends",
        "Trends in the dimension: the fine model's margins, and the coarse model's error on hard samples.",
        caption=(
            "Against the dimension d, with k = ⌊d^0.4⌋ subclasses per coarse class. Left: margins of the fine model on hard"
            " samples, whose errors are 0; a margin is the score of the right coarse class minus the largest other one. The"
            " median is in standard deviations of the normal law with the same median and 1 % quantile; the median and the 1 %"
            " quantile are also in units of the median margin on easy samples (dashed). Right: error of the coarse model on hard"
            " samples; dotted: the error of guessing, its bound at the largest d. Markers are means, bars 95 % intervals"
            " over replicas (Student's t). Solid lines are power laws fitted to each replica; the legend has the mean slope with"
            " its interval."
        ),
        size=(style.PAGE, 3.0),
        layout={"mosaic": [["margin", "error"]]},
        needs=comparisons.needs("dimension_trends"),
        compute=compute,
        draw=draw,
    )
)
