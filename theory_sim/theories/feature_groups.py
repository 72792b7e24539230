"""The features of each head: those of its coarse class, those of its own leaves, and all others."""

import numpy as np
import xarray as xr
from jaxtyping import Bool

from theory_sim.config import Config
from theory_sim.data.setup import law_of
from theory_sim.labels.functions import label_function

FEATURES = ("common", "own rare", "other")
"""Groups of features relative to a head."""


def of_heads(data: xr.Dataset, config: Config) -> dict[str, Bool[np.ndarray, "head feature"]]:
    """For each group of `FEATURES`, the features that belong to it, for each head.

    A head's common and own rare features are on the paths of the leaves labelled with that head: the coarse class at the top of
    a path is a common feature, the nodes below it are own rare features. Features of no class are other ones.
    """
    law = law_of(config)
    tree = law.tree
    labels = label_function(data.attrs["labels"], tree, config.data.training_samples)
    common = np.zeros((labels.n_classes, data.sizes["feature"]), bool)
    rare = common.copy()
    for leaf, head in enumerate(labels.leaf_label.tolist() if law.n_node_features else ()):
        coarse, *below = tree.ancestors(tree.leaves[leaf])
        common[head, coarse] = True
        rare[head, below] = True
    return {"common": common, "own rare": rare, "other": ~(common | rare)}
