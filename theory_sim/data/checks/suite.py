"""The whole suite: every invariant of a configuration's law, or of batches of any generator.

Exact invariants fail on the first sample that breaks them. Distributions are tested against what the law states, and their
p-values are corrected together (Holm), so that a correct generator fails with probability `alpha` at most. All that is tested
is what a `theory_sim.data.sampler.Batch` says and holds: a generator of one's own can be tested with the same functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from theory_sim.config import Config
from theory_sim.data.checks.base import Check
from theory_sim.data.checks.independence import distinct, independence
from theory_sim.data.checks.noise import noise_laws
from theory_sim.data.checks.patches import exact, labels
from theory_sim.data.checks.samples import distributions
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import Law, PatchLaw
from theory_sim.data.sampler import Batch, make_sampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.runtime.display import Shown
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.streams import PURPOSES, keys_of, streams
from theory_sim.stats import holm

LEAST = 10
"""Samples below which the tests of distributions are not defined."""


def check_data(config: Config, samples: int = 500, alpha: float = 1e-3, device: torch.device | str = "cpu") -> list[Check]:
    """Draw samples of a configuration and test all invariants of its law.

    Args:
        config: the configuration.
        samples: samples of each kind, per replica; of the first kind twice as many, in two consecutive steps.
        alpha: probability that a correct generator fails.
        device: where to draw.

    Raises:
        InputError: there are too few samples.
    """
    expect("check_data", config, Config)
    if samples < LEAST:
        raise InputError(f"check_data: samples: should be {LEAST} or more, got {samples}")
    law = law_of(config)
    dictionary = make_dictionary(config, torch.device(device))
    sampler = make_sampler(law, dictionary)
    own = streams(config.seed_of("data"), "check", config.replicas, device)
    first, *others = law.kinds
    steps = [sampler.sample(own, samples, first) for _ in range(2)]
    checks = check_batches(law, dictionary, steps, {kind: sampler.sample(own, samples, kind) for kind in others}, alpha)
    return Shown([distinct(_keys(config)), *checks])


def check_batches(
    law: Law, dictionary: Dictionary, steps: Sequence[Batch], others: Mapping[str, Batch], alpha: float = 1e-3
) -> list[Check]:
    """Test all invariants on batches of any generator.

    Args:
        law: the law that the batches should follow; of one that samples by a function of its own only labels are tested.
        dictionary: their features.
        steps: two batches of the law's first kind of sample, drawn one after the other.
        others: a batch of each further kind, by its name.
        alpha: probability that a correct generator fails.

    Returns:
        the checks; those of distributions with p-values corrected for their number.
    """
    checks = [_orthonormal(dictionary)]
    for number, (kind, batch) in enumerate({next(iter(law.kinds)): steps[0], **others}.items()):
        checks += labels(law, batch, kind, number)
        if isinstance(law, PatchLaw):
            checks += exact(law, batch, kind)
            checks += distributions(law, batch, kind)
            checks += noise_laws(law, dictionary, batch, kind)
    if isinstance(law, PatchLaw):
        checks += independence(law, dictionary, steps, others)
    else:
        finding = "the law samples by a function of its own: nothing is known to test its patches against"
        checks.append(Check("patches: not tested", finding, True))
    undecided = [i for i, check in enumerate(checks) if check.p is not None]
    for i, p in zip(undecided, holm([checks[i].p or 0.0 for i in undecided]), strict=True):
        checks[i] = replace(checks[i], p=float(p), passed=bool(p >= alpha))
    return Shown(checks)


def _keys(config: Config) -> dict[str, list[int]]:
    """The keys of all random streams of a run."""
    keys = {}
    for name in PURPOSES:
        seed = config.seed_of("dictionary" if name == "dictionary" else "init" if name.startswith("init ") else "data")
        keys[name] = keys_of(seed, name, config.replicas).tolist()
    return keys


def _orthonormal(dictionary: Dictionary) -> Check:
    v = dictionary.vectors.double()
    worst = float((v @ v.mT - torch.eye(v.shape[1], device=v.device, dtype=v.dtype)).abs().max())
    tolerance = 1e3 * torch.finfo(dictionary.vectors.dtype).eps
    return Check("orthonormal dictionary", f"max |VVᵀ − I| = {worst:.1e}", worst <= tolerance)
