"""Core and spurious features (Deng, Yang, Mirzasoleiman, Gu, arXiv:2306.04949): their law, and the networks trained on it.

A sample of class y ∈ {+1, −1} is three patches in random order,

    x_1 = β_c y v_c,      x_2 = β_s a v_s,      x_3 = ξ ~ N(0, σ_p² I_d),

with orthogonal unit vectors v_c, the *core* feature, and v_s, the *spurious* one. The attribute a ∈ {+1, −1} equals y with
probability α > 1/2. The four values of (y, a) are the *groups*; samples with a = y are the majority, the others the minority.

Symbol → key: β_c ``law.core``, β_s ``law.spurious``, α ``law.agreement``, σ_p ``law.noise_std``, d ``data.dim``,
n ``data.training_samples``.

The default network and optimiser are those of the authors' script: 20 neurons per class, activation z³, sum over patches and
neurons, biases trained, w and b ~ U(−1/√d, 1/√d)/10; 401 steps of gradient descent of size 0.1 on all n = 10,000 samples.
A balanced warm-up (`BALANCED`) trains on as many samples of each group as the smallest group has.
"""

import math
from typing import Annotated, Any

from pydantic import Field

from theory_sim.config import Config
from theory_sim.data.law import Law, PatchLaw
from theory_sim.data.parts import Extra, Gaussian, Group, Nothing, Uniform
from theory_sim.data.setup import Setup
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.contracts import SETUPS
from theory_sim.runtime.settings import NonNegative, Positive, Section

NAME, NETWORK = "spurious-features", "network"
CORE, SPURIOUS = "core", "spurious"
MAJORITY, MINORITY = "majority", "minority"

BALANCED: list[dict[str, Any]] = [{"samples": "balanced", "steps": 801, "step_size": 0.03, "momentum": 0.9}]
"""``engine.phases`` of the balanced warm-up in the authors' script; it needs ``training.steps: 801``."""


class LawSettings(Section):
    """Parameters of the law, in the section ``law``."""

    core: NonNegative = 0.2
    """β_c, strength of the core feature."""
    spurious: NonNegative = 1.0
    """β_s, strength of the spurious feature."""
    agreement: Annotated[float, Field(ge=0, le=1)] = 0.98
    """α, probability that the spurious feature has the sign of the class."""
    noise_std: Positive = 0.125
    """σ_p, standard deviation of a coordinate of ξ."""


def law(config: Config) -> Law:
    """The law of samples that a configuration describes."""
    own = LawSettings.model_validate(config.law)
    core = Group(Extra(CORE), 1, Uniform(own.core, own.core), sign="class")
    spurious = Uniform(own.spurious, own.spurious)
    noise = Group(Nothing(), 1, noise=Gaussian(own.noise_std * math.sqrt(config.data.dim)))
    return PatchLaw(
        tree=LabelTree.of(2, 0),
        patches=3,
        noise=Gaussian(0.0),
        kinds={
            MAJORITY: [core, Group(Extra(SPURIOUS), 1, spurious, sign="class"), noise],
            MINORITY: [core, Group(Extra(SPURIOUS), 1, spurious, sign="-class"), noise],
        },
        training={MAJORITY: own.agreement, MINORITY: 1 - own.agreement},
        features=[CORE, SPURIOUS],
        node_features=False,
    )


DEFAULTS: dict[str, Any] = {
    "replicas": 20,
    "tree": {"subclasses": 0},
    "labels": {NETWORK: "leaf"},
    "data": {"dim": 50, "patches": 3, "training_samples": 10_000},
    "network": {"neurons": 20},
    "training": {"step_size": {NETWORK: 0.1}, "batch": "full", "steps": 401, "engine": "gradient"},
    "engine": {"activation": "z^3", "biases": "trained", "init": "uniform", "init_scale": 0.1},
    "transfer": {"readouts": ["sum_logits"]},
    "test": {"samples": 10_000, "curve_samples": 1000},
    "record": {"points": 60},
}
"""What differs from the default configuration."""

setup = SETUPS.add(NAME, Setup(NAME, law, DEFAULTS, LawSettings))
