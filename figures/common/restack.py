"""Puts the panels of a layout below each other where they do not fit side by side."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from theory_sim.figures.common.figure import Layout, Size

TALLEST = 9.0
"""Inches that fit on a page."""
_THIN = 0.2
"""A column whose share of the widest one is smaller holds no panel of its own: a colour scale, a tree beside a map."""
_NARROWED = 0.8
"""Panels that are narrower than this share of their natural width are put below each other."""
_LOWERED = 0.75
"""Rows can be lowered to this share of their natural height to fit on a page."""


@dataclass(frozen=True)
class Stack:
    """A layout for some width.

    Attributes:
        layout: the panels.
        heights: natural heights of its rows, in inches.
        across: number of panels side by side.
        before: for each panel that was moved, the one that its row began with and the one that its column ended with: they may
            have the labels of all.
    """

    layout: "Layout"
    heights: list[float]
    across: int
    before: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class _Panel:
    """A panel of a layout: its first and last row and column, and the height of its row in inches."""

    name: str
    rows: tuple[int, int]
    columns: tuple[int, int]
    height: float


def restack(layout: "Layout", size: "Size", width: float, most: int | None = None) -> Stack:
    """The layout for a width.

    As many panels stay side by side as keep most of their natural width; more, if the figure would be taller than a page. A grid
    with as many rows as panels fit side by side is turned over. A panel that spans rows or columns gets a row of its own, and
    a colour scale is beside the last row of its panels.

    Args:
        layout: the natural layout.
        size: the natural size.
        width: the width that is wanted, in inches.
        most: so many panels side by side at most, however tall the figure is.
    """
    mosaic = layout["mosaic"]
    heights = _shares(layout.get("height_ratios"), len(mosaic), size[1])
    widths = _shares(layout.get("width_ratios"), len(mosaic[0]), size[0])
    main = [column for column, w in enumerate(widths) if w >= _THIN * max(widths)]
    if len(main) == 1 or (most is None and width >= _NARROWED * size[0]):
        return Stack(layout, heights, len(main), {})
    panels = _panels(mosaic, main, heights)
    usual = sum(widths[column] for column in main) / len(main)
    fitting = max(1, math.floor(width / (_NARROWED * usual)))
    numbers = _numbers(panels, len(mosaic), len(main))
    start = max((k for k in numbers if k <= fitting), default=numbers[0])
    for k in [k for k in numbers if k >= start] if most is None else [max(k for k in numbers if k <= most)]:
        found = _arranged(panels, main, k)
        tall = [max(panel.height for panel in row) for row in found]
        if _LOWERED * sum(tall) <= TALLEST:
            break
    thin = [column for column in range(len(widths)) if column not in main]
    across, rows = max(map(len, found)), list[list[str]]()
    for number, row in enumerate(found):
        names = [panel.name for panel in row]
        filled = names[0] if len(row) == 1 and _alone(row[0], found) else "."
        later = {mosaic[panels[0].rows[0]][column] for panels in found[number + 1 :] for column in thin}
        scales = [mosaic[row[0].rows[0]][column] for column in thin]
        rows.append(names + [filled] * (across - len(row)) + ["." if scale in later else scale for scale in scales])
    new: Layout = {"mosaic": rows, "height_ratios": tall}
    new["width_ratios"] = [1.0] * across + [widths[column] * across / width for column in thin]
    for key in ("sharex", "sharey"):
        if key in layout:
            new[key] = layout[key]  # type: ignore[literal-required]
    before = {panel.name: (mosaic[panel.rows[0]][main[0]], mosaic[-1][panel.columns[0]]) for panel in panels}
    return Stack(new, tall, across, before)


def _shares(ratios: list[float] | None, number: int, inches: float) -> list[float]:
    """Inches of each row or column."""
    ratios = ratios or [1.0] * number
    return [inches * ratio / sum(ratios) for ratio in ratios]


def _panels(mosaic: list[list[str]], main: list[int], heights: list[float]) -> list[_Panel]:
    """The panels of the main columns, row by row; one that spans rows comes after those beside it."""
    places: dict[str, list[tuple[int, int]]] = {}
    for row, names in enumerate(mosaic):
        for column in main:
            if names[column] != ".":
                places.setdefault(names[column], []).append((row, column))
    found = [
        # A panel that spans rows starts with the height of one; it grows with what is written beside it.
        _Panel(name, (at[0][0], at[-1][0]), (at[0][1], at[-1][1]), heights[at[0][0]])
        for name, at in places.items()
    ]
    return sorted(found, key=lambda panel: (panel.rows[1], panel.columns))


def _spans(panel: _Panel) -> bool:
    return panel.rows[0] != panel.rows[1] or panel.columns[0] != panel.columns[1]


def _alone(panel: _Panel, rows: list[list[_Panel]]) -> bool:
    """Whether a panel that has a row for itself is as wide as the row: if it spanned others before, or was beside few."""
    return _spans(panel) or panel.rows == (0, 0) == rows[-1][-1].rows


def _is_grid(panels: list[_Panel], rows: int, columns: int) -> bool:
    """Whether there is a panel in each place, whose rows and columns then mean something."""
    return rows > 1 and len(panels) == rows * columns and not any(map(_spans, panels))


def _numbers(panels: list[_Panel], rows: int, columns: int) -> list[int]:
    """The possible numbers of panels side by side, in increasing order."""
    if _is_grid(panels, rows, columns):
        return [k for k in range(1, columns + 1) if columns % k == 0 or k == rows]
    return list(range(1, max(columns, 2) + 1))


def _arranged(panels: list[_Panel], main: list[int], k: int) -> list[list[_Panel]]:
    """The panels in rows of at most `k`."""
    grid: dict[int, list[_Panel]] = {}
    for panel in panels:
        grid.setdefault(panel.rows[0], []).append(panel)
    rows = list(grid.values())
    if _is_grid(panels, len(rows), len(main)):
        if k == len(rows) < len(main):
            return [list(column) for column in zip(*rows, strict=True)]
        return [row[i : i + k] for row in rows for i in range(0, len(row), k)]
    found: list[list[_Panel]] = []
    for panel in panels:
        if found and len(found[-1]) < k and not _spans(panel) and not _spans(found[-1][0]):
            found[-1].append(panel)
        else:
            found.append([panel])
    return found
