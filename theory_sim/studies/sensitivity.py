"""One-at-a-time sensitivity: each grid varies one setting of a configuration, and every claim has a state at every value.

The states are the decisions of `theory_sim.theories.claims`: a claim holds, is refuted or undecided, or has no result. In a
failed cell all claims have no result: a run that diverges or needs too much memory refutes none of them. The method is ours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theory_sim.config import Config
from theory_sim.runtime.settings import value_at
from theory_sim.theories.claims import DECISIONS, Decision
from theory_sim.theories.theory import claims_of

if TYPE_CHECKING:
    import pandas as pd

    from theory_sim.studies.sweep import Grid, Sweep


@dataclass(frozen=True)
class Sensitivity:
    """The states of all claims while one setting is varied.

    Attributes:
        key: the varied setting, such as ``data.noise``.
        base: its value in the cells that vary other settings.
        values: its values; numbers in increasing order.
        states: for each claim its state at each of the values.
    """

    key: str
    base: Any
    values: list[Any]
    states: dict[str, list[Decision]]

    def where(self, claim: str, state: Decision) -> list[Any]:
        """The values at which a claim has a state."""
        return [value for value, at in zip(self.values, self.states[claim], strict=True) if at == state]

    def any_claim(self, state: Decision) -> bool:
        """Whether some claim has a state at some value."""
        return any(state in at for at in self.states.values())


def sensitivities(config: Config, grids: Sequence["Grid"], done: "Sweep") -> list[Sensitivity]:
    """The sensitivity to every setting that has a grid of its own, in the order of the grids.

    Args:
        config: the configuration that the cells derive from.
        grids: the grids of the sweep; those with one key vary a setting.
        done: the sweep.
    """
    table = done.read("cells")
    claims = [claim.id for claim in claims_of(config)]
    by_cell = {id_: rows.set_index("id") for id_, rows in table.groupby("cell")}
    base = {key: value_at(config, key) for key in done.keys}

    def of(key: str, values: Sequence[Any]) -> Sensitivity:
        tested = [value_at(config.replace({key: value}), key) for value in values]
        if _are_numbers(tested):
            tested.sort()
        ids = [next(id_ for id_, cell in done.ids.items() if cell.values == base | {key: value}) for value in tested]
        return Sensitivity(key, base[key], tested, {claim: [_state(by_cell[id_], claim) for id_ in ids] for claim in claims})

    return [of(*next(iter(grid.items()))) for grid in grids if len(grid) == 1]


def _state(rows: "pd.DataFrame", claim: str) -> Decision:
    return rows.decision[claim] if claim in rows.index else "no result"


def region(found: Sequence[Any], values: Sequence[Any]) -> str:
    """Text for some of a setting's values: ``≤ 2`` or ``≥ 0.8`` where they are all numbers up to or from one of them, ``all``
    where they are all values, otherwise a list.

    Args:
        found: some of the values, in their order.
        values: all values; numbers in increasing order.
    """
    if not found or not _are_numbers(values):
        return ", ".join(map(str, found))
    if len(found) == len(values):
        return "all"
    if found == values[: len(found)]:
        return f"≤ {found[-1]:g}"
    return f"≥ {found[0]:g}" if found == values[-len(found) :] else ", ".join(f"{value:g}" for value in found)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


COLUMNS = ("setting", "base", "values", "claim", *(f"{decision} at" for decision in DECISIONS[1:]))
"""Columns of `table_rows`."""


def table_rows(found: Sequence[Sensitivity]) -> Iterator[tuple[str, ...]]:
    """The texts of a table: a row for each setting and claim that does not hold at all values, one for any other setting."""
    for of in found:
        about = of.key, str(of.base), ", ".join(map(str, of.values))
        claims = [claim for claim, states in of.states.items() if set(states) != {"holds"}]
        for claim in claims:
            regions = (region(of.where(claim, state), of.values) for state in DECISIONS[1:])
            yield *about, claim, *regions
        if not claims:
            yield *about, "all claims hold", "", "", ""
