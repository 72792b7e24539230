"""The hierarchical multi-view data model: easy and hard samples as sets of patches.

A sample of leaf (y, c) holds, in random positions [paper, the laws recalled]:

* *easy*: s patches α v_y + ζ and s patches α v_{y,c} + ζ, α ~ U[√(1−ι), √(1+ι)]; s† patches α† v_{y'} + ζ of other
  coarse classes y' ≠ y (each patch's y' uniform among them [ours]), α† ~ U[ι†_lo, ι†_hi]; the rest ζ ~ N(0, σ_ζ² I);
* *hard*: the same, but the common-feature patches hold noise alone, or are weak; with its own s† and α†; and one patch
  holds dominant noise ζ* ~ N(0, σ*² I).

A deeper tree has s patches for every node on the leaf's path [ours].

Paper's symbol → key: d ``data.dim``, P ``data.patches``, s ``data.feature_patches``, ι ``data.strength_spread``, σ_ζ√d
``data.noise``; easy: s† ``data.feature_noise_patches``, α† ``data.feature_noise``; hard: ``hard.feature_noise_patches``,
``hard.feature_noise``, σ*√d ``hard.noise``.
"""

import math

from theory_sim.config import Config
from theory_sim.config.values import LABEL_GRANULARITY
from theory_sim.data.law import PatchLaw
from theory_sim.data.parts import Gaussian, Group, Node, Nothing, OtherClass, Uniform
from theory_sim.data.setup import Setup
from theory_sim.runtime.contracts import SETUPS
from theory_sim.runtime.errors import InputError


def law(config: Config) -> PatchLaw:
    """The law of easy and hard samples that a configuration describes."""
    data, hard, tree = config.data, config.hard, config.label_tree
    if tree.depth < 2:
        raise InputError(f"tree.subclasses: a coarse class needs at least 1 subclass, got {config.tree.subclasses}")
    s, full = data.feature_patches, Uniform(math.sqrt(1 - data.strength_spread), math.sqrt(1 + data.strength_spread))
    rare = [Group(Node(level), s, full) for level in range(2, tree.depth + 1)]
    common = Group(Nothing(), s) if hard.common == "missing" else Group(Node(1), s, Uniform(*hard.weak_strength))
    dominant = [Group(Nothing(), 1, noise=Gaussian(hard.noise), exact=True)] if hard.noise > 0 else []
    return PatchLaw(
        tree=tree,
        patches=data.patches,
        noise=Gaussian(data.noise),
        kinds={
            "easy": [
                Group(Node(1), s, full),
                *rare,
                Group(OtherClass(), data.feature_noise_patches, Uniform(*data.feature_noise)),
            ],
            "hard": [common, *rare, Group(OtherClass(), hard.feature_noise_patches, Uniform(*hard.feature_noise)), *dominant],
        },
        training={"easy": 1 - data.hard_share, "hard": data.hard_share},
        independent=data.patch_law == "independent",
        label_noise=data.label_noise,
    )


setup = SETUPS.add(LABEL_GRANULARITY, Setup(LABEL_GRANULARITY, law))
