"""The tests that the checks share: each takes scores or classes and gives a check with a p-value.

Tests use all numbers, or a random choice of them: never a fixed stride, which the arrangement of patches or coordinates could
match.
"""

import math
from collections.abc import Iterator

import numpy as np
from scipy import stats
from scipy.special import chdtr

from theory_sim.data.checks.base import Check, tested
from theory_sim.data.checks.p_values import (
    LEAST_FREEDOM,
    of_counts,
    of_large_squares,
    of_normal,
    of_sum,
    scores,
    squared,
    worst_of,
)

LEAST_EXPECTED = 10
"""Expected count below which the chi-square approximation is not good in its far tail."""
MOST_LAGS = 1000
"""Largest distance between samples whose leaves are compared."""


def fitted(name: str, counts: np.ndarray, probability: np.ndarray | None = None) -> Check:
    """Chi-square test of counts against a law, uniform by default."""
    probability = np.full(len(counts), 1 / len(counts)) if probability is None else probability / probability.sum()
    # Neighbouring places are taken together until each has as many expected counts as the approximation asks for.
    cell, whole, filled = np.zeros(len(counts), dtype=int), 0, 0.0
    for place, share in enumerate(probability):
        cell[place] = whole
        filled += share * counts.sum()
        if filled >= LEAST_EXPECTED:
            whole, filled = whole + 1, 0.0
    cell = np.minimum(cell, max(0, whole - 1))
    observed, expected = np.bincount(cell, counts), np.bincount(cell, probability) * counts.sum()
    if len(observed) < 2:
        return tested(name, 1.0, "too few counts to test")
    p = of_counts(float(((observed - expected) ** 2 / expected).sum()), len(observed) - 1)
    return tested(name, p, f"χ² of {len(observed)} cells, {int(counts.sum())} counts")


def scattered(name: str, drawn: np.ndarray, probability: np.ndarray, block: int) -> Check:
    """Whether consecutive classes are scattered as independent draws are, neither more evenly nor less.

    Over a block of m draws of k classes, X² has mean k − 1 and variance 2(k−1)(m−1)/m + (Σ 1/p − k²)/m; its sum over the
    blocks is compared with the multiple of χ² of its mean and variance, on either side: a fixed order is too even.

    Args:
        name: of the check.
        drawn: (stream, draw) class numbers from 0.
        probability: of each class.
        block: m.
    """
    kept = np.flatnonzero(probability)
    p, k, blocks = probability[kept] / probability[kept].sum(), len(kept), drawn.shape[1] // block
    freedom = blocks * len(drawn) * (k - 1)
    if freedom < LEAST_FREEDOM or block * p.min() < 1:
        return tested(name, 1.0, "too few samples to test")
    cut = drawn[:, : blocks * block].reshape(-1, block)
    counts = np.stack([(cut == number).sum(1) for number in kept], 1)
    square = float(((counts - block * p) ** 2 / (block * p)).sum())
    variance = len(cut) * (2 * (k - 1) * (block - 1) / block + ((1 / p).sum() - k**2) / block)
    return tested(name, of_sum(square, freedom, variance), f"X² in blocks of {block}: {square / freedom:.3f} of its mean")


def repeats(name: str, drawn: np.ndarray, probability: np.ndarray, step: int) -> Iterator[Check]:
    """Whether equal classes are as frequent as expected by chance, between samples at each distance and between two streams.

    Pairs of samples that share none are equal with probability Σ p² each, independently: their number is binomial.

    Args:
        name: of the checks.
        drawn: (stream, draw) class numbers.
        probability: of each class.
        step: draws of a step; samples so far apart are compared too.
    """
    share, (streams, n) = float(np.square(probability).sum()), drawn.shape
    lags = [*range(1, min(n // 2, MOST_LAGS) + 1), *([step] if MOST_LAGS < step < n else [])]
    index, equal, tries = np.arange(n), [], []
    for lag in lags:
        same, half = (drawn[:, :-lag] == drawn[:, lag:]).sum(0), index[: n - lag] // lag % 2
        equal += [int(same[half == side].sum()) for side in (0, 1)]
        tries += [streams * int((half == side).sum()) for side in (0, 1)]
    p = _binomial(np.array(equal), np.array(tries), share)
    finding = f"{len(p)} comparisons, smallest p at distance {lags[int(np.argmin(p)) // 2]}"
    yield tested(f"{name} of samples at each distance", worst_of(p.min(), len(p)), finding)
    if streams > 1:
        same = np.concatenate([(drawn[r] == drawn[r + 1 :]).sum(1) for r in range(streams - 1)])
        p = _binomial(same, np.full(len(same), n), share)
        yield tested(f"{name} of any two replicas", worst_of(p.min(), len(p)), f"{len(p)} pairs of replicas")


def _binomial(found: np.ndarray, tries: np.ndarray, share: float) -> np.ndarray:
    law = stats.binom(tries, share)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(law.cdf(found), law.sf(found - 1))))


def unrelated(name: str, *pairs: tuple[np.ndarray, np.ndarray]) -> Check:
    """Scores are uncorrelated with the numbers they are paired with, and so are the distances of both from the middle.

    Given the first of each pair, Σ a b / √(Σ a²) is N(0, 1) where the b are scores; no number may be in two pairs of one set.

    Args:
        name: of the check.
        pairs: sets of pairs of scores, each tested by itself.
    """
    found = []
    for first, second in pairs:
        for a, b in ((first, second), (squared(first), squared(second))):
            if a.any():
                found.append(float((a * b).sum() / math.sqrt(np.square(a).sum())))
    if not found:
        return tested(name, 1.0, "no numbers to test")
    worst = max(found, key=abs)
    n = sum(len(first) for first, _ in pairs)
    finding = f"largest correlation {worst:+.2f} standard errors, {n} pairs"
    return tested(name, worst_of(of_normal(worst), len(found)), finding)


def same_for_each(name: str, score: np.ndarray, group: np.ndarray, of: str) -> Iterator[Check]:
    """Scores have the same mean and the same spread in each group.

    Σ_g n_g (mean_g − mean)² ~ χ²(G − 1); and the sums of squares in the groups, turned into scores again, are N(0, 1). Only too
    large differences are rejected: groups that mix several laws in fixed shares, such as the patches of a sample, differ by less.
    """
    found, place = np.unique(group, return_inverse=True)
    if len(found) < 2:
        return
    sizes, sums = np.bincount(place), np.bincount(place, score)
    between = float((sizes * (sums / sizes - score.mean()) ** 2).sum())
    spread = scores(chdtr(sizes, np.bincount(place, score**2)))
    apart = float(((spread - spread.mean()) ** 2).sum())
    freedom = len(found) - 1
    p = worst_of([of_large_squares(between, freedom), of_large_squares(apart, freedom)])
    finding = f"{len(found)} groups, differences of means {between / freedom:.2f} and spreads {apart / freedom:.2f}"
    yield tested(f"{name}: same for each {of}", p, finding)


def independent(name: str, first: np.ndarray, second: np.ndarray) -> Check:
    """Paired classes are independent: chi-square of their table, rare classes taken together at random."""
    least = math.sqrt(LEAST_EXPECTED / max(1, len(first)))
    if least > 1 / 2:
        return tested(name, 1.0, "too few samples to test")
    rows, columns = _folded(first, least), _folded(second, least)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    if min(table.shape) < 2:
        return tested(name, 1.0, "one class alone")
    p = stats.chi2_contingency(table, correction=False).pvalue
    return tested(name, p, f"χ² of {table.shape[0]}×{table.shape[1]} classes, {len(first)} pairs")


def _folded(values: np.ndarray, least: float) -> np.ndarray:
    """Class numbers from 0, each a share of `least` of the values or more."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    order, group, number, filled = np.random.default_rng(0).permutation(len(counts)), np.empty(len(counts), dtype=int), 0, 0
    for one in order:
        group[one] = number
        filled += counts[one]
        if filled >= least * len(values):
            number, filled = number + 1, 0
    return np.minimum(group, max(0, number - 1))[place]
