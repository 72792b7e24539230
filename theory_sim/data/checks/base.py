"""One invariant and what came of testing it."""

import math
from dataclasses import dataclass

from torch import Tensor

from theory_sim.runtime.display import table_html


@dataclass(frozen=True, repr=False)
class Check:
    """One invariant and what came of testing it.

    Attributes:
        name: its name.
        finding: the number that decides, in words.
        passed: whether it holds.
        p: the p-value of a distribution's test, before and, in the result of `check_batches`, after correction; None if exact.
    """

    name: str
    finding: str
    passed: bool
    p: float | None = None

    def row(self) -> dict[str, str]:
        """Its cells in a table of checks."""
        p = "exact" if self.p is None else f"{self.p:.3g}"
        return {"invariant": self.name, "finding": self.finding, "p (Holm)": p, "": "passed" if self.passed else "broken"}

    def __str__(self) -> str:
        p = "" if self.p is None else f", p = {self.p:.3g}"
        return f"{self.name}: {self.finding}{p}: {'passed' if self.passed else 'broken'}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return table_html([self.row()])


def exactly(name: str, broken: Tensor, what: str) -> Check:
    """An exact invariant, from where it is broken."""
    count = int(broken.sum())
    return Check(name, f"{count} of {broken.numel()} {what}", count == 0)


def tested(name: str, p: float, finding: str) -> Check:
    """An invariant of a distribution, to be decided when all p-values are known. Numbers that are NaN break it."""
    return Check(name, finding, True, 0.0 if math.isnan(p) else float(p))
