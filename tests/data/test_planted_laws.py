"""Faults of laws with label noise, random signs, independent patches, mixed kinds, and without features of nodes.

Each is caught, by name, at 5,000 samples.
"""

from dataclasses import replace

import torch
from planted import CONFIG, LEAVES, SAMPLES, Drawn, K, broken, drawn_by_the_package, first, is_own_common, lots

import theory_sim as ts
from theory_sim.data.dictionary import rotated_dictionary
from theory_sim.data.latents import NOISE
from theory_sim.data.setup import law_of


def of_law(law: ts.PatchLaw, dim: int = 16) -> Drawn:
    """What the package draws of any law."""
    dictionary = rotated_dictionary(ts.streams(0, "dictionary", 2), law.n_features, dim, torch.float32)
    own, sampler = ts.streams(0, "check", 2), ts.make_sampler(law, dictionary)
    first_kind, *_, last = law.kinds
    easy = tuple(sampler.sample(own, SAMPLES // 4, first_kind) for _ in range(2))
    return Drawn(dictionary, easy, sampler.sample(own, SAMPLES // 2, last), law)


def check_all(drawn, faults):
    """The correct generator breaks nothing, and each fault is caught by the check that is named."""
    assert broken(drawn) == []
    missed = {name: found for name, (plant, expected) in faults.items() if expected not in (found := broken(plant(drawn)))}
    assert not missed


def test_label_noise():
    def labels(change):
        return lambda d: d.on_easy(lambda b: replace(b, labelled_leaf=change(b, b.labelled_leaf)))

    def again(b, label):
        """A tenth of the clean labels is changed too."""
        return torch.where((lots(*label.shape) < 0.1) & (label == b.leaf), (lots(*label.shape, seed=1) * LEAVES).long(), label)

    def in_pairs(b, label):
        """A changed label changes the next one."""
        changed = (label != b.leaf)[:, :-1:2]
        out = label.clone()
        odd = torch.where(changed, (b.leaf[:, 1::2] + 1 + (lots(*changed.shape) * (LEAVES - 1)).long()) % LEAVES, b.leaf[:, 1::2])
        out[:, 1::2] = odd
        return out

    faults = {
        "too often": (labels(again), "easy: label noise"),
        "never": (labels(lambda b, label: b.leaf), "easy: label noise"),
        "for some leaves alone": (
            labels(lambda b, label: torch.where(b.leaf < 5, b.leaf, label)),
            "easy: labels that noise changes",
        ),
        "gives some leaves alone": (
            labels(lambda b, label: torch.where(label != b.leaf, (b.leaf < 4) * 8, label)),
            "easy: labels that noise gives",
        ),
        "gives the next leaf": (
            labels(lambda b, label: torch.where(label != b.leaf, (b.leaf + 1) % LEAVES, label)),
            "easy: labels that noise gives to a leaf",
        ),
        "in pairs": (labels(in_pairs), "easy: label noise of samples in a row"),
        "by tag": (
            labels(lambda b, label: torch.where(b.tag < 0.2 * 8 / 9, (b.leaf + 1 + (lots(*label.shape) * 8).long()) % 9, b.leaf)),
            "easy: tags: same for each changed or clean label",
        ),
    }
    check_all(drawn_by_the_package(data__label_noise=0.2), faults)


def test_random_signs():
    group = ts.Group(ts.Extra("background"), 2, ts.Uniform(0.8, 1.2), sign="random")
    easy = [ts.Group(ts.Node(1), 2, ts.Uniform(0.9, 1.1)), group]
    law = ts.PatchLaw(ts.LabelTree.of(3, 3), 8, ts.Gaussian(0.5), {"easy": easy, "hard": [group]}, features=["background"])

    def signs(change):
        """Signs are written anew: from the batch and them to numbers of which the sign counts."""

        def written(d, b):
            held = b.content == law.feature_of(ts.Extra("background"))
            sign = change(b, sign_of(b)).sign()[..., None]
            return d.rebuilt(b, strength=torch.where(held, b.strength.abs() * sign, b.strength))

        return lambda d: d.on_easy(lambda b: written(d, b))

    def sign_of(b):
        return (b.strength * (b.content == law.feature_of(ts.Extra("background")))).sum(-1).sign()

    def before(b, own):
        out = own.clone()
        out[:, 1::2] = own[:, : own.shape[1] // 2 * 2 : 2]
        return out

    def stronger(d, b):
        strength = b.strength
        held = b.content == law.feature_of(ts.Extra("background"))
        share = (strength.abs() - 0.8) / 0.4
        new = strength.sign() * (0.8 + 0.4 * (share + (strength > 0)) / 2)
        return d.rebuilt(b, strength=torch.where(held, new, strength))

    name = "easy: signs of feature 'background'"
    faults = {
        "mostly positive": (signs(lambda b, own: own + 2 * (lots(*own.shape) < 0.1)), name),
        "by leaf": (signs(lambda b, own: b.leaf % 2 - 0.5), f"{name} and leaves"),
        "of the sample before": (signs(before), f"{name} of samples in a row"),
        "of the other replica": (signs(lambda b, own: own[:1].expand_as(own)), f"{name} of two replicas"),
        "by place": (
            signs(lambda b, own: (b.content == law.feature_of(ts.Extra("background"))).int().argmax(-1) % 2 - 0.5),
            f"{name} and places",
        ),
        "strength by sign": (
            lambda d: d.on_easy(lambda b: stronger(d, b)),
            "easy: strengths of feature 'background': same for each sign",
        ),
        "of the step before": (
            lambda d: replace(d, easy=(d.easy[0], signs(lambda b, own: sign_of(d.easy[0]))(d).easy[1])),
            f"{name} of two steps",
        ),
    }

    check_all(of_law(law), faults)


def test_independent_patches():
    """Exactly as many patches as there should be on average are too regular."""
    keys = {"data__patch_law": "independent"}
    drawn = drawn_by_the_package(**keys)
    fixed = replace(drawn_by_the_package(), law=drawn.law, training=None)
    names = [f"easy: number of patches of {role} is binomial" for role in ("the level-1 feature", "the level-2 feature")]
    assert broken(drawn) == []
    assert set(names) <= set(broken(fixed))

    def fewer_in_some_leaves(b):
        gone = is_own_common(b) & (b.leaf % 2 == 0)[..., None] & (lots(*b.content.shape) < 0.2)
        content, strength = torch.where(gone, NOISE, b.content), torch.where(gone, 0.0, b.strength)
        return drawn.rebuilt(b, content=content, strength=strength)

    assert "easy: number of patches of the level-1 feature and leaves" in broken(drawn.on_easy(fewer_in_some_leaves))


def test_mixed_kinds():
    def kinds(change):
        return lambda d: replace(d, training=replace(d.training, kind=change(d.training, d.training.kind)))

    def in_pairs(b, kind):
        out = kind.clone()
        out[:, 1::2] = kind[:, : kind.shape[1] // 2 * 2 : 2]
        return out

    faults = {
        "too many": (kinds(lambda b, kind: (lots(*kind.shape) < 0.25).long()), "training: shares of kinds"),
        "by leaf": (kinds(lambda b, kind: (b.leaf % 5 == 0).long()), "training: kinds and leaves"),
        "in pairs": (kinds(in_pairs), "training: kinds of samples in a row"),
        "every fifth": (
            kinds(lambda b, kind: (torch.arange(kind.shape[1]) % 5 == 0).long().expand_as(kind)),
            "training: kinds of samples in a row",
        ),
    }
    check_all(drawn_by_the_package(data__hard_share=0.2), faults)
    alone = drawn_by_the_package()
    one = torch.zeros_like(alone.training.kind)
    one[0, 7] = 1
    assert "training: kinds are those of training" in broken(replace(alone, training=replace(alone.training, kind=one)))


def test_laws_without_features_of_nodes():
    """A trace of the signal, whose sign is the class, in a patch that should be noise."""
    signal = ts.Group(ts.Extra("signal"), 1, sign="class")
    kinds = {"clear": [signal], "noisy": [signal, ts.Group(ts.Nothing(), 1, noise=ts.Gaussian(1.0))]}
    law = ts.PatchLaw(ts.LabelTree.of(2, 0), 6, ts.Gaussian(0.5), kinds, features=["signal"], node_features=False)

    def hidden(d):
        def change(b):
            spot, x = first(b.content == NOISE), b.x.clone()
            trace = 0.05 * d.dictionary.vectors[:, None, 0] * (1 - 2 * b.coarse[..., None])
            x[spot] += trace.flatten(0, 1)
            return replace(b, x=x)

        return d.on_easy(change)

    check_all(of_law(law), {"hidden": (hidden, "clear: noise of plain patches ignores feature 'signal'")})


def test_every_two_replicas_are_compared():
    """The last of five replicas repeats the leaves of the first, and no neighbour's."""
    config = CONFIG.replace({"replicas": 5})
    dictionary = ts.make_dictionary(config, torch.device("cpu"))
    law, own = law_of(config), ts.streams(1, "check", 5)
    sampler = ts.make_sampler(law, dictionary)
    drawn = Drawn(dictionary, tuple(sampler.sample(own, 500, "easy") for _ in range(2)), sampler.sample(own, 1000, "hard"), law)
    assert broken(drawn) == []

    def change(b):
        rows = torch.tensor([0, 1, 2, 3, 0])
        leaf, coarse = b.leaf[rows], b.coarse[rows]
        content = torch.where(b.content >= K, (leaf + K)[..., None], b.content)
        content = torch.where(is_own_common(b), coarse[..., None], content)
        return drawn.rebuilt(b, leaf=leaf, labelled_leaf=leaf, coarse=coarse, content=content)

    assert "easy: leaves of any two replicas" in broken(drawn.on_easy(change))
