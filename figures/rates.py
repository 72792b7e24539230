"""Power laws fitted to each replica: what the figures of growth ratios and of predictions share."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from theory_sim import stats
from theory_sim.figures.groups import interval


def rows(x: str, xs: Sequence[int], values: np.ndarray, part: str, where: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each value of `x`, and one for the slope of log value against log x.

    Args:
        x: name of its column.
        xs: its values.
        values: (x, replica).
        part: name of the values; the fit's is ``slope``.
        where: what all rows hold besides.

    Yields:
        `where`, ``part``, `x`, ``value``, ``low``, ``high``, ``method``, and of the fit its ``intercept``, log value at x = 1.
    """
    for at, by_replica in zip(xs, values, strict=True):
        yield where | {"part": part, x: at} | _estimate(by_replica)
    logs = np.log(np.maximum(values, 1e-12))
    fits = [np.polyfit(np.log(xs), of, 1) if np.isfinite(of).all() else np.full(2, np.nan) for of in logs.T]
    slope, intercept = np.array(fits).T
    yield where | {"part": "slope", x: np.nan, "intercept": intercept.mean()} | _estimate(slope)


def line(ax: Axes, xs: np.ndarray, fit: Any, color: str, label: str = "") -> None:
    """The power law at the mean of the replicas' parameters; its label tells the slope."""
    text = f"slope {fit.value:.2f}" + (f" [{fit.low:.2f}, {fit.high:.2f}]" if np.isfinite(fit.low) else "")
    ax.plot(xs, np.exp(fit.intercept) * xs**fit.value, color=color, linewidth=1, label=label + text, zorder=2)


def axes(ax: Axes, xs: np.ndarray) -> None:
    """Logarithmic scales, with a tick for each x."""
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(xs, [f"{x:g}" for x in xs])
    ax.minorticks_off()


def fit(table: pd.DataFrame) -> Any:
    """The row of the fit."""
    (row,) = table[table.part == "slope"].itertuples()
    return row


def _estimate(by_replica: np.ndarray) -> dict[str, Any]:
    # One replica has a value, and no interval.
    return interval(stats.mean(by_replica)) | {"value": by_replica.mean()}
