"""How a step's time and memory grow with B, P, d and m, each alone.

Cost is a + b·size at best: drawing data does not depend on m, nor the weights' memory on B. So two numbers are reported: the
exponent, the slope of a line through the logarithms, at sizes where the constant part is small; and the deviation of the
costs from a straight line, which asks for no such sizes.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from theory_sim.bench.simulator import Size, configuration, in_turns
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.processes import starting_processes
from theory_sim.training.trainer import Training

EXPONENT = (0.9, 1.1)
"""Within which the exponents of time should be."""
DEVIATION = 0.05
"""Largest deviation of memory from a line."""


@dataclass(frozen=True)
class Growth:
    """How cost grows with one size.

    Attributes:
        quantity: ``seconds`` or ``bytes`` of a step with fresh data.
        of: B, P, d or m.
        exponent: slope of a line through the logarithms: cost ∝ size^exponent.
        constant: a / (a + b·size) at the smallest size, for the line a + b·size of least relative squares.
        deviation: largest relative difference of a cost from that line.
        sizes: the sizes measured.
        costs: what they cost.
    """

    quantity: str
    of: str
    exponent: float
    constant: float
    deviation: float
    sizes: list[int]
    costs: list[float]

    @classmethod
    def fit(cls, quantity: str, of: str, sizes: list[int], costs: list[float]) -> "Growth":
        """Fit both laws."""
        x, y = np.asarray(sizes, dtype=float), np.maximum(costs, 1e-12)
        exponent = float(np.polyfit(np.log(x), np.log(y), 1)[0])
        slope, start = np.polyfit(x, y, 1, w=1 / y)
        line = start + slope * x
        return cls(quantity, of, exponent, float(start / line[0]), float(np.max(np.abs(line / y - 1))), sizes, costs)

    @property
    def holds(self) -> bool:
        """Whether time grows in proportion, or memory along a line."""
        return EXPONENT[0] <= self.exponent <= EXPONENT[1] if self.quantity == "seconds" else self.deviation <= DEVIATION

    def __str__(self) -> str:
        asked = f"exponent {EXPONENT[0]:g} … {EXPONENT[1]:g}" if self.quantity == "seconds" else f"off by at most {DEVIATION:.0%}"
        return (
            f"{self.quantity} of a step, {self.of} = {', '.join(map(str, self.sizes))}: exponent {self.exponent:.2f}, off a line"
            f" by {self.deviation:.1%}, constant part {self.constant:.0%}  {'✓' if self.holds else '✗'} {asked}"
        )


_BASE = Size(1024, 32, 256, 4, 128, (1,))
_SIDES = {"B": "batch", "P": "patches", "d": "dim", "m": "neurons"}


def scaling(device: torch.device, rounds: int = 7, base: Size = _BASE, factors: Sequence[int] = (1, 2, 3, 4)) -> Iterator[Growth]:
    """A step's time and, on a CPU, its memory, as one of B, P, d and m grows."""
    idle = _peak(None) if memory_is_reported(device) else 0.0
    at_base = _peak(base) if memory_is_reported(device) else 0.0
    for symbol, field in _SIDES.items():
        values = [getattr(base, field) * factor for factor in factors]
        sizes = [replace(base, **{field: value}) for value in values]
        with torch.no_grad():
            seconds = in_turns({str(size): _stepper(size, device) for size in sizes}, device, rounds)
        yield Growth.fit("seconds", symbol, values, [seconds[str(size)] for size in sizes])
        if memory_is_reported(device):
            held = [at_base if size == base else _peak(size) for size in sizes]
            yield Growth.fit("bytes", symbol, values, [most - idle for most in held])


def memory_is_reported(device: torch.device) -> bool:
    """Whether the system says how much memory a step took."""
    return device.type == "cpu" and Path("/proc/self/status").exists()


def _stepper(size: Size, device: torch.device) -> Callable[[], object]:
    training = Training(configuration(size, 1), device)
    model, stream = training.models["fine"], training.streams("training")

    def step() -> None:
        batch = training.sampler.sample(stream, size.batch, 0.0)
        model.engine.step(batch, model.labels.assign(batch))

    return step


def _peak(size: Size | None) -> float:
    """Most bytes that a process of its own uses while it makes two steps, or none."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send_peak, args=(size, theirs))
    # Freed arrays go back to the system at once: else glibc keeps some, of sizes that it learns as it goes.
    with starting_processes(MALLOC_MMAP_THRESHOLD_=str(2**16)):
        process.start()
    theirs.close()
    try:
        return float(ours.recv())
    except EOFError:
        raise InputError("bench: not enough memory for --scaling") from None
    finally:
        process.join()


def _send_peak(size: Size | None, connection: Any) -> None:
    torch.set_num_threads(1)
    if size is not None:
        step = _stepper(size, torch.device("cpu"))
        with torch.no_grad():
            step(), step()
    connection.send(_most_held())


def _most_held() -> float:
    """Most bytes that this process held. Not of `resource`: its number starts with what the parent held."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024.0 * int(status.split("VmHWM:")[1].split()[0])
