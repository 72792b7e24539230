"""Tests of paired samples, and the correction for many tests."""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def mcnemar(gain: np.ndarray) -> float:
    """McNemar's exact one-sided p-value: are gains above 0 more frequent than gains below 0?"""
    better, worse = int((gain > 0).sum()), int((gain < 0).sum())
    return float(stats.binomtest(better, better + worse, alternative="greater").pvalue) if better + worse else 1.0


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjustment: reject where the adjusted p-value is below α, and the family-wise error is α."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)
    adjusted = np.minimum(1, np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values)))))
    return adjusted[np.argsort(order)]
