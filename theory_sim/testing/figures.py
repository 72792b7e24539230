"""Checks that a figure keeps the contract of `theory_sim.figures.Figure`; the package's own figures pass them all.

    from theory_sim.testing import figures
    from my_figure import FIGURE

    def test_my_figure(tmp_path):
        figures.check_figure(FIGURE, tmp_path)

Needs ``pip install theory-sim[figures]``.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import matplotlib.figure
import pandas as pd
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from theory_sim.config import Config
from theory_sim.figures import Figure, Needs
from theory_sim.figures.common import rectangles, style
from theory_sim.figures.common.look import Look
from theory_sim.figures.common.restack import TALLEST
from theory_sim.figures.gallery.drawing import save
from theory_sim.figures.gallery.making import tables
from theory_sim.figures.gallery.source import SMOKE, Source

_TALLEST_NARROW = 10.5
"""As `TALLEST`, where panels are below each other: figures of many texts need a page without its margins."""
_SMALLEST = 6
"""Font size in points that can be read on a page."""


def check_figure(figure: Figure, folder: Path, config: Config = SMOKE) -> None:
    """Run what a figure needs, compute its table, draw it, and check all of it.

    Args:
        figure: the figure.
        folder: an empty folder for results and pictures.
        config: a small configuration that its runs derive from; studies have their small size.

    Raises:
        AssertionError: it breaks the contract; the message names the figure and what is wrong.
    """
    check_texts(figure)
    check_needs(figure, config)
    ((_, table),) = tables([figure], Source(config, folder / "results", "cpu", smoke=True))
    check_table(figure, table)
    check_picture(figure, as_drawn(table))
    check_narrow(figure, as_drawn(table))
    check_files(figure, table, folder)


def check_texts(figure: Figure) -> None:
    """Check the name, the summary and the caption."""
    require = _of(figure)
    require(re.fullmatch(r"[a-z]\w*", figure.name) is not None, "the name is a lower-case letter, then letters, digits and _")
    require(figure.summary.endswith(".") and "\n" not in figure.summary, "the summary is one line that ends with a full stop")
    require(len(figure.caption) > 100, "the caption explains the picture in more than 100 letters")
    require(figure.caption.endswith("."), "the caption ends with a full stop")
    require(not set("{}\n") & set(figure.caption), "the caption is one paragraph without braces")


def check_needs(figure: Figure, config: Config = SMOKE) -> None:
    """Check that what the figure needs depends on the configuration alone, and that it can be run."""
    require, needs = _of(figure), figure.needs(config)
    require(isinstance(needs, Needs), "needs returns a Needs")
    require(needs == figure.needs(config), "needs returns the same for the same configuration")
    configs = [*needs.runs, *(other for _, other in needs.evaluations)]
    require(all(isinstance(run, Config) for run in configs), "runs and evaluations are configurations")
    require(all(Config.model_validate(run.model_dump()) == run for run in configs), "configurations are valid")
    require(all(0 <= index < len(needs.runs) for index, _ in needs.evaluations), "each evaluation names one of the runs")


def check_table(figure: Figure, table: pd.DataFrame) -> None:
    """Check a table as `Figure.compute` returns it."""
    require = _of(figure)
    require(isinstance(table, pd.DataFrame) and not table.empty, "compute returns a table with rows")
    require(all(isinstance(column, str) for column in table), "columns have names")
    floats = {column: dtype for column, dtype in table.dtypes.items() if dtype.kind == "f"}
    try:
        pd.testing.assert_frame_equal(
            as_drawn(table).astype(floats), table, rtol=1e-15, atol=0, check_dtype=False, check_index_type=False
        )
    except AssertionError as error:
        require(False, f"the table survives its CSV file: {' '.join(str(error).split())}")
    if {"value", "low", "high"} <= set(table):
        known = table.dropna(subset=["value", "low", "high"])
        slack = 1e-9 * (1 + known.value.abs())
        require(len(known) > 0, "some rows have a value with an interval")
        inside = (known.low <= known.value + slack) & (known.value <= known.high + slack)
        require(bool(inside.all()), "values are inside their intervals")


def check_picture(figure: Figure, table: pd.DataFrame) -> None:
    """Check the picture of a table, given as `as_drawn` returns it."""
    require, before = _of(figure), table.copy()
    width, height = figure.size_of(table)
    require(width in (style.PAGE, style.COLUMN), f"the width is {style.PAGE} or {style.COLUMN} inches: a page or a column")
    require(0 < height < TALLEST, f"the height is below {TALLEST:g} inches")
    with style.applied():
        picture = figure.paint(table)
        require(table.equals(before), "draw leaves the table as it is")
        panels = {ax.get_label(): ax for ax in picture.axes}
        names = {name for row in figure.layout_of(table)["mosaic"] for name in row} - {"."}
        require(set(panels) == names, f"draw uses the panels of the layout: {sorted(names)}, not {sorted(map(str, panels))}")
        empty = sorted(str(name) for name, ax in panels.items() if not ax.has_data())
        require(not empty, f"every panel shows something; nothing is in {', '.join(empty)}")
        check_readable(figure, picture)


def check_narrow(figure: Figure, table: pd.DataFrame, width: float = style.COLUMN) -> matplotlib.figure.Figure:
    """Check the picture of a table at another width, by default that of a column of a journal; returns the picture."""
    look, require = Look(width), _of(figure)
    with style.applied(look):
        picture = figure.paint(table, look)
        require(math.isclose(picture.get_figwidth(), width), f"the picture is {width:g} inches wide")
        require(
            bool(picture.get_figheight() < _TALLEST_NARROW), f"at {width:g} inches the height is below {_TALLEST_NARROW} inches"
        )
        check_readable(figure, picture)
    return picture


def check_readable(figure: Figure, picture: matplotlib.figure.Figure) -> None:
    """Check that no text is tiny, leaves the page, or overlaps another by more than a pixel."""
    require = _of(figure)
    shown = [text for text in picture.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]
    tiny = sorted({text.get_text() for text in shown if float(text.get_fontsize()) < _SMALLEST})
    require(not tiny, f"texts have {_SMALLEST} points or more: {tiny}")
    found, page = text_boxes(picture), picture.bbox
    outside = [text for text, b in found if min(b.x0 - page.x0, b.y0 - page.y0, page.x1 - b.x1, page.y1 - b.y1) < -1]
    require(not outside, f"texts are on the page: {outside}")
    corners = [rectangles.corners(text) for text in _shown(picture)]
    pairs = itertools.combinations(zip(found, corners, strict=True), 2)
    crossing = [
        (a, b) for ((a, box_a), of_a), ((b, box_b), of_b) in pairs if _overlap(box_a, box_b) and rectangles.overlap(of_a, of_b)
    ]
    require(not crossing, f"texts do not overlap: {crossing}")


def check_files(figure: Figure, table: pd.DataFrame, folder: Path) -> None:
    """Check that the same table gives the same files, and that the CSV file alone gives them too."""
    first, again = folder / "first", folder / "again"
    save(figure, table, first)
    save(figure, pd.read_csv(first / f"{figure.name}.csv"), again)
    for suffix in ("csv", "pdf", "png"):
        file = f"{figure.name}.{suffix}"
        _of(figure)((first / file).read_bytes() == (again / file).read_bytes(), f"the same table gives the same {suffix} file")


def as_drawn(table: pd.DataFrame) -> pd.DataFrame:
    """The table as `Figure.draw` gets it: read back from its CSV file."""
    return pd.read_csv(StringIO(table.to_csv(index=False)))


def text_boxes(picture: matplotlib.figure.Figure) -> list[tuple[str, Bbox]]:
    """Each visible text of titles, labels, ticks, panels and legends, and where it is, in pixels."""
    with style.applied():
        picture.draw_without_rendering()
    return [(text.get_text(), text.get_window_extent()) for text in _shown(picture)]


def _shown(picture: matplotlib.figure.Figure) -> list[Text]:
    return [text for text in _texts(picture) if text.get_text().strip() and text.get_visible()]


def _texts(picture: matplotlib.figure.Figure) -> Iterator[Text]:
    for ax in picture.axes:
        yield from (child for child in ax.get_children() if isinstance(child, Text))  # titles and free texts
        if ax.axison:
            for axis in (ax.xaxis, ax.yaxis):
                yield axis.label
                low, high = sorted(axis.get_view_interval())
                for tick in axis.get_major_ticks():
                    if low <= tick.get_loc() <= high:
                        yield from (tick.label1, tick.label2)
    for legend in picture.legends:
        yield from legend.get_texts()


def _overlap(a: Bbox, b: Bbox) -> bool:
    wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    return bool(wide > 1 and high > 1)


def _of(figure: Figure) -> Callable[[bool, str], None]:
    """What raises if something that a contract says about a figure is not true."""

    def require(kept: bool, rule: str) -> None:
        if not kept:
            raise AssertionError(f"figure {figure.name}: {rule}")

    return require
