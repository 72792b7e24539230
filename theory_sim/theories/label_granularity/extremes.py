"""The smallest or largest of several estimates, with an interval that covers all of them together (Bonferroni)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from theory_sim import stats
from theory_sim.stats import Estimate

if TYPE_CHECKING:
    import pandas as pd


def extreme(estimates: Sequence[Callable[[float], Estimate]], most: bool, confidence: float, of: str) -> Estimate:
    """The estimate whose upper end is largest, or whose lower end is smallest; undefined if one is undefined.

    Args:
        estimates: each from a confidence to an estimate.
        most: whether the largest.
        confidence: of all intervals together.
        of: what there are several of, for `Estimate.method`.
    """
    each = 1 - (1 - confidence) / max(1, len(estimates))
    found = [estimate(each) for estimate in estimates]
    if missing := [e for e in found if e.value != e.value]:
        return missing[0]
    chosen = max(found, key=lambda e: e.high) if most else min(found, key=lambda e: e.low)
    return replace(chosen, method=f"{chosen.method}, {'largest' if most else 'smallest'} {of}")


def mean_of_cells(measure: str, most: bool, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The mean of a measure in the cell whose interval ends lowest, or highest with `most`, in a table of measures."""
    cells = [partial(stats.mean, rows[measure].to_numpy(float)) for _, rows in table.groupby("cell", sort=False)]
    return extreme(cells, most, confidence, f"of {len(cells)} cells")


def error_of_cells(measure: str, most: bool, table: "pd.DataFrame", confidence: float) -> Estimate:
    """The error in the cell whose interval ends lowest, or highest with `most`, in a table of measures."""
    cells = [partial(error_of, measure, rows) for _, rows in table.groupby("cell", sort=False)]
    return extreme(cells, most, confidence, f"of {len(cells)} cells")


def error_of(measure: str, rows: "pd.DataFrame", confidence: float) -> Estimate:
    """Mean over replicas of an error on so many test samples as the measure ``test-samples`` says."""
    return stats.error_of_rates(rows[measure].to_numpy(float), max(1, round(rows["test-samples"].iloc[0])), confidence)


def guessing_error(table: "pd.DataFrame") -> float:
    """1 − 1/K, the largest among the cells of a table of measures."""
    return float(table["chance"].max())


def at_largest(key: str, table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows with the largest value of a column."""
    rows: pd.DataFrame = table[table[key] == table[key].max()]
    return rows
