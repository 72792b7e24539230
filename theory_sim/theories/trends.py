"""Trends: claims about several runs, such as how an error falls as d grows, which studies decide.

A trend reads the measures (`theory_sim.theories.measures`) of all replicas of all cells of a study. Its estimate has an interval
and is decided as a claim is (`theory_sim.theories.claims`). A study names the trends that it decides.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.returned import expect_function, place
from theory_sim.stats import Estimate, undefined
from theory_sim.theories.claims import SIDES, ClaimResult, checked_bound, checked_estimate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Trend:
    """The contract of a trend.

    Attributes:
        id: its name, such as ``success-probability``.
        statement: what it says, as a full sentence.
        theorem: the theorem that it belongs to.
        estimate: from the table of measures and a confidence to the number with its interval. The table has a row for each cell
            and replica, with the columns ``cell``, ``replica``, the keys of the study's grids, and one for each measure.
        side: ``≤``, ``≥`` or ``>``: where the whole interval must lie.
        bound: the threshold that the interval is compared with: a number, or a function of the table.
        source: who states it: ``paper``, ``recalled`` or ``ours``.
        keys: the keys of the grids that it reads; a study whose grids lack one is refused.
    """

    id: str
    statement: str
    theorem: str
    estimate: "Callable[[pd.DataFrame, float], Estimate]"
    side: str
    bound: "float | Callable[[pd.DataFrame], float]"
    source: str = "ours"
    keys: Sequence[str] = ()

    def __post_init__(self) -> None:
        expect("trend: id", self.id, str)
        expect_function(f"trend {self.id}: estimate", self.estimate, "table", "confidence")
        if callable(self.bound):
            expect_function(f"trend {self.id}: bound", self.bound, "table")
        else:
            checked_bound(f"trend {self.id}: bound", self.bound)
        expect(f"trend {self.id}: keys", self.keys, list, tuple)
        for key in self.keys:
            expect(f"trend {self.id}: keys: an entry", key, str)
        if self.side not in SIDES:
            raise InputError(f"trend {self.id}: the side is one of {', '.join(SIDES)}, got '{self.side}'")

    def decide(self, table: "pd.DataFrame", confidence: float) -> ClaimResult:
        """Decide the trend on the measures of a study.

        Args:
            table: see `estimate`.
            confidence: of the interval.

        Raises:
            InputError: its function gives no `Estimate` of numbers, or its bound is no number.
        """
        what = f"trend {self.id}: estimate ({place(self.estimate)})"
        estimate = checked_estimate(what, self.estimate(table, confidence))
        bound = checked_bound(f"trend {self.id}: bound", self.bound(table) if callable(self.bound) else self.bound)
        return ClaimResult(self.id, self.statement, self.theorem, estimate, self.side, bound, None, self.source)

    def without_result(self, reason: str) -> ClaimResult:
        """The trend without a table to decide it on."""
        bound = math.nan if callable(self.bound) else float(self.bound)
        return ClaimResult(self.id, self.statement, self.theorem, undefined(reason), self.side, bound, None, self.source)


def by_id(trends: Sequence[Trend], id_: str) -> Trend:
    """The trend of an id.

    Raises:
        InputError: there is none; the message lists what there is.
    """
    found = {trend.id: trend for trend in trends}
    if id_ not in found:
        raise InputError(f"there is no trend '{id_}'; there are {', '.join(found) or 'none'}")
    return found[id_]
