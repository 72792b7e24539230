"""What the figures of label functions share: errors of models trained with each, and the comparisons that decide."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from theory_sim.config import Config
from theory_sim.figures import study, style
from theory_sim.figures.inputs import StudyTables
from theory_sim.runs.results import Results

CAPTION = (
    "{more} Left: error on hard test samples of models trained with each label function, filled, and on easy ones, small and"
    f" open; read by {{readout}}. Beside each function, its number of labels. {study.INTERVALS}"
    f" {study.FALLS.format(where='Right')}"
)
_WORDS = {
    "level": "a level",
    "leaf": "leaves",
    "mixed": "mixed levels",
    "split": "random splits",
    "aligned": "groups in classes",
    "misaligned": "groups across classes",
    "random": "random labels",
    "sample-id": "a label per sample",
    "cluster": "k-means",
    "cluster-within": "k-means in classes",
}


def kind_of(labels: str) -> str:
    """The kind of a label function: ``split`` for ``split(2, 8)``."""
    return re.sub(r"\(.*", "", labels)


def words(labels: str, classes: int) -> str:
    """What a label function's line is called."""
    word = "coarse classes" if labels == "level(1)" else _WORDS[kind_of(labels)]
    return f"{word}\n{labels}: {classes}"


def size(table: pd.DataFrame) -> tuple[float, float]:
    """As high as its lines need."""
    functions = table[table.part == "error"].label_function.nunique()
    return style.PAGE, study.height(table, max(2.2, 0.9 + 0.3 * functions))


LAYOUT: dict[str, Any] = {"mosaic": [["error", "falls"]]}


def compute(config: Config, results: Sequence[Results], inputs: Sequence[StudyTables]) -> pd.DataFrame:
    """Errors of the model trained with each label function, in the order of their number of labels, and the comparisons.

    Returns:
        Columns ``part`` (error or fall); ``label_function``, ``classes``, ``samples``, ``readout``, ``replicas``; ``value``,
        ``low``, ``high``, ``method``; and those of `theory_sim.figures.study.falls`.
    """
    (tables,) = inputs
    rows = [
        {"part": "error", "label_function": row.pop("labels")} | row for row in study.errors(tables, ["fine"], ["hard", "easy"])
    ]
    # By the number of labels; kinds stay together, as the study lists them.
    rows.sort(key=lambda row: row["classes"])
    table = pd.DataFrame(rows).drop(columns=["cell", "model"])
    return pd.concat([table, pd.DataFrame({"part": "fall"} | row for row in study.falls(tables))], ignore_index=True)


def draw(table: pd.DataFrame, axes: Mapping[str, Axes]) -> None:
    """A line per label function, and one per comparison."""
    ax = axes["error"]
    rows = study.of_part(table, "error")
    functions = rows.drop_duplicates("label_function")
    places = {name: place for place, name in enumerate(functions.label_function)}
    for samples, own in rows.groupby("samples", sort=False):
        hard = samples == "hard"
        ax.errorbar(
            own.value,
            [places[name] for name in own.label_function],
            xerr=[own.value - own.low, own.high - own.value] if hard else None,
            color=style.PALETTE["fine"],
            linestyle="none",
            marker="o",
            markersize=4.5 if hard else 3,
            markerfacecolor=style.PALETTE["fine"] if hard else "white",
            capsize=2,
            elinewidth=1,
            zorder=3 if hard else 4,
            label=f"{samples} test samples",
        )
    texts = [words(row.label_function, int(row.classes)) for row in functions.itertuples()]
    ax.set_yticks(range(len(texts)), texts, fontsize=7)
    ax.tick_params("y", length=0)
    ax.set_ylim(len(texts) - 0.5, -0.5)
    ax.set_xlim(-0.03, 1.03)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("error on test samples")
    study.draw_falls(study.of_part(table, "fall"), axes["falls"])
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
