"""The claims about spurious features, and the measures that studies read.

The statements [recalled: the paper's text could not be read again], for a network trained on all samples:

* it learns the spurious feature first: max ⟨w, v_s⟩ grows before max ⟨w, v_c⟩ does, and the loss falls then;
* it classifies the majority, a = y, and fails on the minority;
* trained on a group-balanced subset first, it learns the core feature.

The numbers that decide them are ours:

* ``spurious-first``: growth of the core feature ÷ growth of the spurious one ≤ 0.5, at the first recorded step at which the
  training loss is at most half of its start (growth as in `theory_sim.theories.spurious_features.growth`);
* ``loss-falls``: training loss at the end ÷ at the start ≤ 0.5;
* ``majority-error``: error on the majority ≤ ``claims.easy_error``, 0.01 unless it is set;
* ``minority-error``: error on the minority ≥ 0.5, that of guessing;
* ``balanced-core-first``: growth of the spurious feature ÷ growth of the core one ≤ 0.5, at the end;
* ``balanced-minority-error``: error on the minority ≤ 0.25, half of that of guessing.

The first four have no result where training begins on a balanced subset. The last two have none where it does not, nor where the
subset of a replica has no sample of some group: it is then not balanced.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.data.sampler import make_sampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.runs.results import Results
from theory_sim.runtime.streams import streams
from theory_sim.stats import Estimate
from theory_sim.theories.claims import Claim
from theory_sim.theories.estimates import correct, error, values_of
from theory_sim.theories.measures import Measure
from theory_sim.theories.spurious_features.growth import first_time, growth, predicted_first_time
from theory_sim.theories.spurious_features.law import MAJORITY, MINORITY, NETWORK, LawSettings
from theory_sim.training.engines.gradient import GradientSettings

FIRST, BALANCED = "Theorem: spurious features first", "Balanced training"
CHANCE = 0.5
"""The error of guessing."""
HALF = 0.5
"""Growth of the feature learned later ÷ growth of the one learned first; share of the initial loss [ours]."""


def starts_balanced(config: Config) -> bool:
    """Whether training begins on a group-balanced subset."""
    if config.training.engine != "gradient":
        return False
    return GradientSettings.model_validate(config.engine).phases[0].samples == "balanced"


def _on_all_samples(estimate: Callable[[Results], Estimate], results: Results) -> Estimate:
    if starts_balanced(results.config):
        return stats.undefined("training begins on a balanced subset")
    return estimate(results)


def _balanced_first(estimate: Callable[[Results], Estimate], results: Results) -> Estimate:
    if not starts_balanced(results.config):
        return stats.undefined("training does not begin on a balanced subset")
    if lacking := groups_without_samples(results.config):
        return stats.undefined(f"the balanced subset is not balanced: {lacking}")
    return estimate(results)


def groups_without_samples(config: Config) -> str:
    """The groups that have no sample in the training sets of some replicas, in words; empty: there is none."""
    sampler = make_sampler(law_of(config), make_dictionary(config, torch.device("cpu")))
    of_data = streams(config.seed_of("data"), "training set", config.replicas, "cpu")
    # The truth alone, without patches. Its numbers are those of the training set on any device.
    drawn = sampler.latents(of_data, config.data.training_samples, law_of(config).training_shares)
    found = []
    for coarse, y in enumerate((1, -1)):
        for kind, a in enumerate((y, -y)):
            lacking = int((~((drawn.coarse == coarse) & (drawn.kind == kind)).any(1)).sum())
            if lacking:
                found.append(f"no sample with y = {y}, a = {a} in {lacking} of {config.replicas} replicas")
    return "; ".join(found)


def _growth_ratio(later: int, at: np.ndarray, results: Results) -> Estimate:
    """Growth of a feature (0: core, 1: spurious) ÷ growth of the other one, at a recorded step of each replica."""
    grown = growth(results.records[NETWORK])[np.arange(len(at)), at]
    return stats.ratio(grown[:, later], grown[:, 1 - later], results.config.claims.confidence)


def _core_when_the_loss_falls(results: Results) -> Estimate:
    """Growth of the core feature ÷ growth of the spurious one at the first recorded step with half of the initial loss."""
    data = results.records[NETWORK]
    loss = data.training_loss.values[:, data.step.values]
    fallen = loss <= HALF * loss[:, :1]
    if not fallen.any(1).all():
        return stats.undefined("the loss does not fall to half of its start in every replica")
    return _growth_ratio(0, fallen.argmax(1), results)


def _spurious_at_the_end(results: Results) -> Estimate:
    data = results.records[NETWORK]
    return _growth_ratio(1, np.full(results.config.replicas, data.sizes["step"] - 1), results)


def _loss_kept(results: Results) -> Estimate:
    """Training loss at the end ÷ at the start."""
    loss = results.records[NETWORK].training_loss.values
    return stats.ratio(loss[:, -1], loss[:, 0], results.config.claims.confidence)


CLAIMS = [
    Claim(
        "spurious-first",
        "The spurious feature is learned first: the core feature has grown at most half as much when the loss is halved.",
        FIRST,
        partial(_on_all_samples, _core_when_the_loss_falls),
        "≤",
        HALF,
        source="recalled",
    ),
    Claim(
        "loss-falls",
        "The training loss falls to less than half of its start.",
        FIRST,
        partial(_on_all_samples, _loss_kept),
        "≤",
        HALF,
        source="recalled",
    ),
    Claim(
        "majority-error",
        "The network classifies the majority.",
        FIRST,
        partial(_on_all_samples, partial(error, NETWORK, MAJORITY)),
        "≤",
        lambda config: config.claims.easy_error,
        source="recalled",
    ),
    Claim(
        "minority-error",
        "The network classifies the minority no better than chance.",
        FIRST,
        partial(_on_all_samples, partial(error, NETWORK, MINORITY)),
        "≥",
        CHANCE,
        source="recalled",
    ),
    Claim(
        "balanced-core-first",
        "Trained on a balanced subset first, the network learns the core feature: the spurious one grows at most half as much.",
        BALANCED,
        partial(_balanced_first, _spurious_at_the_end),
        "≤",
        HALF,
        source="recalled",
    ),
    Claim(
        "balanced-minority-error",
        "Trained on a balanced subset first, the network classifies the minority: its error is at most half of chance.",
        BALANCED,
        partial(_balanced_first, partial(error, NETWORK, MINORITY)),
        "≤",
        CHANCE / 2,
        source="recalled",
    ),
]
"""In the order of the statements."""


def _accuracy(kind: str, results: Results) -> np.ndarray:
    accuracy: np.ndarray = correct(results, NETWORK, kind).mean(1, dtype=float)
    return accuracy


def _average(results: Results) -> np.ndarray:
    share = LawSettings.model_validate(results.config.law).agreement
    average: np.ndarray = share * _accuracy(MAJORITY, results) + (1 - share) * _accuracy(MINORITY, results)
    return average


def worst_group(results: Results) -> np.ndarray:
    """The smallest accuracy of the four groups, the pairs of a class and a kind; NaN where one of them has no test sample."""
    data, found = results.records[NETWORK], []
    for kind in (MAJORITY, MINORITY):
        right, of = correct(results, NETWORK, kind), values_of(data, "test_class", kind=kind)
        for group in (of == 0, of == 1):
            count = group.sum(1)
            found.append(np.where(count > 0, (right * group).sum(1) / np.maximum(count, 1), np.nan))
    worst: np.ndarray = np.stack(found).min(0)
    return worst


def _grown(feature: int, results: Results) -> np.ndarray:
    grown: np.ndarray = growth(results.records[NETWORK])[:, -1, feature]
    return grown


def _loss(results: Results) -> np.ndarray:
    loss: np.ndarray = results.records[NETWORK].training_loss.values[:, -1]
    return loss


def _first_time_ratio(results: Results) -> np.ndarray:
    ratio: np.ndarray = first_time(results) / predicted_first_time(results)
    return ratio


MEASURES = [
    Measure("average-accuracy", "accuracy on the training law: α of the majority and 1 − α of the minority", _average),
    Measure("worst-group-accuracy", "smallest accuracy of the four groups (y, a)", worst_group),
    Measure("majority-accuracy", "accuracy on test samples with a = y", partial(_accuracy, MAJORITY)),
    Measure("minority-accuracy", "accuracy on test samples with a ≠ y", partial(_accuracy, MINORITY)),
    Measure("core-growth", "growth of the largest correlation with the core feature, max s_c ⟨w, v_c⟩", partial(_grown, 0)),
    Measure("spurious-growth", "growth of the largest correlation with the spurious feature", partial(_grown, 1)),
    Measure("training-loss", "training cross-entropy at the end, on all samples", _loss, "nat"),
    Measure("first-time", "step at which a feature has grown by 0.1", first_time, "step"),
    Measure("first-time-ratio", "the same ÷ its prediction for small weights", _first_time_ratio),
]
