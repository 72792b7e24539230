"""Comparing a table with the CSV file that was drawn before."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theory_sim.figures.gallery.compare import TOLERANCE, differing
from theory_sim.figures.theorems import COARSE


def _column(name: str, row: int, change: Callable) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def changed(table: pd.DataFrame) -> pd.DataFrame:
        values = table[name].tolist()
        values[row] = change(values[row])
        return table.assign(**{name: values})

    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            _column("value", 0, lambda v: v * 1.1), "1 of {rows} values of value differ, the first in row 1,", id="number"
        ),
        pytest.param(
            _column("value", 2, lambda v: np.nan), "1 of {rows} values of value differ, the first in row 3, nan, now", id="absent"
        ),
        pytest.param(
            _column("bound", 0, lambda v: 1.0), "1 of {rows} values of bound differ, the first in row 1, 1.0, now nan", id="new"
        ),
        pytest.param(
            _column("step", 1, lambda v: v + 1), "1 of {rows} values of step differ, the first in row 2, 2, now 1", id="whole"
        ),
        pytest.param(
            _column("decision", -1, lambda v: "holds"),
            "values of decision differ, the first in row {rows}, holds, now undecided",
            id="text",
        ),
        pytest.param(lambda table: table.iloc[1:], "is of another version: {less} rows of", id="rows"),
        pytest.param(lambda table: table.drop(columns="range"), "is of another version: {rows} rows of", id="columns"),
        pytest.param(lambda table: table.iloc[:, ::-1], "is of another version: {rows} rows of", id="order"),
    ],
)
def test_differences_are_found(change, said: str, made, tmp_path: Path) -> None:
    table = made.computed["theorem_coarse"]
    change(table).to_csv(tmp_path / "theorem_coarse.csv", index=False)
    found = differing(COARSE, table, tmp_path)
    assert found is not None
    assert said.format(rows=len(table), less=len(table) - 1) in found
    assert "\n" not in found


def test_numbers_may_differ_by_a_share_of_the_largest_of_their_curve(made, tmp_path: Path) -> None:
    table = made.computed["theorem_coarse"]
    share, more = TOLERANCE
    allowed = share * table.value.abs().groupby([table.part, table.quantity]).transform("max") + more

    def found(times: float) -> str | None:
        table.assign(value=table.value + times * allowed).to_csv(tmp_path / "theorem_coarse.csv", index=False)
        return differing(COARSE, table, tmp_path)

    # The group's largest number is that of the file, and differs a little itself.
    assert found(0.95) is None
    assert found(-0.95) is None
    assert f"{len(table)} of {len(table)} values of value differ" in str(found(1.1))
