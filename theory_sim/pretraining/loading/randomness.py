"""Random numbers of a sample: functions of its place in the course of training, so that a resumed run draws the same."""

import numpy as np
from jaxtyping import Bool, Float

Key = tuple[int, int]
"""Place of a sample in the course of training: (seed, step · batch + position)."""


def uniform(keys: list[Key], stream: int) -> Float[np.ndarray, " n"]:
    """A number in [0, 1) for each key, independent between keys and streams: splitmix64, all at once."""
    seed, position = np.array(keys, dtype=np.uint64).reshape(-1, 2).T
    z = position + _mixed(seed + np.uint64(stream * 0x9E3779B97F4A7C15 % 2**64))
    numbers: np.ndarray = (_mixed(_mixed(z)) >> np.uint64(11)).astype(float) / 2.0**53
    return numbers


def mirrored(keys: list[Key]) -> Bool[np.ndarray, " n"]:
    """Samples to mirror where `TrainingRecipe.flip` is set."""
    flipped: np.ndarray = uniform(keys, 0) < 0.5
    return flipped


def _mixed(z: np.ndarray) -> np.ndarray:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = z ^ (z >> np.uint64(31))
    return mixed


_TRIES = 10
"""Of a random area and aspect ratio."""


def crop_draws(keys: list[Key]) -> Float[np.ndarray, "n draw"]:
    """Numbers in [0, 1) that decide each key's random crop: its place, then area and aspect ratio of each try."""
    return np.stack([uniform(keys, 1 + draw) for draw in range(2 + 2 * _TRIES)], 1)
