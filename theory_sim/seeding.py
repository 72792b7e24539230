"""Random streams: each replica and purpose has its own, so that replica r is the same in every run that holds it."""

import numpy as np
import torch
from torch import Generator

_STREAMS = (
    "dictionary",
    "init coarse",
    "init fine",
    "training",
    "training set",
    "curve easy",
    "curve hard",
    "test easy",
    "test hard",
    "probe",
    "finetuning",
    "check",
    "alignment",
)


def generator(seed: int, stream: str, replica: int, device: torch.device | str = "cpu") -> Generator:
    """The generator of a stream (one of those listed above) for one replica, at its beginning."""
    entropy = np.random.SeedSequence([seed, _STREAMS.index(stream), replica])
    # A CPU generator of torch looks at 32 bits of its seed only.
    return Generator(device).manual_seed(int(entropy.generate_state(1)[0]))


def generators(seed: int, stream: str, replicas: int, device: torch.device | str = "cpu") -> list[Generator]:
    """One generator per replica."""
    return [generator(seed, stream, replica, device) for replica in range(replicas)]
