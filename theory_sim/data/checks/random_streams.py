"""No two random streams of a run are the same, or overlap."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from theory_sim.config import Config
from theory_sim.data.checks.base import Check
from theory_sim.data.law import Law
from theory_sim.runtime.streams import PURPOSES, keys_of, streams

CALLS = (300, 1, 1000, 257)
"""Numbers that are drawn from each stream, call by call."""


def check_streams(config: Config, law: Law) -> list[Check]:
    """The streams of all replicas and purposes of a run: their keys, and the numbers that they begin with."""
    seeds = {}
    for name in purposes(config, law):
        seeds[name] = config.seed_of("dictionary" if name == "dictionary" else "init" if name.startswith("init ") else "data")
    keys = {name: keys_of(seed, name, config.replicas).tolist() for name, seed in seeds.items()}
    drawn = {}
    for name, seed in seeds.items():
        own = streams(seed, name, config.replicas)
        drawn[name] = torch.cat([own.uniform(n, dtype=torch.float64) for n in CALLS], 1).numpy()
    return [distinct(keys), apart(drawn)]


def purposes(config: Config, law: Law) -> list[str]:
    """The names of all streams that a run can draw from."""
    of_kinds = [f"{use} {kind}" for use in ("curve", "test") for kind in law.kinds]
    recorded = ["noise"] if config.record.noise else []
    return list(dict.fromkeys([*PURPOSES, *(f"init {name}" for name in config.networks), *of_kinds, *recorded]))


def distinct(keys: Mapping[str, Sequence[int]]) -> Check:
    """No two streams have the same key.

    Args:
        keys: of the replicas of each purpose.
    """
    owner: dict[int, str] = {}
    shared = []
    for name, own in keys.items():
        for r, key in enumerate(own):
            here = f"{name}, replica {r}"
            if key in owner:
                shared.append(f"{owner[key]} and {here}")
            owner.setdefault(key, here)
    finding = f"{len(owner)} keys" if not shared else f"the same stream: {shared[0]}" + (" and more" if shared[1:] else "")
    return Check("streams are distinct", finding, not shared)


def apart(drawn: Mapping[str, np.ndarray]) -> Check:
    """No pair of consecutive numbers occurs twice, in any stream or place.

    Args:
        drawn: uniform numbers of each purpose, (replica, number).
    """
    # Numbers have 32 bits or more: two of them as one number of 64 are equal by chance once in 2⁶⁴.
    words = {name: (values * 2.0**32).astype(np.uint64) for name, values in drawn.items()}
    runs = {name: word[:, :-1] << np.uint64(32) | word[:, 1:] for name, word in words.items()}
    owner = [f"{name}, replica {r}" for name, of in runs.items() for r in range(len(of))]
    every = np.concatenate(list(runs.values()))
    stream = np.repeat(np.arange(len(every)), every.shape[1])
    order = every.argsort(axis=None, kind="stable")
    again = np.flatnonzero(np.diff(every.ravel()[order]) == 0)
    finding = f"{every.size} pairs of numbers, all different"
    if len(again):
        one, other = (owner[stream[order[again[0] + k]]] for k in (0, 1))
        finding = f"{len(again)} pairs of numbers occur again, such as a pair of {one} in {other}"
    return Check("streams do not overlap", finding, not len(again))
