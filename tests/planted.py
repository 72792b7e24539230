"""What a generator hands out, for tests that change it as a wrong generator would."""

from dataclasses import dataclass, replace

from theory_sim.config import load_config
from theory_sim.data.checks.suite import check_batches
from theory_sim.data.dictionary import Dictionary
from theory_sim.data.setup import law_of
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
K, SIGMA = 3, CONFIG.data.noise / 32**0.5


@dataclass(frozen=True)
class Drawn:
    """What a generator hands out."""

    dictionary: Dictionary
    easy: tuple
    hard: object

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


def is_own_common(batch):
    return batch.content == batch.coarse[..., None]


def is_rare(batch):
    return batch.content >= K


def first(mask):
    """The first patch of each sample that the mask marks."""
    return mask & (mask.cumsum(-1) == 1)


def drawn_by_the_package(samples: int) -> Drawn:
    """What the correct generator hands out."""
    training = Training(CONFIG)
    streams = training.streams("check")
    easy = tuple(training.sampler.sample(streams, samples, 0.0) for _ in range(2))
    return Drawn(training.dictionary, easy, training.sampler.sample(streams, samples, 1.0))


def broken(drawn: Drawn) -> list[str]:
    """Names of the checks that fail, where a correct generator fails in one of a million cases."""
    checks = check_batches(law_of(CONFIG), drawn.dictionary, drawn.easy, {"hard": drawn.hard}, alpha=1e-6)
    return [check.name for check in checks if not check.passed]
