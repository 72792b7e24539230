"""Results of a run that never was: numbers in which every replica, head and feature differs."""

import json
from pathlib import Path

import numpy as np
import xarray as xr

from theory_sim.config import Config
from theory_sim.runs.results import Results

CONFIG = Config().replace({"tree.coarse": 2, "tree.subclasses": [2, 3], "replicas": 3, "transfer.readouts": ["sum_logits"]})
LEAVES, FEATURES = 5, 7
PARENT = np.array([0, 0, 1, 1, 1])


def record(labels: str, heads: int, replicas: int = CONFIG.replicas, seed: int = 0) -> xr.Dataset:
    """What the claims read of one network; the response to common features grows."""
    rng = np.random.default_rng(seed)
    response = rng.uniform(0, 1, (replicas, 3, heads, FEATURES))
    response[:, -1] += rng.uniform(1, 2, (replicas, heads, FEATURES))
    correct = (rng.random((replicas, 2, 40, 2)) < 0.8).astype(float)
    neuron = ("replica", "step", "head", "neuron")
    correlation, bias = rng.normal(size=(replicas, 3, heads, 6, FEATURES)), rng.normal(-0.5, 0.1, (replicas, 3, heads, 6))
    firing = correlation + bias[..., None] > 0
    return xr.Dataset(
        {
            "response": (("replica", "step", "head", "feature"), response),
            "correlation": ((*neuron, "feature"), correlation),
            "bias": (neuron, bias),
            "norm": (neuron, rng.uniform(1, 2, bias.shape)),
            "firing": ((*neuron, "feature"), firing),
            "lucky": (("replica", "head", "neuron", "feature"), firing[:, 0]),
            "training_loss": (("replica", "update"), np.sort(rng.uniform(0, 1, (replicas, 10)))[:, ::-1]),
            "final_loss": (("replica", "sample"), rng.uniform(0, 0.5, (replicas, 16))),
            "test_correct": (("replica", "kind", "test_sample", "test_readout"), correct),
            "test_error": (("replica", "kind", "test_readout"), 1 - correct.mean(2)),
        },
        coords={"kind": ["easy", "hard"], "test_readout": ["sum_logits", "argmax_parent"], "step": [0, 5, 9]},
        attrs={
            "labels": labels,
            "certificate": "null",
            "alignment": json.dumps({"inside": 0.75, "purity": 0.5, "adjusted_mutual_information": 0.25, "other": 1.0}),
        },
    )


def made_up(folder: Path) -> Results:
    """Both networks."""
    return Results(CONFIG, folder, {"coarse": record("level(1)", 2), "fine": record("leaf", LEAVES, seed=1)})
