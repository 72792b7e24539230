"""Figures of studies that compare label functions: the errors of the models trained with each, and the comparisons."""

import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common import comparisons, style
from theory_sim.figures.common.figure import Figure, Inputs, Layout, Panels, Size
from theory_sim.figures.common.tables import grouped, of_part, rows
from theory_sim.labels.functions import kind_of

_CAPTION = (
    "{more} Left: error on hard test samples of models trained with each label function (filled), and on easy ones (small,"
    " open); readout: {readout}. The number beside each function is its number of labels."
    f" {comparisons.INTERVALS} {comparisons.COMPARISONS.format(where='Right')}"
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


def label_function_figure(name: str, summary: str, more: str, readout: str) -> Figure:
    """The figure of a study whose cells differ in the label function of the fine model.

    Args:
        name: of the figure and of the study.
        summary: as of any figure.
        more: the beginning of the caption: what the study asks.
        readout: the readout in words.
    """
    return Figure(
        name,
        summary,
        caption=_CAPTION.format(more=more, readout=readout),
        size=size,
        layout=Layout(mosaic=[["error", "falls"]]),
        needs=comparisons.needs(name),
        compute=compute,
        draw=draw,
    )


def words(labels: str, classes: int) -> str:
    """The tick label of a label function with so many labels."""
    kind = kind_of(labels)
    word = "coarse classes" if labels == "level(1)" else _WORDS.get(kind, kind)
    return f"{word}\n{labels}: {classes}"


def size(table: pd.DataFrame) -> Size:
    """The number of lines decides the height."""
    functions = table[table.part == "error"].label_function.nunique()
    return style.PAGE, comparisons.height(table, max(2.2, 0.9 + 0.3 * functions))


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Errors of the model trained with each label function, sorted by the number of labels, and the comparisons.

    Returns:
        Columns ``part`` (error or fall); ``label_function``, ``classes``, ``samples``, ``readout``, ``replicas``; ``value``,
        ``low``, ``high``, ``method``; and those of `theory_sim.figures.common.comparisons.comparisons`.
    """
    (tables,) = inputs.studies
    found = [
        {"part": "error", "label_function": row.pop("labels")} | row
        for row in comparisons.errors(tables, ["fine"], ["hard", "easy"])
    ]
    # Stable: functions with as many labels stay in the order of the study.
    found.sort(key=lambda row: row["classes"])
    return comparisons.with_comparisons(pd.DataFrame(found).drop(columns=["cell", "model"]), tables)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw one line per label function, and one per comparison."""
    ax = axes["error"]
    errors = of_part(table, "error")
    functions = errors.drop_duplicates("label_function")
    places = {name: place for place, name in enumerate(functions.label_function)}
    for samples, own in grouped(errors, "samples", sort=False):
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
    texts = [words(row.label_function, int(row.classes)) for row in rows(functions)]
    ax.set_yticks(range(len(texts)), texts, fontsize=7)
    ax.tick_params("y", length=0)
    ax.set_ylim(len(texts) - 0.5, -0.5)
    ax.set_xlim(-0.03, 1.03)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("error on test samples")
    comparisons.draw_comparisons(table, axes["falls"])
    style.legend(ax, style.entries_of(ax), ncols=2)
