"""How many replicas decide a gain."""

import math

import numpy as np

from theory_sim.runtime.errors import InputError, expect
from theory_sim.stats.base import FEW

MOST = 10_000
"""Replicas that `replicas_needed` looks at."""


def replicas_needed(gain: float, spread: float, power: float = 0.9, confidence: float = 0.95, tests: int = 1) -> int:
    """The smallest number of replicas R that shows a gain with a given probability.

    A gain is shown where the one-sided paired t test rejects "no gain" at the level (1 − confidence) / tests and the two-sided
    interval is above 0. With gains that are normal with mean g and standard deviation s, the t statistic of R of them has a
    noncentral t distribution with R − 1 degrees of freedom and noncentrality g √R / s.

    Args:
        gain: true mean gain, g.
        spread: standard deviation of the gains among replicas, s, such as a pilot's.
        power: wanted probability of showing it.
        confidence: of the interval.
        tests: number of comparisons that are corrected together; Holm's first step is Bonferroni's.

    Returns:
        R, at least 5.

    Raises:
        InputError: a gain that is not positive, a negative spread, a probability outside (0, 1), or more than 10,000 replicas.
    """
    from scipy import stats

    for name, value in (("gain", gain), ("spread", spread), ("power", power), ("confidence", confidence), ("tests", tests)):
        expect(f"replicas_needed: {name}", value, int, float, np.number)
    if not (gain > 0 and spread >= 0 and math.isfinite(gain) and math.isfinite(spread)):
        raise InputError(f"replicas_needed: expected gain > 0 and spread ≥ 0, got {gain} and {spread}")
    if not (0 < power < 1 and 0 < confidence < 1 and tests >= 1):
        raise InputError(f"replicas_needed: expected 0 < power, confidence < 1 ≤ tests, got {power}, {confidence} and {tests}")
    if spread == 0:
        return FEW
    level = min((1 - confidence) / tests, (1 - confidence) / 2)

    def shows(replicas: int) -> bool:
        least = stats.t.isf(level, replicas - 1)
        return bool(stats.nct.sf(least, replicas - 1, gain * math.sqrt(replicas) / spread) >= power)

    low, high = FEW - 1, FEW  # `low` is too few
    while not shows(high):
        if high == MOST:
            raise InputError(f"replicas_needed: a gain of {gain:g} at a spread of {spread:g} takes more than {MOST} replicas")
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high
