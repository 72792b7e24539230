"""How fine should pretraining labels be? Error against their number, from the coarse classes to a label per sample."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures import labelled, study, style
from theory_sim.figures.inputs import StudyTables
from theory_sim.runs.results import Results

NAME = "granularity"
CAPTION = (
    "Error on hard (left) and easy test samples (right) after pretraining on labels of growing number, on finite training sets of"
    " three sizes n: coarse classes, groups of subclasses, the true subclasses (dotted line), subclasses split at random, and a"
    f" label per sample. Read by a linear probe. {study.INTERVALS} Sizes are moved apart a little."
    f" {study.FALLS.format(where='Below')}"
)
needs = partial(study.needs, NAME)

_SIZE = "data.training_samples"
_MARKERS = {"level": "s", "aligned": "^", "leaf": "o", "split": "v", "sample-id": "*"}
_NAMES = {
    "level": "coarse classes",
    "aligned": "groups of subclasses",
    "leaf": "subclasses",
    "split": "subclasses split",
    "sample-id": "a label per sample",
}
_LINES: tuple[Any, ...] = ((0, (1, 1)), (0, (4, 1.5)), "solid")
"""Of the training sets, from the smallest."""
_LEAST = 0.05
"""An axis of errors reaches at least so far."""
_APART = 1.06
"""On a logarithmic axis the same factor is the same distance."""


def SIZE(table: pd.DataFrame) -> tuple[float, float]:  # noqa: N802 - the module's size is a function of the table
    """Two panels, and below them the comparisons."""
    return style.PAGE, 2.6 + study.height(table, 1.4)


def LAYOUT(table: pd.DataFrame) -> dict[str, Any]:  # noqa: N802 - so is its layout
    """The panel of comparisons is as high as they need."""
    return {"mosaic": [["hard", "easy"], ["falls", "falls"]], "height_ratios": [1.6, study.height(table, 1.4) - 0.6]}


def compute(config: Config, results: Sequence[Results], inputs: Sequence[StudyTables]) -> pd.DataFrame:
    """Errors of the model trained with each label function on each training set, and the comparisons.

    Returns:
        Columns ``part`` (error or fall); ``training_samples``, ``label_function``, ``kind``, ``classes``, ``true`` (number of
        true subclasses), ``samples``, ``readout``, ``replicas``; ``value``, ``low``, ``high``, ``method``; and those of
        `theory_sim.figures.study.falls`.
    """
    (tables,) = inputs
    sizes = tables.cells.drop_duplicates("cell").set_index("cell")[_SIZE]
    rows = []
    for row in study.errors(tables, ["fine"], ["hard", "easy"]):
        labels = row.pop("labels")
        known = {"training_samples": int(sizes[row.pop("cell")]), "label_function": labels, "kind": labelled.kind_of(labels)}
        rows.append({"part": "error"} | known | {"true": tables.config.label_tree.n_leaves} | row)
    table = pd.DataFrame(rows).sort_values(["samples", "training_samples", "classes"], kind="stable").drop(columns="model")
    return pd.concat([table, pd.DataFrame({"part": "fall"} | row for row in study.falls(tables))], ignore_index=True)


def draw(table: pd.DataFrame, axes: Mapping[str, Axes]) -> None:
    """A line per training set and a marker per kind of labels; below them the comparisons."""
    errors = study.of_part(table, "error")
    sizes = sorted(errors.training_samples.unique())
    for samples in ("hard", "easy"):
        ax = axes[samples]
        for place, n in enumerate(sizes):
            own = errors[(errors.samples == samples) & (errors.training_samples == n)].sort_values("classes")
            own = own.assign(at=own.classes * _APART ** (place - (len(sizes) - 1) / 2))
            line = ax.plot(own["at"], own.value, color=_shade(place, len(sizes)), linestyle=_LINES[place], linewidth=1.2)[0]
            line.set_label(f"n = {n:g}")
            for kind, rows in own.groupby("kind", sort=False):
                size = {"markersize": 6 if kind == "sample-id" else 4}
                look = size | {"marker": _MARKERS[str(kind)], "label": f"n = {n:g}, {kind}"}
                style.estimates(ax, rows, "at", _shade(place, len(sizes)), **look)
        ax.axvline(errors["true"].iloc[0], **style.BOUND, zorder=1, label="true subclasses")
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
        top = max(_LEAST, float(errors.high[errors.samples == samples].max()))
        ax.set_ylim(-0.03 * top, 1.05 * top)
        ax.set_xlabel("pretraining classes")
    axes["hard"].set_ylabel("hard test error")
    axes["easy"].set_ylabel("easy test error")
    study.draw_falls(study.of_part(table, "fall"), axes["falls"])
    _legend(axes["hard"], sizes, [kind for kind in _MARKERS if kind in set(errors.kind)])


def _shade(place: int, of: int) -> str:
    """The fine model's colour, paler for smaller training sets."""
    pale = 0.55 * (1 - (place + 1) / of)
    color = np.array(to_rgb(style.PALETTE["fine"]))
    return to_hex(color + (1 - color) * pale)


def _legend(ax: Axes, sizes: Sequence[float], kinds: Sequence[str]) -> None:
    """Training sets, and kinds of labels."""
    entries: dict[str, Any] = {}
    for place, n in enumerate(sizes):
        look = {"color": _shade(place, len(sizes)), "linestyle": _LINES[place], "linewidth": 1.2}
        entries[f"$n$ = {n:g}"] = Line2D([], [], **look)
    for kind in kinds:
        look = {"color": style.PALETTE["fine"], "marker": _MARKERS[kind], "linestyle": "none", "markersize": 4.5}
        entries[_NAMES[kind]] = Line2D([], [], **look)
    entries["true subclasses"] = Line2D([], [], **style.BOUND)
    ax.figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=5)
