"""How all figures look: sizes, fonts, one colour per role, and the marks that several figures share."""

from types import ModuleType
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

PAGE = 6.75
"""Text width of a two-column paper, in inches; its fonts are not scaled on the way to the page."""

COLUMN = 3.3
"""Width of one column of it."""

PALETTE = {
    "common": "#0077BB",
    "rare": "#D55E00",
    "coarse": "#882255",
    "fine": "#332288",
    "noise": "#999999",
    "bound": "#000000",
}
"""The colour of each role, in every figure. Chosen from Okabe & Ito's and Tol's sets for the largest least distance under
normal sight and simulated protanopia, deuteranopia and tritanopia; a test holds it there."""

BOUND = {"color": PALETTE["bound"], "linewidth": 0.6, "linestyle": (0, (1, 1.5))}
"""How the line of a bound looks."""

LEVELS = LinearSegmentedColormap.from_list("levels", ["#FFFFFF", "#1A1A1A"])
"""Colour map of numbers from 0 up; free of the roles' hues, which then can mark its cells."""

SIGNED = LinearSegmentedColormap.from_list("signed", ["#8C510A", "#FFFFFF", "#1A1A1A"])
"""Colour map of numbers of either sign, 0 in the middle; free of the roles' hues, which then can mark its cells."""

_RC = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
    # DejaVu comes with matplotlib: the same glyphs, and so the same bytes, on every machine.
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "butt",
    "axes.spines.top": False,
    "axes.spines.right": False,
    # Text stays text in PDF, as TrueType outlines: searchable, editable, and accepted by publishers.
    "pdf.fonttype": 42,
}


def use() -> None:
    """Set the style; once per process, before anything is drawn or saved."""
    sns.set_theme("paper", "ticks", rc=_RC)


def paint(module: ModuleType, table: pd.DataFrame) -> Figure:
    """The figure of a module (see `figures`) from its table. Outside pyplot: no window, nothing to close."""
    figure = Figure(figsize=of_table(module.SIZE, table), layout="constrained")
    module.draw(table, figure.subplot_mosaic(**of_table(module.LAYOUT, table)))
    return figure


def of_table(what: Any, table: pd.DataFrame) -> Any:
    """A module's size or layout, which may be a function of the table."""
    return what(table) if callable(what) else what


def band(ax: Axes, table: pd.DataFrame, x: str, color: str, **line: object) -> None:
    """A line through the columns `x` and ``value``, and a band from ``low`` to ``high``."""
    ax.fill_between(table[x], table["low"], table["high"], color=color, alpha=0.2, linewidth=0)
    ax.plot(table[x], table["value"], color=color, **line)


def bound(ax: Axes, y: float, label: str) -> None:
    """A thin line at a bound, its label at the right, outside of the data."""
    ax.axhline(y, zorder=1, label="bound", **BOUND)
    ax.annotate(label, (1, y), (3, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=7)


def estimates(ax: Axes, table: pd.DataFrame, x: str, color: str, **look: Any) -> None:
    """Markers at ``value`` with bars from ``low`` to ``high``; bars without ends where the interval is undefined."""
    reach = [(table["value"] - table["low"]).fillna(0).clip(lower=0), (table["high"] - table["value"]).fillna(0).clip(lower=0)]
    style: dict[str, Any] = {"marker": "o", "markersize": 4, "capsize": 2, "elinewidth": 1, "zorder": 4, "linestyle": "none"}
    ax.errorbar(table[x], table["value"], reach, color=color, **style | look)


def steps(ax: Axes, last: int) -> None:
    """An x axis of training steps: 0, then their logarithm."""
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    # Room for markers and texts at the last step.
    ax.set_xlim(0, 1.3 * max(1, last))
    ax.set_xlabel("training step")
