"""The configuration: every parameter of the model, checked, with its symbol, unit, default and source.

Source marks, here and throughout the package:

* **[paper]** stated by arXiv:2303.16887's abstract, or quoted from its body by its reviewers;
* **[recalled]** recalled from the paper; its text could not be read again, so it is a parameter;
* **[ours]** our own choice or addition.

Where no mark stands, the default is ours: chosen because both theorems are decided with it in under a minute.
Lengths (``data.noise``, ``hard.noise``) are norms, σ√d, so that they mean the same at every dimension d.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import TypeAliasType

from theory_sim.runtime import plugins as user_plugins
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.plain_yaml import read_yaml
from theory_sim.runtime.settings import (
    Count,
    CountOrZero,
    Distinct,
    NonNegative,
    Positive,
    Range,
    Section,
    Seed,
    Share,
    checked,
    checked_at,
    differences,
    load_settings,
    merged,
    same_keys,
)

if TYPE_CHECKING:
    from theory_sim.labels.tree import LabelTree

Width = Annotated[int, Field(ge=1, le=10**15)]
NetworkName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_LENGTH: Any = {"unit": "norm of a feature (1)"}
Length = Annotated[NonNegative, Field(json_schema_extra=_LENGTH)]
Lengths = Annotated[Range, Field(json_schema_extra=_LENGTH)]
Nats = Annotated[Positive, Field(json_schema_extra={"unit": "nats"})]
StepSize = Annotated[float, Field(gt=0, le=1e30)]
Subclasses = TypeAliasType("Subclasses", "Annotated[int, Field(ge=0, le=10**5)] | list[Subclasses]")
"""A number of leaf children, or a list with one such entry per child (a deeper tree)."""

LABEL_GRANULARITY = "label-granularity"
"""The theory whose defaults are those below."""
_ENGINE = "dense"
STORED = "stored"
"""Context of a configuration that was complete and checked when a run stored it."""
_NETWORKS = {"coarse": "level(1)", "fine": "leaf"}
_STEP_SIZES = {"coarse": 0.02, "fine": 0.1}


class TreeSettings(Section):
    """The label tree: the root's children are the coarse classes, their children the subclasses."""

    coarse: Annotated[int, Field(ge=2, le=10**5)] = 2
    """K, number of coarse classes; 2 in the paper [paper]."""
    subclasses: Subclasses = 9
    """k, per coarse class; or one entry per coarse class, each a number or again a list (a deeper tree).
    The paper takes k between polylog d and f(σ_ζ), with d^0.4 as its example of f [paper]; 9 = ⌊256^0.4⌋."""
    tail: Annotated[float, Field(ge=0, le=10)] = 0.0
    """t: the c-th subclass of a class has a share ∝ c^−t of its samples; 0: all the same [ours]."""


class DataSettings(Section):
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
    noise: Length = 0.5
    """σ_ζ√d, the norm of a patch's Gaussian noise [recalled: N(0, σ_ζ² I)]."""
    feature_noise_patches: CountOrZero = 0
    """s†, patches of an easy sample that hold another coarse class's common feature [recalled]."""
    feature_noise: Lengths = [0.2, 0.4]
    """[ι†_lo, ι†_hi], the strength of those patches [recalled]."""
    basis: Literal["canonical", "rotated"] = "canonical"
    """Features on the axes, or Haar-random (everything is rotation invariant)."""
    hard_share: Share = 0.0
    """ρ, share of hard samples in training; 0 in the paper [paper], more is ours."""
    label_noise: Share = 0.0
    """Probability that a training sample carries the label of a uniformly drawn leaf [ours]."""
    training_samples: CountOrZero = 0
    """Size of a finite training set, drawn with replacement [ours]; 0: fresh samples at every step [recalled]."""


class HardSettings(Section):
    """What makes a test sample hard."""

    common: Literal["missing", "weak"] = "missing"
    """The common-feature patches hold noise, or are weak [paper]."""
    weak_strength: Lengths = [0.1, 0.3]
    """Strength range of weak common features [ours]."""
    feature_noise_patches: CountOrZero = 2
    """s†, patches that hold another coarse class's common feature [recalled]."""
    feature_noise: Lengths = [0.2, 0.4]
    """[ι†_lo, ι†_hi], the strength of those patches [recalled]."""
    noise: Length = 4.0
    """σ*√d, the norm of the one dominant-noise patch [recalled]; 0: there is none."""


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

    step_size: dict[str, StepSize] = _STEP_SIZES
    """η of each network; a large one may diverge, which stops the run with a message."""
    batch: Count | Literal["full"] = 128
    """B, samples per step; `full`: at each step the whole training set, each sample once [ours]."""
    steps: CountOrZero = 200
    """T, steps of training."""
    bias_decay: NonNegative | Literal["theory"] = 0.02
    """κ: after each step b ← b − κ‖Δw‖; `theory`: κ = 1/ln⁵ d [recalled]."""
    engine: str = _ENGINE
    """How a step is computed: all weights, all patches; or only neurons that can ever fire, and patches that hold
    something, for widths that the theory asks for: see ``theory_sim/training/engines/lucky/lucky.md`` [ours]."""
    certificate: Annotated[float, Field(gt=0, lt=1)] = 1e-6
    """Largest probability, over a whole run, that anything the engine `lucky` leaves out should have fired [ours]."""
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


class TargetSettings(Section):
    """A shift of the target's distribution from that of the training samples; null: as in `data` [ours].

    It is the law of test samples, and of those that a probe is fitted on or finetuning trains on.
    """

    noise: Length | None = None
    """σ_ζ√d."""
    strength_spread: Share | None = None
    """ι."""
    feature_noise_patches: CountOrZero | None = None
    """s† of easy samples."""
    feature_noise: Lengths | None = None
    """[ι†_lo, ι†_hi] of easy samples."""


class TestSettings(Section):
    """Test samples per replica and kind (easy, hard): at the end, and at each recorded step."""

    samples: Count = 2000
    """Test samples of each kind at the end."""
    curve_samples: Count = 32
    """Test samples of each kind at each recorded step; kept small so that recording adds at most 3 % to training time."""
    noisy_labels: bool = False
    """Whether errors are measured against labels that have the training samples' label noise [ours]."""


class RecordSettings(Section):
    """When to record: step 0 and about this many log-spaced steps up to the last; and which optional quantities."""

    points: Count = 12
    """Number of recorded steps after step 0, about."""
    noise: bool = False
    """Whether to record ``noise_margin``, the largest pre-activation on noise patches of a batch of fresh samples: one forward
    pass for each recorded step [ours]."""
    predicted: bool = False
    """Whether the tables of a study include predictions of the large-batch recursion, such as hard errors and times: some seconds
    for each run [ours]."""


class ClaimsSettings(Section):
    """The bounds that decide the claims; a claim holds when its whole interval lies on the right side."""

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
    """Largest p-value of the gain from coarse to fine labels."""


class SeedsSettings(Section):
    """Separate seeds; null: derived from `seed`."""

    dictionary: Seed | None = None
    """Seed of the features."""
    data: Seed | None = None
    """Seed of all samples."""
    init: Seed | None = None
    """Seed of the initial weights."""


class Config(Section):
    """One experiment: a theory's data model and networks, all trained on the same samples, each on its own labels."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = "default"
    """Name of the folder of its runs, below that of all results."""
    theory: str = LABEL_GRANULARITY
    """The theory whose law, networks, claims and regime these are; its own defaults come before those below."""
    plugins: list[str] = []
    """Files or modules that register a user's objects, imported first, in worker processes too (`theory_sim.runtime.plugins`)."""
    replicas: Count = 5
    """R, independent repetitions."""
    seed: Seed = 0
    """Seed of dictionary, data and initial weights."""
    seeds: SeedsSettings = SeedsSettings()
    tree: TreeSettings = TreeSettings()
    labels: dict[NetworkName, str] = _NETWORKS
    """The label function that each network is trained with; see `theory_sim.labels.functions`."""
    data: DataSettings = DataSettings()
    hard: HardSettings = HardSettings()
    law: dict[str, Any] = {}
    """Parameters of the theory's own law, where it has any."""
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    engine: dict[str, Any] = {}
    """Settings of the engine that `training.engine` names, where it has any."""
    transfer: TransferSettings = TransferSettings()
    target: TargetSettings = TargetSettings()
    test: TestSettings = TestSettings()
    record: RecordSettings = RecordSettings()
    claims: ClaimsSettings = ClaimsSettings()

    @model_validator(mode="before")
    @classmethod
    # `info` is a `pydantic.ValidationInfo`, a protocol whose instances cannot be checked.
    def _with_defaults(cls, given: Any, info: Any) -> Any:
        """The theory's defaults below what is given; a mapping of networks may be given in part."""
        if not isinstance(given, Mapping) or info.context == STORED:
            return given
        if isinstance(named := given.get("plugins"), list | tuple) and all(isinstance(plugin, str) for plugin in named):
            user_plugins.load(named)
        defaults: dict[str, Any] = {"labels": dict(_NETWORKS), "training": {"step_size": dict(_STEP_SIZES)}}
        name = given.get("theory", LABEL_GRANULARITY)
        if name != LABEL_GRANULARITY and isinstance(name, str):
            from theory_sim.runtime.contracts import SETUPS

            setup = SETUPS[name]
            own = dict(setup.defaults)
            if "labels" in own:  # networks of its own: none of the paper's
                defaults = {}
            if setup.parameters is not None:
                parameters = checked_at("law", setup.parameters, given.get("law"))
                own, given = merged(own, {"law": parameters}), dict(given) | {"law": parameters}
            elif given.get("law"):
                raise ValueError(f"law: the theory {name} has no parameters of its own")
            defaults = merged(defaults, {"name": name} | own)
        known = defaults["labels"]
        values = _with_engine(defaults, given)
        sections = {"labels": values.get("labels")}
        if isinstance(values.get("training"), Mapping):
            sections["training.step_size"] = values["training"].get("step_size")
        for key, section in sections.items():
            if isinstance(section, Mapping):
                same_keys(key, section, known, "network")
        return values

    @model_validator(mode="after")
    def _fits_together(self, info: Any) -> "Config":
        if info.context == STORED:
            return self
        if isinstance(self.tree.subclasses, int) and self.tree.subclasses > self.data.dim and self._has_this_tree:
            raise ValueError(f"tree.subclasses: {self.tree.subclasses} do not fit into data.dim = {self.data.dim} dimensions")
        from theory_sim.labels.functions import label_function
        from theory_sim.runtime.contracts import ENGINES, READOUTS, SETUPS

        if self.theory == LABEL_GRANULARITY and self.law:
            raise ValueError(f"law: the theory {LABEL_GRANULARITY} has no parameters of its own; its law is in data and hard")
        law = SETUPS[self.theory].law_at(self)
        if self.target != TargetSettings():
            SETUPS[self.theory].law_at(self.at_target)
        if law.n_features > self.data.dim:
            raise ValueError(
                f"data.dim: {law.n_features} features (one per node of the label tree{' and others' * bool(law.features)})"
                f" need as many dimensions, got {self.data.dim}"
            )
        for network, text in self.labels.items():
            try:
                label_function(text, law.tree, self.data.training_samples)
            except InputError as error:
                raise ValueError(f"labels.{network}: {error}") from None
        for readout in self.transfer.readouts:
            READOUTS.entry(readout)
        if self.training.batch == "full" and not self.data.training_samples:
            raise ValueError("training.batch: full needs a finite training set; set data.training_samples")
        if set(self.training.step_size) != set(self.labels):
            raise ValueError(f"training.step_size: one value for each of the networks {', '.join(self.labels)} is needed")
        ENGINES[self.training.engine].check(self, law)
        return self

    def __repr__(self) -> str:
        """What differs from the theory's defaults, as an expression that makes it again."""
        theory = self._of_theory
        made = f"Config({', '.join(f'{key}={value!r}' for key, value in theory.items())})"
        changed = self._differences
        return f"{made}.replace({changed!r})" if changed else made

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from theory_sim.runtime.display import table_html

        values = self._of_theory | self._differences
        return table_html([{"key": key, "value": str(value)} for key, value in values.items()]) if values else "the defaults"

    @property
    def _of_theory(self) -> dict[str, Any]:
        """The theory and the plugins, where they are not the defaults."""
        values: dict[str, Any] = {"theory": self.theory, "plugins": self.plugins}
        return {key: value for key, value in values.items() if value not in (LABEL_GRANULARITY, [])}

    @property
    def _differences(self) -> dict[str, Any]:
        """All else that differs from the theory's defaults, by key."""
        try:
            default = Config(**self._of_theory)
        except (ValueError, InputError):  # a theory of a session that is over
            default = Config()
        named = differences(self, default)
        return {key: value for key, value in named.items() if key not in ("theory", "plugins")}

    @property
    def _has_this_tree(self) -> bool:
        """Whether the law may rest on `tree`: one law for all configurations has a tree of its own."""
        if self.theory == LABEL_GRANULARITY:
            return True
        from theory_sim.runtime.contracts import SETUPS

        return callable(SETUPS[self.theory].law)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks that are trained."""
        return tuple(self.labels)

    @property
    def label_tree(self) -> "LabelTree":
        """The tree that `tree` describes."""
        from theory_sim.labels.tree import LabelTree

        return LabelTree.of(self.tree.coarse, self.tree.subclasses, self.tree.tail)

    @property
    def at_target(self) -> "Config":
        """The same with the target's distribution in place of the training samples'."""
        shift = {f"data.{key}": value for key, value in self.target.model_dump().items() if value is not None}
        return self.replace(shift | {f"target.{key}": None for key in TargetSettings.model_fields}) if shift else self

    @property
    def neurons(self) -> int:
        """m; the theory's is ⌈d^(2 + 2c₀)⌉ [recalled]: at its τ the number of lucky neurons then grows with d."""
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
    def batch(self) -> int:
        """B; the size of the training set where each step takes all of it."""
        return self.data.training_samples if self.training.batch == "full" else self.training.batch

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


def _with_engine(defaults: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values given above the defaults, with the complete settings of their engine.

    A theory's defaults for an engine's settings are left out where another engine is chosen.

    Raises:
        InputError: the engine has no settings of its own; or as `theory_sim.runtime.settings.load_settings`.
    """
    values = merged(defaults, given)
    training = values.get("training")
    name = training.get("engine", _ENGINE) if isinstance(training, Mapping) else _ENGINE
    if (defaults.get("training") or {}).get("engine", _ENGINE) != name:
        values["engine"] = given.get("engine")
    if not isinstance(name, str) or (name == _ENGINE and not values.get("engine")):
        return values | {"engine": values.get("engine") or {}}
    from theory_sim.runtime.contracts import ENGINES

    settings = getattr(ENGINES[name], "settings", None)
    if settings is not None:
        return values | {"engine": checked_at("engine", settings, values.get("engine"))}
    if values.get("engine"):
        raise ValueError(f"engine: the engine {name} has no settings of its own; leave out the section")
    return values | {"engine": {}}


def stored_config(path: Path) -> Config:
    """A configuration that a run has stored: its values are complete and fit together, so that no plugin is needed.

    Raises:
        InputError: the file is absent or damaged.
    """
    return checked(Config, read_yaml(path), f"{path}: ", STORED)


def load_config(
    path: str | Path | None = None, overrides: Sequence[str] = (), plugins: Sequence[str] = (), **values: Any
) -> Config:
    """Read and check a configuration.

    Args:
        path: as `theory_sim.runtime.settings.load_settings`; plugins that the file names are looked for beside it.
        overrides: as there.
        plugins: further plugins, files looked for from the working directory.
        values: as there.

    Raises:
        InputError: as there; or a plugin cannot be imported.
    """
    expect("plugins", plugins, list, tuple)
    if path is not None:
        expect("path of a configuration", path, str, Path)
    return load_settings(Config, path, overrides, user_plugins.with_plugins(path, plugins), **values)
