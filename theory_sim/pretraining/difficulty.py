"""Easy and hard real images, and the gain on them.

The theory predicts that fine labels help on hard samples; the paper did not measure that on real images, so what is hard is
our choice [ours]. No network defines its own hard images: for each seed the networks of the *other* seeds decide.

* ``both``: hard images are misclassified by more than half of the baselines and by more than half of the networks that are
  compared with them; easy images are classified correctly by more than half of each; the others are mixed. This split treats the
  two kinds of networks alike.
* ``misclassified``: at least half of the baselines misclassify the image.
* ``unconfident``: the image is in the quarter to which the baselines give the least probability of its true class, on average.

The last two are biased: networks of one kind share errors, so a network of any other kind seems to gain on images that the
baselines alone find hard, and to lose on the others. They are for comparison. In a trial on CIFAR-100 (20 superclasses, 2 seeds,
equal accuracy over all) the split by ``misclassified`` gave fine labels +3.1 and +4.1 points on hard images and −4.0 and −2.7 on
easy ones; by ``both`` they gave −0.6 and +0.3 on hard and −0.5 and +0.8 on easy ones. Networks that differ in nothing but width
or augmentation, the controls, show how large such gains are without any fine label.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from theory_sim.stats import FEW, NO_P, Estimate, bootstrap, mcnemar, mean, notes_of, undefined

_RESAMPLES = 1999
"""Of images: a study has hundreds of such intervals."""


def split_images(
    how: str,
    correct: Bool[np.ndarray, "seed n"],
    confidence: Float[np.ndarray, "seed n"],
    compared: Bool[np.ndarray, "seed n"],
) -> dict[str, Bool[np.ndarray, "seed n"]]:
    """Which images are hard, easy and mixed for each seed, by the networks of the other seeds; nothing with one seed only.

    Args:
        how: ``both``, ``misclassified`` or ``unconfident``.
        correct: of the baselines.
        confidence: of the baselines, in the true class.
        compared: whether the networks are right that are compared with the baselines, of the same seeds.
    """
    seeds, n = correct.shape
    if seeds < 2:
        return {}
    if how == "both":
        first, second = (_share_of_others(rows) for rows in (correct, compared))
        hard, easy = (first < 0.5) & (second < 0.5), (first > 0.5) & (second > 0.5)
        return {"hard": hard, "easy": easy, "mixed": ~(hard | easy)}
    if how == "misclassified":
        hard = _share_of_others(correct) <= 0.5
    else:
        hard = np.zeros((seeds, n), dtype=bool)
        for seed in range(seeds):
            others = np.arange(seeds) != seed
            hard[seed, np.argsort(confidence[others].mean(0), kind="stable")[: n // 4]] = True
    return {"hard": hard, "easy": ~hard}


def _share_of_others(correct: Bool[np.ndarray, "seed n"]) -> Float[np.ndarray, "seed n"]:
    """For each seed and image the share of the other seeds' networks that are right."""
    share: np.ndarray = (correct.sum(0) - correct) / (len(correct) - 1)
    return share


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
    gains, and the p-value is the larger of the two tests'. Fewer than `theory_sim.stats.FEW` seeds with such images have no
    p-value: McNemar's test says nothing of other seeds, and the t test of so few rests on their likeness.
    """
    by_seed = [float((a[c].astype(float) - b[c]).mean()) for a, b, c in zip(after, before, chosen, strict=True) if c.any()]
    gain = np.where(chosen, after.astype(float) - before.astype(float), 0.0).sum(0)
    weight = chosen.sum(0).astype(float)
    inside = weight > 0
    gain, weight = gain[inside], weight[inside]
    if len(gain) < 2:
        return undefined("fewer than two such images")
    pooled = bootstrap([gain, weight], _ratio, confidence, "images", vectorized=True, resamples=_RESAMPLES)
    few = (*notes_of(len(by_seed), confidence, "seeds"), NO_P)
    if len(by_seed) < 2:
        return Estimate(pooled.value, pooled.low, pooled.high, pooled.method, notes=few)
    across = mean(by_seed, confidence, "seeds")
    low, high, method = min(pooled.low, across.low), max(pooled.high, across.high), f"{pooled.method} ∪ {across.method}"
    if len(by_seed) < FEW:
        return Estimate(pooled.value, low, high, method, notes=few)
    p = mcnemar(gain)
    if np.ptp(by_seed) > 0:
        p = max(p, float(stats.ttest_1samp(by_seed, 0, alternative="greater").pvalue))
    return Estimate(pooled.value, low, high, f"{method}, McNemar and t", p)


def _ratio(gain: np.ndarray, weight: np.ndarray, axis: int) -> Any:
    return gain.sum(axis) / weight.sum(axis)
