"""The whole suite: every invariant of a configuration's law, or of batches of any generator.

Exact invariants fail on the first sample that breaks them. Distributions are tested against what the law states, and their
p-values are corrected together (Holm), so that a correct generator fails with probability `alpha` at most. The tests use only
the contents of a `theory_sim.data.sampler.Batch`, so that any generator can be tested with the same functions.

What is tested, and where:

* `patches`: labels and patches of each single sample;
* `samples`: the laws of leaves, tags (a uniform number of each sample), label noise, places, signs, strengths, counts, other
  classes; that none depends on another or on the leaf; that samples in a row, of two steps and of two replicas are independent;
* `noise`: numbers, coordinates and norms of each noise law, and their independence of leaf, place, sample and feature;
* `independence`: the independence of the noise of any two patches;
* `random_streams`: the streams of all purposes and replicas.

The checks do not detect a dependence of three quantities that leaves each pair independent; a dependence of samples further apart
than those tested, unless they share noise or a tag; an effect too small for the number of samples; or a trainer that draws from a
wrong stream, which the tests of this package cover.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import torch

from theory_sim.config import Config
from theory_sim.data.checks.base import Check
from theory_sim.data.checks.blocks import noise_checks
from theory_sim.data.checks.patches import exact, finite, labels
from theory_sim.data.checks.random_streams import check_streams
from theory_sim.data.checks.samples import distributions, label_noise, mixture
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law, PatchLaw
from theory_sim.data.sampler import Batch, make_sampler
from theory_sim.data.setup import law_of, make_dictionary, warn_without_effect
from theory_sim.runtime.display import Shown
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.streams import streams
from theory_sim.runtime.threads import torch_threads
from theory_sim.stats import holm

LEAST = 10
"""Samples below which the tests of distributions are not defined."""


def check_data(config: Config, samples: int = 500, alpha: float = 1e-3, device: torch.device | str = "cpu") -> list[Check]:
    """Draw samples of a configuration and test all invariants of its law.

    Args:
        config: the configuration.
        samples: number of samples of each kind, per replica; of the first kind twice as many are drawn, in two consecutive steps;
            and where training samples are of several kinds, as many of them.
        alpha: probability that a correct generator fails.
        device: where to draw.

    Warns:
        NoEffectWarning: a setting of samples was changed that the theory's law does not depend on.

    Raises:
        InputError: there are too few samples, or `alpha` is no probability.
    """
    expect("check_data", config, Config)
    if samples < LEAST:
        raise InputError(f"check_data: samples: should be {LEAST} or more, got {samples}")
    _expect_probability(alpha)
    warn_without_effect([config])
    law = law_of(config)
    dictionary = make_dictionary(config, torch.device(device))
    sampler = make_sampler(law, dictionary)
    own = streams(config.seed_of("data"), "check", config.replicas, device)
    first, *others = law.kinds
    several = sum(share > 0 for share in law.training_shares.values()) > 1
    with torch_threads(1):  # synchronising threads after each small operation costs several times what they save
        steps = [sampler.sample(own, samples, first) for _ in range(2)]
        further = {kind: sampler.sample(own, samples, kind) for kind in others}
        mixed = sampler.latents(own, samples, law.training_shares) if several else None
        return Shown([*check_streams(config, law), *check_batches(law, dictionary, steps, further, alpha, mixed)])


def check_batches(
    law: Law,
    dictionary: Dictionary,
    steps: Sequence[Batch],
    others: Mapping[str, Batch],
    alpha: float = 1e-3,
    training: Batch | None = None,
) -> list[Check]:
    """Test all invariants on batches of any generator.

    Args:
        law: the law that the batches should follow; of one that samples by a function of its own only labels are tested.
        dictionary: their features.
        steps: two batches of the law's first kind of sample, drawn one after the other.
        others: a batch of each further kind, by its name.
        alpha: probability that a correct generator fails.
        training: training samples, whose kinds are mixed; their patches are not tested.

    Returns:
        the checks; those of distributions with p-values corrected for their number.

    Raises:
        InputError: `alpha` is no probability.
    """
    _expect_probability(alpha)
    checks = uncorrected(law, dictionary, steps, others, training)
    undecided = [i for i, check in enumerate(checks) if check.p is not None]
    for i, p in zip(undecided, holm([checks[i].p or 0.0 for i in undecided]), strict=True):
        checks[i] = replace(checks[i], p=float(p), passed=bool(p >= alpha))
    return Shown(checks)


def _expect_probability(alpha: float) -> None:
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha: should be a probability, from 0 to 1, got {alpha}")


def uncorrected(
    law: Law, dictionary: Dictionary, steps: Sequence[Batch], others: Mapping[str, Batch], training: Batch | None = None
) -> list[Check]:
    """The checks with uncorrected p-values; arguments are those of `check_batches`."""
    with torch_threads(1):
        return _all_checks(law, dictionary, steps, others, training)


def _all_checks(
    law: Law, dictionary: Dictionary, steps: Sequence[Batch], others: Mapping[str, Batch], training: Batch | None
) -> list[Check]:
    dictionary = replace(dictionary, vectors=dictionary.vectors.cpu())
    steps, others = [_on_cpu(batch) for batch in steps], {kind: _on_cpu(batch) for kind, batch in others.items()}
    checks = [_orthonormal(dictionary)]
    for number, (kind, batches) in enumerate({next(iter(law.kinds)): steps, **{k: [b] for k, b in others.items()}}.items()):
        truth = Batch.joined([_without_patches(batch) for batch in batches])
        checks += labels(law, truth, kind, number)
        checks.append(finite(batches, kind))
        if law.label_noise > 0:
            checks += label_noise(law, truth, kind)
        if isinstance(law, PatchLaw):
            checks += exact(law, truth, kind)
            checks += distributions(law, truth, kind, batches[0].leaf.shape[1])
    if training is not None:
        checks += mixture(law, _on_cpu(_without_patches(training)))
    if isinstance(law, PatchLaw):
        sound = all(
            batch.x.isfinite().all() and int(batch.content.max()) < law.n_features for batch in (*steps, *others.values())
        )
        checks += noise_checks(law, dictionary, steps, others) if sound else []  # else a check above has failed
    else:
        finding = "the law samples by a function of its own: nothing is known to test its patches against"
        checks.append(Check("patches: not tested", finding, True))
    return checks


def _on_cpu(batch: Batch) -> Batch:
    return Batch(**{field.name: getattr(batch, field.name).cpu() for field in fields(Batch)})


def _without_patches(batch: Batch) -> Batch:
    return replace(batch, x=batch.strength.new_empty(*batch.strength.shape, 0))


def _orthonormal(dictionary: Dictionary) -> Check:
    v = dictionary.vectors.double()
    off = v @ v.mT - torch.eye(v.shape[1], dtype=v.dtype)
    worst = float(off.abs().max()) if off.numel() else 0.0
    tolerance = 1e3 * torch.finfo(dictionary.vectors.dtype).eps
    return Check("orthonormal dictionary", f"max |VVᵀ − I| = {worst:.1e}", worst <= tolerance)
