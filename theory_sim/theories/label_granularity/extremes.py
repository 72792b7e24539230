"""The smallest or largest of several estimates, with an interval that covers all of them together (Bonferroni)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from theory_sim.stats import Estimate


def extreme(estimates: Sequence[Callable[[float], Estimate]], most: bool, confidence: float, of: str) -> Estimate:
    """The estimate whose upper end is largest, or whose lower end is smallest; undefined if one is undefined.

    Args:
        estimates: each from a confidence to an estimate.
        most: whether the largest estimate is chosen.
        confidence: of all intervals together.
        of: words for the set that is chosen from, for `Estimate.method`.
    """
    each = 1 - (1 - confidence) / max(1, len(estimates))
    found = [estimate(each) for estimate in estimates]
    if missing := [e for e in found if e.value != e.value]:
        return missing[0]
    chosen = max(found, key=lambda e: e.high) if most else min(found, key=lambda e: e.low)
    return replace(chosen, method=f"{chosen.method}, {'largest' if most else 'smallest'} {of}")
