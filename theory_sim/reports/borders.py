"""How far a configuration is from each border of a theory's regime."""

import math
from typing import Any

from theory_sim.theories.regime import Assumption

_FAR = 1e9
"""A larger factor is given as a difference: a border that means "above 0" is a very small number."""


def distance(value: float, border: float) -> str:
    """The distance of a value from a border, in words: as a factor where both are positive, otherwise as a difference."""
    if value == border:
        return "on the border"
    factor = max(value, border) / min(value, border) if value > 0 and border > 0 else math.inf
    if factor < _FAR:
        return f"{factor:.3g} times {'above' if value > border else 'below'}"
    return f"{abs(value - border):.3g} {'above' if value > border else 'below'}"


def with_borders(line: Assumption) -> dict[str, Any]:
    """An assumption for a page: its values, and the distance from each end of its range that it has."""
    ends = {"lower": line.low, "upper": line.high}
    told = [f"{distance(line.value, end)} the {name} border {end:.4g}" for name, end in ends.items() if end is not None]
    return {
        "assumption": line.assumption,
        "value": line.value,
        "low": line.low,
        "high": line.high,
        "range": line.range,
        "source": line.source,
        "inside": line.inside,
        "distance": "; ".join(text.replace("on the border the", "on the") for text in told),
    }
