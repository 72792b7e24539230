"""What is on a figure, looked up panel by panel, and the command that draws."""

import sys
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import outcome
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import same_color
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.text import Text

from theory_sim import cli
from theory_sim.config import Config
from theory_sim.figures import Figure, StudyTables
from theory_sim.figures.gallery.studies import find_study


def panels_of(figure: Figure, table: pd.DataFrame) -> dict[str, Axes]:
    return {ax.get_label(): ax for ax in figure.paint(table).axes}


def tables_of(study: str, out: Path) -> StudyTables:
    return find_study(study, out, "cpu")


def of(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows with these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def bars(ax: Axes) -> list[ErrorbarContainer]:
    return [c for c in ax.containers if isinstance(c, ErrorbarContainer)]


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
