"""Figures of studies of trends: measures against one key of the grids, and the decided trends."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures.common import comparisons, style, symbols
from theory_sim.figures.common.figure import Figure, Inputs, Panels
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import grouped, of_part, rows

MARKERS = {"holds": "o", "undecided": "o", "refuted": "X", "no result": ""}
"""The marker of each decision."""
_INK = "0.2"
_LINE = 36
"""Characters in a line of a trend's statement."""


@dataclass(frozen=True)
class Curve:
    """A measure that is drawn.

    Attributes:
        label: its words in the legend.
        role: its colour, a key of `theory_sim.figures.common.style.PALETTE`.
        share: whether the share of replicas with a value above 0 is drawn, with Clopper and Pearson's interval; else the mean is,
            with Student's t interval.
        predicted: whether the measure is a prediction, drawn as a dashed line without markers.
    """

    label: str
    role: str
    share: bool = False
    predicted: bool = False


def trend_figure(
    study: str,
    summary: str,
    more: str,
    key: str,
    curves: Mapping[str, Curve],
    bounds: Sequence[float],
    ylabel: str,
    log: bool = False,
    height: float = 2.7,
) -> Figure:
    """A figure of a study of trends, named as the study is.

    Args:
        study: its name.
        summary: one sentence.
        more: start of the caption.
        key: the key of the grids on the x axis, whose values are numbers.
        curves: the measures to draw, by their ids.
        bounds: where bounds of trends are drawn.
        ylabel: of the panel.
        log: whether the y axis is logarithmic.
        height: inches; more than two trends need more.
    """
    return Figure(
        study,
        summary,
        caption=(
            f"{more} Left: means over replicas with 95 % intervals (Student's t; Clopper–Pearson for shares of replicas);"
            " predictions are dashed, bounds dotted. Right: the trends that the study decides, each estimate as its difference"
            " from its bound, with intervals that jointly cover with 95 % (Bonferroni); the side and value of the bound and the"
            " decision are at the edge. Filled: holds; open: undecided; cross: refuted; without a marker: no result."
        ),
        size=(style.PAGE, height),
        layout={"mosaic": [["measures", "trends"]], "width_ratios": [1.5, 1]},
        needs=comparisons.needs(study),
        compute=partial(_compute, key=key, curves=curves),
        draw=partial(_draw, key=key, curves=curves, bounds=bounds, ylabel=ylabel, log=log),
    )


def _compute(config: Config, inputs: Inputs, key: str, curves: Mapping[str, Curve]) -> pd.DataFrame:
    """Estimates of the measures at each value of the key, and the trends.

    Returns:
        Columns ``part`` (measure or trend), ``measure`` (id of either), ``at``, ``value``, ``low``, ``high``, ``method``; of a
        trend ``statement``, ``side``, ``bound``, ``decision``.
    """
    (tables,) = inputs.studies
    found: list[dict[str, Any]] = []
    for measure, curve in curves.items():
        for at, own in grouped(tables.measures, key):
            values = own[measure].dropna().to_numpy(float)
            e = stats.proportion(float((values > 0).sum()), len(values)) if curve.share and len(values) else stats.mean(values)
            of_one = {"value": float(values.mean())} if len(values) else {}
            found.append({"part": "measure", "measure": measure, "at": float(at)} | interval(e) | ({} if curve.share else of_one))
    for trend in tables.answer.trends:
        decided = {"statement": trend.statement, "side": trend.side, "bound": trend.bound, "decision": trend.decision}
        found.append({"part": "trend", "measure": trend.id} | interval(trend.estimate) | decided)
    return pd.DataFrame(found)


def _draw(
    table: pd.DataFrame, axes: Panels, key: str, curves: Mapping[str, Curve], bounds: Sequence[float], ylabel: str, log: bool
) -> None:
    """Draw the measures at the left, and the trends at the right."""
    ax, measured = axes["measures"], of_part(table, "measure")
    entries: dict[str, Artist] = {}
    for measure, curve in curves.items():
        own, color = measured[measured["measure"] == measure].sort_values("at"), style.PALETTE[curve.role]
        line = {"linestyle": style.DASHED} if curve.predicted else {"linestyle": "solid"}
        (entries[curve.label],) = ax.plot(own["at"], own["value"], color=color, linewidth=1, label=curve.label, zorder=3, **line)
        if not curve.predicted:
            style.estimates(ax, own, "at", color, label=f"{curve.label} estimate")
    for bound in bounds:
        ax.axhline(bound, label="bound", **style.BOUND)
    at = np.sort(measured["at"].unique())
    ax.set_xscale("log")
    ax.set_xticks(at, [f"{x:g}" for x in at])
    ax.minorticks_off()
    if log:
        ax.set_yscale("log")
    ax.set_xlabel(symbols.name(key))
    ax.set_ylabel(ylabel)
    style.legend(ax, entries, ncols=min(3, len(entries)))
    _draw_trends(axes["trends"], of_part(table, "trend"))


def _draw_trends(ax: Axes, trends: pd.DataFrame) -> None:
    """Draw the difference of each trend's estimate from its bound, with the statement above."""
    texts = ["\n".join(textwrap.wrap(str(statement), _LINE)) for statement in trends.statement]
    at = 0.0
    for row, text in zip(rows(trends), texts, strict=True):
        at += 1.1 + text.count("\n")
        reach = [[max(0.0, row.value - row.low)], [max(0.0, row.high - row.value)]]
        finite = bool(np.isfinite([row.value, row.low, row.high]).all())
        ax.errorbar(
            [row.value - row.bound],
            [at],
            xerr=reach if finite else None,
            color=_INK,
            marker=MARKERS[row.decision],
            markerfacecolor="white" if row.decision == "undecided" else _INK,
            markersize=4.5,
            capsize=2,
            elinewidth=1,
            zorder=4,
            label=row.decision,
        )
        look: dict[str, Any] = {"va": "bottom", "fontsize": 7, "bbox": {"facecolor": "white", "linewidth": 0, "pad": 0.5}}
        ax.annotate(text, (0, at - 0.55), (3, 0), ("axes fraction", "data"), "offset points", **look)
        what = f"{row.side} {row.bound:g}: {row.decision}"
        ax.annotate(what, (1, at), (3, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=7)
        at += 0.6
    ax.axvline(0, label="bound", **style.BOUND)
    ax.set_yticks([])
    ax.set_ylim(at + 0.2, -0.2)
    ax.set_xlabel("estimate − bound")
