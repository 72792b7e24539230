"""What claims and measures of several theories are about: errors, the training loss, and the time at which a level is passed."""

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from theory_sim import stats
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate


def values_of(data: xr.Dataset, name: str, **at: Any) -> np.ndarray:
    """The values of a variable, at labels of its dimensions: ``data[name].sel(**at).values``.

    Measures ask hundreds of times for each cell of a sweep, and labelled arrays take a hundred times as long.

    Args:
        data: a record.
        name: of the variable.
        at: labels by dimension, such as ``kind="hard"``.

    Raises:
        KeyError: there is no such variable or label.
    """
    variable = data.variables[name]
    place = tuple(data.get_index(dim).get_loc(at[dim]) if dim in at else slice(None) for dim in map(str, variable.dims))
    values: np.ndarray = variable.values[place]
    return values


def correct(results: Results, network: str, kind: str, readout: str | None = None) -> np.ndarray:
    """Probability of the right answer by a readout, the first of the configuration if none is named: (replica, sample)."""
    by = readout or results.config.transfer.readouts[0]
    return values_of(results.records[network], "test_correct", kind=kind, test_readout=by)


def error(network: str, kind: str, results: Results) -> Estimate:
    """Error on a kind of test samples by the first readout, see `theory_sim.stats.error_rate`."""
    return stats.error_rate(correct(results, network, kind), results.config.claims.confidence)


def final_loss(network: str, results: Results) -> Estimate:
    """Training loss at the end of training, on a batch of the training law."""
    final, confidence = values_of(results.records[network], "final_loss"), results.config.claims.confidence
    if len(final) > 1:
        return stats.positive_mean(final.mean(1), confidence)
    of_one = stats.bootstrap([final[0].astype(float)], np.mean, confidence, vectorized=True)
    return replace(of_one, notes=(stats.ONE_REPLICA,))


def passed(at: np.ndarray, values: np.ndarray, level: float) -> np.ndarray:
    """First time at which values pass a level from below, linear between points; NaN where they do not.

    Args:
        at: times, (time).
        values: (replica, time).
        level: the level.
    """
    times = np.full(len(values), np.nan)
    for r, own in enumerate(values):
        if (above := own >= level).any():
            last = int(above.argmax())
            before, after = max(0, last - 1), last
            rise = own[after] - own[before]
            times[r] = at[before] + ((level - own[before]) / rise if rise else 0.0) * (at[after] - at[before])
    return times
