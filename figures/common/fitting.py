"""Makes the texts of a drawn picture fit where it is not drawn at its natural size or in its own style: wraps and thins them."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, groupby, pairwise

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Picture
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter
from matplotlib.transforms import Bbox, BboxBase

from theory_sim.figures.common.rectangles import corners, overlap
from theory_sim.figures.common.restack import TALLEST, Stack

_GAP = 0.04
"""Inches between texts, and between a text and the edge of the picture."""
_BETWEEN = 0.07
"""Inches above and below each row, which is more than usual: titles follow labels of other panels."""
_ROUNDS = 6
"""Wrapped texts need room, which moves others: layouts are settled after two or three rounds."""
_SPARE = 0.9
"""Inches of a row that labels, titles and the legend take; at most `_MOST` of it."""
_MOST = 0.38
_LEAST, _LEAST_OF_IMAGES = 0.6, 0.4
"""Shares of their height to which panels and images are lowered where the figure would be taller than a page."""
_NEAR = 0.05
"""Inches by which the height of a row may miss."""


def label_stacked(panels: Mapping[str, Axes], stack: Stack) -> None:
    """Label the axes of panels that were moved: a label that was meant for a row or column is found where it is needed.

    A panel gets the labels that the first one of its row and the last one of its column had, and keeps them unless its neighbour
    at the left has the same y axis, or the one below the same label. Three panels below each other have one label of the y axis.
    """
    for name, (leader, last) in stack.before.items():
        ax = panels[name]
        named = isinstance(ax.yaxis.get_major_formatter(), FixedFormatter | FuncFormatter)
        if not ax.get_ylabel() and len(ax.get_yticks()) and not named:
            ax.set_ylabel(panels[leader].get_ylabel())
        if last in panels and not ax.get_xlabel() and any(text.get_text() for text in ax.get_xticklabels()):
            ax.set_xlabel(panels[last].get_xlabel())
    if stack.before:
        rows = [[panels.get(name) for name in row[: stack.across]] for row in stack.layout["mosaic"]]
        for row in rows:
            _label_row(row)
        for column in zip(*rows, strict=True):
            _label_column(column)


def _label_row(row: Sequence[Axes | None]) -> None:
    """Leave out labels of the y axis that the panel at the left has."""
    for left, right in reversed(list(pairwise(row))):
        if left and right and left is not right and left.get_ylabel() == right.get_ylabel():
            right.set_ylabel("")
            if left.get_ylim() == right.get_ylim():
                right.tick_params("y", which="both", labelleft=False)


def _label_column(column: Sequence[Axes | None]) -> None:
    """Leave out labels of the x axis that the panel below has, and labels of the y axis that three panels or more have."""
    for above, below in pairwise(column):
        if above and below and above is not below and above.get_xlabel() == below.get_xlabel():
            above.set_xlabel("")
    for label, run in groupby(column, key=lambda ax: ax.get_ylabel() if ax else ""):
        same = [ax for ax in run if ax]
        if label and len(same) > 2:
            for ax in same:
                ax.set_ylabel("")
            # Between the two middle panels if their number is even.
            same[len(same) // 2].set_ylabel(label, y=0.5 if len(same) % 2 else 1.15)
            same[0].figure.align_ylabels(same)


def is_crowded(panels: Mapping[str, Axes]) -> bool:
    """Whether free texts touch, such as the numbers of narrow cells, or slanted labels of ticks."""
    gap = next(iter(panels.values())).figure.dpi * _GAP / 2
    boxes = [text.get_window_extent() for ax in panels.values() for text in ax.texts if text.get_text()]
    pairs = combinations(boxes, 2)
    if any(min(a.x1, b.x1) - max(a.x0, b.x0) > -gap and min(a.y1, b.y1) - max(a.y0, b.y0) > 1 for a, b in pairs):
        return True
    ticks = [[text for _, text in _ticks(ax.xaxis)] for ax in panels.values() if ax.axison]
    slanted = [[corners(text) for text in texts] for texts in ticks if any(text.get_rotation() % 90 for text in texts)]
    return any(overlap(a, b) for texts in slanted for a, b in pairwise(texts))


def fit(picture: Picture, panels: Mapping[str, Axes], stack: Stack) -> None:
    """Wrap titles and labels, leave out tick labels that have no room, and make the picture as high as its panels need.

    Args:
        picture: with its panels drawn, as wide as it will be.
        panels: by name.
        stack: their layout.
    """
    needed = [height - min(_SPARE, _MOST * height) for height in stack.heights]
    engine = picture.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine) and stack.before:
        engine.set(h_pad=_BETWEEN)
    for _ in range(_ROUNDS):
        with warnings.catch_warnings():
            # A layout that does not fit now is given more room, or fewer panels side by side.
            warnings.filterwarnings("ignore", "constrained_layout not applied", UserWarning)
            picture.draw_without_rendering()
        changed = False
        for ax in panels.values():
            if ax.axison:
                changed |= _thin(ax.xaxis)
        for text, room, across in _long_texts(picture, panels):
            changed |= _wrap(text, room, across)
        changed |= _heighten(picture, panels, stack, needed)
        if not changed:
            return


def _long_texts(picture: Picture, panels: Mapping[str, Axes]) -> Iterator[tuple[Text, float, str]]:
    """Each title and label of an axis, the pixels that it has, and whether these are its width or its height."""
    dpi, page = picture.dpi, picture.bbox
    boxes = {ax: ax.get_window_extent() for ax in panels.values()}
    outer = {ax: _outer(ax) for ax in panels.values()}
    for ax, box in boxes.items():
        right = [outer[other].x0 for other, of in boxes.items() if of.x0 > box.x1 and _beside(of, box)]
        left = [outer[other].x1 for other, of in boxes.items() if of.x1 < box.x0 and _beside(of, box)]
        low, high = max([page.x0, *left]) + _GAP * dpi, min([page.x1, *right]) - _GAP * dpi
        middle = (box.x0 + box.x1) / 2
        centred = 2 * min(middle - low, high - middle)
        for text in (child for child in ax.get_children() if isinstance(child, Text) and child.get_text()):
            if text in (ax.title, getattr(ax, "_left_title", None), getattr(ax, "_right_title", None)):
                yield text, high - box.x0 if text.get_horizontalalignment() == "left" else centred, "width"
        if not ax.axison:
            continue
        yield ax.xaxis.label, centred, "width"
        # A label may reach over panels that have none.
        labelled = [of for other, of in boxes.items() if other.axison and other.get_ylabel()]
        above = [of.y0 for of in labelled if of.y0 > box.y1]
        below = [of.y1 for of in labelled if of.y1 < box.y0]
        middle, gap = (box.y0 + box.y1) / 2, _GAP * dpi
        reach = min(middle - max([page.y0, *below]), min([page.y1, *above]) - middle)
        yield ax.yaxis.label, 2 * (reach - gap), "height"

    for legend in picture.legends:
        spare = page.width - legend.get_window_extent().width
        for text in legend.get_texts() if spare < 0 else ():
            yield text, text.get_window_extent().width + spare, "width"


def _outer(ax: Axes) -> Bbox:
    """A panel with its axes and free texts, without its titles and the labels of its axes."""
    boxes = [ax.get_window_extent()]
    for axis in (ax.xaxis, ax.yaxis):
        if ax.axison:
            boxes += [text.get_window_extent() for _, text in _ticks(axis)]
    boxes += [text.get_window_extent() for text in ax.texts if text.get_text()]
    return Bbox.union(boxes)


def _beside(a: BboxBase, b: BboxBase) -> bool:
    return bool(min(a.y1, b.y1) > max(a.y0, b.y0))


def _wrap(text: Text, room: float, across: str) -> bool:
    """Break a text that is longer than its room at spaces outside formulas and pairs in brackets."""
    before = text.get_text()
    if not before.strip() or getattr(text.get_window_extent(), across) <= room:
        return False
    lines: list[str] = []
    for paragraph in before.split("\n"):
        line = ""
        for word in re.findall(r"(?:\$[^$]*\$|\([^() ]+, [^() ]+\)|[^ $])+", paragraph):
            text.set_text(f"{line} {word}".strip())
            if line and getattr(text.get_window_extent(), across) > room:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    text.set_text("\n".join(lines))
    return "\n".join(lines) != before


def _ticks(axis: Axis) -> list[tuple[float, Text]]:
    """Place and label of each tick that is seen and has one."""
    low, high = sorted(axis.get_view_interval())
    return [
        (float(tick.get_loc()), tick.label1)
        for tick in axis.get_major_ticks()
        if low <= tick.get_loc() <= high and tick.label1.get_visible() and tick.label1.get_text().strip()
    ]


def _thin(axis: Axis) -> bool:
    """Leave out tick labels of an x axis that touch others: the first and the last are kept, then all that have room."""
    seen = sorted(_ticks(axis), key=lambda tick: tick[1].get_window_extent().x0)
    boxes = [text.get_window_extent() for _, text in seen]
    gap = _GAP * axis.get_figure().dpi  # type: ignore[union-attr]
    if any(text.get_rotation() % 90 for _, text in seen) or all(a.x1 + gap / 2 <= b.x0 for a, b in pairwise(boxes)):
        return False
    kept: list[int] = []
    for i in sorted(range(len(seen)), key=lambda i: (i not in (0, len(seen) - 1), i)):
        if all(boxes[i].x1 + gap <= boxes[j].x0 or boxes[j].x1 + gap <= boxes[i].x0 for j in kept):
            kept.append(i)
    size, texts = seen[0][1].get_fontsize(), [text.get_text() if i in kept else "" for i, (_, text) in enumerate(seen)]
    limits = axis.get_view_interval()
    axis.set_ticks([at for at, _ in seen], texts, fontsize=size)
    axis.set_view_interval(*limits, ignore=True)
    return True


def _heighten(picture: Picture, panels: Mapping[str, Axes], stack: Stack, needed: list[float]) -> bool:
    """Give each row the height that its panels need, and the picture that of all rows, labels and legends.

    Rows whose tick labels overlap are made higher; where the picture is taller than a page, the other rows are lowered.
    """
    dpi, rows = picture.dpi, [list(dict.fromkeys(row[: stack.across])) for row in stack.layout["mosaic"]]
    first = [panels[row[0]] for row in rows]
    if len(set(map(id, first))) < len(rows):  # a panel spans rows: their heights are those of the natural layout
        return False
    inside = [[panels[name] for name in row if name != "."] for row in rows]
    width, height = picture.get_size_inches()
    now = [float(ax.get_position(original=True).height * height) for ax in first]
    other = height - sum(now)
    least = [_room_of_ticks(row, dpi) for row in inside]
    want = [max(room, *(_wanted(ax, need) for ax in row)) for row, need, room in zip(inside, needed, least, strict=True)]
    lowest = [_LEAST if any(ax.get_aspect() == "auto" for ax in row) else _LEAST_OF_IMAGES for row in inside]
    spare = [max(0.0, w - max(room, share * w)) for w, room, share in zip(want, least, lowest, strict=True)]
    over = other + sum(want) - TALLEST
    if over > 0 and sum(spare) > 0:
        share = min(1.0, over / sum(spare))
        want = [w - share * s for w, s in zip(want, spare, strict=True)]
    if max(abs(a - b) for a, b in zip(want, now, strict=True)) < _NEAR:
        return False
    picture.set_size_inches(width, other + sum(want))
    grid = first[0].get_subplotspec().get_gridspec()  # type: ignore[union-attr]
    grid.set_height_ratios(want)
    return True


def _wanted(ax: Axes, natural: float) -> float:
    """The height of a panel in inches: the natural one, or less for an image that is too narrow for it."""
    aspect = ax.get_aspect()
    if aspect == "auto":
        return natural
    inches = ax.get_position(original=True).width * ax.figure.bbox.width / ax.figure.dpi
    return min(natural, float(inches * ax.get_data_ratio() * float(aspect)))


def _room_of_ticks(panels: Sequence[Axes], dpi: float) -> float:
    """The least height in inches at which no tick labels of the y axes overlap."""
    return max((_room_of(ax, dpi) for ax in panels if ax.axison), default=0.0)


def _room_of(ax: Axes, dpi: float) -> float:
    boxes = sorted((text.get_window_extent() for _, text in _ticks(ax.yaxis)), key=lambda box: box.y0)
    now = ax.get_window_extent().height
    least = 0.0
    for below, above in pairwise(boxes):
        apart = (above.y0 + above.y1 - below.y0 - below.y1) / 2
        if apart > 0:
            least = max(least, now * ((above.height + below.height) / 2 + 0.01 * dpi) / apart)
    return least / dpi
