"""Values of settings on axes: as numbers, as text, and with ticks that do not overlap."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

_NEAR = 9
"""Positive values with a larger ratio than this are drawn on a logarithmic axis."""


def number(value: Any) -> float:
    """The place of a value on a numeric axis: a range is at its middle; NaN if the value is no number."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return math.nan
    if isinstance(value, list) and value and all(isinstance(v, int | float) for v in value):
        return float(np.mean(value))
    return math.nan if value is None or isinstance(value, bool | np.bool_ | list) else float(value)


def text(value: Any) -> str:
    """The text of a value, the same for a value of a configuration and for one of a table, where lists are JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, list):
        return json.dumps(value)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return "null" if value is None else f"{float(value):g}"


def word(value: Any) -> str | float:
    """The `text` of a value that is not a single number, and NaN for one that is: the table has another column for numbers."""
    found = text(value)
    try:
        float(found)
    except ValueError:
        return found
    return math.nan


def axis(ax: Axes, values: Sequence[float]) -> None:
    """Set the scale of an x axis: logarithmic if the positive values are far apart, and then linear from 0 to the smallest."""
    positive = [value for value in values if value > 0]
    if len(positive) < 2 or max(positive) <= _NEAR * min(positive):
        room = 0.06 * (max(values) - min(values)) or 1.0
        ax.set_xlim(min(values) - room, max(values) + room)
        return
    if min(values) <= 0:
        ax.set_xscale("symlog", linthresh=min(positive), linscale=0.5)
        ax.set_xlim(-0.3 * min(positive), 1.35 * max(positive))
    else:
        ax.set_xscale("log")
        ax.set_xlim(min(positive) / 1.35, 1.35 * max(positive))
    ax.minorticks_off()


def ticks(ax: Axes, at: Sequence[float], texts: Sequence[str], inches: float, first: int = 0, size: float = 7) -> None:
    """Set ticks at all values, with labels where there is room.

    Args:
        ax: the panel.
        at: the values.
        texts: their labels.
        inches: about the width of the panel.
        first: index of the label that is placed before all others.
        size: font size, in points.
    """
    places = ax.transData.transform([(x, 0.0) for x in at])[:, 0]
    low, high = ax.transData.transform([(x, 0.0) for x in ax.get_xlim()])[:, 0]
    places = (places - low) / (high - low) * inches
    letter = 0.6 * size / 72  # DejaVu's mean width
    kept: list[int] = []
    for i in sorted(range(len(at)), key=lambda i: (i != first, i not in (0, len(at) - 1), i)):
        reach = [letter * (len(texts[i]) + len(texts[j]) + 1) / 2 for j in kept]
        if all(abs(places[i] - places[j]) > r for j, r in zip(kept, reach, strict=True)):
            kept.append(i)
    ax.set_xticks(list(at), [text if i in kept else "" for i, text in enumerate(texts)], fontsize=size)
