"""Power laws fitted to each replica, for the figures of growth ratios and of predictions."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from theory_sim import stats
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import rows as rows_of


def rows(x: str, xs: Sequence[int], values: np.ndarray, part: str, where: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row for each value of `x`, and one for the slope of log value against log x.

    Args:
        x: name of the column of the independent variable.
        xs: values of that variable.
        values: (x, replica).
        part: the column ``part`` of the values' rows; that of the fit's row is ``slope``.
        where: further columns of all rows.

    Yields:
        `where`, ``part``, `x`, ``value``, ``low``, ``high``, ``method``, and for the fit ``intercept``, the log value at x = 1.
    """
    for at, by_replica in zip(xs, values, strict=True):
        yield where | {"part": part, x: at} | _estimate(by_replica)
    logs = np.log(np.maximum(values, 1e-12))
    fits = [np.polyfit(np.log(xs), of, 1) if np.isfinite(of).all() else np.full(2, np.nan) for of in logs.T]
    slope, intercept = np.array(fits).T
    yield where | {"part": "slope", x: np.nan, "intercept": intercept.mean()} | _estimate(slope)


def line(ax: Axes, xs: np.ndarray, fit: Any, color: str, label: str = "") -> Line2D:
    """Draw the power law whose parameters are the means over replicas; the label states the slope. Returns the line."""
    text = f"slope {fit.value:.2f}" + (f" [{fit.low:.2f}, {fit.high:.2f}]" if np.isfinite(fit.low) else "")
    (drawn,) = ax.plot(xs, np.exp(fit.intercept) * xs**fit.value, color=color, linewidth=1, label=label + text, zorder=2)
    return drawn


def axes(ax: Axes, xs: np.ndarray) -> None:
    """Set logarithmic scales, with a tick for each x."""
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(xs, [f"{x:g}" for x in xs])
    ax.minorticks_off()


def fit(table: pd.DataFrame) -> Any:
    """The row of the fit."""
    (row,) = rows_of(table[table.part == "slope"])
    return row


def _estimate(by_replica: np.ndarray) -> dict[str, Any]:
    # One replica has a value, and no interval.
    return interval(stats.mean(by_replica)) | {"value": by_replica.mean()}
