"""Easy and hard real images, and what each network says of them."""

import base64
import io

import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Layout, Panels, Size, register
from theory_sim.figures.common.image_studies import DRAWN, ImageStudyDrawn
from theory_sim.runtime.errors import InputError

_KINDS = ("easy", "hard")
_WIDEST = 4
_LONGEST = 18
_CHARACTERS = 25
"""In the line of a network."""
_LINE = 0.125
"""Height of a line of text, in inches."""


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """``examples.csv`` of the study; see `theory_sim.pretraining.examples`.

    Returns:
        Its columns.

    Raises:
        InputError: it has no image: a study of one seed has none.
    """
    (folder,) = inputs.image_folders
    table = pd.read_csv(folder / "examples.csv")
    if table.empty:
        raise InputError(f"{folder / 'examples.csv'} has no image: that takes seeds whose networks find some easy and some hard")
    return table


def _rows(table: pd.DataFrame) -> list[str]:
    return [kind for kind in _KINDS if (table.samples == kind).any()]


def _columns(table: pd.DataFrame) -> int:
    return min(_WIDEST, max(table[table.samples == kind].file.nunique() for kind in _rows(table)))


def layout(table: pd.DataFrame) -> Layout:
    """A row of images for each kind."""
    numbers = {kind: table[table.samples == kind].file.nunique() for kind in _rows(table)}
    columns = range(_columns(table))
    return {"mosaic": [[f"{kind} {place}" if place < n else "." for place in columns] for kind, n in numbers.items()]}


def size(table: pd.DataFrame) -> Size:
    """As high as images and texts need."""
    width = style.PAGE / max(4, _columns(table))
    return style.PAGE, len(_rows(table)) * (0.95 * width + 0.3 + _LINE * (2 + table.label_function.nunique()))


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw each image, its true class above it, and below it a line for each network."""
    from PIL import Image

    for ax in axes.values():
        ax.set_axis_off()
    for kind in _rows(table):
        for place, (_, own) in enumerate(list(table[table.samples == kind].groupby("file", sort=False))[: _columns(table)]):
            ax, first = axes[f"{kind} {place}"], own.iloc[0]
            ax.imshow(Image.open(io.BytesIO(base64.b64decode(first.png))))
            ax.set_title(f"{kind}: {_short(_last(first.leaf))}\n{_short(str(first.true))}", fontsize=6.5, loc="center")
            for line, row in enumerate(own.itertuples()):
                right = str(row.predicted) == str(row.true)
                name = _short(str(row.label_function))
                said = "✓" if right else _short(str(row.predicted), max(6, _CHARACTERS - len(name) - 7))
                ax.annotate(
                    f"{name}: {said} {row.confidence:.2f}",
                    (0.5, 0),
                    (0, -6 - 9 * line),
                    "axes fraction",
                    "offset points",
                    ha="center",
                    va="top",
                    fontsize=6,
                    color=style.PALETTE["bound" if right else "rare"],
                )


def _last(leaf: object) -> str:
    """A leaf's own name, which comes last in its path."""
    return str(leaf).rsplit("/", 1)[-1]


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def figure(study: ImageStudyDrawn) -> Figure:
    """The figure of a study."""
    return Figure(
        f"{study.prefix}_examples",
        "Easy and hard real images, and what each network says of them.",
        caption=(
            f"Test images that are easy (classified correctly by most networks of the other seeds, by baselines and by networks"
            f" pretrained on {study.fine}) or hard (misclassified by most of both), drawn at random among these. {study.about}"
            " Above each image: its fine class and its coarse class, the target. Below it: what the first seed's"
            " networks say after full finetuning, by their pretraining labels, with the probability that they give to it; wrong"
            " answers are coloured. A check mark means the true coarse class."
        ),
        size=size,
        layout=layout,
        needs=study.needs,
        compute=compute,
        draw=draw,
    )


FIGURE, *_ = [register(figure(study)) for study in DRAWN]
