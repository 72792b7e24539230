"""Quantities that several figures compute: means over groups of pairs, estimates as columns."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from theory_sim.stats import Estimate


def over_replicas(
    values: Float[np.ndarray, "replica step head neuron feature"], pairs: Bool[np.ndarray, "replica head neuron feature"]
) -> tuple[Float[np.ndarray, "some step"], Float[np.ndarray, " step"]]:
    """Means over the pairs of each replica that has any, and their mean over replicas (NaN if no replica has any)."""
    kept = [value[:, chosen].mean(1) for value, chosen in zip(values, pairs, strict=True) if chosen.any()]
    curves: np.ndarray = np.array(kept).reshape(len(kept), values.shape[1])
    return curves, curves.mean(0) if kept else np.full(values.shape[1], np.nan)


def interval(estimate: Estimate) -> dict[str, Any]:
    """The columns ``value``, ``low``, ``high`` and ``method`` of an estimate."""
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "method": estimate.method}
