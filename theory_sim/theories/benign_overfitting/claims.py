"""The claims of benign overfitting, and the measures that studies read.

The theorem [recalled: its text could not be read again]: with n‖μ‖⁴ ≥ C₁ σ_p⁴ d the test error is at most

    p + exp(−n‖μ‖⁴ / (C₂ σ_p⁴ d)),

with n‖μ‖⁴ ≤ C₃ σ_p⁴ d it is at least p + 0.1, and the training loss goes to 0 either way. Its constants are not given as numbers.
What decides the claims here is [ours], chosen from the published error table and not from our own runs:

* C₁ = 20, C₂ = 10, C₃ = 2.
* A margin of 0.05 is added to the upper bound. At n = 20 a few flipped labels cost more than p at any strength of the signal:
  at large n‖μ‖⁴/(σ_p⁴ d) the published errors are 0.115 on average, and not p = 0.1. Without the margin the claim would be
  refuted at the defaults.
* A training loss is small if it is at most ``claims.training_loss``, 0.05 nats by default.

Nothing is added to the lower bound. Between the two regimes the theorem says nothing, and the claims about the test error have no
result there. Nor has the upper bound where it is no better than guessing, at least 1/2.
"""

from functools import partial

import numpy as np

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.runs.results import Results
from theory_sim.stats import Estimate
from theory_sim.theories.benign_overfitting.law import NETWORK, TEST, LawSettings
from theory_sim.theories.claims import Claim
from theory_sim.theories.estimates import error, final_loss
from theory_sim.theories.measures import Measure

THEOREM = "Theorem: benign and harmful overfitting"
BENIGN = 20.0
"""C₁: the regime is benign from n‖μ‖⁴/(σ_p⁴ d) = C₁ on [ours]."""
HARMFUL = 2.0
"""C₃: it is harmful up to this value [ours]."""
DECAY = 10.0
"""C₂, the scale of the exponential bound [ours]."""
CHANCE = 0.5
"""The error of guessing."""
MARGIN = 0.05
"""Added to the upper bound of the test error [ours]."""
GAP = 0.1
"""Of the lower bound p + 0.1 [recalled]."""


def ratio(config: Config) -> float:
    """n‖μ‖⁴/(σ_p⁴ d), the quantity that separates the regimes."""
    law = LawSettings.model_validate(config.law)
    return config.data.training_samples * (law.signal / law.noise_std) ** 4 / config.data.dim


def flip(config: Config) -> float:
    """p, the probability that a label is flipped."""
    return LawSettings.model_validate(config.law).flip


def benign_bound(config: Config) -> float:
    """The upper bound of the error, p + exp(−n‖μ‖⁴/(C₂ σ_p⁴ d)) + margin."""
    return flip(config) + float(np.exp(-ratio(config) / DECAY)) + MARGIN


def harmful_bound(config: Config) -> float:
    """The lower bound of the error, p + 0.1."""
    return flip(config) + GAP


def _benign_error(results: Results) -> Estimate:
    if ratio(results.config) < BENIGN:
        return stats.undefined("n‖μ‖⁴ < C₁ σ_p⁴ d: the theorem bounds the error in the benign regime alone")
    if benign_bound(results.config) >= CHANCE:
        return stats.undefined("the bound is no better than guessing")
    return error(NETWORK, TEST, results)


def _harmful_error(results: Results) -> Estimate:
    if ratio(results.config) > HARMFUL:
        return stats.undefined("n‖μ‖⁴ > C₃ σ_p⁴ d: the theorem bounds the error from below in the harmful regime alone")
    return error(NETWORK, TEST, results)


def _signal_gap(results: Results) -> np.ndarray:
    largest = results.records[NETWORK].correlation.isel(step=-1, feature=0).max("neuron")
    return np.asarray(largest.sel(head=0) - largest.sel(head=1))


CLAIMS = [
    Claim(
        "training-loss",
        "The training loss is small: the network fits the flipped labels too.",
        THEOREM,
        partial(final_loss, NETWORK),
        "≤",
        lambda config: config.claims.training_loss,
        source="recalled",
    ),
    Claim(
        "benign-error",
        f"In the benign regime the test error is at most p + exp(−n‖μ‖⁴/(C₂ σ_p⁴ d)) + {MARGIN:g}, a margin that is ours.",
        THEOREM,
        _benign_error,
        "≤",
        benign_bound,
        source="recalled",
    ),
    Claim(
        "harmful-error",
        f"In the harmful regime the test error is at least p + {GAP:g}.",
        THEOREM,
        _harmful_error,
        "≥",
        harmful_bound,
        source="recalled",
    ),
]

MEASURES = [
    Measure(
        "test-error",
        "test error against flipped labels",
        lambda results: results.records[NETWORK].test_error.isel(kind=0, test_readout=0).values,
    ),
    Measure(
        "training-loss",
        "training cross-entropy at the end",
        lambda results: results.records[NETWORK].final_loss.mean("sample").values,
        "nat",
    ),
    Measure(
        "signal-correlation",
        "largest ⟨w, μ/‖μ‖⟩ of a neuron of class 1 minus the largest of one of class 2, at the end",
        _signal_gap,
    ),
]
