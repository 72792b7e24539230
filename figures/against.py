"""What the figures of studies over keys share: errors against the values of each key, and the comparisons that decide."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures import study, style, symbols
from theory_sim.figures.inputs import StudyTables
from theory_sim.runs.results import Results
from theory_sim.runtime.settings import value_at

CAPTION = (
    "{more} Error of the coarse and of the fine model on hard test samples, and, thin and dashed, on easy ones."
    f" {study.INTERVALS} {study.FALLS.format(where='{where}')}"
)
MODELS = ("coarse", "fine")
_LOOKS: tuple[dict[str, Any], ...] = (
    {"linestyle": "solid", "marker": "o"},
    {"linestyle": (0, (1, 1)), "marker": "D"},
    {"linestyle": (0, (5, 1, 1, 1)), "marker": "s"},
)
"""Of series, in their order."""
_EASY: dict[str, Any] = {"linestyle": (0, (3, 2)), "linewidth": 0.9}
_TRAINING: dict[str, Any] = {"color": style.PALETTE["noise"], "linewidth": 0.8, "zorder": 1}
_INCHES = 2.3
"""About the width of a panel, for its ticks."""


def size(table: pd.DataFrame) -> tuple[float, float]:
    """As high as its comparisons need, and its rows of panels."""
    rows = len(layout(table)["mosaic"])
    height = study.height(table, 2.8)
    return style.PAGE, height if rows == 1 else max(height, 2.0 * rows + 0.5)


def layout(table: pd.DataFrame) -> dict[str, Any]:
    """A panel per key beside that of falls; more than one key stand below each other."""
    keys = table.turned.dropna().unique()
    return {"mosaic": [[key, "falls"] for key in keys]}


def compute(
    config: Config,
    results: Sequence[Results],
    inputs: Sequence[StudyTables],
    keys: Sequence[str],
    series: str | None = None,
    readouts: Sequence[str] = (),
) -> pd.DataFrame:
    """Errors of both models, and the comparisons.

    Args:
        config: does not matter.
        results: ″
        inputs: the study's tables.
        keys: that the study turns, each while the others have the value of the study's configuration.
        series: another key, whose values have lines of their own.
        readouts: that have lines of their own; the deciding one without it.

    Returns:
        Columns ``part`` (error or fall); ``turned`` (the key), ``place`` (its value, of a range the middle) or ``word`` (if
        that is no number), ``series``, ``of_training`` (of a target's key its value in training), ``model``, ``samples``,
        ``readout``, ``classes``, ``replicas``; ``value``, ``low``, ``high``, ``method``; and those of
        `theory_sim.figures.study.falls`.
    """
    (tables,) = inputs
    cells = tables.cells.drop_duplicates("cell").set_index("cell")
    base = {key: study.text(value_at(tables.config, key)) for key in keys}
    rows = []
    for row in study.errors(tables, MODELS, ["hard", "easy"], readouts):
        cell = cells.loc[row.pop("cell")]
        row.pop("labels")
        for key in keys:
            if all(study.text(cell[other]) == base[other] for other in keys if other != key):
                own = symbols.equals(series, symbols.value(cell[series])) if series else row["readout"]
                training = _of_training(tables.config, key)
                at = training if study.text(cell[key]) == "null" else cell[key]
                place = study.number(at)
                where = {"turned": key, "word": study.word(at) if np.isnan(place) else np.nan, "place": place, "series": own}
                where["of_training"] = study.number(training)
                rows.append({"part": "error"} | where | row)
    return pd.DataFrame([*rows, *({"part": "fall"} | row for row in study.falls(tables))])


def draw(table: pd.DataFrame, axes: Mapping[str, Axes]) -> None:
    """Lines of both models in each key's panel, and a line per comparison."""
    errors = study.of_part(table, "error")
    series = list(errors.series.unique())
    for key, rows in errors.groupby("turned", sort=False):
        ax = axes[str(key)]
        _scale(ax, rows)
        places = _places(rows)
        for (model, samples, name), own in (
            rows.assign(at=places).sort_values("at").groupby(["model", "samples", "series"], sort=False)
        ):
            look = _LOOKS[series.index(name)]
            if samples == "hard":
                label = f"{model} labels, hard" if len(series) == 1 else f"{model} labels, {name}"
                style.estimates(ax, own, "at", style.PALETTE[model], linewidth=1.2, markersize=3.5, label=label, **look)
            elif name == series[0]:
                ax.plot(own["at"], own.value, color=style.PALETTE[model], label=f"{model} labels, easy", zorder=3, **_EASY)
        if rows.of_training.notna().any():
            ax.axvline(rows.of_training.iloc[0], **_TRAINING, label="as in training")
        ax.set_ylim(-0.04, 1.04)
        ax.set_xlabel(symbols.name(str(key)))
        ax.set_ylabel("error on test samples")
    study.draw_falls(study.of_part(table, "fall"), axes["falls"])
    _legend(axes["falls"], series, bool(errors.of_training.notna().any()))


def _legend(ax: Axes, series: Sequence[str], shifted: bool) -> None:
    """What lines and markers are."""
    entries: dict[str, Any] = {}
    for model in MODELS:
        entries[f"{model} labels"] = Line2D([], [], color=style.PALETTE[model])
    ink = "0.3"
    for name, look in zip(series, _LOOKS, strict=False):
        text = "hard test samples" if len(series) == 1 else str(name).replace("_", " ")
        entries[text] = Line2D([], [], color=ink, markersize=3.5, linewidth=1.2, **look)
    entries["easy test samples"] = Line2D([], [], color=ink, **_EASY)
    if shifted:
        entries["as in training"] = Line2D([], [], **_TRAINING)
    ax.figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=4)


def _places(rows: pd.DataFrame) -> pd.Series:
    """On the axis: the values themselves, or their order where they are no numbers."""
    if rows.place.notna().all():
        return rows.place
    order = {value: place for place, value in enumerate(rows.word.unique())}
    return rows.word.map(order)


def _scale(ax: Axes, rows: pd.DataFrame) -> None:
    marks = rows.assign(at=_places(rows)).drop_duplicates("at").sort_values("at")
    study.axis(ax, [*marks["at"], *marks.of_training.dropna().unique()])
    shown = [f"{row.place:g}" if pd.isna(row.word) else str(row.word) for row in marks.itertuples()]
    study.ticks(ax, list(marks["at"]), shown, _INCHES, size=7.5)


def _of_training(config: Config, key: str) -> Any:
    """The training samples' value of a key of the target, which is its own where that is null."""
    return value_at(config, key.replace("target.", "data.")) if key.startswith("target.") else None
