"""An estimate with its interval, and notes on the limits of the interval."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory_sim.runtime.errors import InputError

FEW = 5
"""An interval over fewer replicas or seeds carries the note that they are few."""
ONE_REPLICA = "one replica: the interval does not cover other replicas"
"""Note of intervals over the samples, leaves or images of a single network."""
P_NORMAL = "p under normality"
"""Note of p-values of t tests."""
NO_P = "few replicas: no p-value"
"""Note in place of the p-value of fewer than `FEW` replicas: where these are equal, they do not show how much replicas differ."""
_ABOUT_P = frozenset((P_NORMAL, NO_P))
_NORMAL = 0.99
"""Above this confidence an interval depends on the tails of a normal law, which a few replicas cannot test."""

_ROUNDING = 1e-12
"""Values that differ by less, relative to their size, are equal."""


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval.

    Attributes:
        value: the estimate; NaN where it is undefined.
        low: lower end of the interval.
        high: upper end.
        method: how the interval was computed.
        p: one-sided p-value of the hypothesis that the value is at most 0, where a test was made.
        notes: limits of the interval, such as few replicas or an assumed normal law, and of the p-value.
    """

    value: float
    low: float
    high: float
    method: str
    p: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def limits(self) -> tuple[str, ...]:
        """The notes about the interval: all but those about the p-value."""
        return tuple(note for note in self.notes if note not in _ABOUT_P)

    def as_dict(self) -> dict[str, Any]:
        """Its numbers by the names that all files have: ``estimate``, ``low`` and ``high``, and the method and its limits."""
        return {"estimate": self.value, "low": self.low, "high": self.high, "method": self.method, "notes": list(self.notes)}


def undefined(reason: str) -> Estimate:
    """An estimate without a number: a claim about it has no result."""
    return Estimate(math.nan, math.nan, math.nan, reason)


def notes_of(n: int, confidence: float, of: str = "replicas") -> tuple[str, ...]:
    """The notes of an interval over n independent values."""
    few = (f"few {of}",) if n < FEW else ()
    return few + (("interval under normality",) if confidence > _NORMAL else ())


def note_of_equal(values: np.ndarray, scale: float, of: str, what: str = "") -> tuple[str, ...]:
    """The note of an interval without a width: the values are equal, up to the rounding of numbers of size `scale`."""
    equal = len(values) > 0 and float(np.ptp(values)) <= _ROUNDING * scale
    return (f"{what}equal in all {of}: the interval has no width",) if equal else ()


def check_confidence(confidence: float) -> None:
    """Refuse what is no confidence.

    Raises:
        InputError: it is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence: expected a number above 0 and below 1, such as 0.95, got {confidence}")


def one_axis(what: str, *values: Any) -> tuple[np.ndarray, ...]:
    """Values as arrays of numbers: each with one axis, all of one length.

    Raises:
        InputError: an array has other axes, or the lengths differ.
    """
    arrays = tuple(np.asarray(of, dtype=float) for of in values)
    for array in arrays:
        if array.ndim != 1:
            raise InputError(f"{what}: expected one axis, a number for each replica, got the shape {array.shape}")
    if len({len(array) for array in arrays}) > 1:
        lengths = " and ".join(str(len(array)) for array in arrays)
        raise InputError(f"{what}: expected a pair of numbers for each replica, got {lengths} numbers")
    return arrays
