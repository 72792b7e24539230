"""What a generator hands out, and ways to change it as a wrong generator would."""

from dataclasses import dataclass, replace

import torch

from theory_sim.config import load_config
from theory_sim.data.checks.suite import check_batches
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.law import PatchLaw
from theory_sim.training.trainer import Training

CONFIG = load_config(
    overrides=[
        "replicas=2",
        "tree.coarse=3",
        "tree.subclasses=3",
        "data.dim=32",
        "data.patches=12",
        "data.feature_patches=2",
        "data.feature_noise_patches=1",
        "data.basis=rotated",
    ]
)
K, LEAVES, PLACES, SIGMA = 3, 9, 12, CONFIG.data.noise / 32**0.5
COMMON, OTHER = (0.9**0.5, 1.1**0.5), (0.2, 0.4)
SAMPLES = 5000
"""Samples of each kind, of all replicas and steps together."""


@dataclass(frozen=True)
class Drawn:
    """What a generator hands out."""

    dictionary: Dictionary
    easy: tuple = ()
    hard: object = None
    law: PatchLaw | None = None
    training: object = None

    def noise(self, batch):
        """Patches without their features."""
        x = batch.x.clone()
        self.dictionary.add_to(x, batch.content, -batch.strength)
        return x

    def rebuilt(self, batch, noise=None, **truth):
        """The batch with a changed truth, and patches that follow it."""
        changed = replace(batch, **truth)
        x = self.noise(batch) if noise is None else noise.clone()
        self.dictionary.add_to(x, changed.content, changed.strength)
        return replace(changed, x=x)

    def on_easy(self, change):
        return replace(self, easy=tuple(change(batch) for batch in self.easy))

    def on_hard(self, change):
        return replace(self, hard=change(self.hard))

    def on(self, kind, change):
        return self.on_easy(change) if kind == "easy" else self.on_hard(change)


def is_own_common(batch):
    return batch.content == batch.coarse[..., None]


def is_rare(batch):
    return batch.content >= K


def is_other(batch):
    return (batch.content >= 0) & ~is_own_common(batch) & ~is_rare(batch)


def first(mask):
    """The first patch of each sample that the mask marks."""
    return mask & (mask.cumsum(-1) == 1)


def lots(*shape, seed=0):
    """Uniform numbers that the generator did not draw."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def noise(change, kind="easy"):
    """Noise is written anew, from the batch and its noise."""
    return lambda d: d.on(kind, lambda b: d.rebuilt(b, noise=change(b, d.noise(b))))


def strengths(change, role=is_rare, ends=COMMON, kind="easy"):
    """Strengths of a role are written anew: from their batch and their places in [0, 1] to such places."""
    low, high = ends

    def of(d):
        def written(b):
            share = change(b, (b.strength - low) / (high - low))
            return d.rebuilt(b, strength=torch.where(role(b), low + (high - low) * share, b.strength))

        return d.on(kind, written)

    return of


def other_classes(shift):
    """Which other class a hard sample's patches are of: from its batch to numbers 1 … K − 1 for each patch."""

    def written(d, b):
        return d.rebuilt(b, content=torch.where(is_other(b), (b.coarse[..., None] + shift(b)) % K, b.content))

    return lambda d: d.on_hard(lambda b: written(d, b))


def arranged(order, kind="easy"):
    """Patches are arranged anew: patches sorted by what they hold are put where the order of each sample says."""

    def change(b):
        rows = b.content.argsort(dim=-1, stable=True).gather(-1, order(b))
        x = b.x.gather(2, rows[..., None].expand_as(b.x))
        return replace(b, x=x, content=b.content.gather(2, rows), strength=b.strength.gather(2, rows))

    return lambda d: d.on(kind, change)


def in_order(order, kind="easy"):
    """The samples, reordered: from the leaves of a replica's samples to rows."""
    return lambda d: d.on(kind, lambda b: b.take(torch.stack([order(leaf) for leaf in b.leaf])))


def drawn_by_the_package(samples: int = SAMPLES, **keys) -> Drawn:
    """What the correct generator hands out: so many samples of each kind, of all replicas and steps together."""
    training = Training(CONFIG.replace({key.replace("__", "."): value for key, value in keys.items()}))
    streams, replicas = training.streams("check"), CONFIG.replicas
    easy = tuple(training.sampler.sample(streams, samples // replicas // 2, 0.0) for _ in range(2))
    hard = training.sampler.sample(streams, samples // replicas, 1.0)
    mixed = training.sampler.latents(streams, samples // replicas, training.law.training_shares)
    return Drawn(training.dictionary, easy, hard, training.law, mixed)


def broken(drawn: Drawn) -> list[str]:
    """Names of the checks that fail, where a correct generator fails in one of a million cases."""
    others = {list(drawn.law.kinds)[-1]: drawn.hard}
    checks = check_batches(drawn.law, drawn.dictionary, drawn.easy, others, alpha=1e-6, training=drawn.training)
    return [check.name for check in checks if not check.passed]
