"""Noise control: the largest pre-activation on patches of noise alone, recorded with ``record.noise``."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from theory_sim.data.latents import NOISE
from theory_sim.training.network import Parameters
from theory_sim.training.trainer import Training

_MOST = 2**22
"""Pre-activations held at once."""


def noise_margin(training: Training) -> dict[str, Float[Tensor, " R"]]:
    """The largest (⟨w, ζ⟩ + b)/σ_0 over all neurons and the noise patches of a batch of fresh samples, by network.

    The samples are the same at every call and no step trains on them, so that ζ is independent of the weights, as the noise of
    the next batch is. They are drawn anew at each call, so that they take no memory between calls.

    Returns:
        NaN in replicas whose samples have no patch of noise alone.
    """
    batch = training.draw_fresh(training.streams("noise"), training.config.batch)
    patches, held, std = batch.x.flatten(1, 2), (batch.content == NOISE).flatten(1), training.config.network.init_std
    return {name: largest_on(model.engine.parameters, patches, held) / std for name, model in training.models.items()}


def largest_on(parameters: Parameters, patches: Float[Tensor, "R patch d"], held: Bool[Tensor, "R patch"]) -> Float[Tensor, " R"]:
    """The largest ⟨w, x⟩ + b over all neurons and some patches, by replica.

    Args:
        parameters: of the networks.
        patches: x.
        held: which of them count.

    Returns:
        NaN in replicas where none counts.
    """
    weight, bias = parameters.weight.flatten(1, 2), parameters.bias.flatten(1)
    out = weight.new_full((len(weight),), torch.nan)
    for r, (w, b) in enumerate(zip(weight, bias, strict=True)):
        rows = patches[r, held[r]]
        parts = [torch.addmm(b, part, w.mT).amax() for part in rows.split(max(1, _MOST // len(b))) if len(part)]
        if parts:
            out[r] = torch.stack(parts).amax()
    return out
