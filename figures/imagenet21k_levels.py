"""Label granularity on real images: ImageNet-21k's classes per level, and what the paper reports for them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from theory_sim.config import Config
from theory_sim.figures import Needs, style
from theory_sim.pretraining.datasets.wordnet import imagenet21k_levels
from theory_sim.runs.results import Results

NAME = "imagenet21k_levels"
CAPTION = (
    "Left: number of labels of ImageNet-21k at each level, that is after so many steps up WordNet's hypernyms, counted by"
    " theory-sim hierarchy imagenet21k; and classes that carry more than one label there. Right: the paper's accuracy on"
    " ImageNet-1k of a ViT-B/16 pretrained with the labels of a level, against their number; these accuracies are quoted, not"
    " measured here, and those on open markers are recalled: which level they belong to, or the number itself, could not be"
    " checked. Dashed: the paper's baseline without that pretraining."
)
SIZE = (style.PAGE, 2.6)
LAYOUT: dict[str, Any] = {"mosaic": [["classes", "accuracy"]]}

_ACCURACY = {0: (82.51, "paper"), 1: (81.28, "recalled"), 2: (80.26, "recalled"), 4: (77.53, "recalled")}
_ACCURACY |= {6: (75.53, "paper"), 9: (72.75, "paper")}
"""Per cent, ViT-B/16 pretrained at a level and transferred to ImageNet-1k; and how sure the number and its level are."""
_BASELINE = 77.91


def needs(config: Config) -> Needs:
    """Nothing: labels are counted, not trained on."""
    return Needs()


def compute(config: Config, results: Sequence[Results] = (), evaluations: Sequence[xr.Dataset] = ()) -> pd.DataFrame:
    """Levels and accuracies.

    Returns:
        Columns ``level``, ``classes``, ``classes_with_several`` (labels), ``accuracy`` (per cent, where the paper has one),
        ``source`` (paper or recalled), ``baseline``.
    """
    none = (np.nan, None)
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


def draw(table: pd.DataFrame, axes: Mapping[str, Axes]) -> None:
    """Counts at the left, accuracies at the right."""
    ax, fine = axes["classes"], style.PALETTE["fine"]
    ax.plot(table.level, table.classes, color=fine, marker="o", markersize=4, label="labels")
    for row in table.itertuples():
        # Above the falling curve at first, then below it, where the other one does not run.
        by, side = ((3, 3.5), "left") if row.level < 2 else ((-3, -9), "right")
        ax.annotate(str(row.classes), (row.level, row.classes), by, textcoords="offset points", fontsize=7, color=fine, ha=side)
    several = table[table.classes_with_several > 0]
    look = {"color": style.PALETTE["noise"], "marker": "s", "markersize": 3, "linewidth": 1}
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
    for row in known.itertuples():
        ax.annotate(f"{row.level}", (row.classes, row.accuracy), (4, -9), textcoords="offset points", fontsize=7)
    baseline = table.baseline.iloc[0]
    ax.axhline(baseline, color=style.PALETTE["coarse"], linestyle=(0, (3, 2)), linewidth=1, zorder=1, label="baseline")
    at = (known.classes.min(), baseline)
    ax.annotate("baseline", at, (0, 4), textcoords="offset points", fontsize=7, color=style.PALETTE["coarse"])
    ax.set_xscale("log")
    ax.set_xlabel("pretraining labels (their level beside the marker)")
    ax.set_ylim(bottom=known.accuracy.min() - 1)
    ax.set_ylabel("accuracy on ImageNet-1k, %")
