"""An estimate with its interval, and notes on the limits of the interval."""

import math
from dataclasses import dataclass

FEW = 5
"""An interval over fewer replicas or seeds carries the note that they are few."""
ONE_REPLICA = "one replica: the interval does not cover other replicas"
"""Note of intervals over the samples, leaves or images of a single network."""
_NORMAL = 0.99
"""Above this confidence an interval depends on the tails of a normal law, which a few replicas cannot test."""


@dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval.

    Attributes:
        value: the estimate; NaN where it is undefined.
        low: lower end of the interval.
        high: upper end.
        method: how the interval was computed.
        p: one-sided p-value of the hypothesis that the value is at most 0, where a test was made.
        notes: limits of the interval, such as few replicas or an assumed normal law.
    """

    value: float
    low: float
    high: float
    method: str
    p: float | None = None
    notes: tuple[str, ...] = ()


def undefined(reason: str) -> Estimate:
    """An estimate without a number: a claim about it has no result."""
    return Estimate(math.nan, math.nan, math.nan, reason)


def notes_of(n: int, confidence: float, of: str = "replicas") -> tuple[str, ...]:
    """The notes of an interval over n independent values."""
    few = (f"few {of}",) if n < FEW else ()
    return few + (("under normality",) if confidence > _NORMAL else ())
