"""Every figure at other widths than its own: no text is clipped, tiny, or over another one, and none is lost."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import made_up
import matplotlib.figure
import pandas as pd
import pytest
from matplotlib.axes import Axes

from theory_sim.config import Config
from theory_sim.figures import FIGURES, Figure, Inputs, Look, Needs, Panels
from theory_sim.figures.common import style
from theory_sim.figures.gallery.making import tables
from theory_sim.figures.gallery.source import Source
from theory_sim.testing.figures import as_drawn, check_narrow

PUBLISHED = Path(__file__).parents[2] / "paper_figs"
SHARED = ["phase", "spurious_growth", "lucky_sets", "correlations", "real_granularity", "benign_overfitting", "shift"]
"""Figures whose panels share labels, which have to be where they are needed when panels are moved."""


def table_of(name: str, folder: Path) -> pd.DataFrame:
    """The published numbers, or made-up ones of a study that is not published."""
    path = PUBLISHED / f"{name}.csv"
    if path.exists():
        return pd.read_csv(path)
    (study,) = FIGURES[name].needs(Config()).image_studies
    made_up.write_images(study, folder)
    ((_, table),) = tables([FIGURES[name]], Source(Config(), folder, "cpu"))
    return as_drawn(table)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_fits_into_a_column(name: str, tmp_path: Path) -> None:
    check_narrow(FIGURES[name], table_of(name, tmp_path))


@pytest.mark.parametrize("width", [5.0, 10.0])
@pytest.mark.parametrize("name", ["granularity", "spurious_growth", "image_examples", "success"])
def test_widths_between(name: str, width: float) -> None:
    check_narrow(FIGURES[name], table_of(name, Path()), width)


def _words(picture: matplotlib.figure.Figure) -> Iterator[tuple[str, str]]:
    """The words of titles, labels and legends, and the axis that a label is of."""
    for ax in picture.axes:
        for loc in ("left", "center"):
            yield from (("title", word) for word in ax.get_title(loc).split())
        yield from (("x", word) for word in ax.get_xlabel().split())
        yield from (("y", word) for word in ax.get_ylabel().split())
    for legend in picture.legends:
        yield from (("legend", word) for text in legend.get_texts() for word in text.get_text().split())


@pytest.mark.parametrize("name", SHARED)
def test_no_word_is_lost(name: str) -> None:
    figure, table = FIGURES[name], table_of(name, Path())
    own, narrow = (set(_words(figure.paint(table, look))) for look in (Look(), Look(3.3)))
    assert own == narrow


def test_panels_below_each_other_have_their_labels() -> None:
    """The label of the row's first panel, and the axis of y that all had in common, were lost with the others of the row."""
    for name, label in {"correlations": "correlation", "theory_scale": "hard test error", "times": "training step"}.items():
        picture = FIGURES[name].paint(pd.read_csv(PUBLISHED / f"{name}.csv"), Look(3.3))
        picture.draw_without_rendering()
        upper, lower = picture.axes
        assert upper.get_window_extent().y0 > lower.get_window_extent().y1
        for ax in (upper, lower):
            assert ax.get_ylabel().startswith(label)
            assert any(text.get_visible() and text.get_text() for text in ax.get_yticklabels())


def test_the_numbers_of_cells_have_room() -> None:
    """In two columns the numbers of the maps lay over each other; in one they have room."""
    picture = FIGURES["phase"].paint(pd.read_csv(PUBLISHED / "phase.csv"), Look(3.3))
    assert len({ax.get_subplotspec().colspan.start for ax in picture.axes if ax.get_label() != "scale"}) == 1
    wide = FIGURES["lucky_sets"].paint(pd.read_csv(PUBLISHED / "lucky_sets.csv"), Look(3.3))
    assert len({ax.get_subplotspec().colspan.start for ax in wide.axes}) == 2, "curves stay beside each other"


def test_pictures_of_their_own_width_are_the_same() -> None:
    """A width that a figure has anyway, and a look without any wish, change nothing."""
    table = pd.read_csv(PUBLISHED / "responses.csv")
    pictures = [FIGURES["responses"].paint(table, look) for look in (None, Look(), Look(style.PAGE))]
    drawn = []
    for picture in pictures:
        picture.draw_without_rendering()
        assert tuple(picture.get_size_inches()) == FIGURES["responses"].size_of(table)
        drawn.append([ax.get_position().bounds for ax in picture.axes])
    assert drawn[0] == drawn[1] == drawn[2]


_TITLE = "a title that is much longer than the panel that it is a title of is wide"


def _compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    return pd.DataFrame({"x": [1.0, 2.0], "value": [0.1, 0.2], "low": [0.0, 0.1], "high": [0.2, 0.3]})


def _draw(table: pd.DataFrame, axes: Panels) -> None:
    for ax in axes.values():
        ax.plot(table.x, table.value, label="a line with a long explanation of what it is and why it is here at all")
        ax.set_title(_TITLE)
        ax.set_xlabel(r"a label with the formula $\alpha + \beta + \gamma$ and more words than there is room for at all")
        ax.set_ylabel("a label of the other axis that is longer than the panel is high, and so is wrapped")
        ax.set_xticks([1.0, 1.02, 1.5, 2.0], ["0.0001", "0.0002", "in the middle", "10000"])
        ax.set_yticks([0.1, 0.11, 0.2], ["a", "b", "c"])
    first: Axes = next(iter(axes.values()))
    style.legend(first, style.entries_of(first), ncols=1)


LONG = Figure(
    "long_texts",
    "A figure with long texts.",
    caption="Texts that have no room at a width for which they were not made; the numbers are made up, and the axes too.",
    size=(style.PAGE, 2.5),
    layout={"mosaic": [["left", "right"]]},
    needs=lambda config: Needs(),
    compute=_compute,
    draw=_draw,
)


@pytest.fixture(scope="module")
def long() -> matplotlib.figure.Figure:
    return check_narrow(LONG, as_drawn(_compute(Config(), Inputs())))


def test_long_texts_are_wrapped_outside_formulas(long: matplotlib.figure.Figure) -> None:
    ax = long.axes[-1]
    for text in (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel(), long.legends[0].get_texts()[0].get_text()):
        assert "\n" in text
        assert all(line.count("$") % 2 == 0 for line in text.split("\n"))


def test_tick_labels_without_room_are_left_out_and_ticks_stay(long: matplotlib.figure.Figure) -> None:
    for ax in long.axes:
        assert [text.get_text() for text in ax.get_xticklabels()] == ["0.0001", "", "in the middle", "10000"]
        assert ax.get_xlim()[0] < 1
        assert ax.get_xlim()[1] > 2


def test_panels_are_as_high_as_the_labels_of_their_y_axis_need(long: matplotlib.figure.Figure) -> None:
    """Labels a tenth of the axis apart need more than the natural height, which has ten lines of text."""
    for ax in long.axes:
        a, b, _ = (text.get_window_extent() for text in ax.get_yticklabels())
        assert b.y0 >= a.y1 - 1


def test_the_words_of_a_wrapped_text_are_kept() -> None:
    title = LONG.paint(_compute(Config(), Inputs()), Look(3.3)).axes[0].get_title(loc="left")
    assert Counter(re.split(r"\s", title)) == Counter(_TITLE.split())
