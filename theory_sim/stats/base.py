"""An estimate with its interval, and what the interval rests on."""

import math
from dataclasses import dataclass

FEW = 5
"""With fewer replicas or seeds an interval is marked as one of few."""
ONE_REPLICA = "one replica: says nothing of others"
"""Note of intervals that hold for the samples, leaves or images of one network."""
_NORMAL = 0.99
"""Above this confidence an interval rests on the tail of a normal law, which so few replicas cannot show."""


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is.

    Attributes:
        value: the estimate; NaN where it is undefined.
        low: lower end of the interval.
        high: upper end.
        method: what made the interval.
        p: one-sided p-value of "the value is not above 0", where a test was asked for.
        notes: what the interval rests on or cannot see, such as few replicas.
    """

    value: float
    low: float
    high: float
    method: str
    p: float | None = None
    notes: tuple[str, ...] = ()


def undefined(reason: str) -> Estimate:
    """No number: it decides nothing."""
    return Estimate(math.nan, math.nan, math.nan, reason)


def notes_of(n: int, confidence: float, of: str = "replicas") -> tuple[str, ...]:
    """What an interval over n independent values rests on."""
    few = (f"few {of}",) if n < FEW else ()
    return few + (("under normality",) if confidence > _NORMAL else ())
