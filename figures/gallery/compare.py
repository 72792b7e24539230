"""Compares a figure's numbers with those that were drawn before."""

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from theory_sim.figures.common.figure import Figure

TOLERANCE = (0.02, 0.001)
"""Allowed difference of two numbers in `differing`: this share of the largest number of their group, plus this constant."""


def differing(figure: Figure, table: pd.DataFrame, folder: Path) -> str | None:
    """The difference between a figure's numbers and those in the folder, in one line; None if there is none.

    Texts and whole numbers must be the same. Other numbers must agree within `TOLERANCE`, where a group is the rows with the
    same texts: training in single precision differs in the last digits between machines, and so does the prediction for a few
    test samples.
    """
    path = folder / f"{figure.name}.csv"
    if not path.exists():
        return f"{path} is not there"
    old = pd.read_csv(path)
    if list(old.columns) != list(table.columns) or len(old) != len(table):
        before, after = (f"{len(version)} rows of {', '.join(version.columns)}" for version in (old, table))
        return f"{path} is of another version: {before}; now {after}"
    texts = [column for column in old if not pd.api.types.is_numeric_dtype(old[column])]
    group = old.groupby(texts, sort=False, dropna=False).ngroup() if texts else np.zeros(len(old))
    for column in table:
        # Both were read from text, so that "1" and 1 compare equal.
        now, then = _as_read(table[column]), old[column]
        if pd.api.types.is_float_dtype(now) and pd.api.types.is_float_dtype(then):
            size = then.abs().where(np.isfinite(then), 0).groupby(group).transform("max")
            allowed = TOLERANCE[0] * size + TOLERANCE[1]
            wrong = ~np.isclose(now, then, rtol=0, atol=allowed, equal_nan=True)
        else:
            wrong = ~((now == then) | (now.isna() & then.isna())).to_numpy()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            first = f"row {row + 1}, {then[row]}, now {now[row]}"
            return f"{path}: {wrong.sum()} of {len(table)} values of {column} differ, the first in {first}"
    return None


def _as_read(column: pd.Series) -> pd.Series:
    """A column as it comes back from a CSV file."""
    return pd.read_csv(StringIO(column.to_frame().to_csv(index=False, na_rep="nan")), skip_blank_lines=False).iloc[:, 0]
