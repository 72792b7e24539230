"""Theories: what a published result assumes, claims and predicts, as one registered object.

A user's theory is a file that ends in one line:

    theory = register_theory(Theory(name="mine", law=law, claims=[...]))

``theory-sim verify my_theory.py`` trains its networks and decides its claims; everything else, from sweeps to figures, takes
``theory: mine`` in a configuration, with the file under ``plugins``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from theory_sim.config import Config, load_config
from theory_sim.data.setup import Setup
from theory_sim.runs.results import Results, warn_changed
from theory_sim.runtime import plugins
from theory_sim.runtime.contracts import SETUPS
from theory_sim.runtime.display import Shown
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.registry import Registry
from theory_sim.runtime.returned import expect_function, expect_number, expect_type, place
from theory_sim.runtime.settings import repeated
from theory_sim.theories.claims import CLAIMS, Claim, ClaimResult
from theory_sim.theories.measures import Measure
from theory_sim.theories.prediction import predict as large_batch_prediction
from theory_sim.theories.regime import Assumption
from theory_sim.theories.trends import Trend


@dataclass(frozen=True)
class Theory(Setup):
    """The contract of a theory: a `theory_sim.data.setup.Setup`, and what is claimed of it.

    Attributes:
        name: what ``theory`` in a configuration names.
        law: the law of samples that a configuration describes: a function of it, or one law for all.
        defaults: what it changes in the default configuration, as nested sections; ``labels`` names its networks, each with
            the label function that it is trained on.
        parameters: of its own law, as a section of settings; they are under ``law`` in a configuration.
        claims: statements that are decided on a run, in the order of the theorems.
        theorems: what each theorem that the claims name says, as full sentences; it may be left out.
        measures: numbers of each replica, for the tables of studies.
        trends: statements that studies decide on several runs, from the measures.
        regime: the assumptions at a configuration.
        predict: predicts a network's record from its initial state; the large-batch recursion of the law without it.
        source: where it is published, such as ``arXiv:2303.16887``.
        description: what it is about, in a line.
    """

    claims: Sequence[Claim] = ()
    theorems: Mapping[str, str] = field(default_factory=dict)
    measures: Sequence[Measure] = ()
    trends: Sequence[Trend] = ()
    regime: Callable[[Config], Sequence[Assumption]] = lambda config: ()
    predict: Callable[[Config, xr.Dataset], xr.Dataset] = large_batch_prediction
    source: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        what = f"theory {self.name}"
        for name, type_ in (("claims", Claim), ("measures", Measure), ("trends", Trend)):
            given = getattr(self, name)
            expect(f"{what}: {name}", given, list, tuple)
            for each in given:
                expect(f"{what}: {name}", each, type_)
            if twice := repeated([each.id for each in given]):
                raise InputError(f"{what}: {name}: '{twice[0]}' is there twice")
        expect(f"{what}: theorems", self.theorems, Mapping)
        expect_function(f"{what}: regime", self.regime, "config")
        expect_function(f"{what}: predict", self.predict, "config", "start")

    def config(self, values: Mapping[str, Any] | None = None) -> Config:
        """A configuration of this theory.

        Args:
            values: what differs from its defaults, by key: ``{"data.dim": 128}``.

        Raises:
            InputError: as `theory_sim.config.load_config`; or the theory is not registered.
        """
        entry = THEORIES.entry(self.name)
        plugin = [entry.plugin] if entry.plugin is not None else []
        expect(f"theory {self.name}: config", values, Mapping, type(None))
        for key in values or ():
            expect(f"theory {self.name}: config: a key such as data.dim", key, str)
        return load_config(plugins=plugin, theory=self.name).replace({} if values is None else values)


THEORIES: Registry[Theory] = Registry(
    "theory", [f"theory_sim.theories.{name}.theory" for name in ("label_granularity", "benign_overfitting", "spurious_features")]
)
"""Theories by name."""


def register_theory(theory: Theory) -> Theory:
    """Register a theory; runs find its setup, and commands the whole.

    Raises:
        InputError: another module has registered its name.
    """
    expect("register_theory", theory, Theory)
    SETUPS.add(theory.name, theory, theory.law)
    return THEORIES.add(theory.name, theory, theory.law)


def theory_of(config: Config) -> Theory:
    """The theory of a configuration, its plugins loaded."""
    expect("config", config, Config)
    plugins.load(config.plugins)
    return THEORIES[config.theory]


def claims_of(config: Config) -> list[Claim]:
    """A theory's own claims, and those that the configuration's plugins, installed ones and this session add to it.

    Raises:
        InputError: one of them is added to a theory that does not exist.
    """
    theory = theory_of(config)
    added = []
    for id_ in CLAIMS:
        entry = CLAIMS.entry(id_)
        named = entry.plugin is None or entry.plugin in config.plugins or not entry.plugin.endswith(".py")
        if not named:
            continue
        if entry.value.theory not in THEORIES:
            known = ", ".join(sorted(THEORIES))
            raise InputError(f"claim {id_} is added to an unknown theory '{entry.value.theory}'; there are {known}")
        if entry.value.theory == config.theory:
            added.append(entry.value)
    return [*theory.claims, *added]


def evaluate_claims(results: Results) -> list[ClaimResult]:
    """All claims of the results' theory, decided, in the order of the theorems.

    Warns:
        PluginWarning: a plugin has changed since the run was made.

    Raises:
        InputError: a plugin of the run is gone, or the results have no record of a network.
    """
    expect("evaluate_claims", results, Results)
    for name in results.config.networks:
        if name not in results.records:
            raise InputError(f"evaluate_claims: the results have no record of the network {name}: load_results reads them")
    warn_changed(results, stacklevel=2)
    return Shown(claim.evaluate(results) for claim in claims_of(results.config))


def check_regime(config: Config) -> list[Assumption]:
    """All assumptions of a configuration's theory.

    Raises:
        InputError: what the theory gives is no list of assumptions with numbers.
    """
    theory = theory_of(config)
    what = f"theory {theory.name}: regime ({place(theory.regime)})"
    lines = theory.regime(config)
    expect_type(what, lines, Sequence, meaning=" of Assumption")
    for line in lines:
        expect_type(f"{what}: an entry", line, Assumption)
        for name in ("value", "low", "high"):
            if name == "value" or getattr(line, name) is not None:
                expect_number(f"{what}: {line.assumption}: {name}", getattr(line, name))
    return Shown(lines)


def predict(config: Config, start: xr.Dataset) -> xr.Dataset:
    """Predict a network's record from its initial state, by its theory.

    Args:
        config: the configuration.
        start: a network's record (`theory_sim.training.recording`); only its step 0 is looked at.

    Raises:
        InputError: the prediction does not cover the configuration, or `start` is no record.
    """
    expect("predict", start, xr.Dataset)
    theory = theory_of(config)
    predicted = theory.predict(config, start)
    expect_type(f"theory {theory.name}: predict ({place(theory.predict)})", predicted, xr.Dataset)
    return predicted


def theory_in(plugin: str) -> Theory:
    """The theory that a plugin file registers.

    Raises:
        InputError: the file registers none, or several.
    """
    plugins.load([plugin])
    found = [THEORIES[name] for name in THEORIES if THEORIES.entry(name).plugin == plugin]
    if len(found) != 1:
        what = "registers no theory" if not found else f"registers {len(found)} theories, not one"
        raise InputError(f"{plugin} {what}; end it in theory = register_theory(Theory(...))")
    return found[0]
