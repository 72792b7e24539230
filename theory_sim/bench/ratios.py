"""A ratio of two speeds that are measured in turns."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Ratio:
    """One comparison.

    Attributes:
        what: what is measured.
        ours: images per second, the median of the rounds.
        bare: the same of what it is compared with.
        ratio: median over the rounds of ours ÷ bare, each pair measured one right after the other.
        bound: what it should be at least; None where the comparison is for information.
    """

    what: str
    ours: float
    bare: float
    ratio: float
    bound: float | None


def compare(what: str, n: int, ours: Callable[[], object], bare: Callable[[], object], rounds: int, bound: float | None) -> Ratio:
    """Measure both in turns.

    Args:
        what: is measured.
        n: images of each.
        ours: the package's work.
        bare: what it is compared with.
        rounds: how often each is measured.
        bound: what the ratio should be at least; None where the comparison is for information.
    """
    ours(), bare()  # the first time is slower
    pairs = []
    for number in range(rounds):
        # Each is measured first in turn, so that a machine that slows down favours neither.
        if number % 2:
            of_ours, of_bare = seconds(ours), seconds(bare)
        else:
            of_bare, of_ours = seconds(bare), seconds(ours)
        pairs.append((n / of_ours, n / of_bare))
    ratio = statistics.median(a / b for a, b in pairs)
    return Ratio(what, statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio, bound)


def seconds(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
