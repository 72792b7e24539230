"""One-factor studies: each grid turns one key of a configuration, and each claim holds, fails or is undecided at each value.

A claim *fails* where its whole interval lies on the wrong side of its bound, and is *undecided* where the interval holds the
bound (or, of a claim that a test decides as well, p is too large). All of this is ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from theory_sim.config import Config
from theory_sim.runtime.settings import value_at

if TYPE_CHECKING:
    import pandas as pd

    from theory_sim.studies.sweep import Cell, Grid

State = Literal["holds", "fails", "undecided", "no result"]


@dataclass(frozen=True)
class Factor:
    """What one key does to the claims.

    Attributes:
        key: of the configuration.
        base: its value in all other cells.
        values: that it took; numbers from the smallest.
        states: of each claim at each of them.
    """

    key: str
    base: Any
    values: list[Any]
    states: dict[str, list[State]]

    def fails(self, claim: str) -> str:
        """Where a claim fails: ``≤ 2`` or ``≥ 0.8`` where numbers on one side of the base all do, otherwise the values."""
        return self._where(claim, ("fails", "no result"))

    def breaks(self, claim: str) -> str:
        """Where it no longer holds for sure: as `fails`, with the values that leave it undecided."""
        return self._where(claim, ("fails", "no result", "undecided"))

    def _where(self, claim: str, states: Sequence[State]) -> str:
        failing = [state in states for state in self.states[claim]]
        found = [value for value, fails in zip(self.values, failing, strict=True) if fails]
        if not found or not _numbers(self.values):
            return ", ".join(map(str, found))
        n = len(found)
        below, above = failing[:n] == [True] * n, failing[-n:] == [True] * n
        if n == len(failing):
            return "everywhere"
        return f"≤ {found[-1]:g}" if below else f"≥ {found[0]:g}" if above else ", ".join(f"{value:g}" for value in found)


def factors(config: Config, grids: Sequence["Grid"], cells: Mapping[str, "Cell"], table: "pd.DataFrame") -> list[Factor]:
    """Every key that has a grid of its own.

    Args:
        config: what the cells have in common, the base.
        grids: of the study; those with one key are its factors.
        cells: of its sweep, by their hash.
        table: the sweep's ``cells`` (`theory_sim.studies.tables`).
    """
    claims = table.quantity.dropna().unique().tolist()
    by_cell = {id_: rows.set_index("quantity") for id_, rows in table.groupby("cell")}
    keys = next(iter(cells.values())).values
    base = {key: value_at(config, key) for key in keys}

    def one(key: str, values: Sequence[Any]) -> Factor:
        taken = [value_at(config.replace({key: value}), key) for value in values]
        if _numbers(taken):
            taken.sort()
        own = [next(id_ for id_, cell in cells.items() if cell.values == base | {key: value}) for value in taken]
        return Factor(key, base[key], taken, {claim: [_state(by_cell[id_], claim) for id_ in own] for claim in claims})

    return [one(*next(iter(grid.items()))) for grid in grids if len(grid) == 1]


def _numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _state(rows: "pd.DataFrame", claim: str) -> State:
    if claim not in rows.index:
        return "no result"
    row = rows.loc[claim]
    if row.holds:
        return "holds"
    wrong = row.low > row.bound if row.side == "≤" else row.high < row.bound
    return "fails" if wrong else "undecided"


def lines(found: Sequence[Factor]) -> Iterator[tuple[str, str, str, str, str, str]]:
    """For a table: key, base, values, claim, where it fails, where it is undecided too; a row for each claim that breaks."""
    for factor in found:
        values = ", ".join(map(str, factor.values))
        broken = [claim for claim in factor.states if factor.breaks(claim)]
        for claim in broken:
            yield factor.key, str(factor.base), values, claim, factor.fails(claim), factor.breaks(claim)
        if not broken:
            yield factor.key, str(factor.base), values, "all claims hold", "", ""
