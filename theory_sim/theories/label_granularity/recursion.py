"""The large-batch recursion for measures: its cost is limited, and measures and cells share the result.

Where the recursion would take long beside the run, the measures that need it are NaN.
"""

import hashlib
import math
from typing import Any

import numpy as np
import xarray as xr

from theory_sim.config import Config
from theory_sim.data.law import PatchLaw
from theory_sim.data.setup import law_of
from theory_sim.runs.results import Results
from theory_sim.runtime.errors import InputError
from theory_sim.theories.estimates import values_of
from theory_sim.theories.prediction import predict as large_batch_prediction
from theory_sim.theories.theory import predict, theory_of

MOST_WORK = 4 * 10**8
"""Neurons × features × steps, all heads and replicas together: ten to twenty seconds on one core."""
_KEPT, _MOST_BYTES = 4, 2**25
"""Predictions that are kept, if they are small: those of two networks, for their times and for their errors."""
_last: list[tuple[Any, xr.Dataset | None]] = []
"""The last predictions, with all that each depends on."""


def followed(results: Results, network: str, steps: int, points: int = 1) -> xr.Dataset | None:
    """The record that the recursion predicts for the first `steps` steps of a network.

    Args:
        results: a run; only the initial state of its network is used.
        network: name of the network.
        steps: length of the prediction.
        points: about how many log-spaced steps are recorded, besides the first and the last one.

    Returns:
        As `theory_sim.theories.prediction.predict`; None where the recursion does not cover the configuration, or needs more
        work than `MOST_WORK`. Cells of a sweep that are trained in the same way from the same weights share it.
    """
    data = results.records[network]
    if "correlation" not in data or math.prod(data.correlation.isel(step=0).shape) * steps > MOST_WORK:
        return None
    config = results.config.replace({"training.steps": steps, "record.points": points})
    asked = _asked(config, network, data)
    for what, found in _last:
        if what == asked:
            return found
    try:
        found = predict(config, data) if law_of(config).n_node_features else None
    except InputError:  # trained output weights, a finite training set, or labels without a law
        found = None
    if found is None or found.nbytes <= _MOST_BYTES:
        _last[:] = [*_last[-_KEPT + 1 :], (asked, found)]
    return found


def _asked(config: Config, network: str, data: xr.Dataset) -> tuple[Any, ...]:
    """All that a prediction depends on; of a configuration what `theory_sim.theories.prediction.Recursion` reads."""
    start = hashlib.sha256()
    for name in ("correlation", "bias", "norm"):
        start.update(np.ascontiguousarray(values_of(data, name)[:, 0]).tobytes())
    of_record = network, data.attrs["labels"], data.sizes["replica"], start.digest()
    law = law_of(config)
    if theory_of(config).predict is not large_batch_prediction or not isinstance(law, PatchLaw):
        return *of_record, repr(config)
    training = config.training
    numbers = training.steps, config.record.points, training.step_size[network], config.bias_decay, config.data.dim
    uncovered = config.network.train_output, config.engine, config.data.training_samples
    occur = [(share, law.kinds[kind]) for kind, share in law.training_shares.items() if share]
    of_law = law.tree, law.patches, law.noise, law.independent, tuple(law.features), law.label_noise, law.node_features
    return *of_record, numbers, uncovered, occur, of_law
