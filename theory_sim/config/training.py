"""The sections that describe networks and their training: `network`, `training`, `transfer` and `seeds`."""

from typing import Annotated, Literal

from pydantic import Field

from theory_sim.config.values import ENGINE, STEP_SIZES, StepSize, Width
from theory_sim.runtime.settings import Count, CountOrZero, Distinct, NonNegative, Positive, Section, Seed


class NetworkSettings(Section):
    """The two-layer convolutional ReLU network."""

    neurons: Width | Literal["theory"] = 60
    """m, neurons per head; `theory`: m = ⌈d^(2 + 2c₀)⌉ [recalled]."""
    init_std: Positive = 0.01
    """σ_0: weights start as N(0, σ_0² I)."""
    threshold: NonNegative | Literal["theory"] = 1.6
    """τ: biases start at −σ_0 τ; `theory`: τ = √((4 + 2c₀) ln d) [recalled]."""
    c0: Positive = 0.5
    """c₀ of the theory's threshold and width [recalled]."""
    train_output: bool = False
    """Train the output weights a too [ours]; the paper freezes a = 1 [paper]."""


class TrainingSettings(Section):
    """Stochastic gradient descent on the softmax cross-entropy [paper]."""

    step_size: dict[str, StepSize] = STEP_SIZES
    """η of each network; a large one may diverge, which stops the run with a message."""
    batch: Count | Literal["full"] = 128
    """B, samples per step; `full`: at each step the whole training set, each sample once [ours]."""
    steps: CountOrZero = 200
    """T, steps of training."""
    bias_decay: NonNegative | Literal["theory"] = 0.02
    """κ: after each step b ← b − κ‖Δw‖; `theory`: κ = 1/ln⁵ d [recalled]."""
    engine: str = ENGINE
    """How a step is computed: `dense`, all weights and all patches; `lucky`, only neurons that can ever fire and patches that
    hold something, for widths that the theory requires (``theory_sim/training/engines/lucky/lucky.md``) [ours]; `gradient`, with
    other activations, pooling, biases and optimizers; or an engine of a plugin."""
    certificate: Annotated[float, Field(gt=0, lt=1)] = 1e-6
    """Largest probability, over a whole run, that anything the engine `lucky` leaves out should have fired; it is divided equally
    among the networks [ours]."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the weights and of all that is computed from them; samples are the same in both, up to rounding."""
    checkpoint_every: Count = 50
    """Steps between checkpoints."""


class TransferSettings(Section):
    """How a model's outputs are read for the coarse target; see `theory_sim.training.readouts`."""

    readouts: Annotated[list[str], Field(min_length=1), Distinct] = ["sum_logits", "sum_probabilities", "argmax_parent"]
    """The readouts to evaluate; the first one decides the claims."""
    samples: Annotated[int, Field(ge=2, le=10**9)] = 2000
    """Coarse-labelled training samples per replica for the linear probe."""
    steps: CountOrZero = 50
    """Steps of full finetuning on coarse labels."""
    step_size: Positive = 0.02
    """η of full finetuning."""


class SeedsSettings(Section):
    """Separate seeds; null: `seed`."""

    dictionary: Seed | None = None
    """Seed of the features."""
    data: Seed | None = None
    """Seed of all samples."""
    init: Seed | None = None
    """Seed of the initial weights."""
