"""From numbers of a known law to scores, and from sums of scores to p-values.

A *score* is Φ⁻¹(F(value)), where F is the law that the value should follow: scores are independent standard normal numbers if the
generator is right. Sums of scores and of their squares have known laws for any number of samples, so that p-values are exact
and power grows with the samples.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import betainc, chdtr, chdtrc, ndtr, ndtri

LEAST_FREEDOM = 10
"""Degrees of freedom from which on counts are also tested for being too even: with fewer, counts are often even by chance."""
MANY_PAIRS = 1000
"""Pairs of directions from which on their sum of squares is tested on both sides."""
JUMP = 1e-3
"""A distribution function that rises by more than this within rounding errors has an atom there."""

Cdf = Callable[[np.ndarray], np.ndarray]


def levels(values: np.ndarray, cdf: Cdf, rounding: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """F(value), uniform on [0, 1] under the law; where F jumps, a random number between both ends of the jump.

    Args:
        values: numbers of the law.
        cdf: F.
        rounding: largest rounding error of each value.
        rng: where random numbers come from.
    """
    values = values.astype(float)
    few = slice(0, 1000)
    if not len(values) or (cdf(values[few] + rounding[few]) - cdf(values[few] - rounding[few])).max() <= JUMP:
        return np.asarray(cdf(values))
    low, high = cdf(values - rounding), cdf(values + rounding)
    return np.where(high - low > JUMP, low + rng.random(values.shape) * (high - low), cdf(values))


def scores(level: np.ndarray) -> np.ndarray:
    """Standard normal numbers from uniform ones; finite also where a wrong law gives 0 or 1."""
    return np.asarray(ndtri(np.clip(level, 1e-300, 1 - 1e-16, dtype=float)))


def squared(score: np.ndarray) -> np.ndarray:
    """Scores of the squares of scores: how far each is from the middle."""
    return scores(2 * ndtr(np.abs(score.astype(float))) - 1)


def of_normal(z: float) -> float:
    """P-value of a number that should be N(0, 1)."""
    return float(2 * ndtr(-abs(z)))


def of_squares(square: float, freedom: float) -> float:
    """P-value of a number that should follow χ²."""
    return float(min(1.0, 2 * min(chdtr(freedom, square), chdtrc(freedom, square))))


def of_large_squares(square: float, freedom: float) -> float:
    """P-value of a number that should follow χ², or be smaller."""
    return float(chdtrc(freedom, square))


def of_counts(square: float, freedom: int) -> float:
    """P-value of Pearson's X²; from `LEAST_FREEDOM` on, it is also small for counts that are too even."""
    return of_squares(square, freedom) if freedom >= LEAST_FREEDOM else of_large_squares(square, freedom)


def of_sum(total: float, mean: float, variance: float) -> float:
    """P-value of a sum of positive numbers, by the multiple of χ² that has its mean and variance."""
    return of_squares(total * 2 * mean / variance, 2 * mean**2 / variance)


def of_cosines(squares: float, pairs: int, dim: int) -> float:
    """P-value of the sum of squared cosines between independent directions in R^dim, times dim.

    A squared cosine follows Beta(1/2, (dim − 1)/2): times dim it has mean 1 and variance 2(dim−1)/(dim+2).
    """
    if dim == 1 or not pairs:
        return 1.0
    if pairs < MANY_PAIRS:
        return of_large_squares(squares * (dim + 2) / (dim - 1), pairs * (dim + 2) / (dim - 1))
    return of_sum(squares, pairs, pairs * 2 * (dim - 1) / (dim + 2))


def of_largest_cosine(cosine: float, pairs: int, dim: int) -> float:
    """P-value of the largest of the cosines between independent directions."""
    return worst_of(float(betainc((dim - 1) / 2, 0.5, 1 - min(1.0, cosine**2))), pairs)


def worst_of(p: Sequence[float] | float, tries: int | None = None) -> float:
    """P-value of the smallest of independent p-values (Šidák), of which `tries` were looked at."""
    tries = len(p) if tries is None and isinstance(p, Sequence) else tries
    return float(-math.expm1((tries or 1) * math.log1p(-min(float(np.min(p)), 1 - 1e-16))))
