"""Speed of grids of small networks: inner products (`theory_sim.theories.benign_overfitting.span`) against loops over networks.

Both loops train one network after the other with an `nn.Module`, autograd and `torch.optim.SGD`, and test it on full samples. The
plain loop makes each sample by itself, as a dataset in a plain script does; the vectorised one draws all samples by one call.
They have the law of the configuration, and random numbers of their own.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

from theory_sim.runtime.threads import torch_threads
from theory_sim.studies.grids import BENIGN_OVERFITTING, GridStudy
from theory_sim.theories.benign_overfitting.law import LawSettings
from theory_sim.theories.benign_overfitting.span import Cell

CELLS = ((100, 2.0), (600, 5.0), (1090, 8.0))
"""Dimension and strength of the signal."""
LEAST = 20.0
"""The plain loop takes at least so many times as long as ours."""
_RUNS = 10


@dataclass(frozen=True)
class Measured:
    """Seconds of a network, trained and tested, on one core.

    Attributes:
        dim: d.
        signal: s.
        ours: all runs of a cell side by side, by inner products.
        plain: the loop that makes sample by sample.
        vectorised: the loop that draws all samples at once.
    """

    dim: int
    signal: float
    ours: float
    plain: float
    vectorised: float


def measure(rounds: int = 3, cells: Sequence[tuple[int, float]] = CELLS, steps: int = 100) -> list[Measured]:
    """Median seconds over rounds, the three in turns, for the first reading of the grid."""
    study, found = BENIGN_OVERFITTING, []
    with torch_threads(1):
        for dim, signal in cells:
            where = (study, dim, signal, steps)
            loops = (partial(_loop, *where, draw=draw) for draw in (_one_by_one, _at_once))
            ways: list[Callable[[int], object]] = [partial(_ours, *where), *loops]
            for way in ways:
                way(0)  # what happens once: compilation here, and what PyTorch loads and allocates
            times: list[list[float]] = [[] for _ in ways]
            for seed in range(rounds):
                for way, seconds in zip(ways, times, strict=True):
                    start = time.perf_counter()
                    way(seed)
                    seconds.append(time.perf_counter() - start)
            ours, plain, vectorised = (median(seconds) for seconds in times)
            found.append(Measured(dim, signal, ours / _RUNS, plain, vectorised))
    return found


def _ours(study: GridStudy, dim: int, signal: float, steps: int, seed: int) -> object:
    """A cell of ten networks."""
    config = study.cell(study.config, dim, signal).replace({"seed": seed, "replicas": _RUNS, "training.steps": steps})
    cell, reading = Cell(config), study.readings[0]
    return cell.test([cell.train(reading.pooling, reading.step_size)])


Samples = tuple[Tensor, Tensor]
"""Patches and labels."""


def _loop(study: GridStudy, dim: int, signal: float, steps: int, seed: int, draw: Callable[..., Samples]) -> float:
    """One network."""
    config = study.config
    torch.manual_seed(seed)
    flip = LawSettings.model_validate(config.law).flip
    first, half = nn.Linear(dim, 2 * config.neurons), config.neurons
    nn.init.uniform_(first.weight, -1 / math.sqrt(dim), 1 / math.sqrt(dim))
    optimiser = torch.optim.SGD(first.parameters(), lr=study.readings[0].step_size)
    x, y = draw(config.data.training_samples, dim, signal, flip)

    def heads(x: Tensor) -> Tensor:
        summed: Tensor = first(x).relu().mean(1).unflatten(-1, (2, half)).sum(-1)
        return summed

    with torch.enable_grad():
        for _ in range(steps):
            optimiser.zero_grad()
            nn.functional.cross_entropy(heads(x), y).backward()
            optimiser.step()
    test, labels = draw(config.test.samples, dim, signal, flip)
    with torch.no_grad():
        return float((heads(test).argmax(-1) != labels).float().mean())


def _one_by_one(n: int, dim: int, signal: float, flip: float) -> Samples:
    samples = [_at_once(1, dim, signal, flip) for _ in range(n)]
    return torch.cat([x for x, _ in samples]), torch.cat([y for _, y in samples])


def _at_once(n: int, dim: int, signal: float, flip: float) -> Samples:
    y = torch.randint(2, (n,))
    x = torch.randn(n, 2, dim)
    place = torch.randint(2, (n,))
    rows = torch.arange(n)
    x[rows, place] = 0
    x[rows, place, 0] = signal * (1 - 2.0 * y)
    flipped = torch.rand(n) < flip
    return x, torch.where(flipped, 1 - y, y)
