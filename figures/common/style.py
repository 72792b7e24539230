"""The style of all figures: sizes, fonts, one colour per role, and the marks that several figures share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib.style
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.container import Container

from theory_sim.figures.common.look import Look

Mark = Artist | Container
"""What a legend can explain."""

PAGE = 6.75
"""Text width of a two-column paper, in inches. Figures are drawn at their final scale."""

COLUMN = 3.3
"""Width of one of its columns, in inches."""

PALETTE = {
    "common": "#0077BB",
    "rare": "#D55E00",
    "coarse": "#882255",
    "fine": "#332288",
    "noise": "#999999",
    "bound": "#000000",
}
"""The colour of each role, in every figure. They are chosen from Okabe & Ito's and Tol's sets to maximise the smallest distance
under normal sight and simulated protanopia, deuteranopia and tritanopia; a test checks that distance."""

_GALLERY = dict(PALETTE)
"""The colours when no palette is asked for. Drawing code reads those of `PALETTE` when it draws, not when it is imported."""

BOUND: dict[str, Any] = {"color": PALETTE["bound"], "linewidth": 0.6, "linestyle": (0, (1, 1.5))}
"""The line of a bound."""

DASHED: tuple[int, tuple[float, float]] = (0, (3, 2))
"""The dashes of predictions, easy samples and baselines."""

LEVELS = LinearSegmentedColormap.from_list("levels", ["#FFFFFF", "#1A1A1A"])
"""Colour map of numbers from 0 up, without the hues of the roles, so that these can mark its cells."""

SIGNED = LinearSegmentedColormap.from_list("signed", ["#8C510A", "#FFFFFF", "#1A1A1A"])
"""Colour map of numbers of either sign, 0 in the middle, without the hues of the roles."""

_COMPACT: dict[str, Any] = {"columnspacing": 1.0, "handlelength": 1.4, "handletextpad": 0.5}
"""The spacing of a legend that has no room for the usual one."""

_RC = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
    # DejaVu is part of matplotlib: every machine has the same glyphs, and writes the same bytes.
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
    # PDF files embed TrueType fonts: the text can be searched and edited, and publishers accept it.
    "pdf.fonttype": 42,
    # The names of parts of SVG files are random without it.
    "svg.hashsalt": "theory-sim",
}


@contextmanager
def applied(look: Look | None = None) -> Iterator[None]:
    """Apply the style to all that is drawn or saved inside the context, and on top of it the style and palette of a look.

    The style starts from matplotlib's defaults, so that neither a matplotlibrc nor what a session has set changes a figure. The
    session's settings, and the colours of the roles in `PALETTE`, are restored at the end.
    """
    look, before = look or Look(), dict(PALETTE)
    with matplotlib.style.context("default"):
        # Color codes such as "r" are no setting that the context could restore.
        sns.set_theme("paper", "ticks", color_codes=False, rc=_RC)
        matplotlib.rcParams.update(look.settings)
        PALETTE.update(_GALLERY | look.colors)
        try:
            yield
        finally:
            PALETTE.update(before)


def band(ax: Axes, table: pd.DataFrame, x: str, color: str, **line: Any) -> None:
    """Draw a line through the columns `x` and ``value``, and a band from ``low`` to ``high``."""
    ax.fill_between(table[x], table["low"], table["high"], color=color, alpha=0.2, linewidth=0)
    ax.plot(table[x], table["value"], color=color, **line)


def bound(ax: Axes, y: float, label: str) -> None:
    """Draw a thin line at a bound, with its label at the right, outside the panel."""
    ax.axhline(y, zorder=1, label="bound", **BOUND)
    ax.annotate(label, (1, y), (3, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=7)


def estimates(ax: Axes, table: pd.DataFrame, x: str, color: str, **look: Any) -> None:
    """Draw markers at ``value`` with bars from ``low`` to ``high``; a marker has no bar where the interval is undefined."""
    reach = [(table["value"] - table["low"]).fillna(0).clip(lower=0), (table["high"] - table["value"]).fillna(0).clip(lower=0)]
    style: dict[str, Any] = {"marker": "o", "markersize": 4, "capsize": 2, "elinewidth": 1, "zorder": 4, "linestyle": "none"}
    ax.errorbar(table[x], table["value"], reach, color=color, **style | look)


def steps(ax: Axes, last: int) -> None:
    """Make the x axis one of training steps: linear from 0 to 1, logarithmic beyond."""
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    # Room for markers and texts at the last step.
    ax.set_xlim(0, 1.3 * max(1, last))
    ax.set_xlabel("training step")


def label_left(ax: Axes) -> None:
    """Label the y axis of a panel only if nothing is at its left: the panels of a row share it."""
    place = ax.get_subplotspec()
    if place is not None and not place.is_first_col():
        ax.set_ylabel("")
        ax.tick_params("y", which="both", labelleft=False)


def legend(ax: Axes, entries: Mapping[str, Mark], ncols: int, by_row: bool = False, **look: Any) -> None:
    """Draw the figure's legend below its panels, with fewer columns where the figure is too narrow for so many.

    Args:
        ax: a panel of the figure.
        entries: the marks by their texts.
        ncols: number of columns.
        by_row: whether the entries fill rows one after the other, instead of columns.
        look: arguments of `matplotlib.figure.Figure.legend`.
    """
    figure, texts = ax.figure, list(entries)
    room = figure.bbox.width - 0.1 * figure.dpi
    for columns, spacing in ((n, spacing) for n in range(min(ncols, len(texts)), 0, -1) for spacing in ({}, _COMPACT)):
        # Matplotlib fills columns.
        order = [i for column in range(columns) for i in range(column, len(texts), columns)] if by_row else range(len(texts))
        handles: Any = [entries[texts[i]] for i in order]
        options = look | spacing
        drawn = figure.legend(handles, [texts[i] for i in order], loc="outside lower center", ncols=columns, **options)
        if drawn.get_window_extent().width <= room or (columns == 1 and spacing):
            return
        drawn.remove()


def entries_of(ax: Axes) -> dict[str, Mark]:
    """The labelled marks of a panel, by label."""
    handles, labels = ax.get_legend_handles_labels()
    return dict(zip(labels, handles, strict=True))
