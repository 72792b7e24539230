"""Measures of the paper's theory: numbers of each replica, computed from the record of a run [ours].

Notation: head h, neuron r, feature v; g_t = ⟨w_{h,r}, v⟩ after t steps, T the last one; S_{h,v}(t) = {r : g_t + b_{h,r} > 0}, the
neurons that the pure feature fires; S(0) are the *lucky* ones, S(t) ∖ S(0) the *newcomers*; h(y, c) is the head that leaf (y, c)
is trained on. k is the number of subclasses of a coarse class.
"""

from functools import lru_cache, partial

import numpy as np
import xarray as xr

from theory_sim.config import Config
from theory_sim.data.setup import law_of
from theory_sim.labels.functions import label_function
from theory_sim.labels.tree import LabelTree
from theory_sim.runs.results import Results
from theory_sim.theories.estimates import correct, values_of
from theory_sim.theories.label_granularity.claims import chance, coarse_growth_bound, coarse_hard_bound, growth_by_leaf
from theory_sim.theories.measures import Measure

Pairs = tuple[np.ndarray, np.ndarray]
"""Heads and features, one of each for every pair."""


def pairs_of(data: xr.Dataset, config: Config) -> tuple[Pairs, Pairs]:
    """Pairs (h(y, c), v_{y,c}) and (h(y, c), v_y) of every leaf whose rare feature is not its common one; each pair once."""
    law = law_of(config)
    labels = label_function(data.attrs["labels"], law.tree, config.data.training_samples)
    if labels.placeholder or not law.n_node_features:
        nothing = np.zeros(0, dtype=int)
        return (nothing, nothing), (nothing, nothing)
    return _pairs(tuple(labels.leaf_label.tolist()), law.tree)


@lru_cache(maxsize=32)
def _pairs(head_of_leaf: tuple[int, ...], tree: LabelTree) -> tuple[Pairs, Pairs]:
    """The pairs; measures ask for the same ones dozens of times for each run."""
    own, common, rare = np.array(head_of_leaf), tree.coarse_of_leaf.numpy(), np.array(tree.leaves)
    kept = common != rare
    both = (np.unique(np.stack([own[kept], features[kept]]), axis=1) for features in (rare, common))
    (rare_heads, rare_features), (common_heads, common_features) = both
    return (rare_heads, rare_features), (common_heads, common_features)


def _lucky_growth(data: xr.Dataset, pairs: Pairs) -> np.ndarray:
    """Mean growth g_T − g_0 of the lucky neurons of some pairs, by replica; NaN where no neuron is lucky."""
    heads, features = pairs
    lucky, correlation = values_of(data, "lucky"), values_of(data, "correlation")
    lucky = lucky[:, heads, :, features]  # (pair, replica, neuron)
    grown = (correlation[:, -1] - correlation[:, 0])[:, heads, :, features]
    count = lucky.sum((0, 2))
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.where(lucky, grown, 0).sum((0, 2)) / count
    return mean


def _subclasses(config: Config) -> float:
    return config.label_tree.n_leaves / config.label_tree.n_coarse


def lucky_growth(results: Results) -> np.ndarray:
    """Mean growth of lucky neurons for rare features ÷ mean growth of those for common ones, times k; coarse model."""
    data = results.records["coarse"]
    rare, common = pairs_of(data, results.config)
    above, below = _lucky_growth(data, rare), _lucky_growth(data, common)
    return np.where(below > 0, _subclasses(results.config) * above / np.where(below > 0, below, 1), np.nan)


def response_growth(results: Results) -> np.ndarray:
    """Growth of the response to rare features ÷ growth of that to common ones, times k; coarse model. Newcomers count too."""
    rare, common = growth_by_leaf(results.records["coarse"], results.config)
    if not rare.size:
        return np.full(len(rare), np.nan)
    above, below = rare.mean(1), common.mean(1)
    return np.where(below > 0, _subclasses(results.config) * above / np.where(below > 0, below, 1), np.nan)


def hard_error(network: str, results: Results, readout: str | None = None) -> np.ndarray:
    """Error on hard test samples by a readout, the first of the configuration if none is named."""
    error: np.ndarray = 1 - correct(results, network, "hard", readout).mean(1)
    return error


def guessing(results: Results) -> np.ndarray:
    """1 − 1/K, the error of guessing; the same for all replicas."""
    return np.full(results.config.replicas, chance(results.config))


def test_samples(results: Results) -> np.ndarray:
    """Test samples of a kind, on which an error rests."""
    return np.full(results.config.replicas, results.config.test.samples)


def success(results: Results) -> np.ndarray:
    """1 where the replica's own numbers meet the bounds of all nine claims, else 0."""
    config, bounds = results.config, results.config.claims
    met = np.ones(config.replicas, dtype=bool)
    for network, data in results.records.items():
        met &= values_of(data, "final_loss").mean(1) <= bounds.training_loss
        met &= 1 - correct(results, network, "easy").mean(1) <= bounds.easy_error
    coarse, fine = (hard_error(network, results) for network in ("coarse", "fine"))
    met &= (coarse >= coarse_hard_bound(config)) & (fine <= bounds.fine_hard_error) & (fine < np.minimum(coarse, chance(config)))
    for network, side, bound in (("coarse", -1, coarse_growth_bound(config)), ("fine", 1, bounds.fine_rare_growth)):
        by_leaf = growth_by_leaf(results.records[network], config)
        rare, common = (grown.mean(1) if grown.size else np.zeros(len(grown)) for grown in by_leaf)
        met &= (common > 0) & (side * rare >= side * bound * common)
    return met.astype(float)


MEASURES = [
    Measure("success", "1 where the replica's own numbers meet the bounds of all nine claims, else 0", success),
    Measure("lucky-growth", "k · growth of lucky neurons for rare features ÷ for common ones, coarse model", lucky_growth),
    Measure("response-growth", "k · growth of the response to rare features ÷ to common ones, coarse model", response_growth),
    Measure("test-samples", "test samples of a kind, on which errors rest", test_samples),
    Measure("chance", "error of guessing the coarse class: 1 − 1/K", guessing),
    *(
        Measure(f"{network}-hard-error", f"hard test error of the {network} model", partial(hard_error, network))
        for network in ("coarse", "fine")
    ),
]
"""For the tables of studies."""
