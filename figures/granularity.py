"""Granularity of the pretraining labels: error against their number, from the coarse classes to a label per sample."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures.common import comparisons, style
from theory_sim.figures.common.figure import Figure, Inputs, Layout, Panels, Size, register
from theory_sim.figures.common.tables import grouped, of_part
from theory_sim.labels.functions import kind_of

_SIZE = "data.training_samples"
MARKERS = {"level": "s", "aligned": "^", "leaf": "o", "split": "v", "sample-id": "*"}
_NAMES = {
    "level": "coarse classes",
    "aligned": "groups of subclasses",
    "leaf": "subclasses",
    "split": "subclasses split",
    "sample-id": "a label per sample",
}
_LINES: tuple[Any, ...] = ((0, (1, 1)), (0, (4, 1.5)), "solid")
"""The line styles of the training sets, from the smallest."""
_LEAST = 0.05
"""An axis of errors reaches at least this value."""
_APART = 1.06
"""Factor that separates the training sets along the axis. The same factor is the same distance on a logarithmic axis."""


def size(table: pd.DataFrame) -> Size:
    """Two panels, and below them the comparisons."""
    return style.PAGE, 2.6 + comparisons.height(table, 1.4)


def layout(table: pd.DataFrame) -> Layout:
    """The panel of comparisons is as high as they need."""
    return {"mosaic": [["hard", "easy"], ["falls", "falls"]], "height_ratios": [1.6, comparisons.height(table, 1.4) - 0.6]}


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Errors of the model trained with each label function on each training set, and the comparisons.

    Returns:
        Columns ``part`` (error or fall); ``training_samples``, ``label_function``, ``kind``, ``classes``, ``true`` (number of
        true subclasses), ``samples``, ``readout``, ``replicas``; ``value``, ``low``, ``high``, ``method``; and those of
        `theory_sim.figures.common.comparisons.comparisons`.
    """
    (tables,) = inputs.studies
    sizes = tables.cells.drop_duplicates("cell").set_index("cell")[_SIZE]
    found = []
    for row in comparisons.errors(tables, ["fine"], ["hard", "easy"]):
        labels = row.pop("labels")
        known = {"training_samples": int(sizes[row.pop("cell")]), "label_function": labels, "kind": kind_of(labels)}
        found.append({"part": "error"} | known | {"true": tables.config.label_tree.n_leaves} | row)
    errors = pd.DataFrame(found).sort_values(["samples", "training_samples", "classes"], kind="stable").drop(columns="model")
    return comparisons.with_comparisons(errors, tables)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a line per training set and a marker per kind of labels, and below them the comparisons."""
    errors = of_part(table, "error")
    sizes = sorted(errors.training_samples.unique())
    for samples in ("hard", "easy"):
        ax = axes[samples]
        for place, n in enumerate(sizes):
            own = errors[(errors.samples == samples) & (errors.training_samples == n)].sort_values("classes")
            own = own.assign(at=own.classes * _APART ** (place - (len(sizes) - 1) / 2))
            line = ax.plot(own["at"], own.value, color=_shade(place, len(sizes)), linestyle=_LINES[place], linewidth=1.2)[0]
            line.set_label(f"n = {n:g}")
            for kind, rows in grouped(own, "kind", sort=False):
                look = {"marker": MARKERS[kind], "markersize": 6 if kind == "sample-id" else 4}
                style.estimates(ax, rows, "at", _shade(place, len(sizes)), label=f"n = {n:g}, {kind}", **look)
        ax.axvline(errors["true"].iloc[0], **style.BOUND, zorder=1, label="true subclasses")
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
        top = max(_LEAST, float(errors.high[errors.samples == samples].max()))
        ax.set_ylim(-0.03 * top, 1.05 * top)
        ax.set_xlabel("pretraining classes")
    axes["hard"].set_ylabel("hard test error")
    axes["easy"].set_ylabel("easy test error")
    comparisons.draw_comparisons(table, axes["falls"])
    _legend(axes["hard"], sizes, [kind for kind in MARKERS if kind in set(errors.kind)])


def _shade(place: int, of: int) -> str:
    """The fine model's colour, paler for smaller training sets."""
    pale = 0.55 * (1 - (place + 1) / of)
    red, green, blue = (color + (1 - color) * pale for color in to_rgb(style.PALETTE["fine"]))
    return to_hex((red, green, blue))


def _legend(ax: Axes, sizes: Sequence[float], kinds: Sequence[str]) -> None:
    """Explain training sets and kinds of labels."""
    entries: dict[str, Artist] = {}
    for place, n in enumerate(sizes):
        entries[f"$n$ = {n:g}"] = Line2D([], [], color=_shade(place, len(sizes)), linestyle=_LINES[place], linewidth=1.2)
    for kind in kinds:
        look: dict[str, Any] = {"color": style.PALETTE["fine"], "marker": MARKERS[kind], "markersize": 4.5}
        entries[_NAMES[kind]] = Line2D([], [], linestyle="none", **look)
    entries["true subclasses"] = Line2D([], [], **style.BOUND)
    style.legend(ax, entries, ncols=5)


FIGURE = register(
    Figure(
        "granularity",
        "Granularity of the pretraining labels: error against their number, from coarse classes to a label per sample.",
        caption=(
            "Error on hard (left) and easy test samples (right) after pretraining on an increasing number of labels, on finite"
            " training sets of three sizes n: coarse classes, groups of subclasses, the true subclasses (dotted line),"
            f" subclasses split at random, and a label per sample. Readout: a linear probe. {comparisons.INTERVALS} Training"
            f" sets are shifted a little to separate them. {comparisons.COMPARISONS.format(where='Below')}"
        ),
        size=size,
        layout=layout,
        needs=comparisons.needs("granularity"),
        compute=compute,
        draw=draw,
    )
)
