"""The theory's assumptions, line by line."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from theory_sim.config import Config, load_config
from theory_sim.data.parts import Node, OtherClass
from theory_sim.data.setup import law_of
from theory_sim.runtime.errors import InputError
from theory_sim.theories.label_granularity import regime as module
from theory_sim.theories.label_granularity.regime import DELTA, smallest_batch
from theory_sim.theories.regime import outside
from theory_sim.theories.theory import check_regime as check
from theory_sim.training.trainer import Training


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
        "lucky neurons per head and feature m·Q(τ)",
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
        ("batch B", "training.batch=103", "training.batch=102"),
        # 18 leaves and 2 classes, δ = 0.05: ln 400 = 5.99 lucky neurons, Q(1.6) = 0.0548.
        ("lucky neurons per head and feature m·Q(τ)", "network.neurons=110", "network.neurons=109"),
        ("first step of a logit, coarse labels", "training.step_size.coarse=0.066", "training.step_size.coarse=0.067"),
        ("first step of a logit, leaf labels", "training.step_size.fine=0.228", "training.step_size.fine=0.229"),
        ("steps T", "training.steps=13", "training.steps=12"),
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


def test_lucky_neurons_asked_for_leave_no_pair_without_one():
    """One expected neuron leaves 37 % of pairs without any; at the line's border all 20 pairs have one with probability 1 − δ."""
    line = lines()["lucky neurons per head and feature m·Q(τ)"]
    without = (1 - norm.sf(1.6)) ** (line.low / norm.sf(1.6))
    assert 1 - (1 - without) ** 20 == pytest.approx(DELTA, rel=0.2)  # (1 − Q)^m is a little below exp(−m Q)
    assert math.exp(-1) > 0.36


@pytest.mark.parametrize("shares", [(1 / 18,) * 18, (0.5, 0.5), (0.7, 0.2, 0.06, 0.04)])
def test_a_batch_of_the_smallest_size_has_every_leaf(shares):
    """Against the largest number of draws that is one too few, and the exact probability by inclusion and exclusion."""
    size, p = smallest_batch(shares), np.array(shares)
    assert ((1 - p) ** size).sum() <= DELTA < ((1 - p) ** (size - 1)).sum()
    drawn = np.random.default_rng(0).choice(len(p), p=p, size=(4000, size))
    lacking = np.mean([len(np.unique(batch)) < len(p) for batch in drawn])
    assert 0.5 * DELTA < lacking < DELTA + 4 * math.sqrt(DELTA / 4000)


@pytest.mark.parametrize("name", ["coarse", "fine"])
def test_the_first_step_of_a_logit_is_the_engines(name):
    """One sample of each leaf, no noise, one strength: logits after and before a step so small that no neuron starts to fire.

    The number of lucky neurons is random, 110 for each of 6 heads × 8 features × 8 replicas: the largest change of a logit, a
    mean over replicas, is right to some 5 %.
    """
    rate = 1e-5
    config = load_config(
        overrides=[
            *("data.dim=24", "data.patches=12", "data.feature_patches=2", "tree.subclasses=3", "network.neurons=2000"),
            *("replicas=8", "data.noise=0", "data.strength_spread=0", "training.dtype=float64", "training.bias_decay=0"),
            f"training.step_size={{coarse: {rate}, fine: {rate}}}",
        ]
    )
    training = Training(config)
    engine, labels = training.models[name].engine, training.models[name].labels
    tree = config.label_tree
    batch = training.draw_batch(training.streams("check"), tree.n_leaves)
    x = torch.zeros_like(batch.x)
    for leaf, node in enumerate(tree.leaves):
        for level, feature in enumerate(tree.ancestors(node)):
            x[:, leaf, level * 2 : (level + 1) * 2, feature] = 1
    batch = replace(batch, x=x)
    for part in (engine.parameters.weight, engine.parameters.bias):
        part.mul_(1e-3)  # so that all heads are equally likely at the start
    before = engine.heads(batch)
    engine.step(batch, labels.leaf_label.expand(config.replicas, -1))
    moved = (engine.heads(batch) - before).mean(0).abs().max()
    text = {"coarse": "first step of a logit, coarse labels", "fine": "first step of a logit, leaf labels"}[name]
    by_name = {line.assumption: line for line in check(config)}
    assert by_name[text].value == pytest.approx(float(moved), rel=0.1)


def test_the_growth_time_is_that_of_small_steps():
    """The default's rare feature alone: A steps of size 1/1000 until its leaf is likelier than all others together."""
    by_name, leaves = lines(), 18
    n = 3.288 / (1 - math.exp(-3.288))
    strength = 4 * (math.sqrt(0.9) + math.sqrt(1.1)) / 2
    rate, logit, time = 0.1 * n * strength**2 / leaves, 0.0, 0.0
    while logit < math.log(leaves):
        logit += 1e-3 * rate * (leaves - 1) / (math.exp(logit) + leaves - 1)
        time += 1e-3
    assert by_name["steps T"].low == pytest.approx(time, rel=1e-3)
    assert math.exp(logit) / (math.exp(logit) + leaves - 1) > 0.5


@pytest.mark.parametrize(
    ("kind", "holds", "named"),
    [
        ("easy", Node(1), "easy samples with patches of the level-1 feature"),
        ("easy", Node(2), "easy samples with patches of the level-2 feature"),
        ("hard", OtherClass(), "hard samples with patches of another class's feature"),
    ],
)
def test_a_law_without_a_part_that_is_assumed_is_refused_in_one_line(kind, holds, named, monkeypatch):
    law = law_of(Config())
    changed = {**law.kinds, kind: [group for group in law.kinds[kind] if group.holds != holds]}
    monkeypatch.setattr(module, "law_of", lambda config: replace(law, kinds=changed))
    with pytest.raises(InputError, match=f"^regime: the assumptions of label-granularity need {named};") as refused:
        module.regime(Config())
    assert "\n" not in str(refused.value)


def test_networks_of_other_names_are_refused_in_one_line():
    config = Config().model_copy(update={"labels": {"only": "leaf"}})
    with pytest.raises(InputError, match=r"need a network 'coarse'; the networks are only"):
        module.regime(config)
