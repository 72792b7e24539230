"""The configuration: every parameter of the model, checked, with its symbol, unit, default and source.

Source marks, here and throughout the package:

* **[paper]** stated by arXiv:2303.16887's abstract, or quoted from its body by its reviewers;
* **[recalled]** recalled from the paper; its text could not be read again, so it is a parameter;
* **[ours]** our own choice or addition.

Where no mark stands, the default is ours: chosen because both theorems are decided with it in under a minute.
Lengths (``data.noise``, ``hard.noise``) are norms, σ√d, so that they mean the same at every dimension d.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from theory_sim.labels.functions import label_function
from theory_sim.labels.tree import LabelTree, Subclasses
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.settings import Count, CountOrZero, NonNegative, Positive, Range, Section, Seed, Share, load_settings

Width = Annotated[int, Field(ge=1, le=10**15)]


class Tree(Section):
    """The label tree: the root's children are the coarse classes, their children the subclasses."""

    coarse: Annotated[int, Field(ge=2, le=10**5)] = 2
    """K, number of coarse classes; 2 in the paper [paper]."""
    subclasses: Subclasses = 9
    """k, per coarse class; or one entry per coarse class, each a number or again a list (a deeper tree).
    The paper takes k between polylog d and d^0.4 [paper]; 9 = ⌊256^0.4⌋."""
    tail: Annotated[float, Field(ge=0, le=10)] = 0.0
    """t: the c-th subclass of a class has a share ∝ c^−t of its samples; 0: all the same [ours]."""


class Labels(Section):
    """Which label function each of the two models is trained with; see `theory_sim.labels.functions`."""

    coarse: str = "level(1)"
    fine: str = "leaf"


class Data(Section):
    """Training samples. Also the law of easy test samples."""

    dim: Count = 256
    """d, dimension of a patch."""
    patches: Count = 30
    """P, patches per sample."""
    feature_patches: Count = 4
    """s, patches per feature of the sample's path in the label tree."""
    patch_law: Literal["fixed", "independent"] = "fixed"
    """Exactly s patches per feature, or each patch drawn independently with mean s per feature [ours]."""
    strength_spread: Share = 0.1
    """ι: strengths are α ~ U[√(1−ι), √(1+ι)] [recalled]."""
    noise: NonNegative = 0.5
    """σ_ζ√d, the norm of a patch's Gaussian noise [recalled: N(0, σ_ζ² I)]."""
    feature_noise_patches: CountOrZero = 0
    """s†, patches of an easy sample that hold another coarse class's common feature [recalled]."""
    feature_noise: Range = [0.2, 0.4]
    """[ι†_lo, ι†_hi], the strength of those patches [recalled]."""
    basis: Literal["canonical", "rotated"] = "canonical"
    """Features on the axes, or Haar-random (everything is rotation invariant)."""
    hard_share: Share = 0.0
    """ρ, share of hard samples in training; 0 in the paper [paper], more is ours."""
    label_noise: Share = 0.0
    """Probability that a training sample carries the label of a uniformly drawn leaf [ours]."""
    training_samples: CountOrZero = 0
    """Size of a finite training set, drawn with replacement [ours]; 0: fresh samples at every step [recalled]."""


class Hard(Section):
    """What makes a test sample hard."""

    common: Literal["missing", "weak"] = "missing"
    """The common-feature patches hold noise, or are weak [paper]."""
    weak_strength: Range = [0.1, 0.3]
    """Strength range of weak common features [ours]."""
    feature_noise_patches: CountOrZero = 2
    """s†, patches that hold another coarse class's common feature [recalled]."""
    feature_noise: Range = [0.2, 0.4]
    """[ι†_lo, ι†_hi], the strength of those patches [recalled]."""
    noise: NonNegative = 4.0
    """σ*√d, the norm of the one dominant-noise patch [recalled]; 0: there is none."""


class Network(Section):
    """The two-layer convolutional ReLU network."""

    neurons: Width | Literal["theory"] = 60
    """m, neurons per head; `theory`: m = ⌈d^(2 + 2c₀)⌉ [recalled; it may have been d^(1 + 2c₀)]."""
    init_std: Positive = 0.01
    """σ_0: weights start as N(0, σ_0² I)."""
    threshold: NonNegative | Literal["theory"] = 1.6
    """τ: biases start at −σ_0 τ; `theory`: τ = √((4 + 2c₀) ln d) [recalled]."""
    c0: Positive = 0.5
    """c₀ of the theory's threshold and width [recalled]."""
    train_output: bool = False
    """Train the output weights a too [ours]; the paper freezes a = 1 [paper]."""


class StepSize(Section):
    """η of each model; a large one may diverge, which stops the run with a message."""

    coarse: Annotated[float, Field(gt=0, le=1e30)] = 0.02
    fine: Annotated[float, Field(gt=0, le=1e30)] = 0.1


class Training(Section):
    """Stochastic gradient descent on the softmax cross-entropy [paper]."""

    step_size: StepSize = StepSize()
    batch: Count = 128
    """B, samples per step."""
    steps: CountOrZero = 200
    bias_decay: NonNegative | Literal["theory"] = 0.02
    """κ: after each step b ← b − κ‖Δw‖; `theory`: κ = 1/ln⁵ d [recalled]."""
    engine: Literal["dense", "lucky"] = "dense"
    """How a step is computed: all weights, all patches; or only neurons that can ever fire, and patches that hold
    something, for widths that the theory asks for: see ``theory_sim/training/engines/lucky/lucky.md`` [ours]."""
    certificate: Annotated[float, Field(gt=0, lt=1)] = 1e-6
    """Largest probability, over a whole run, that anything the engine `lucky` leaves out should have fired [ours]."""
    dtype: Literal["float32", "float64"] = "float32"
    checkpoint_every: Count = 50
    """Steps between checkpoints."""


Readout = Literal["sum_logits", "sum_probabilities", "argmax_parent", "linear_probe", "finetuning"]


class Transfer(Section):
    """How a model's outputs are read for the coarse target; see `theory_sim.training.readouts`."""

    readouts: Annotated[list[Readout], Field(min_length=1)] = ["sum_logits", "sum_probabilities", "argmax_parent"]
    """The readouts to evaluate; the first one decides the claims."""
    samples: Count = 2000
    """Coarse-labelled training samples per replica for the linear probe."""
    steps: CountOrZero = 50
    """Steps of full finetuning on coarse labels."""
    step_size: Positive = 0.02
    """η of full finetuning."""


class Target(Section):
    """A shift of the target's distribution from that of the training samples; null: as in `data` [ours].

    It is the law of test samples, and of those that a probe is fitted on or finetuning trains on.
    """

    noise: NonNegative | None = None
    """σ_ζ√d."""
    strength_spread: Share | None = None
    """ι."""
    feature_noise_patches: CountOrZero | None = None
    """s† of easy samples."""
    feature_noise: Range | None = None
    """[ι†_lo, ι†_hi] of easy samples."""


class Test(Section):
    """Test samples per replica and kind (easy, hard): at the end, and at each recorded step."""

    samples: Count = 2000
    curve_samples: Count = 32
    """Few, so that looking costs at most 3 % of training: a look at n of each kind computes heads for 2n samples."""


class Record(Section):
    """When to record: step 0 and about this many log-spaced steps up to the last."""

    points: Count = 12


class Claims(Section):
    """The bounds that decide the claims; a claim holds when its whole interval lies on the right side."""

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    training_loss: Positive = 0.05
    easy_error: Positive = 0.01
    coarse_hard_error: Positive = 0.25
    fine_hard_error: Positive = 0.05
    coarse_rare_growth: Positive | Literal["1/k"] = "1/k"
    fine_rare_growth: Positive = 0.5
    transfer_gain_p: Share = 1e-3


class Seeds(Section):
    """Separate seeds; null: derived from `seed`."""

    dictionary: Seed | None = None
    data: Seed | None = None
    init: Seed | None = None


class Config(Section):
    """One experiment: a data model, a network, and the training of a coarse and a fine model on the same samples."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = "default"
    replicas: Count = 5
    """R, independent repetitions."""
    seed: Seed = 0
    seeds: Seeds = Seeds()
    tree: Tree = Tree()
    labels: Labels = Labels()
    data: Data = Data()
    hard: Hard = Hard()
    network: Network = Network()
    training: Training = Training()
    transfer: Transfer = Transfer()
    target: Target = Target()
    test: Test = Test()
    record: Record = Record()
    claims: Claims = Claims()

    @model_validator(mode="after")
    def _fits_together(self) -> "Config":
        if isinstance(self.tree.subclasses, int) and self.tree.subclasses > self.data.dim:
            raise ValueError(f"tree.subclasses: {self.tree.subclasses} do not fit into data.dim = {self.data.dim} dimensions")
        tree = self.label_tree
        if tree.n_nodes > self.data.dim:
            raise ValueError(
                f"data.dim: {tree.n_nodes} features (one per node of the label tree) need as many dimensions, got {self.data.dim}"
            )
        own = tree.depth * self.data.feature_patches
        hard_extra = self.hard.feature_noise_patches + (self.hard.noise > 0)
        easy_extra = max(self.data.feature_noise_patches, self.target.feature_noise_patches or 0)
        for kind, extra in (("easy", easy_extra), ("hard", hard_extra)):
            if own + extra > self.data.patches:
                raise ValueError(
                    f"data.patches: {self.data.patches} patches cannot hold the {own} feature patches"
                    f" and {extra} noise-feature or dominant-noise patches of {'an' if kind == 'easy' else 'a'} {kind} sample"
                )
        if self.training.engine == "lucky" and self.data.training_samples:
            raise ValueError("data.training_samples: training.engine 'lucky' needs fresh samples, 0; or training.engine dense")
        if self.training.engine == "lucky" and self.target != Target():
            raise ValueError("target: training.engine 'lucky' tests on unshifted samples only; or training.engine dense")
        for model in ("coarse", "fine"):
            try:
                label_function(getattr(self.labels, model), tree, self.data.training_samples)
            except InputError as error:
                raise ValueError(f"labels.{model}: {error}") from None
        return self

    @property
    def label_tree(self) -> LabelTree:
        """The tree that `tree` describes."""
        return LabelTree.of(self.tree.coarse, self.tree.subclasses, self.tree.tail)

    @property
    def at_target(self) -> "Config":
        """The same with the target's distribution in place of the training samples'."""
        shift = {f"data.{key}": value for key, value in self.target.model_dump().items() if value is not None}
        return self.replace(shift | {f"target.{key}": None for key in Target.model_fields}) if shift else self

    @property
    def neurons(self) -> int:
        """m; the theory's is ⌈d^(2 + 2c₀)⌉ [recalled; it may have been d^(1 + 2c₀)]."""
        if self.network.neurons == "theory":
            return math.ceil(math.pow(self.data.dim, 2 + 2 * self.network.c0))
        return self.network.neurons

    @property
    def threshold(self) -> float:
        """τ; the theory's is √((4 + 2c₀) ln d) [recalled]."""
        if self.network.threshold == "theory":
            return math.sqrt((4 + 2 * self.network.c0) * math.log(self.data.dim))
        return self.network.threshold

    @property
    def bias_decay(self) -> float:
        """κ; the theory's is 1/ln⁵ d [recalled]."""
        if self.training.bias_decay == "theory":
            return math.log(self.data.dim) ** -5
        return self.training.bias_decay

    def seed_of(self, part: Literal["dictionary", "data", "init"]) -> int:
        """The seed of one part: its own, or `seed`."""
        own = getattr(self.seeds, part)
        return self.seed if own is None else own


def load_config(path: str | Path | None = None, overrides: Sequence[str] = (), **values: Any) -> Config:
    """Read and check a configuration; arguments and errors are those of `theory_sim.runtime.settings.load_settings`."""
    return load_settings(Config, path, overrides, **values)
