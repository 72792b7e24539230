"""Easy and hard real images, and the gain on them.

The theory predicts that fine labels help on hard samples; the paper did not measure that on real images, so what is hard is
our choice [ours]. No model defines its own hard images: for each seed they are those on which the coarse baselines of the
*other* seeds fail,

* ``misclassified``: at least half of them misclassify the image;
* ``unconfident``: the image is in the quarter to which they give the least probability of its true class, on average.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from theory_sim.stats import Estimate, bootstrap, mcnemar, mean, undefined

DIFFICULTIES = ("misclassified", "unconfident")
_RESAMPLES = 1999
"""Of images: a study has hundreds of such intervals."""


def hard_images(
    correct: Bool[np.ndarray, "seed n"], confidence: Float[np.ndarray, "seed n"], how: str
) -> Bool[np.ndarray, "seed n"] | None:
    """Which images are hard for each seed, by the baselines of the other seeds; None with one seed only.

    Args:
        correct: of the baselines.
        confidence: of the baselines, in the true class.
        how: one of `DIFFICULTIES`.
    """
    seeds, n = correct.shape
    if seeds < 2:
        return None
    hard = np.zeros((seeds, n), dtype=bool)
    for seed in range(seeds):
        others = np.arange(seeds) != seed
        if how == "misclassified":
            hard[seed] = correct[others].mean(0) <= 0.5
        else:
            hard[seed, np.argsort(confidence[others].mean(0), kind="stable")[: n // 4]] = True
    return hard


def error_within(correct: Bool[np.ndarray, "seed n"], chosen: Bool[np.ndarray, "seed n"], confidence: float = 0.95) -> Estimate:
    """Error on the chosen images, which differ from seed to seed: mean over the seeds that have any."""
    errors = [float(1 - row[inside].mean()) for row, inside in zip(correct, chosen, strict=True) if inside.any()]
    if len(errors) == 1:
        return Estimate(errors[0], float("nan"), float("nan"), "one seed has such images")
    return mean(errors, confidence, "seeds") if errors else undefined("no such images")


def gain_within(
    before: Bool[np.ndarray, "seed n"],
    after: Bool[np.ndarray, "seed n"],
    chosen: Bool[np.ndarray, "seed n"],
    confidence: float = 0.95,
) -> Estimate:
    """Error before − error after, on the chosen images of each seed, paired by image.

    The bootstrap resamples images, each with all its seeds, for these are not independent; McNemar's exact test looks at
    images, by the sign of each one's gain over the seeds (with one seed that is McNemar's test itself). Both know nothing of
    how much another seed would differ: with two seeds or more the interval is widened to Student's t over the seeds' own
    gains, and the p-value is the larger of the two tests'.
    """
    by_seed = [float((a[c].astype(float) - b[c]).mean()) for a, b, c in zip(after, before, chosen, strict=True) if c.any()]
    gain = np.where(chosen, after.astype(float) - before.astype(float), 0.0).sum(0)
    weight = chosen.sum(0).astype(float)
    inside = weight > 0
    gain, weight = gain[inside], weight[inside]
    if len(gain) < 2:
        return undefined("fewer than two such images")
    pooled = bootstrap([gain, weight], _ratio, confidence, "images", vectorized=True, resamples=_RESAMPLES)
    p = mcnemar(gain)
    if len(by_seed) < 2:
        return Estimate(pooled.value, pooled.low, pooled.high, f"{pooled.method}, McNemar", p)
    across = mean(by_seed, confidence, "seeds")
    if np.ptp(by_seed) > 0:
        p = max(p, float(stats.ttest_1samp(by_seed, 0, alternative="greater").pvalue))
    low, high = min(pooled.low, across.low), max(pooled.high, across.high)
    return Estimate(pooled.value, low, high, f"{pooled.method} ∪ {across.method}, McNemar and t", p)


def _ratio(gain: np.ndarray, weight: np.ndarray, axis: int) -> Any:
    return gain.sum(axis) / weight.sum(axis)
