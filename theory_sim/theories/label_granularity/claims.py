"""The paper's two theorems as nine claims.

The statements are the abstract's [paper]; the numbers and bounds that test them are ours.

Growth of a response: ρ_t(h, v) = Σ_r a_{h,r} ReLU(⟨w_{h,r}, v⟩ + b_{h,r}) is the response of head h to feature v after t steps.
With h(y, c) the head that leaf (y, c) is trained on, and T the last step, the growth ratio is

    mean over leaves of [ρ_T − ρ_0](h(y, c), v_{y,c})  ÷  mean over leaves of [ρ_T − ρ_0](h(y, c), v_y).

Chance is the error 1 − 1/K of uniform guessing among K classes. A coarse model fails on hard samples if its error is at least
chance: an untrained model neither fails nor succeeds. Fine labels help only if the fine model is also better than chance:
otherwise an untrained fine model would show a gain over a coarse model that feature noise misleads. Both rules are ours.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import xarray as xr

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.data.setup import law_of
from theory_sim.labels.functions import label_function
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate
from theory_sim.theories.claims import Claim
from theory_sim.theories.estimates import correct, error, final_loss, values_of

COARSE, FINE = "Theorem 1: coarse labels", "Theorem 2: fine labels"


def _bound(key: str) -> Callable[[Config], float]:
    """The bound at a key of the section ``claims``."""
    return lambda config: float(getattr(config.claims, key))


def chance(config: Config) -> float:
    """The error of uniform guessing."""
    return 1 - 1 / config.label_tree.n_coarse


def coarse_hard_bound(config: Config) -> float:
    """The hard error from which on the coarse model fails."""
    bound = config.claims.coarse_hard_error
    return chance(config) if bound == "chance" else bound


def coarse_growth_bound(config: Config) -> float:
    """The largest growth ratio of the coarse model, 1/k unless the configuration gives a number."""
    if config.claims.coarse_rare_growth == "1/k":
        return config.label_tree.n_coarse / config.label_tree.n_leaves
    return config.claims.coarse_rare_growth


def _gain(results: Results) -> Estimate:
    """The gain over the coarse model, with the larger p-value of two tests: of this gain, and of the gain over guessing.

    Where the gain over guessing is not above 0, the interval reaches as far down as that gain's: a model that guesses where the
    coarse one is misled has learned nothing.
    """
    before, after = (correct(results, network, "hard") for network in ("coarse", "fine"))
    confidence = results.config.claims.confidence
    gain = stats.paired_gain(before, after, confidence)
    over_chance = stats.gain_over(chance(results.config), after, confidence)
    p = None if gain.p is None or over_chance.p is None else max(gain.p, over_chance.p)
    if over_chance.low > 0:
        return replace(gain, p=p)
    note = "the fine model is not shown to be better than guessing"
    return replace(gain, low=min(gain.low, over_chance.low), p=p, notes=(note, *gain.notes))


def _growth_of(network: str, results: Results) -> Estimate:
    return _growth(results.records[network], results.config)


CLAIMS = [
    Claim(
        "coarse-training-loss",
        "The coarse model's training loss is small.",
        COARSE,
        partial(final_loss, "coarse"),
        "≤",
        _bound("training_loss"),
        source="recalled",
    ),
    Claim(
        "coarse-easy-error",
        "The coarse model classifies easy test samples correctly.",
        COARSE,
        partial(error, "coarse", "easy"),
        "≤",
        _bound("easy_error"),
        source="recalled",
    ),
    Claim(
        "coarse-hard-error",
        "The coarse model classifies hard test samples no better than chance.",
        COARSE,
        partial(error, "coarse", "hard"),
        "≥",
        coarse_hard_bound,
        source="paper",
    ),
    Claim(
        "coarse-rare-growth",
        "The coarse model's response to rare features grows little: growth for v_yc ÷ growth for v_y.",
        COARSE,
        partial(_growth_of, "coarse"),
        "≤",
        coarse_growth_bound,
        source="paper",
    ),
    Claim(
        "fine-training-loss",
        "The fine model's training loss is small.",
        FINE,
        partial(final_loss, "fine"),
        "≤",
        _bound("training_loss"),
        source="recalled",
    ),
    Claim(
        "fine-easy-error",
        "The fine model classifies easy test samples correctly for the coarse target.",
        FINE,
        partial(error, "fine", "easy"),
        "≤",
        _bound("easy_error"),
        source="recalled",
    ),
    Claim(
        "fine-hard-error",
        "The fine model classifies hard test samples correctly for the coarse target.",
        FINE,
        partial(error, "fine", "hard"),
        "≤",
        _bound("fine_hard_error"),
        source="paper",
    ),
    Claim(
        "fine-rare-growth",
        "The fine model's response to rare features grows: growth for v_yc ÷ growth for v_y, own head.",
        FINE,
        partial(_growth_of, "fine"),
        "≥",
        _bound("fine_rare_growth"),
        source="paper",
    ),
    Claim(
        "transfer-gain",
        "Fine labels lower the error on hard test samples, paired by replica, and the fine model's error is below chance.",
        FINE,
        _gain,
        ">",
        0.0,
        _bound("transfer_gain_p"),
        source="paper",
    ),
]
"""In the order of the theorems."""


def growth_by_leaf(data: xr.Dataset, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Growth of the response of each leaf's own head to the leaf's rare feature, and to its common one; (replica, leaf) each.

    A leaf that is itself a coarse class has no rare feature and is left out; the head of a cluster is no leaf's own. Under a law
    whose nodes have no features, all leaves are left out.
    """
    law = law_of(config)
    tree = law.tree
    labels = label_function(data.attrs["labels"], tree, config.data.training_samples)
    if labels.placeholder or not law.n_node_features:
        return np.zeros((data.sizes["replica"], 0)), np.zeros((data.sizes["replica"], 0))
    response = values_of(data, "response")
    grown = response[:, -1].astype(float) - response[:, 0]
    own, common, rare = labels.leaf_label.numpy(), tree.coarse_of_leaf.numpy(), np.array(tree.leaves)
    kept = common != rare
    return grown[:, own[kept], rare[kept]], grown[:, own[kept], common[kept]]


def _growth(data: xr.Dataset, config: Config) -> Estimate:
    rare, common = growth_by_leaf(data, config)
    if not rare.size:
        return stats.undefined("no leaf has a rare feature and a head of its own")
    if common.mean() <= 0:
        return stats.undefined("the response to common features did not grow")
    if len(rare) > 1:
        return stats.ratio(rare.mean(1), common.mean(1), config.claims.confidence)
    of_one = stats.ratio(rare[0], common[0], config.claims.confidence, "leaves")
    return replace(of_one, notes=(stats.ONE_REPLICA, *of_one.notes))
