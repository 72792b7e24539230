"""Quantities that several figures compute: the features of each head, means over groups of pairs, estimates as columns."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from theory_sim.config import Config
from theory_sim.labels.functions import label_function
from theory_sim.stats import Estimate

FEATURES = ("common", "own rare", "other")
"""Groups of features relative to a head."""


def of_heads(data: xr.Dataset, config: Config) -> dict[str, Bool[np.ndarray, "head feature"]]:
    """For each group of `FEATURES`, the features that belong to it, for each head.

    A head's common and own rare features are on the paths of the leaves labelled with that head: the coarse class at the top of
    a path is a common feature, the nodes below it are own rare features.
    """
    tree = config.label_tree
    labels = label_function(data.attrs["labels"], tree, config.data.training_samples)
    common = np.zeros((labels.n_classes, tree.n_nodes), bool)
    rare = common.copy()
    for leaf, head in enumerate(labels.leaf_label.tolist()):
        coarse, *below = tree.ancestors(tree.leaves[leaf])
        common[head, coarse] = True
        rare[head, below] = True
    return {"common": common, "own rare": rare, "other": ~(common | rare)}


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
