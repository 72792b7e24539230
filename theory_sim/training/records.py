"""The dataset of one network: its variables with dimensions, units and long names, and its coordinates."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from torch import Tensor

from theory_sim.training.evaluation import MARGIN_QUANTILES, Judged
from theory_sim.training.nonlinearity import nonlinearity_of
from theory_sim.training.readouts import quick_names
from theory_sim.training.trainer import Model, Training

_NEURON = ("replica", "step", "head", "neuron")
SCHEMA: dict[str, tuple[tuple[str, ...], str, str]] = {
    "correlation": ((*_NEURON, "feature"), "correlation ⟨w, v⟩ of a neuron's weights with a feature", "1"),
    "bias": (_NEURON, "bias b", "1"),
    "norm": (_NEURON, "norm ‖w‖₂ of a neuron's weights", "1"),
    "output": (_NEURON, "output weight a", "1"),
    "firing": ((*_NEURON, "feature"), "whether the pure feature fires the neuron, ⟨w, v⟩ + b > 0", "1"),
    "lucky": (("replica", "head", "neuron", "feature"), "whether the pure feature fires the neuron at initialisation", "1"),
    "response": (("replica", "step", "head", "feature"), "response Σ a φ(⟨w, v⟩ + b) to a pure feature", "1"),
    "noise_margin": (
        ("replica", "step"),
        "largest (⟨w, ζ⟩ + b)/σ_0 of a neuron on patches of noise alone; above 0: one fires",
        "1",
    ),
    "training_loss": (("replica", "update"), "training cross-entropy before each update, and at the end", "nat"),
    "final_loss": (("replica", "sample"), "cross-entropy of each sample of a last training batch", "nat"),
    "curve_error": (("replica", "step", "kind", "readout"), "error on a few test samples during training", "1"),
    "test_correct": (("replica", "kind", "test_sample", "test_readout"), "probability of the right answer", "1"),
    "test_class": (("replica", "kind", "test_sample"), "coarse class of the test sample, the right answer", "1"),
    "test_error": (("replica", "kind", "test_readout"), "error on test samples at the end of training", "1"),
    "test_margin": (
        ("replica", "kind", "margin_quantile", "test_readout"),
        "quantiles over test samples of the margin: score of the right coarse class − the largest other one",
        "1",
    ),
}
"""Dimensions, long name and unit of each variable."""
COORDINATES = {
    "replica": "independent repetition",
    "step": "training step",
    "update": "training step",
    "kind": "kind of test sample",
    "readout": "readout during training",
    "test_readout": "readout at the end",
    "margin_quantile": "share of test samples whose margin is at most this one",
    "feature": "feature",
    "feature_name": "name of the feature: its node in the label tree, numbered from 1, or a name of its own",
    "feature_level": "depth of the feature's node in the label tree, 1: a coarse class; 0: a feature of no class",
    "feature_parent": "feature of the node above, −1: the root; −2: a feature of no class",
    "head": "output of the network, one for each label",
    "head_parent": "coarse class of the head",
    "neuron": "neuron of the head",
}
"""Long name of each coordinate."""


def record_of(
    training: Training, steps: list[int], model: Model, seen: Mapping[str, Tensor], final_loss: Tensor, tested: Judged
) -> xr.Dataset:
    """The record of one network.

    Args:
        training: the finished training.
        steps: that were recorded.
        model: the network.
        seen: what was recorded, (replica, time, …).
        final_loss: of each sample of a last batch, (replica, sample).
        tested: see `theory_sim.training.evaluation.evaluate`.
    """
    arrays = {key: value.numpy() for key, value in seen.items()}
    arrays["firing"] = arrays["correlation"] + arrays["bias"][..., None] > 0
    arrays["lucky"] = arrays["firing"][:, 0]
    arrays["final_loss"] = final_loss.cpu().numpy()
    arrays["test_correct"] = tested.correct.numpy()
    arrays["test_class"] = tested.coarse.numpy()
    arrays["test_margin"] = tested.margin.numpy()
    arrays["test_error"] = 1 - arrays["test_correct"].mean(2)
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {}
    for name, (dims, long_name, units) in SCHEMA.items():
        if name in arrays:
            variables[name] = (dims, arrays.pop(name), {"long_name": long_name, "units": units})
    for name, values in arrays.items():  # a user's own
        own = tuple(f"{name}_{axis}" for axis in range(values.ndim - 2))
        variables[name] = (("replica", "step", *own), values, {"long_name": name, "units": "1"})
    return with_long_names(
        xr.Dataset(
            variables,
            coords=feature_coordinates(training)
            | {
                "replica": np.arange(training.config.replicas),
                "step": steps,
                "update": np.arange(variables["training_loss"][1].shape[1]),
                "kind": list(training.kinds),
                "readout": list(quick_names(training)),
                "margin_quantile": list(MARGIN_QUANTILES),
                "test_readout": list(training.config.transfer.readouts),
                "head": np.arange(model.labels.n_classes),
                "head_parent": ("head", model.labels.parent.numpy()),
                "neuron": np.arange(variables["bias"][1].shape[3]),
            },
            attrs=_attributes(training, model),
        )
    )


def feature_coordinates(training: Training) -> dict[str, Any]:
    """Names, levels and parents of the features."""
    law, tree = training.law, training.law.tree
    nodes, extra = range(law.n_node_features), len(law.features)
    return {
        "feature": np.arange(law.n_features),
        "feature_name": ("feature", list(law.feature_names)),
        "feature_level": ("feature", [*(len(tree.ancestors(node)) for node in nodes), *[0] * extra]),
        "feature_parent": ("feature", [*(tree.parent[node] for node in nodes), *[-2] * extra]),
    }


def with_long_names(dataset: xr.Dataset) -> xr.Dataset:
    """The same with a long name for every coordinate."""
    for name in dataset.coords:
        if str(name) in COORDINATES:
            dataset[name].attrs["long_name"] = COORDINATES[str(name)]
    return dataset


def _attributes(training: Training, model: Model) -> dict[str, str]:
    certificate = model.engine.certificate()
    return {
        "model": model.name,
        "labels": model.labels.name,
        "config": json.dumps(training.config.model_dump(mode="json")),
        "nonlinearity": json.dumps(asdict(nonlinearity_of(model.engine))),
        "certificate": json.dumps(certificate and {**asdict(certificate), "total": certificate.total}),
    }
