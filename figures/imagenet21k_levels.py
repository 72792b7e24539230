"""Label granularity on real images: ImageNet-21k's classes per level, and the paper's accuracies for them."""

from typing import Any

import numpy as np
import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import rows
from theory_sim.pretraining.datasets.wordnet import imagenet21k_levels

_ACCURACY: dict[int, tuple[float, str | None]] = {
    0: (82.51, "paper"),
    1: (81.28, "recalled"),
    2: (80.26, "recalled"),
    4: (77.53, "recalled"),
}
_ACCURACY |= {6: (75.53, "paper"), 9: (72.75, "paper")}
"""Accuracy in per cent of a ViT-B/16 pretrained at a level and transferred to ImageNet-1k, and the source of the number."""
_BASELINE = 77.91


def needs(config: Config) -> Needs:
    """Nothing: the labels are counted, not trained on."""
    return Needs(configuration=False)


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Levels and accuracies.

    Returns:
        Columns ``level``, ``classes``, ``classes_with_several`` (labels), ``accuracy`` (per cent, where the paper has one),
        ``source`` (paper or recalled), ``baseline``.
    """
    none: tuple[float, str | None] = (np.nan, None)
    return pd.DataFrame(
        {
            "level": level.level,
            "classes": level.classes,
            "classes_with_several": level.classes_with_several,
            "accuracy": _ACCURACY.get(level.level, none)[0],
            "source": _ACCURACY.get(level.level, none)[1],
            "baseline": _BASELINE,
        }
        for level in imagenet21k_levels()
    )


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw the counts at the left and the accuracies at the right."""
    ax, fine = axes["classes"], style.PALETTE["fine"]
    ax.plot(table.level, table.classes, color=fine, marker="o", markersize=4, label="labels")
    for row in rows(table):
        # Above the falling curve at first, then below it, away from the other curve.
        by, side = ((3, 3.5), "left") if row.level < 2 else ((-3, -9), "right")
        ax.annotate(str(row.classes), (row.level, row.classes), by, textcoords="offset points", fontsize=7, color=fine, ha=side)
    several = table[table.classes_with_several > 0]
    look: dict[str, Any] = {"color": style.PALETTE["noise"], "marker": "s", "markersize": 3, "linewidth": 1}
    ax.plot(several.level, several.classes_with_several, label="classes with several labels", **look)
    ax.set_yscale("log")
    ax.set_ylim(20, 60000)
    ax.set_xlim(-0.4, table.level.max() + 0.9)
    ax.set_xticks(table.level)
    ax.set_xlabel("level (steps up from the classes)")
    ax.set_ylabel("number")
    ax.legend(loc="upper right")

    ax = axes["accuracy"]
    known = table.dropna(subset="accuracy")
    ax.plot(known.classes, known.accuracy, color=fine, linewidth=1, zorder=2, label="accuracy")
    for source, face in (("paper", fine), ("recalled", "white")):
        own = known[known.source == source]
        ax.plot(own.classes, own.accuracy, "o", color=fine, markerfacecolor=face, markersize=5, zorder=3, label=source)
    for row in rows(known):
        ax.annotate(f"{row.level}", (row.classes, row.accuracy), (4, -9), textcoords="offset points", fontsize=7)
    baseline = table.baseline.iloc[0]
    ax.axhline(baseline, color=style.PALETTE["coarse"], linestyle=style.DASHED, linewidth=1, zorder=1, label="baseline")
    at = (known.classes.min(), baseline)
    ax.annotate("baseline", at, (0, 4), textcoords="offset points", fontsize=7, color=style.PALETTE["coarse"])
    ax.set_xscale("log")
    ax.set_xlabel("pretraining labels (their level beside the marker)")
    ax.set_ylim(bottom=known.accuracy.min() - 1)
    ax.set_ylabel("accuracy on ImageNet-1k, %")


FIGURE = register(
    Figure(
        "imagenet21k_levels",
        "Label granularity on real images: ImageNet-21k's classes per level, and the paper's accuracies for them.",
        caption=(
            "Left: number of labels of ImageNet-21k at each level, that is, after so many steps up WordNet's hypernyms, as"
            " counted by theory-sim hierarchy imagenet21k; and number of classes with more than one label at that level."
            " Right: the paper's accuracy on ImageNet-1k of a ViT-B/16 pretrained with the labels of a level, against the"
            " number of labels. These accuracies are quoted, not measured here. Open markers are quoted from memory: the level"
            " or the number could not be checked. Dashed: the paper's baseline without that pretraining."
        ),
        size=(style.PAGE, 2.6),
        layout={"mosaic": [["classes", "accuracy"]]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
