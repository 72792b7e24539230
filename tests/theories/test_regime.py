"""The theory's assumptions, line by line."""

import math

import pytest

from theory_sim.config import Config, load_config
from theory_sim.theories.regime import outside
from theory_sim.theories.theory import check_regime as check


def lines(*overrides):
    return {line.assumption: line for line in check(load_config(overrides=overrides))}


def test_the_default_configuration():
    by_name = lines()
    assert by_name["subclasses, largest k"].value == 9
    assert by_name["subclasses, largest k"].high == pytest.approx(256**0.4)
    assert by_name["threshold τ"].low == pytest.approx(math.sqrt(5 * math.log(256)))
    assert by_name["lucky neurons per head and feature m·Q(τ)"].value == pytest.approx(60 * 0.0548, rel=1e-3)
    assert by_name["hard feature noise s†·ι†_hi"].value == pytest.approx(0.8)
    assert {line.assumption for line in outside(check(Config()))} == {
        "noise norm σ_ζ√d",
        "threshold τ",
        "noise firings per sample at init",
        "width m",
        "bias decay κ",
    }


@pytest.mark.parametrize(
    ("assumption", "inside", "outside_"),
    [
        ("subclasses, largest k", "tree.subclasses=9", "tree.subclasses=10"),
        ("subclasses, smallest k", "tree.subclasses=[6,9]", "tree.subclasses=[3,9]"),
        ("coarse classes K", "tree.coarse=2", "tree.coarse=3"),
        ("noise norm σ_ζ√d", "data.noise=0.1", "data.noise=0.3"),
        ("threshold τ", "network.threshold=theory", "network.threshold=5.2"),
        ("bias decay κ", "training.bias_decay=theory", "training.bias_decay=0.001"),
        ("batch B per leaf", "training.batch=18", "training.batch=17"),
        ("hard share in training ρ", "data.hard_share=0", "data.hard_share=0.01"),
        ("fresh samples (training set size)", "data.training_samples=0", "data.training_samples=9"),
        ("width m", "network.neurons=16777216", "network.neurons=16777215"),
        ("depth of the label tree", "tree.subclasses=[3,3]", "tree.subclasses=[[3],3]"),
    ],
)
def test_each_side_of_the_border(assumption, inside, outside_):
    assert lines(inside)[assumption].inside
    assert not lines(outside_)[assumption].inside


def test_every_line_names_its_source():
    assert {line.source for line in check(Config())} == {"paper", "recalled", "ours"}
