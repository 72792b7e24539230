"""A user's generator, property-tested: a right one passes, and each planted fault is found and shown with few keys."""

import ast
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from own_generator import Own
from torch import Tensor

import theory_sim as ts
from theory_sim import testing
from theory_sim.runtime.errors import InputError

SAMPLES = 60
CONFIGS = testing.configs(replicas=1)
"""Fewer replicas than the default, for speed."""


class LabelsOff(Own):
    """The coarse label is that of another leaf."""

    def __call__(self, *arguments: Any) -> ts.Batch:
        batch = super().__call__(*arguments)
        return replace(batch, coarse=batch.coarse.roll(1, dims=1))


class EqualLeaves(Own):
    def leaf(self, tree: ts.LabelTree, u: Tensor) -> Tensor:
        return (u * tree.n_leaves).long()


class DominantNoiseLast(Own):
    """The patch of dominant noise is the last of each sample."""

    def order(self, u: Tensor, dominant: int) -> Tensor:
        order = u.argsort(-1)
        place = (order == dominant).long().argmax(-1, keepdim=True)
        last = order[..., -1:].clone()
        order[..., -1:] = dominant
        return order.scatter(-1, place, torch.where(last == dominant, dominant, last))


class NormOfACoordinate(Own):
    """σ√d as the standard deviation of a coordinate."""

    def scale(self, norm: Tensor, dim: int) -> Tensor:
        return norm


class WeakIsFull(Own):
    def weak(self, config: ts.Config) -> list[float]:
        return [*self.full(config.data.strength_spread)]


class TwoLevels(Own):
    """Features of deeper levels are left out."""

    def paths(self, tree: ts.LabelTree) -> Tensor:
        paths = super().paths(tree)
        paths[:, 2:] = -1
        return paths


class FeaturesOnTheAxes(Own):
    def add_features(self, x: Tensor, content: Tensor, strength: Tensor, dictionary: ts.Dictionary) -> None:
        axes = torch.eye(x.shape[-1], dtype=x.dtype)
        x += strength[..., None] * axes[content.clamp(min=0)]


FAULTS: dict[type[Own], tuple[str, set[str]]] = {
    LabelsOff: ("coarse label is the leaf's ancestor", set()),
    EqualLeaves: ("leaves", {"tree.tail"}),
    DominantNoiseLast: ("positions of", set()),
    NormOfACoordinate: ("noise", set()),
    WeakIsFull: ("strength", {"hard.common"}),
    TwoLevels: ("", {"tree.subclasses"}),
    FeaturesOnTheAxes: ("", {"data.basis"}),
}
"""Of each fault, a word of a check that finds it, and the keys without whose values it does no harm."""


def failing(generator: Any) -> tuple[str, str]:
    """What a failed property test says: its error, and the example that Hypothesis shows."""

    @settings(database=None, phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False)
    @given(testing.generated(generator, SAMPLES, CONFIGS))
    def my_generator(made: testing.Generated) -> None:
        testing.require(made.checks())

    with pytest.raises((testing.ConformanceError, InputError)) as raised:
        my_generator()
    return str(raised.value), "\n".join(raised.value.__notes__)


def test_a_right_generator_passes() -> None:
    @settings(max_examples=40)
    @given(testing.generated(Own(), SAMPLES, CONFIGS))
    def my_generator(made: testing.Generated) -> None:
        testing.require(made.checks())

    my_generator()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_wrong_generator_is_shown_with_the_few_keys_that_matter(fault: type[Own]) -> None:
    word, keys = FAULTS[fault]
    message, example = failing(fault())
    shown = re.search(rf"made=Generated\((.*), {SAMPLES} samples of each kind\)", example)
    assert shown, example
    found = ast.literal_eval(shown[1].removeprefix("Config().replace(").removesuffix(")")).keys() - {"replicas"}
    assert word in message
    assert keys <= found
    assert len(found) <= len(keys) + 1, found


def of_one_sample_less(config: Any, streams: Any, samples: Any, shares: Any, dictionary: Any) -> ts.Batch:
    """A generator of wrong shapes."""
    return Own()(config, streams, samples - 1, shares, dictionary)


def test_a_generator_of_wrong_shapes_is_named_with_its_place() -> None:
    """A function inside the package was once named in its stead."""
    place = r"of_one_sample_less in .*test_generated\.py, line \d+"
    with pytest.raises(InputError, match=rf"^sample \({place}\): x: expected "):
        testing.Generated(ts.Config(), SAMPLES, of_one_sample_less).checks()
