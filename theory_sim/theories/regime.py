"""The regime: each assumption of a theory, the value that a configuration gives it, and whether it is inside.

Theories are asymptotic. An order such as Θ(d^0.4) says nothing about one d, so each line states the reading that was chosen,
and outside is a warning, never a refusal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from theory_sim.runtime.display import table_html


@dataclass(frozen=True, repr=False)
class Assumption:
    """One assumption at one configuration.

    Attributes:
        assumption: what is assumed, in the theory's symbols.
        value: what the configuration gives.
        low: lower end of the theory's range at this configuration; None: none.
        high: upper end; None: none.
        range: the range as the theory states it.
        source: ``paper``, ``recalled`` or ``ours``.
    """

    assumption: str
    value: float
    low: float | None
    high: float | None
    range: str
    source: str

    @property
    def inside(self) -> bool:
        """Whether the value is in the range."""
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)

    def row(self) -> dict[str, str]:
        """Its cells in a table of assumptions."""
        where = "inside" if self.inside else "outside"
        named = {"assumption": self.assumption, "value": f"{self.value:.4g}", "theory's range": self.range}
        return named | {"source": self.source, "": where}

    def __str__(self) -> str:
        where = "inside" if self.inside else "outside"
        return f"{self.assumption} = {self.value:.4g}, theory {self.range} ({self.source}): {where}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return table_html([self.row()])


def outside(regime: Sequence[Assumption]) -> list[Assumption]:
    """The assumptions that the configuration does not meet."""
    return [line for line in regime if not line.inside]
