"""The sections that describe what is measured and what decides the claims: `test`, `record` and `claims`."""

from typing import Annotated, Literal

from pydantic import Field

from theory_sim.config.values import Nats
from theory_sim.runtime.settings import Count, Positive, Section, Share


class TestSettings(Section):
    """Test samples per replica and kind (easy, hard): at the end, and at each recorded step."""

    samples: Count = 2000
    """Test samples of each kind at the end."""
    curve_samples: Count = 32
    """Test samples of each kind at each recorded step; kept small, since every recorded step tests them."""
    noisy_labels: bool = False
    """Whether errors are measured against labels that have the training samples' label noise [ours]."""


class RecordSettings(Section):
    """When to record: step 0 and about this many log-spaced steps up to the last; and which optional quantities."""

    points: Count = 12
    """Number of recorded steps after step 0, about."""
    noise: bool = False
    """Whether to record ``noise_margin``, the largest (⟨w, ζ⟩ + b)/σ_0 of any neuron on the plain-noise patches of a batch of
    fresh samples: one forward pass for each recorded step [ours]."""
    predicted: bool = False
    """Whether the tables of a study include predictions of the large-batch recursion, such as hard errors and times: some seconds
    for each run [ours]."""


class ClaimsSettings(Section):
    """The bounds that decide the claims; a claim holds when its whole interval is on the right side."""

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence of the intervals."""
    training_loss: Nats = 0.05
    """Largest training loss that is small, in nats."""
    easy_error: Positive = 0.01
    """Largest error on easy test samples that is small."""
    coarse_hard_error: Positive | Literal["chance"] = "chance"
    """Smallest error on hard test samples at which the coarse model fails; `chance`: 1 − 1/K."""
    fine_hard_error: Positive = 0.05
    """Largest error of the fine model on hard test samples that is small."""
    coarse_rare_growth: Positive | Literal["1/k"] = "1/k"
    """Largest growth of the coarse model's response to rare features, as a multiple of that to common ones."""
    fine_rare_growth: Positive = 0.5
    """Smallest growth of the fine model's response to rare features, as a multiple of that to common ones."""
    transfer_gain_p: Share = 1e-3
    """The p-value of the gain from coarse to fine labels must be below this."""
