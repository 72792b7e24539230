"""A grid of test errors beside the published one, and the transition between harmful and benign overfitting.

With e and e' the mean errors of a cell, ours over R runs and the published one over 10, and v the variance of a run's error,

    z = (e − e')/√(v/R + v/10).

The published table has no variances. v is ours, pooled over a neighbourhood of cells: that of a single cell of 10 runs would
give z the heavier tails of Student's t. Where both sides follow the same law, z has mean 0 and standard deviation 1; a standard
deviation above 1 shows a difference of means from cell to cell that runs do not explain. Cells of a grid are independent.

**Transition.** At each d the strength s* of the signal is found at which the error crosses the middle between guessing, 1/2, and
p. Each error is averaged with those whose strengths are at most 0.2 away [ours], and between two strengths it is interpolated. At
the steps of 0.1 of our grid these are five errors; in the table that the package has, whose step is 0.5, nothing is averaged. The
theorem has the border where n s⁴/σ_p⁴ = C d [recalled], so that ln(n s*⁴) against ln d is a line of slope 1.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from theory_sim.runtime.errors import InputError
from theory_sim.stats import Estimate, slope

PUBLISHED = Path(__file__).with_name("published.csv")
"""A thinned copy of the published table; its header names the source."""
QUARTERS = ("all", "small d, weak signal", "small d, strong signal", "large d, weak signal", "large d, strong signal")
_PUBLISHED_RUNS = 10
_LEAST = 1e-8
"""Smallest variance, where all runs agree."""
_ROUNDING = 1e-6
"""Strengths of the signal that differ by less are one."""
_NEAR = 2
"""Cells on each side whose variances are pooled."""
_WIDTH = 0.4
"""Errors are averaged over this width in s before the border is looked for. A number of columns in its place averages a table of
larger steps over more of its curve, which lowers the exponent."""


@dataclass(frozen=True)
class Agreement:
    """How one reading agrees with the published errors on a part of the grid.

    Attributes:
        reading: of the script, such as ``mean, step 0.1``.
        part: one of `QUARTERS`.
        cells: number of cells that both tables have.
        difference: mean of e − e'.
        error: its standard error, from the runs' variances.
        spread: standard deviation of z over the cells.
    """

    reading: str
    part: str
    cells: int
    difference: float
    error: float
    spread: float


def published_errors(path: Path = PUBLISHED) -> pd.DataFrame:
    """Published mean errors, rows d and columns s.

    Raises:
        InputError: the file is absent or no such table.
    """
    try:
        table = pd.read_csv(path, comment="#", index_col="d")
        table.columns = table.columns.astype(float)
        return table.astype(float)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no table of errors with a column d and one for each strength ({error})") from None


def cell_means(table: pd.DataFrame, reading: str) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Mean errors of a reading, the variances of a run's error pooled over neighbours, and the number of runs."""
    own = table[table.reading == reading]
    runs = int(own.run.nunique())
    grouped = own.groupby(["dim", "signal"]).error
    mean, variance = grouped.mean().unstack(), grouped.var().unstack()
    pooled = np.full(mean.shape, np.nan)
    values = variance.to_numpy()
    for row, column in np.ndindex(*mean.shape):
        near = values[max(0, row - _NEAR) : row + _NEAR + 1, max(0, column - _NEAR) : column + _NEAR + 1]
        pooled[row, column] = near.mean()
    return mean, pd.DataFrame(pooled, mean.index, mean.columns), runs


def common(dims: Iterable[int], signals: Iterable[float], published: pd.DataFrame) -> tuple[list[int], list[float]]:
    """The rows and columns that a grid and a published table have in common.

    Raises:
        InputError: there are none.
    """
    there = {round(float(s), 6) for s in published.columns}
    rows, columns = [d for d in dims if d in published.index], [s for s in signals if round(float(s), 6) in there]
    if not rows or not columns:
        raise InputError("the grid and the published table have no cell in common")
    return rows, columns


def differences(table: pd.DataFrame, published: pd.DataFrame, reading: str) -> pd.DataFrame:
    """A row for each cell that both tables have: ``dim, signal, ours, published, difference, se, z``."""
    mean, variance, runs = cell_means(table, reading)
    rows, columns = common(mean.index, mean.columns.astype(float), published)
    there = {round(float(s), 6): s for s in published.columns}
    ours, v = mean.loc[rows, columns], variance.loc[rows, columns]
    other = published.loc[rows, [there[round(float(s), 6)] for s in columns]]
    d, s = np.meshgrid(ours.index, ours.columns, indexing="ij")
    se = np.sqrt(np.maximum(v.to_numpy(), _LEAST) * (1 / runs + 1 / _PUBLISHED_RUNS))
    difference = ours.to_numpy() - other.to_numpy()
    values = (d, s, ours.to_numpy(), other.to_numpy(), difference, se, difference / se)
    names = ("dim", "signal", "ours", "published", "difference", "se", "z")
    return pd.DataFrame({name: value.ravel() for name, value in zip(names, values, strict=True)})


def agreements(table: pd.DataFrame, published: pd.DataFrame) -> list[Agreement]:
    """Every reading on the whole grid and on its quarters."""
    return [each for reading in table.reading.unique() for each in _of_reading(table, published, str(reading))]


def _of_reading(table: pd.DataFrame, published: pd.DataFrame, reading: str) -> Iterator[Agreement]:
    cells = differences(table, published, reading)
    large = cells.dim > (cells.dim.min() + cells.dim.max()) / 2
    strong = cells.signal > (cells.signal.min() + cells.signal.max()) / 2
    parts = (large | ~large, ~large & ~strong, ~large & strong, large & ~strong, large & strong)
    for part, where in zip(QUARTERS, parts, strict=True):
        own = cells[where]
        if len(own):
            error = float(np.sqrt((own.se**2).sum())) / len(own)
            spread = float(own.z.std(ddof=1)) if len(own) > 1 else float("nan")
            yield Agreement(reading, part, len(own), float(own.difference.mean()), error, spread)


def transition(errors: pd.DataFrame, samples: int, flip: float) -> tuple[pd.DataFrame, Estimate, float]:
    """The border between the regimes.

    Args:
        errors: mean errors, rows d and columns s.
        samples: n.
        flip: p.

    Returns:
        ``dim`` and ``signal`` s* of each row that crosses the middle; the exponent e of n s*⁴ = C d^e with its interval over
        rows; and C at the estimated exponent.
    """
    middle = (0.5 + flip) / 2
    found = []
    for d, (_, row) in zip(errors.index.astype(float), errors.iterrows(), strict=True):
        own = row.dropna()
        s = own.index.to_numpy(float)
        near = np.abs(s[:, None] - s) <= _WIDTH / 2 + _ROUNDING
        smooth = own.to_numpy() @ (near / near.sum(0))
        below = np.flatnonzero(smooth < middle)
        if len(below) and below[0] > 0:
            right = int(below[0])
            (s_0, s_1), (e_0, e_1) = s[right - 1 : right + 1], smooth[right - 1 : right + 1]
            found.append((d, float(s_0 + (s_1 - s_0) * (e_0 - middle) / (e_0 - e_1))))
    border = pd.DataFrame(found, columns=["dim", "signal"])
    x, y = np.log(border.dim.to_numpy()), np.log(samples * border.signal.to_numpy() ** 4)
    exponent = slope(x, y, of="rows")
    constant = float(np.exp((y - exponent.value * x).mean())) if len(border) else float("nan")
    return border, exponent, constant
