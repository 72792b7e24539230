"""The large-batch recursion for measures: its cost is limited, and measures of one network share the result.

Where the recursion would take long beside the run, the measures that need it are NaN.
"""

import math
import weakref

import xarray as xr

from theory_sim.data.setup import law_of
from theory_sim.runs.results import Results
from theory_sim.runtime.errors import InputError
from theory_sim.theories.theory import predict

MOST_WORK = 4 * 10**8
"""Neurons × features × steps, all heads and replicas together: ten to twenty seconds on one core."""
_last: list[tuple[weakref.ref[xr.Dataset], str, xr.Dataset | None]] = []
"""The last prediction, for as long as the record that it starts from is in memory."""


def followed(results: Results, network: str, steps: int, points: int = 1) -> xr.Dataset | None:
    """The record that the recursion predicts for the first `steps` steps of a network.

    Args:
        results: a run; only the initial state of its network is used.
        network: name of the network.
        steps: length of the prediction.
        points: about how many log-spaced steps are recorded, besides the first and the last one.

    Returns:
        As `theory_sim.theories.prediction.predict`; None where the recursion does not cover the configuration, or needs more
        work than `MOST_WORK`.
    """
    data = results.records[network]
    if "correlation" not in data or math.prod(data.correlation.isel(step=0).shape) * steps > MOST_WORK:
        return None
    config = results.config.replace({"training.steps": steps, "record.points": points})
    asked = repr(config)
    for of, what, found in _last:
        if of() is data and what == asked:
            return found
    try:
        found = predict(config, data) if law_of(config).n_node_features else None
    except InputError:  # trained output weights, a finite training set, or labels without a law
        found = None
    _last[:] = [(weakref.ref(data, lambda gone: _last.clear()), asked, found)]
    return found
