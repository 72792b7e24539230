"""Figures of studies that vary settings: the errors against the values of each, and the comparisons."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures.common import comparisons, style, symbols, values
from theory_sim.figures.common.claims import MODELS
from theory_sim.figures.common.figure import Figure, Inputs, Layout, Panels, Size
from theory_sim.figures.common.tables import grouped, of_part, rows
from theory_sim.runtime.settings import value_at

_CAPTION = (
    "{more} Error of the coarse and of the fine model on hard test samples, and on easy ones (thin, dashed)."
    f" {comparisons.INTERVALS} {comparisons.COMPARISONS.format(where='Right')}"
)
_LOOKS: tuple[dict[str, Any], ...] = (
    {"linestyle": "solid", "marker": "o"},
    {"linestyle": (0, (1, 1)), "marker": "D"},
    {"linestyle": (0, (5, 1, 1, 1)), "marker": "s"},
)
"""The looks of the series, in their order."""
_EASY: dict[str, Any] = {"linestyle": style.DASHED, "linewidth": 0.9}
_TRAINING: dict[str, Any] = {"color": style.PALETTE["noise"], "linewidth": 0.8, "zorder": 1}
_INCHES = 2.3
"""About the width of a panel, which decides how many tick labels have room."""


def setting_figure(
    name: str, summary: str, more: str, keys: Sequence[str], series: str | None = None, readouts: Sequence[str] = ()
) -> Figure:
    """The figure of a study that varies settings.

    Args:
        name: of the figure and of the study.
        summary: as of any figure.
        more: the beginning of the caption: what the study varies.
        keys: settings that the study varies, each while the others keep their value in the study's configuration.
        series: a further setting; each of its values has a line of its own.
        readouts: each has a line of its own; by default the one that the claims use.
    """
    return Figure(
        name,
        summary,
        caption=_CAPTION.format(more=more),
        size=size,
        layout=layout,
        needs=comparisons.needs(name),
        compute=partial(compute, keys=tuple(keys), series=series, readouts=tuple(readouts)),
        draw=draw,
    )


def size(table: pd.DataFrame) -> Size:
    """The comparisons and the rows of panels decide the height."""
    panels = len(layout(table)["mosaic"])
    height = comparisons.height(table, 2.8)
    return style.PAGE, height if panels == 1 else max(height, 2.0 * panels + 0.5)


def layout(table: pd.DataFrame) -> Layout:
    """A column with one panel per key, beside the panel of comparisons."""
    return {"mosaic": [[str(key), "falls"] for key in table.turned.dropna().unique()]}


def compute(
    config: Config, inputs: Inputs, keys: Sequence[str], series: str | None = None, readouts: Sequence[str] = ()
) -> pd.DataFrame:
    """Errors of both models, and the comparisons.

    Args:
        config: not used: the study has its own.
        inputs: the study's tables.
        keys: as those of `setting_figure`, and so are the others.
        series: ″
        readouts: ″

    Returns:
        Columns ``part`` (error or fall); ``turned`` (the key), ``place`` (its value; the middle of a range) or ``word`` (a value
        that is no number), ``series``, ``of_training`` (for a key of the target: its value in training), ``model``, ``samples``,
        ``readout``, ``classes``, ``replicas``; ``value``, ``low``, ``high``, ``method``; and those of
        `theory_sim.figures.common.comparisons.comparisons`.
    """
    (tables,) = inputs.studies
    cells = tables.cells.drop_duplicates("cell").set_index("cell")
    base = {key: values.text(value_at(tables.config, key)) for key in keys}
    found = []
    for row in comparisons.errors(tables, MODELS, ["hard", "easy"], readouts):
        cell = cells.loc[row.pop("cell")]
        row.pop("labels")
        for key in keys:
            if all(values.text(cell[other]) == base[other] for other in keys if other != key):
                own = symbols.equals(series, symbols.value(cell[series])) if series else row["readout"]
                training = _of_training(tables.config, key)
                at = training if values.text(cell[key]) == "null" else cell[key]
                place = values.number(at)
                where = {"turned": key, "word": values.word(at) if np.isnan(place) else np.nan, "place": place, "series": own}
                where["of_training"] = values.number(training)
                found.append({"part": "error"} | where | row)
    return comparisons.with_comparisons(pd.DataFrame(found), tables)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw the lines of both models in each key's panel, and one line per comparison."""
    errors = of_part(table, "error")
    series = list(errors.series.unique())
    for key, of_key in grouped(errors, "turned", sort=False):
        ax = axes[key]
        _scale(ax, of_key)
        placed = of_key.assign(at=places(of_key)).sort_values("at")
        for (model, samples, name), own in grouped(placed, ["model", "samples", "series"], sort=False):
            look = _LOOKS[series.index(name)]
            if samples == "hard":
                label = f"{model} labels, hard" if len(series) == 1 else f"{model} labels, {name}"
                style.estimates(ax, own, "at", style.PALETTE[model], linewidth=1.2, markersize=3.5, label=label, **look)
            elif name == series[0]:
                ax.plot(own["at"], own.value, color=style.PALETTE[model], label=f"{model} labels, easy", zorder=3, **_EASY)
        if of_key.of_training.notna().any():
            ax.axvline(of_key.of_training.iloc[0], **_TRAINING, label="as in training")
        ax.set_ylim(-0.04, 1.04)
        ax.set_xlabel(symbols.name(key))
        ax.set_ylabel("error on test samples")
    comparisons.draw_comparisons(table, axes["falls"])
    _legend(axes["falls"], series, bool(errors.of_training.notna().any()))


def places(errors: pd.DataFrame) -> pd.Series:
    """Places on the axis of one key: the values themselves, or their order if one of them is no number."""
    if errors.place.notna().all():
        return errors.place
    order = {value: place for place, value in enumerate(errors.word.unique())}
    return errors.word.map(order)


def _legend(ax: Axes, series: Sequence[str], shifted: bool) -> None:
    """Explain lines and markers."""
    entries: dict[str, Artist] = {}
    for model in MODELS:
        entries[f"{model} labels"] = Line2D([], [], color=style.PALETTE[model])
    ink = "0.3"
    for name, look in zip(series, _LOOKS, strict=False):
        text = "hard test samples" if len(series) == 1 else str(name).replace("_", " ")
        entries[text] = Line2D([], [], color=ink, markersize=3.5, linewidth=1.2, **look)
    entries["easy test samples"] = Line2D([], [], color=ink, **_EASY)
    if shifted:
        entries["as in training"] = Line2D([], [], **_TRAINING)
    style.legend(ax, entries, ncols=4)


def _scale(ax: Axes, errors: pd.DataFrame) -> None:
    marks = errors.assign(at=places(errors)).drop_duplicates("at").sort_values("at")
    values.axis(ax, [*marks["at"], *marks.of_training.dropna().unique()])
    shown = [f"{row.place:g}" if pd.isna(row.word) else str(row.word) for row in rows(marks)]
    values.ticks(ax, list(marks["at"]), shown, _INCHES, size=7.5)


def _of_training(config: Config, key: str) -> Any:
    """For a key of the target its value in the training samples, which the target has where its own value is null."""
    return value_at(config, key.replace("target.", "data.")) if key.startswith("target.") else None
