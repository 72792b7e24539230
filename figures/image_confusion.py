"""Which fine classes of real images are taken for which, within a coarse class and across."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Panels, Size, register
from theory_sim.figures.common.image_studies import DRAWN, ImageStudyDrawn
from theory_sim.runtime.errors import InputError

_MOST_NAMES = 30
"""Fine classes that are named at the matrix."""
_LINE = 0.14
"""Height of a coarse class's name and bar, in inches."""


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """``confusion.csv`` of the study; see `theory_sim.pretraining.examples`.

    Returns:
        Columns ``true``, ``predicted``, ``true_coarse``, ``predicted_coarse``, ``images``, and ``share`` of the true class.

    Raises:
        InputError: it has no row: no network was trained on leaves and used as it is.
    """
    (folder,) = inputs.image_folders
    table = pd.read_csv(folder / "confusion.csv")
    if table.empty:
        raise InputError(f"{folder / 'confusion.csv'} has no row: that takes the label function leaf and the transfer mode none")
    return table.assign(share=table.images / table.groupby("true").images.transform("sum"))


def _classes(table: pd.DataFrame) -> pd.DataFrame:
    """The fine classes, those of a coarse class side by side."""
    pairs = [table[["true", "true_coarse"]], table[["predicted", "predicted_coarse"]]]
    both = pd.concat([pair.set_axis(["fine", "coarse"], axis=1) for pair in pairs]).drop_duplicates()
    return both.sort_values(["coarse", "fine"], kind="stable").reset_index(drop=True)


def size(table: pd.DataFrame) -> Size:
    """High enough for the names of all coarse classes."""
    return style.PAGE, max(3.6, 1.1 + _LINE * table.true_coarse.nunique())


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw the matrix with the borders of the coarse classes, and the shares of each coarse class."""
    classes = _classes(table)
    place = pd.Series(classes.index, classes.fine)
    shares = np.zeros((len(classes), len(classes)))
    shares[place[table.true], place[table.predicted]] = table.share
    ax = axes["matrix"]
    picture = ax.imshow(np.sqrt(shares), cmap=style.LEVELS, vmin=0, vmax=1, interpolation="nearest")
    first = classes.index[classes.coarse != classes.coarse.shift()]
    for border in first[1:]:
        ax.axhline(border - 0.5, color=style.PALETTE["coarse"], linewidth=0.5)
        ax.axvline(border - 0.5, color=style.PALETTE["coarse"], linewidth=0.5)
    few = len(classes) <= _MOST_NAMES
    named = classes if few else classes.iloc[:0]
    names = named.fine.astype(str).str.rsplit("/", n=1).str[-1]
    ax.set_xticks(named.index, names, rotation=90, fontsize=6)
    ax.set_yticks(named.index, names, fontsize=6)
    order = "" if few else ", in the bars' order"
    ax.set_xlabel(f"predicted class{order}")
    ax.set_ylabel(f"true class{order}")
    ax.set_title("fine classes")
    bar = ax.figure.colorbar(picture, cax=axes["scale"], ticks=np.sqrt([0, 0.01, 0.1, 0.5, 1]))
    bar.set_ticklabels(["0", "0.01", "0.1", "0.5", "1"])
    bar.set_label("share of the true class")
    _draw_shares(table, axes["shares"], list(classes.coarse[first]))


def _draw_shares(table: pd.DataFrame, ax: Axes, coarse: list[str]) -> None:
    within = (table.true_coarse == table.predicted_coarse) & (table.true != table.predicted)
    across = table.true_coarse != table.predicted_coarse
    images = table.groupby("true_coarse").images.sum()
    left = np.zeros(len(coarse))
    for label, chosen, color in (("within its coarse class", within, "fine"), ("across", across, "coarse")):
        share = (table[chosen].groupby("true_coarse").images.sum() / images).reindex(coarse).fillna(0).to_numpy()
        ax.barh(range(len(coarse)), share, left=left, color=style.PALETTE[color], label=label)
        left += share
    ax.set_yticks(range(len(coarse)), map(str, coarse), fontsize=6)
    ax.invert_yaxis()
    ax.set_xlabel("share of images")
    ax.set_title("wrong fine class")
    style.legend(ax, style.entries_of(ax), ncols=2)


def figure(study: ImageStudyDrawn) -> Figure:
    """The figure of a study."""
    return Figure(
        f"{study.prefix}_confusion",
        "Which fine classes of real images are taken for which, within a coarse class and across.",
        caption=(
            "Left: of the test images of each coarse class the share that networks trained on the fine classes take for another"
            " fine class of the same coarse class, which is no error on the coarse target, or of another one. Right: of the test"
            " images of each fine class the share that is taken for each (shades by its square root). All seeds together; lines"
            " separate the coarse classes. " + study.about
        ),
        size=size,
        layout={"mosaic": [["shares", "matrix", "scale"]], "width_ratios": [1, 1.7, 0.06]},
        needs=study.needs,
        compute=compute,
        draw=draw,
    )


FIGURE, *_ = [register(figure(study)) for study in DRAWN]
