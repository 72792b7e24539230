"""The signal-noise model of benign overfitting (Kou, Chen, Chen, Gu, arXiv:2303.04145; Cao et al., NeurIPS 2022).

A sample of class y ∈ {+1, −1} is two patches in random order,

    x_1 = y μ,  μ = s e_1,      x_2 = ξ ~ N(0, σ_p² I_d),

and its label is −y with the probability p, in training and in tests. In the paper ξ is orthogonal to μ, with the covariance
σ_p² (I − μμᵀ/‖μ‖²) [recalled]; in the script that produced the published error table it is not. ``law.orthogonal`` chooses.

Symbol → key: s ``law.signal``, σ_p ``law.noise_std``, p ``law.flip``, d ``data.dim``, n ``data.training_samples``.

The default network and optimiser are those of the script: 10 neurons per class, ReLU, mean over the patches, biases trained,
w and b ~ U(−1/√d, 1/√d); 100 steps of gradient descent of size 0.1 on n = 20 samples. The paper analyses a network without
biases, with one logit and output weights ±1/m [recalled]; that network is not simulated here.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import torch
from pydantic import Field

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law, PatchLaw, SampledLaw
from theory_sim.data.parts import Extra, Gaussian, Group, Nothing, Uniform
from theory_sim.data.sampler import Batch, make_sampler
from theory_sim.data.setup import Setup
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.contracts import SETUPS
from theory_sim.runtime.settings import NonNegative, Positive, Section
from theory_sim.runtime.streams import Streams

NAME, NETWORK, SIGNAL = "benign-overfitting", "network", "signal"
TEST, TRAIN = "test", "train"


class LawSettings(Section):
    """Parameters of the law, in the section ``law``."""

    signal: NonNegative = 5.0
    """s = ‖μ‖."""
    noise_std: Positive = 1.0
    """σ_p, standard deviation of a coordinate of ξ."""
    flip: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """p, probability that a label is flipped; 1/2: random labels."""
    orthogonal: bool = False
    """Whether ξ is orthogonal to μ."""
    reversed_test: bool = False
    """Whether the signal of test samples is −y μ: a control, in which what was learned of the signal harms."""


def law(config: Config) -> Law:
    """The law of samples that a configuration describes."""
    own = LawSettings.model_validate(config.law)
    strength = Uniform(own.signal, own.signal)
    signal, reverse = Group(Extra(SIGNAL), 1, strength, sign="class"), Group(Extra(SIGNAL), 1, strength, sign="-class")
    noise = Group(Nothing(), 1, noise=Gaussian(own.noise_std * math.sqrt(config.data.dim)))
    kinds = {TEST: [reverse, noise], TRAIN: [signal, noise]} if own.reversed_test else {TEST: [signal, noise]}
    described = PatchLaw(
        tree=LabelTree.of(2, 0),
        patches=2,
        noise=Gaussian(0.0),
        kinds=kinds,
        training={TRAIN: 1.0} if own.reversed_test else {},
        features=[SIGNAL],
        label_noise=2 * own.flip,  # the label of a random leaf is the other one with probability 1/2
        node_features=False,
    )
    return _orthogonal(described) if own.orthogonal else described


def _orthogonal(described: PatchLaw) -> SampledLaw:
    """The same with ξ − ⟨ξ, v⟩ v in place of ξ, v = μ/‖μ‖."""

    def sample(streams: Streams, samples: int, shares: Mapping[str, float], dictionary: Dictionary) -> Batch:
        batch = make_sampler(described, dictionary).sample(streams, samples, shares)
        v = dictionary.vectors[:, 0]
        along = torch.einsum("rbpd,rd->rbp", batch.x, v)[..., None]
        noise = (batch.content < 0)[..., None]
        return replace(batch, x=batch.x - noise * along * v[:, None, None])

    return SampledLaw(
        described.tree,
        list(described.kinds),
        sample,
        described.training,
        [SIGNAL],
        node_features=False,
        label_noise=described.label_noise,
    )


DEFAULTS: dict[str, Any] = {
    "replicas": 100,
    "tree": {"subclasses": 0},
    "labels": {NETWORK: "leaf"},
    "data": {"dim": 200, "patches": 2, "training_samples": 20},
    "network": {"neurons": 10},
    "training": {"step_size": {NETWORK: 0.1}, "batch": "full", "steps": 100, "engine": "gradient"},
    "engine": {"pooling": "mean", "biases": "trained", "init": "uniform"},
    "transfer": {"readouts": ["sum_logits"]},
    "test": {"samples": 1000, "noisy_labels": True},
}
"""What differs from the default configuration."""

setup = SETUPS.add(NAME, Setup(NAME, law, DEFAULTS, LawSettings))
