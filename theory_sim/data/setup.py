"""Setups: what a run needs of a theory; and what a configuration describes: the law of samples, and the features.

A `theory_sim.theories.theory.Theory` adds what the theory claims and predicts. A run loads the setup alone, so that changing a
claim does not change what runs are made of.
"""

import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary, canonical_dictionary, rotated_dictionary
from theory_sim.data.law import Law, PatchLaw, SampledLaw
from theory_sim.runtime.contracts import SETUPS
from theory_sim.runtime.errors import InputError, NoEffectWarning, expect
from theory_sim.runtime.plugins import blaming
from theory_sim.runtime.returned import expect_function, place
from theory_sim.runtime.settings import Section, differences, value_at
from theory_sim.runtime.streams import streams


@dataclass(frozen=True)
class Setup:
    """The setting of a theory's theorems.

    Attributes:
        name: what ``theory`` in a configuration names.
        law: the law of samples that a configuration describes: a function of it, or one law for all.
        defaults: what it changes in the default configuration, as nested sections; ``labels`` names its networks, each with
            the label function that it is trained on.
        parameters: of its own law, as a section of settings; they are under ``law`` in a configuration. None: it has none.
    """

    name: str
    law: Callable[[Config], Law] | Law
    defaults: Mapping[str, Any] = field(default_factory=dict)
    parameters: type[Section] | None = None

    def __post_init__(self) -> None:
        expect("theory: name", self.name, str)
        what = f"theory {self.name}"
        if callable(self.law):
            expect_function(f"{what}: law", self.law, "config")
        expect(f"{what}: defaults", self.defaults, Mapping)
        if self.parameters is not None and not (isinstance(self.parameters, type) and issubclass(self.parameters, Section)):
            raise InputError(f"{what}: parameters: expected a class that derives from Section, got {self.parameters!r}")

    def law_at(self, config: Config) -> Law:
        """The law of samples of a configuration."""
        with blaming():
            law = self.law(config) if callable(self.law) else self.law
        if not isinstance(law, PatchLaw | SampledLaw):
            where = f" ({place(self.law)})" if callable(self.law) else ""
            raise InputError(f"theory {self.name}: its law{where} should be a PatchLaw or a SampledLaw, got {type(law).__name__}")
        return law


_last: list[tuple[weakref.ref[Config], Setup, Law]] = []
"""The law that was made last: claims and measures ask for the same one dozens of times for each run."""


def law_of(config: Config) -> Law:
    """The law of samples of a configuration."""
    setup = SETUPS[config.theory]
    for of, by, made in _last:
        if of() is config and by is setup:
            return made
    law: Law = setup.law_at(config)
    _last[:] = [(weakref.ref(config), setup, law)]
    return law


def make_dictionary(config: Config, device: torch.device) -> Dictionary:
    """The features of every replica: those of the label tree's nodes, then those of no class."""
    features, dtype = law_of(config).n_features, getattr(torch, config.training.dtype)
    if config.data.basis == "canonical":
        return canonical_dictionary(config.replicas, features, config.data.dim, device, dtype)
    own = streams(config.seed_of("dictionary"), "dictionary", config.replicas, device)
    return rotated_dictionary(own, features, config.data.dim, dtype)


_OF_THE_LAW = ("tree.", "data.", "hard.", "target.")
_ALSO_ELSEWHERE = frozenset({"data.dim", "data.basis", "data.training_samples"})


def without_effect(config: Config) -> list[str]:
    """The keys of samples that differ from the theory's default, though the law of samples would be the same with that.

    Of a law that samples by a function of its own nothing is known.
    """
    usual = Config(theory=config.theory, plugins=config.plugins)
    found, laws = [], _laws(config)
    for key in differences(config, usual) if laws is not None else ():
        if key.startswith(_OF_THE_LAW) and key not in _ALSO_ELSEWHERE:
            with suppress(InputError):  # the default does not fit to the other settings
                if _laws(config.replace({key: value_at(usual, key)})) == laws:
                    found.append(key)
    return found


def _laws(config: Config) -> tuple[Law, Law] | None:
    """Of training and of test samples, if they are described."""
    law = law_of(config)
    target = law_of(config.at_target) if config.at_target is not config else law
    return (law, target) if isinstance(law, PatchLaw) and isinstance(target, PatchLaw) else None


def warn_without_effect(configs: Iterable[Config]) -> None:
    """One warning for each theory and key of `without_effect`, where the caller was called."""
    for key, theory in dict.fromkeys((key, config.theory) for config in configs for key in without_effect(config)):
        message = f"{key} has no effect on samples: the law of the theory {theory} does not depend on it at these settings"
        warnings.warn(message, NoEffectWarning, stacklevel=3)
