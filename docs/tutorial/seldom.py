"""A feature that few samples hold is learned late: growth is proportional to the share of samples that hold it."""

from typing import Annotated

import numpy as np
from pydantic import Field

import theory_sim as ts


# 1. The law of samples.
class LawSettings(ts.Section):
    """Parameters of the law, in the section ``law``."""

    seldom: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """ρ, share of training samples that hold the seldom feature; all others hold the frequent one."""


def law(config: ts.Config) -> ts.PatchLaw:
    """One patch is y times a feature, the others are noise."""
    share = LawSettings.model_validate(config.law).seldom
    one = ts.Uniform(1.0, 1.0)
    return ts.PatchLaw(
        tree=ts.LabelTree.of(2, 0),
        patches=config.data.patches,
        noise=ts.Gaussian(config.data.noise),
        kinds={
            "frequent": [ts.Group(ts.Extra("frequent"), 1, one, sign="class")],
            "seldom": [ts.Group(ts.Extra("seldom"), 1, one, sign="class")],
        },
        training={"frequent": 1 - share, "seldom": share},
        features=["frequent", "seldom"],
        node_features=False,
    )


# 2. What is claimed.
def growth(results: ts.Results) -> np.ndarray:
    """Rise of the largest correlation with each feature, in the direction of the class: (replica, feature)."""
    correlation = results.records["network"].correlation.values  # replica, step, head, neuron, feature
    signed = correlation * np.array([1.0, -1.0])[:, None, None]
    largest = signed.max((2, 3))
    return largest[:, -1] - largest[:, 0]


def growth_ratio(results: ts.Results) -> ts.Estimate:
    """Growth of the seldom feature ÷ growth of the frequent one."""
    grown = growth(results)
    return ts.ratio(grown[:, 1], grown[:, 0], results.config.claims.confidence)


def odds(config: ts.Config) -> float:
    """ρ/(1 − ρ), the predicted ratio."""
    share = LawSettings.model_validate(config.law).seldom
    return share / (1 - share)


def error(results: ts.Results) -> ts.Estimate:
    """Error on samples that hold the frequent feature."""
    right = results.records["network"].test_correct.sel(kind="frequent").isel(test_readout=0)
    return ts.error_rate(right.values, results.config.claims.confidence)


CLAIMS = [
    ts.Claim("frequent-error", "Samples with the frequent feature are classified.", "Growth", error, "≤", 0.05),
    ts.Claim(
        "growth-at-most",
        "The seldom feature grows at most 1.2 times as much as its odds say.",
        "Growth",
        growth_ratio,
        "≤",
        lambda config: 1.2 * odds(config),
    ),
    ts.Claim(
        "growth-at-least",
        "The seldom feature grows at least 0.8 times as much as its odds say.",
        "Growth",
        growth_ratio,
        "≥",
        lambda config: 0.8 * odds(config),
    ),
]


# 3. Where the derivation applies.
def regime(config: ts.Config) -> list[ts.Assumption]:
    """The assumptions at a configuration."""
    moved = config.neurons * config.training.step_size["network"] * config.training.steps / 8
    return [
        ts.Assumption("noise σ_ζ√d", config.data.noise, None, 0.5, "small against the features' norm 1", "ours"),
        ts.Assumption("change of a logit m η T/8", moved, None, 0.25, "small: probabilities are near 1/2", "ours"),
    ]


# 4. The theory.
theory = ts.register_theory(
    ts.Theory(
        name="seldom",
        law=law,
        parameters=LawSettings,
        defaults={
            "replicas": 10,
            "tree": {"subclasses": 0},
            "labels": {"network": "leaf"},
            "data": {"dim": 64, "patches": 4, "noise": 0.2},
            "network": {"neurons": 40, "init_std": 0.01, "threshold": 0.0},
            "training": {"step_size": {"network": 0.001}, "batch": 512, "steps": 40, "bias_decay": 0.0},
            "transfer": {"readouts": ["sum_logits"]},
        },
        claims=CLAIMS,
        measures=[ts.Measure("seldom-growth", "growth of the seldom feature", lambda results: growth(results)[:, 1])],
        regime=regime,
        description="A feature that few samples hold is learned late.",
    )
)
