"""Hypothesis strategies of batches: those of the package, and what `theory_sim.data.checks.suite.check_batches` tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from hypothesis import strategies as st

from theory_sim.config import Config
from theory_sim.data.checks.base import Check
from theory_sim.data.checks.suite import LEAST, check_batches
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law, SampledLaw, Shares
from theory_sim.data.sampler import Batch, OwnSampler, Sampler, make_sampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.runtime.errors import expect
from theory_sim.runtime.returned import expect_count, expect_function
from theory_sim.runtime.streams import Streams, streams
from theory_sim.testing.config_strategies import configs, warm_up
from theory_sim.testing.levels import false_alarm_level

Generator = Callable[[Config, Streams, int, Mapping[str, float], Dictionary], Batch]
"""A generator of one's own: a configuration, one random stream for each replica, how many samples each replica has, the share
of each kind of sample, and the features → a batch with its truth."""


@dataclass(frozen=True, repr=False)
class Drawn:
    """A batch and what it was drawn from.

    Attributes:
        config: the configuration.
        law: its law.
        dictionary: the features.
        batch: the batch.
        shares: the kinds of its samples.
    """

    config: Config
    law: Law
    dictionary: Dictionary
    batch: Batch
    shares: Shares

    def __repr__(self) -> str:
        return f"Drawn({self.config!r}, {self.batch.leaf.shape[1]} samples of {self.shares})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # Hypothesis would print every field of a dataclass


def drawn_batches(max_samples: int = 8, of: st.SearchStrategy[Config] | None = None) -> st.SearchStrategy[Drawn]:
    """Batches of one kind of sample or of all, of any configuration, drawn by the package.

    Args:
        max_samples: most samples of a replica.
        of: strategy of configurations, such as of a theory of your own; `configs` without it.

    Raises:
        InputError: the number is less than 1, or `of` is no strategy.
    """
    expect_count("drawn_batches: max_samples", max_samples)
    _expect_strategy("drawn_batches: of", of)
    warm_up()
    return _drawn_batches(max_samples, configs() if of is None else of)


def _expect_strategy(what: str, of: object) -> None:
    if of is not None:
        expect(what, of, st.SearchStrategy)


@st.composite
def _drawn_batches(draw: Callable[..., Any], max_samples: int, of: st.SearchStrategy[Config]) -> Drawn:
    config = draw(of)
    law, dictionary = law_of(config), make_dictionary(config, torch.device("cpu"))
    own = streams(config.seed_of("data"), "check", config.replicas)
    kinds = list(law.kinds)
    shares = draw(st.sampled_from([*kinds, {kind: 1 / len(kinds) for kind in kinds}]))
    batch = make_sampler(law, dictionary).sample(own, draw(st.integers(1, max_samples)), shares)
    return Drawn(config, law, dictionary, batch, shares)


@dataclass(frozen=True, repr=False)
class Generated:
    """What a generator makes of a configuration: the arguments of `theory_sim.data.checks.suite.check_batches`.

    Attributes:
        config: the configuration.
        samples: of each kind and replica; of the first kind twice as many, in two steps.
        generator: the generator; None: the package's own.
    """

    config: Config
    samples: int
    generator: Generator | None = None

    @cached_property
    def law(self) -> Law:
        """The law that the configuration describes."""
        return law_of(self.config)

    @cached_property
    def dictionary(self) -> Dictionary:
        """The features."""
        return make_dictionary(self.config, torch.device("cpu"))

    @property
    def steps(self) -> list[Batch]:
        """Two batches of the law's first kind of sample, drawn one after the other."""
        return self._batches[0]

    @property
    def others(self) -> dict[str, Batch]:
        """A batch of each further kind, by its name."""
        return self._batches[1]

    @property
    def training(self) -> Batch | None:
        """Training samples; None where they are all of one kind."""
        return self._batches[2]

    def checks(self, alpha: float | None = None) -> list[Check]:
        """All invariants of the law, tested on the batches.

        Args:
            alpha: probability that a correct generator fails; None: `theory_sim.testing.false_alarm_level` of ten property tests.

        Raises:
            InputError: the generator gives no batch, or one of wrong shapes or types.
        """
        level = false_alarm_level() if alpha is None else alpha
        return check_batches(self.law, self.dictionary, self.steps, self.others, level, self.training)

    @cached_property
    def _batches(self) -> tuple[list[Batch], dict[str, Batch], Batch | None]:
        # Batches are drawn when they are asked for, in the test: an error of the generator is then shown with its configuration.
        own, sampler = streams(self.config.seed_of("data"), "check", self.config.replicas), self._sampler
        first, *others = self.law.kinds
        steps = [sampler.sample(own, self.samples, first) for _ in range(2)]
        further = {kind: sampler.sample(own, self.samples, kind) for kind in others}
        shares = self.law.training_shares
        several = sum(share > 0 for share in shares.values()) > 1
        return steps, further, sampler.sample(own, self.samples, shares) if several else None

    @property
    def _sampler(self) -> Sampler:
        law = self.law
        if self.generator is None:
            return make_sampler(law, self.dictionary)
        sample = partial(self.generator, self.config)  # messages name the function inside
        own = SampledLaw(law.tree, list(law.kinds), sample, law.training_shares, law.features, law.node_features, law.label_noise)
        return OwnSampler(own, self.dictionary)

    def __repr__(self) -> str:
        return f"Generated({self.config!r}, {self.samples} samples of each kind)"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # Hypothesis would print every field of a dataclass


def generated(
    generator: Generator | None = None, samples: int = 100, of: st.SearchStrategy[Config] | None = None
) -> st.SearchStrategy[Generated]:
    """What a generator of your own makes of any configuration, to be tested against the configuration's law::

        def my_generator(config, streams, samples, shares, dictionary):
            ...
            return ts.Batch.of(x, leaf, config.label_tree, streams, kind, content, strength)

        @given(testing.generated(my_generator))
        def test_my_generator(made):
            testing.require(made.checks())

    Where it errs, the example is reduced to the configuration with the fewest keys that differ from the default, and Hypothesis
    prints them: ``made=Generated(Config().replace({'hard.common': 'weak'}), 100 samples of each kind)``.

    Args:
        generator: as `Generator` says; without it the package's own draws.
        samples: of each kind and replica. More find smaller faults: see `theory_sim.testing.false_alarm_level`.
        of: strategy of configurations; `configs` without it.

    Raises:
        InputError: the generator is no function of these arguments, there are too few samples, or `of` is no strategy.
    """
    if generator is not None:
        expect_function("generated: generator", generator, "config", "streams", "samples", "shares", "dictionary")
    expect_count("generated: samples", samples, LEAST)
    _expect_strategy("generated: of", of)
    warm_up()
    return _generated(generator, samples, configs() if of is None else of)


@st.composite
def _generated(draw: Callable[..., Any], generator: Generator | None, samples: int, of: st.SearchStrategy[Config]) -> Generated:
    return Generated(draw(of), samples, generator)
