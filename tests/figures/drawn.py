"""What is on a figure, looked up panel by panel, and the command that draws."""

import itertools
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from types import ModuleType

import numpy as np
import outcome
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import same_color
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from theory_sim import cli
from theory_sim.config import Config
from theory_sim.figures import style


def read_back(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it comes back from its CSV file."""
    return pd.read_csv(StringIO(table.to_csv(index=False)))


def panels_of(module: ModuleType, table: pd.DataFrame) -> dict[str, Axes]:
    return {ax.get_label(): ax for ax in style.paint(module, table).axes}


def line(ax: Axes, label: str) -> Line2D:
    (found,) = [drawn for drawn in ax.get_lines() if drawn.get_label() == label]
    return found


def bands(ax: Axes) -> list[PolyCollection]:
    """In the order drawn."""
    return [c for c in ax.collections if isinstance(c, PolyCollection)]


def mesh(ax: Axes) -> QuadMesh:
    (found,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    return found


def estimates(ax: Axes) -> dict[str, ErrorbarContainer]:
    return {c.get_label(): c for c in ax.containers if isinstance(c, ErrorbarContainer)}


def legend(ax: Axes) -> list[str]:
    """Texts of the figure's only legend."""
    (found,) = ax.figure.legends
    return [text.get_text() for text in found.get_texts()]


def written(ax: Axes) -> list[str]:
    """Free texts."""
    return [text.get_text() for text in ax.texts]


def shown_ticks(labels: Iterable[Text]) -> list[str]:
    return [label.get_text() for label in labels]


def assert_line(drawn: Line2D, rows: pd.DataFrame, x: str, color: str) -> None:
    """A line through ``value``."""
    np.testing.assert_array_equal(drawn.get_xdata(), rows[x])
    np.testing.assert_array_equal(drawn.get_ydata(), rows.value)
    assert same_color(drawn.get_color(), color)


def assert_band(band: PolyCollection, rows: pd.DataFrame, x: str, color: str) -> None:
    """A band from ``low`` to ``high`` that contains ``value``."""
    assert same_color(band.get_facecolor()[0, :3], color)
    outline = band.get_paths()[0].vertices
    assert set(outline[:, 0]) == set(rows[x])
    for row in rows.to_dict("records"):
        heights = outline[outline[:, 0] == row[x], 1]
        assert heights.min() == row["low"] <= row["value"] * (1 + 1e-12) + 1e-300
        assert heights.max() == row["high"] >= row["value"] * (1 - 1e-12) - 1e-300


def assert_estimates(drawn: ErrorbarContainer, rows: pd.DataFrame, x: Iterable[float], color: str, *, flat: bool = False) -> None:
    """Markers at ``value`` and bars from ``low`` to ``high``; `flat`: the values lie along the x axis."""
    marker, _, (bar,) = drawn
    value, other = (0, 1) if flat else (1, 0)
    np.testing.assert_allclose(marker.get_xydata()[:, value], rows.value)
    np.testing.assert_allclose(marker.get_xydata()[:, other], list(x))
    ends = np.array(bar.get_segments())[:, :, value]
    np.testing.assert_allclose(ends, rows[["low", "high"]], atol=1e-12)
    assert same_color(marker.get_color(), color)
    assert (rows.low <= rows.value).all()
    assert (rows.value <= rows.high).all()


def assert_inside(ax: Axes, x: Iterable[float], y: Iterable[float]) -> None:
    """All points lie in the panel."""
    for values, limits in ((x, ax.get_xlim()), (y, ax.get_ylim())):
        low, high = sorted(limits)
        assert low <= np.nanmin(list(values))
        assert np.nanmax(list(values)) <= high


def texts(figure: Figure) -> Iterator[Text]:
    """All that can be read: titles, labels, tick labels in the panel, free texts and legends."""
    for ax in figure.axes:
        yield from (ax.title, ax._left_title, ax._right_title, *ax.texts)
        if ax.axison:
            for axis in (ax.xaxis, ax.yaxis):
                yield axis.label
                low, high = sorted(axis.get_view_interval())
                for tick in axis.get_major_ticks():
                    if low <= tick.get_loc() <= high:
                        yield from (tick.label1, tick.label2)
    for found in figure.legends:
        yield from found.get_texts()


def boxes(figure: Figure) -> dict[str, Bbox]:
    """Where each visible text lies, in pixels; texts that stand twice are told apart by a number."""
    figure.draw_without_rendering()
    seen = [text for text in texts(figure) if text.get_text().strip() and text.get_visible()]
    return {f"{number}: {text.get_text()}": text.get_window_extent() for number, text in enumerate(seen)}


def assert_readable(figure: Figure) -> None:
    """No text leaves the page or lies on another, by more than a pixel."""
    found, page = boxes(figure), figure.bbox
    outside = [t for t, b in found.items() if min(b.x0 - page.x0, b.y0 - page.y0, page.x1 - b.x1, page.y1 - b.y1) < -1]
    assert not outside
    crossing = [(a, b) for a, b in itertools.combinations(found, 2) if _cross(found[a], found[b])]
    assert not crossing


def _cross(a: Bbox, b: Bbox) -> bool:
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1


def group_of(config: Config, model: str, head: int, feature: int) -> str:
    """What a feature is to a head of a two-level tree, by their names: classes are "1", "2", their leaves "1,1", "1,2"."""
    tree = config.label_tree
    own = tree.names[head if model == "coarse" else tree.leaves[head]]
    name = tree.names[feature]
    if name == own.split(",")[0]:
        return "common"
    return "own rare" if name == own or name.startswith(f"{own},") else "other"


class Outcome(outcome.Outcome):
    """What ``theory-sim figures`` came to."""

    @property
    def complaint(self) -> str:
        """The message alone, checked as ever."""
        return super().complaint.removeprefix("error: ").rstrip()


def command(*arguments: object) -> Outcome:
    """Run ``theory-sim figures`` in this process."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["theory-sim", "figures", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    assert isinstance(stop.value.code, int)
    return Outcome(stop.value.code, out.getvalue(), err.getvalue())
