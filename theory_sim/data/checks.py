"""The data model's invariants, tested on samples: what must hold exactly, and what must hold in law.

Exact invariants fail on the first sample that breaks them. Laws are tested against the exact distribution that the
configuration states, and their p-values are corrected together (Holm), so that a correct generator fails with
probability `alpha` at most. All that is tested is what a `theory_sim.data.sampler.Batch` says and holds: a generator of one's
own can be tested with the same functions.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from theory_sim.config import Config
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.sampler import Batch, PatchSampler
from theory_sim.runtime.streams import streams
from theory_sim.stats import holm
from theory_sim.training.trainer import make_dictionary

_MOST = 20_000
"""Numbers that a Kolmogorov–Smirnov test takes at most."""


@dataclass(frozen=True)
class Check:
    """One invariant and what came of testing it.

    Attributes:
        name: its name.
        finding: the number that decides, in words.
        passed: whether it holds.
        p: the p-value of a law, before and, in the result of `check_batches`, after correction; None if exact.
    """

    name: str
    finding: str
    passed: bool
    p: float | None = None


def check_data(config: Config, samples: int = 500, alpha: float = 1e-3, device: torch.device | str = "cpu") -> list[Check]:
    """Draw samples of a configuration and test all invariants.

    Args:
        config: the configuration.
        samples: easy samples in each of two consecutive steps, and hard samples, per replica.
        alpha: probability that a correct generator fails.
        device: where to draw.
    """
    dictionary = make_dictionary(config, torch.device(device))
    sampler = PatchSampler(config, dictionary)
    own = streams(config.seed_of("data"), "check", config.replicas, device)
    steps = [sampler.sample(own, samples, 0.0) for _ in range(2)]
    hard = sampler.sample(own, samples, 1.0)
    return check_batches(config, dictionary, steps, hard, alpha)


def check_batches(
    config: Config, dictionary: Dictionary, steps: Sequence[Batch], hard: Batch, alpha: float = 1e-3
) -> list[Check]:
    """Test all invariants on batches of any generator.

    Args:
        config: the data model that the batches should follow.
        dictionary: their features.
        steps: two batches of easy samples, drawn one after the other.
        hard: a batch of hard samples.
        alpha: probability that a correct generator fails.

    Returns:
        the checks; those of laws with p-values corrected for their number.
    """
    checks = [_orthonormal(dictionary)]
    for batch, kind in ((steps[0], "easy"), (hard, "hard")):
        checks += _exact(config, dictionary, batch, kind)
        checks += _laws(config, dictionary, batch, kind)
    checks += _independence(config, dictionary, steps)
    tested = [i for i, check in enumerate(checks) if check.p is not None]
    for i, p in zip(tested, holm([checks[i].p or 0.0 for i in tested]), strict=True):
        checks[i] = replace(checks[i], p=float(p), passed=bool(p >= alpha))
    return checks


def _exactly(name: str, broken: Tensor, what: str) -> Check:
    count = int(broken.sum())
    return Check(name, f"{count} of {broken.numel()} {what}", count == 0)


def _law(name: str, p: float, finding: str) -> Check:
    return Check(name, finding, True, float(p))


def _orthonormal(dictionary: Dictionary) -> Check:
    v = dictionary.vectors.double()
    worst = float((v @ v.mT - torch.eye(v.shape[1], device=v.device, dtype=v.dtype)).abs().max())
    tolerance = 1e3 * torch.finfo(dictionary.vectors.dtype).eps
    return Check("orthonormal dictionary", f"max |VVᵀ − I| = {worst:.1e}", worst <= tolerance)


def _residual(dictionary: Dictionary, batch: Batch) -> Tensor:
    """x_p − α v: what is noise by the batch's own truth."""
    x = batch.x.clone()
    dictionary.add_to(x, batch.content, -batch.strength)
    return x


def _own(config: Config, batch: Batch) -> tuple[Tensor, Tensor]:
    """Whether each patch holds a feature of its sample's path, and its depth there (from 1; 0 elsewhere)."""
    path = config.label_tree.paths.to(batch.leaf.device)[batch.leaf]
    match = (batch.content[..., None] == path[:, :, None]) & (batch.content >= 0)[..., None]
    depth = torch.where(match, torch.arange(1, path.shape[-1] + 1, device=path.device), 0).amax(-1)
    return depth > 0, depth


def _exact(config: Config, dictionary: Dictionary, batch: Batch, kind: str) -> Iterator[Check]:
    data, hard, tree = config.data, config.hard, config.label_tree
    settings = hard if kind == "hard" else data
    own, depth = _own(config, batch)
    feature = batch.content >= 0
    other = feature & ~own
    common, is_hard = own & (depth == 1), kind == "hard"

    yield _exactly(f"{kind}: hard flag", batch.hard != is_hard, "flags wrong")
    ancestor = tree.coarse_of_leaf.to(batch.leaf.device)[batch.leaf]
    yield _exactly(f"{kind}: coarse label is the leaf's ancestor", batch.coarse != ancestor, "labels wrong")
    if data.label_noise == 0:
        yield _exactly(f"{kind}: labels are clean", batch.labelled_leaf != batch.leaf, "labels changed")
    stray = other & ((batch.content >= tree.n_coarse) | (batch.content == batch.coarse[..., None]))
    yield _exactly(f"{kind}: foreign features are other classes' common ones", stray, "patches hold another")
    known = feature | (batch.content == NOISE) | ((batch.content == DOMINANT_NOISE) & is_hard)
    yield _exactly(f"{kind}: content is known", ~known | (batch.content >= tree.n_nodes), "patches hold something else")

    weak = is_hard and hard.common == "weak"
    lower, upper = (torch.full_like(batch.strength, math.sqrt(1 + sign * data.strength_spread)) for sign in (-1, 1))
    ranges = [(other, settings.feature_noise)] + ([(common, hard.weak_strength)] if weak else [])
    for which, (low, high) in ranges:
        lower, upper = lower.masked_fill(which, low), upper.masked_fill(which, high)
    slack = 8 * torch.finfo(batch.strength.dtype).eps
    outside = feature & ((batch.strength < lower * (1 - slack) - slack) | (batch.strength > upper * (1 + slack) + slack))
    yield _exactly(f"{kind}: strengths in range", outside | (~feature & (batch.strength != 0)), "patches out of range")
    if is_hard and not weak:
        yield _exactly("hard: no common feature", common.any(-1), "samples hold their own")

    if data.patch_law == "fixed":
        on_path = tree.paths.to(batch.leaf.device)[batch.leaf] >= 0
        for level in range(1, tree.depth + 1):
            wanted = on_path[..., level - 1] * data.feature_patches
            if level == 1 and is_hard and not weak:
                wanted = wanted * 0
            yield _exactly(f"{kind}: patches of the level-{level} feature", (depth == level).sum(-1) != wanted, "samples wrong")
        yield _exactly(f"{kind}: feature-noise patches", other.sum(-1) != settings.feature_noise_patches, "samples wrong")
    if is_hard:
        dominant = (batch.content == DOMINANT_NOISE).sum(-1)
        yield _exactly("hard: dominant-noise patches", dominant != int(hard.noise > 0), "samples wrong")


def _laws(config: Config, dictionary: Dictionary, batch: Batch, kind: str) -> Iterator[Check]:
    data, tree = config.data, config.label_tree
    own, depth = _own(config, batch)
    other = (batch.content >= 0) & ~own

    counts = np.bincount(batch.leaf.flatten().cpu().numpy(), minlength=tree.n_leaves)
    yield _fit(f"{kind}: leaves are balanced", counts, np.array(tree.leaf_probability))
    for what, mask in (("own features", own), ("feature noise", other), ("dominant noise", batch.content == DOMINANT_NOISE)):
        if mask.any():
            where = mask.sum((0, 1)).cpu().numpy()
            # Fixed counts make a sample's places exclusive, which only narrows their spread: chi-square is conservative.
            yield _fit(f"{kind}: positions of {what}", where, np.full(data.patches, 1 / data.patches))
    yield from _strength_laws(config, batch, kind, own, depth, other)
    if data.patch_law == "independent":
        yield from _count_laws(config, batch, kind, depth, other)
    if other.any() and tree.n_coarse > 2:
        shift = (batch.content - batch.coarse[..., None]) % tree.n_coarse
        yield _fit(f"{kind}: feature noise picks its class", np.bincount(shift[other].cpu().numpy(), minlength=tree.n_coarse)[1:])
    yield _ks(f"{kind}: tags", batch.tag.flatten(), 0.0, 1.0)
    if data.label_noise > 0:
        changed, n = int((batch.labelled_leaf != batch.leaf).sum()), batch.leaf.numel()
        expected = data.label_noise * (1 - float(np.square(tree.leaf_probability).sum()))
        yield _law(f"{kind}: label noise", stats.binomtest(changed, n, expected).pvalue, f"{changed / n:.4f}, law {expected:.4f}")
    yield from _noise_laws(config, dictionary, batch, kind)


def _strength_laws(config: Config, batch: Batch, kind: str, own: Tensor, depth: Tensor, other: Tensor) -> Iterator[Check]:
    data, hard = config.data, config.hard
    ranges = [
        (
            "full strengths",
            own & ~((depth == 1) & (kind == "hard")),
            [math.sqrt(1 - data.strength_spread), math.sqrt(1 + data.strength_spread)],
        )
    ]
    if kind == "hard" and hard.common == "weak":
        ranges.append(("weak strengths", depth == 1, hard.weak_strength))
    ranges.append(("feature-noise strengths", other, (hard if kind == "hard" else data).feature_noise))
    for what, mask, (low, high) in ranges:
        if mask.any() and high > low:
            yield _ks(f"{kind}: {what}", batch.strength[mask], low, high)


def _count_laws(config: Config, batch: Batch, kind: str, depth: Tensor, other: Tensor) -> Iterator[Check]:
    """Independent patches: the counts are binomial; one patch fewer takes part where one holds dominant noise."""
    data, hard = config.data, config.hard
    free = data.patches - int(kind == "hard" and hard.noise > 0)
    on_path = config.label_tree.paths.to(batch.leaf.device)[batch.leaf] >= 0
    wanted = [
        (f"level-{lv} patches", (depth == lv)[on_path[..., lv - 1]], data.feature_patches)
        for lv in range(1, config.label_tree.depth + 1)
    ]
    if kind == "hard" and hard.common == "missing":
        wanted = wanted[1:]
    wanted.append(("feature-noise patches", other.flatten(0, 1), (hard if kind == "hard" else data).feature_noise_patches))
    for what, mask, mean in wanted:
        total, tries = int(mask.sum()), mask.shape[0] * free
        p = stats.binomtest(total, tries, mean / data.patches).pvalue if tries else 1.0
        yield _law(f"{kind}: number of {what}", p, f"{total / max(1, mask.shape[0]):.3f} a sample")


def _noise_laws(config: Config, dictionary: Dictionary, batch: Batch, kind: str) -> Iterator[Check]:
    residual, directions, d = _residual(dictionary, batch), _directions(dictionary, batch), config.data.dim
    kinds = [
        ("noise of plain patches", batch.content == NOISE, config.data.noise),
        ("noise of feature patches", batch.content >= 0, config.data.noise),
    ]
    if kind == "hard":
        kinds.append(("dominant noise", batch.content == DOMINANT_NOISE, config.hard.noise))
    for what, mask, norm in kinds:
        z = residual[mask]
        if not len(z):
            continue
        if norm == 0:
            worst = float(z.abs().max())
            yield Check(f"{kind}: {what}", f"largest {worst:.1e}", worst < 1e2 * torch.finfo(z.dtype).eps)
            continue
        z *= math.sqrt(d) / norm
        n = z.numel()
        total, square = float(z.sum(dtype=torch.float64)), float(z.square().sum(dtype=torch.float64))
        yield _law(f"{kind}: variance of {what}", _two_sided(stats.chi2(n), square), f"σ² ratio {square / n:.4f}")
        yield _law(f"{kind}: mean of {what}", _two_sided(stats.norm(), total / math.sqrt(n)), f"mean {total / n:+.1e} σ")
        some = z.flatten()[:: max(1, n // _MOST)].double().cpu().numpy()
        yield _law(f"{kind}: shape of {what}", stats.kstest(some, "norm").pvalue, "Kolmogorov–Smirnov against N(0, σ²)")
        along = float((z * directions[mask]).sum(dtype=torch.float64)) / math.sqrt(len(z))
        yield _law(f"{kind}: {what} ignores the feature", _two_sided(stats.norm(), along), f"z = {along:+.2f} along v")


def _directions(dictionary: Dictionary, batch: Batch) -> Tensor:
    """The feature of each patch, or of the sample's coarse class where it holds none."""
    index = torch.where(batch.content >= 0, batch.content, batch.coarse[..., None])
    replica = torch.arange(len(index), device=index.device)[:, None, None]
    return dictionary.vectors[replica, index]


def _independence(config: Config, dictionary: Dictionary, steps: Sequence[Batch]) -> Iterator[Check]:
    """Noise of different patches, samples, steps, replicas and coordinates is independent.

    For independent directions in R^d the squared cosine has mean 1/d and variance 2(d−1)/(d²(d+2)); pairs that share
    noise push the mean up. Correlation of neighbouring coordinates is tested on their products.
    """
    d = config.data.dim
    if config.data.noise == 0:
        return
    first, second = (_residual(dictionary, batch.slice(0, 200)).double() for batch in steps[:2])
    unit = first / first.norm(dim=-1, keepdim=True)
    later = second / second.norm(dim=-1, keepdim=True)
    pairs = {"patches": (unit[:, :, :-1] * unit[:, :, 1:]).sum(-1), "steps": (unit * later).sum(-1)}
    gram = unit[:, :50] @ unit[:, :50].mT
    upper = torch.triu(torch.ones(gram.shape[-2:], dtype=torch.bool, device=gram.device), 1)
    pairs["patches of a sample"] = gram[..., upper]
    if unit.shape[1] > 1:
        pairs["samples"] = (unit[:, :-1] * unit[:, 1:]).sum(-1)[:, ::2]
    if len(unit) > 1:
        pairs["replicas"] = (unit[:-1] * unit[1:]).sum(-1)[::2]
    for what, cosine in pairs.items():
        mean = float((cosine**2).mean())
        if d == 1:
            continue
        spread = math.sqrt(2 * (d - 1) / (d**2 * (d + 2)) / cosine.numel())
        z = (mean - 1 / d) / spread
        yield _law(f"independent {what}", _two_sided(stats.norm(), z), f"mean cos² · d = {mean * d:.4f}")
    if d > 1:
        scaled = first * (math.sqrt(d) / config.data.noise)
        product = scaled[..., :-1:2] * scaled[..., 1::2]
        t = float(product.sum()) / math.sqrt(product.numel())
        yield _law("independent coordinates", _two_sided(stats.norm(), t), f"mean product {t / math.sqrt(product.numel()):+.1e}")


def _fit(name: str, counts: np.ndarray, probability: np.ndarray | None = None) -> Check:
    """Chi-square test of counts against a law, uniform by default."""
    probability = np.full(len(counts), 1 / len(counts)) if probability is None else probability / probability.sum()
    # Neighbouring places are taken together until chi-square's approximation is good: five expected counts or more.
    cell, whole, filled = np.zeros(len(counts), dtype=int), 0, 0.0
    for place, share in enumerate(probability):
        cell[place] = whole
        filled += share * counts.sum()
        if filled >= 5:
            whole, filled = whole + 1, 0.0
    cell = np.minimum(cell, max(0, whole - 1))
    observed, expected = np.bincount(cell, counts), np.bincount(cell, probability) * counts.sum()
    if len(observed) < 2:
        return _law(name, 1.0, "too few counts to test")
    return _law(name, stats.chisquare(observed, expected).pvalue, f"{len(counts)} places, {counts.sum()} counts")


def _ks(name: str, values: Tensor, low: float, high: float) -> Check:
    some = values.flatten()[:: max(1, values.numel() // _MOST)].double().cpu().numpy()
    return _law(
        name,
        stats.kstest(some, stats.uniform(low, high - low).cdf).pvalue,
        f"Kolmogorov–Smirnov against U[{low:.3f}, {high:.3f}]",
    )


def _two_sided(law: Any, value: float) -> float:
    return float(min(1.0, 2 * min(law.cdf(value), law.sf(value))))
