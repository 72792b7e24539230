"""The tests that the checks share: each takes numbers or classes and gives a check with a p-value.

Tests rest on all numbers that there are, so that their power grows with the samples; where numbers are chosen, they are chosen
at random, never at a stride that the arrangement of patches or coordinates could match. A test that has too few numbers for
its approximation gives p = 1 and says so.
"""

import numpy as np
from scipy import stats
from torch import Tensor

from theory_sim.data.checks.base import Check, tested, two_sided

LEAST_RANKED = 30
"""Numbers below which tests on ranks are not made."""
LEAST_EXPECTED = 5
"""Expected counts below which chi-square's approximation is not good."""
MOST_RANKED = 2_000_000
"""Numbers that a test on ranks takes at most, chosen at random."""


def numbers(values: Tensor) -> np.ndarray:
    """All values, in double precision."""
    flat: np.ndarray = values.flatten().double().cpu().numpy()
    return flat


def classes(values: Tensor) -> np.ndarray:
    """All values, as integers."""
    flat: np.ndarray = values.flatten().cpu().numpy()
    return flat


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
    return tested(name, stats.chisquare(observed, expected).pvalue, f"{len(counts)} places, {counts.sum()} counts")


def scattered(name: str, drawn: np.ndarray, probability: np.ndarray, block: int = 50) -> Check:
    """Whether classes that follow each other are scattered as independent draws are, neither more evenly nor less.

    Over blocks of m draws of k classes, X² has mean k − 1 and variance 2(k−1)(m−1)/m + (Σ 1/p − k² − … )/m; its sum over
    the blocks is compared with both, on either side: a fixed order is too even.

    Args:
        name: of the check.
        drawn: (stream, draw) class numbers from 0.
        probability: of each class.
        block: m.
    """
    kept = probability > 0
    k, blocks = int(kept.sum()), drawn.shape[1] // block
    if k < 2 or not blocks * len(drawn) * (k - 1) >= LEAST_RANKED:
        return tested(name, 1.0, "too few samples to test")
    cut = drawn[:, : blocks * block].reshape(-1, block)
    counts = np.stack([(cut == number).sum(1) for number in np.flatnonzero(kept)], 1)
    p = probability[kept] / probability[kept].sum()
    each = ((counts - block * p) ** 2 / (block * p)).sum(1)
    spread = 2 * (k - 1) * (block - 1) / block + ((1 / p).sum() - k**2) / block
    z = (each.sum() - (k - 1) * len(each)) / np.sqrt(spread * len(each))
    return tested(name, two_sided(stats.norm(), z), f"X² in blocks of {block}: {each.mean() / (k - 1):.3f} of its mean")


def unrelated(name: str, first: np.ndarray, second: np.ndarray) -> Check:
    """Spearman's rank correlation of paired numbers is 0: √(n−1) r ~ N(0, 1)."""
    first, second = _some(first, second)
    if len(first) < LEAST_RANKED or np.ptp(first) == 0 or np.ptp(second) == 0:
        return tested(name, 1.0, "too few numbers to test")
    r = float(stats.spearmanr(first, second).statistic)
    return tested(name, two_sided(stats.norm(), r * np.sqrt(len(first) - 1)), f"rank correlation {r:+.4f}")


def alike(name: str, values: np.ndarray, group: np.ndarray, of: str) -> list[Check]:
    """Numbers have the same law in each group, by their ranks (Kruskal–Wallis): where they lie, and how far from the middle."""
    values, group = _some(values, group)
    found, place = np.unique(group, return_inverse=True)
    sizes = np.bincount(place)
    enough = sizes[place] >= LEAST_EXPECTED
    if len(values) < LEAST_RANKED or (sizes >= LEAST_EXPECTED).sum() < 2 or np.ptp(values[enough]) == 0:
        return [tested(f"{name}: same for each {of}", 1.0, "too few numbers to test")]
    ranks = stats.rankdata(values[enough])
    off = stats.rankdata(np.abs(ranks - ranks.mean()))
    checks = []
    for what, r in (("same", ranks), ("spread the same", off)):
        finding = f"Kruskal–Wallis, {len(found)} groups, {len(r)} numbers"
        checks.append(tested(f"{name}: {what} for each {of}", _kruskal(r, place[enough]), finding))
    return checks


def _kruskal(ranks: np.ndarray, place: np.ndarray) -> float:
    """P-value of Kruskal and Wallis' H, from ranks; with ties corrected for by the variance of the ranks."""
    sizes, sums = np.bincount(place), np.bincount(place, ranks)
    sizes, sums = sizes[sizes > 0], sums[sizes > 0]
    h = (sizes * (sums / sizes - ranks.mean()) ** 2).sum() / ranks.var(ddof=1)
    return float(stats.chi2(len(sizes) - 1).sf(h))


def independent(name: str, first: np.ndarray, second: np.ndarray) -> Check:
    """Paired classes are independent: chi-square of their table, classes taken together at random where counts are few."""
    most = int(np.sqrt(len(first) / (4 * LEAST_EXPECTED)))
    if most < 2:
        return tested(name, 1.0, "too few samples to test")
    table = np.zeros((most, most))
    np.add.at(table, (_folded(first, most), _folded(second, most)), 1)
    table = table[table.any(1)][:, table.any(0)]
    if min(table.shape) < 2 or stats.contingency.expected_freq(table).min() < 1:
        return tested(name, 1.0, "too few counts to test")
    p = stats.chi2_contingency(table, correction=False).pvalue
    return tested(name, p, f"chi-square, {table.shape[0]}×{table.shape[1]} classes, {len(first)} pairs")


def _folded(values: np.ndarray, most: int) -> np.ndarray:
    """Class numbers from 0, at most `most` of them, of about equal frequency."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(counts) <= most:
        return place
    order = np.random.default_rng(0).permutation(len(counts))
    share = np.cumsum(counts[order]) / counts.sum()
    group = np.empty(len(counts), dtype=int)
    group[order] = np.minimum((share * most - 1e-9).astype(int), most - 1)
    return group[place]


def _some(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `MOST_RANKED` pairs, chosen at random."""
    if len(first) <= MOST_RANKED:
        return first, second
    rows = np.random.default_rng(0).choice(len(first), MOST_RANKED, replace=False)
    return first[rows], second[rows]
