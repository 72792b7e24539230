"""Intervals drawn against their bounds, as places in a small picture; the templates draw it as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 300.0
"""Width of the picture, in its own units."""
_MARGIN = 10.0
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Picture:
    """An interval and its bound.

    Attributes:
        low: place of the interval's lower end.
        high: of its upper end.
        value: of the estimate.
        bound: of the bound; None: it has none.
        right: the side of the bound where the whole interval has to be: first and last place.
        ticks: places and texts of the axis.
        words: the same for those who cannot see it.
    """

    low: float
    high: float
    value: float
    bound: float | None
    right: tuple[float, float] | None
    ticks: list[tuple[float, str]]
    words: str


def rounded(number: float | None) -> float | None:
    """0 for the rounding error of a number near 1."""
    return 0.0 if number is not None and abs(number) < _ROUNDING else number


def picture(estimate: Mapping[str, Any], side: str, bound: float | None, others: Sequence[float] = ()) -> Picture | None:
    """The picture of an estimate; None where it has no number.

    Args:
        estimate: ``estimate``, ``low`` and ``high``.
        side: ``≤``, ``≥`` or ``>``: on which side of the bound the interval has to be.
        bound: the bound.
        others: numbers that the axis reaches too, so that several pictures have one scale.
    """
    numbers = [estimate.get(name) for name in ("estimate", "low", "high")]
    if any(number is None or not math.isfinite(number) for number in numbers):
        return None
    value, low, high = (float(number) for number in numbers if number is not None)
    bound = None if bound is None or not math.isfinite(bound) else bound
    shown = [low, high, value, *others, *([] if bound is None else [bound])]
    first, last = min(0.0, *shown), max(0.0, *shown)
    first, last = (first, last) if last > first else (first - 1, first + 1)

    def at(number: float) -> float:
        return round(_MARGIN + (WIDTH - 2 * _MARGIN) * (number - first) / (last - first), 2)

    right = None
    if bound is not None:
        right = (0.0, at(bound)) if side == "≤" else (at(bound), WIDTH)
    words = f"Estimate {value:.4g}, interval from {low:.4g} to {high:.4g}"
    words += "." if bound is None else f"; the bound is {side} {bound:.4g}."
    ticks = [(at(number), f"{rounded(number):.3g}") for number in dict.fromkeys((first, last))]
    return Picture(at(low), at(high), at(value), None if bound is None else at(bound), right, ticks, words)
