"""What several figures compute: which features belong to a head, means over groups of pairs, estimates as columns."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from theory_sim.config import Config
from theory_sim.labels.functions import label_function
from theory_sim.stats import Estimate

FEATURES = ("common", "own rare", "other")
"""Groups of features, seen from a head."""


def of_heads(data: xr.Dataset, config: Config) -> dict[str, Bool[np.ndarray, "head feature"]]:
    """For each of `FEATURES`, which features it is to each head.

    Common and own rare features are those on the paths of the leaves that are labelled with the head: the coarse class at
    their top, and the nodes below it.
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
    """Mean over pairs in each replica that has any, and the mean of these over replicas (NaN where none has any)."""
    kept = [value[:, chosen].mean(1) for value, chosen in zip(values, pairs, strict=True) if chosen.any()]
    curves = np.array(kept).reshape(len(kept), values.shape[1])
    return curves, curves.mean(0) if kept else np.full(values.shape[1], np.nan)


def interval(estimate: Estimate) -> dict[str, Any]:
    """The columns ``value``, ``low``, ``high`` and ``method`` of an estimate."""
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "method": estimate.method}
