"""The configuration: all sections together, whether they fit together, and what follows from them."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from theory_sim.config.defaults import with_defaults
from theory_sim.config.outcome import ClaimsSettings, RecordSettings, TestSettings
from theory_sim.config.samples import DataSettings, HardSettings, TargetSettings, TreeSettings
from theory_sim.config.training import NetworkSettings, SeedsSettings, TrainingSettings, TransferSettings
from theory_sim.config.values import LABEL_GRANULARITY, NETWORKS, STORED, NetworkName
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.settings import Count, Section, Seed, differences

if TYPE_CHECKING:
    from theory_sim.labels.tree import LabelTree


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
    labels: dict[NetworkName, str] = NETWORKS
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
        """As `theory_sim.config.defaults.with_defaults`."""
        return with_defaults(given) if isinstance(given, Mapping) and info.context != STORED else given

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
        engine = {"training": {"engine": self.training.engine}}
        try:
            default = Config(**self._of_theory)
            usual = with_defaults(self._of_theory | engine)["engine"]
        except (ValueError, InputError):  # a theory or an engine of a session that is over
            default, usual = Config(), {}
        named = differences(self, default)
        if self.training.engine != default.training.engine:
            # An engine's settings belong to it alone: those of another are left out, and what is not given has its own default.
            own = {key: value for key, value in self.engine.items() if key not in usual or value != usual[key]}
            named = {key: value for key, value in named.items() if not key.startswith("engine.")}
            named |= {"engine": own} if own or default.engine else {}
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
