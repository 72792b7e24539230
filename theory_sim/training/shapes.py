"""Which cells of a sweep can be trained side by side: those of one shape, which differ in numbers alone."""

import json
from collections.abc import Hashable

import torch

from theory_sim.config import Config
from theory_sim.data.law import PatchLaw, described
from theory_sim.data.setup import law_of
from theory_sim.labels.functions import LABEL_FUNCTIONS, kind_of, label_function
from theory_sim.runtime.contracts import ENGINES, READOUTS
from theory_sim.training.engines.dense import DenseEngine
from theory_sim.training.trainer import CHUNK

NUMBERS: dict[str, tuple[str, ...]] = {
    "": ("seed", "seeds", "law", "hard", "target", "claims"),
    "data": (
        "feature_patches",
        "patch_law",
        "strength_spread",
        "noise",
        "feature_noise_patches",
        "feature_noise",
        "hard_share",
        "label_noise",
        "training_samples",
    ),
    "tree": ("tail",),
    "network": ("init_std", "threshold", "c0"),
    "training": ("step_size", "bias_decay", "certificate"),
}
"""What may differ among cells of one shape, by section of the configuration. What the law of samples makes of it must have the
same shapes."""


def shape_of(config: Config) -> Hashable | None:
    """What cells that are trained side by side have in common; None: the cell is trained alone.

    Alone are trained cells of other engines than `dense`, and on full batches, whose sizes may differ; those of a law that
    samples by a function of its own; those with a label function or a readout of a plugin, which may look at all replicas at
    once; and those labelled by clusters, which each replica has for itself.
    """
    law, shifted = law_of(config), config.at_target is not config
    target = law_of(config.at_target) if shifted else law
    if not isinstance(law, PatchLaw) or not isinstance(target, PatchLaw):
        return None
    if ENGINES[config.training.engine] is not DenseEngine or config.training.batch == "full":
        return None
    used = [(LABEL_FUNCTIONS, kind_of(text)) for text in config.labels.values()]
    used += [(READOUTS, name) for name in config.transfer.readouts]
    if not all(registry.entry(name).is_core for registry, name in used):
        return None
    heads: list[tuple[int, ...]] = []
    for text in config.labels.values():
        labels = label_function(text, law.tree, config.data.training_samples)
        if labels.placeholder:
            return None
        heads.append(tuple(labels.parent.tolist()))
    sections = config.model_dump(mode="json")
    for section, names in NUMBERS.items():
        within = sections[section] if section else sections
        for name in names:
            within.pop(name)
    of_law = (law.tree.parent, law.patches, target.patches, tuple(law.kinds), law.feature_names)
    noise = config.network.init_std if config.record.noise else None  # noise margins are recorded in units of it
    finite = config.data.training_samples > 0
    return json.dumps(sections, sort_keys=True), tuple(heads), config.neurons, of_law, shifted, finite, noise


def bytes_of(config: Config) -> int:
    """About how much memory a cell takes beside others, most of it for the patches of test or training samples."""
    law = described(law_of(config), "cells side by side")
    size: int = getattr(torch, config.training.dtype).itemsize
    transfer = config.transfer
    heads = sum(label_function(text, law.tree, config.data.training_samples).n_classes for text in config.labels.values())
    probe = transfer.samples if "linear_probe" in transfer.readouts else 0
    held = 2 * len(law.kinds) * config.test.curve_samples + config.data.training_samples
    samples = held + 2 * max(config.batch, min(CHUNK, config.test.samples), probe)
    neurons = heads * config.neurons
    recorded = config.record.points * neurons * (law.n_features + 3) + config.test.samples * len(law.kinds) * 4
    return config.replicas * size * (samples * law.patches * config.data.dim + 3 * neurons * config.data.dim + 2 * recorded)
