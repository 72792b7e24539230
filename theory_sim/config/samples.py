"""The sections that describe samples: `tree`, `data`, `hard`, and `target`, which shifts their law."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from theory_sim.config.values import Length, Lengths
from theory_sim.runtime.settings import Count, CountOrZero, Section, Share

Subclasses = TypeAliasType("Subclasses", "Annotated[int, Field(ge=0, le=10**5)] | list[Subclasses]")
"""A number of leaf children, or a list with one such entry per child (a deeper tree)."""


class TreeSettings(Section):
    """The label tree: the root's children are the coarse classes, their children the subclasses."""

    coarse: Annotated[int, Field(ge=2, le=10**5)] = 2
    """K, number of coarse classes; 2 in the paper [paper]."""
    subclasses: Subclasses = 9
    """k, per coarse class; or one entry per coarse class, each a number or again a list (a deeper tree).
    The paper takes k between polylog d and f(σ_ζ), with d^0.4 as its example of f [paper]; 9 = ⌊256^0.4⌋."""
    tail: Annotated[float, Field(ge=0, le=10)] = 0.0
    """t: the c-th subclass of a class has a share ∝ c^−t of its samples; 0: all the same [ours]."""


class DataSettings(Section):
    """Training samples. Also the law of easy test samples."""

    dim: Count = 256
    """d, dimension of a patch."""
    patches: Count = 30
    """P, patches per sample."""
    feature_patches: Count = 4
    """s, patches per feature of the sample's path in the label tree."""
    patch_law: Literal["fixed", "independent"] = "fixed"
    """Exactly s patches per feature; or each patch is drawn independently, and belongs to a given feature with probability s/P,
    except those whose number is always exact, such as dominant noise [ours]."""
    strength_spread: Share = 0.1
    """ι: strengths are α ~ U[√(1−ι), √(1+ι)] [recalled]."""
    noise: Length = 0.5
    """σ_ζ√d, the norm of a patch's Gaussian noise [recalled: N(0, σ_ζ² I)]."""
    feature_noise_patches: CountOrZero = 0
    """s†, patches of an easy sample that hold another coarse class's common feature [recalled]."""
    feature_noise: Lengths = [0.2, 0.4]
    """[ι†_lo, ι†_hi], the strength of those patches [recalled]."""
    basis: Literal["canonical", "rotated"] = "canonical"
    """Features on the axes, or Haar-random (everything is rotation invariant)."""
    hard_share: Share = 0.0
    """ρ, share of hard samples in training; 0 in the paper [paper], more is ours."""
    label_noise: Share = 0.0
    """Probability that a training sample carries the label of a leaf that is drawn anew, by the leaves' own probabilities:
    perhaps its own leaf [ours]."""
    training_samples: CountOrZero = 0
    """Size of a finite training set, drawn with replacement [ours]; 0: fresh samples at every step [recalled]."""


class HardSettings(Section):
    """What makes a test sample hard."""

    common: Literal["missing", "weak"] = "missing"
    """The common-feature patches hold noise, or are weak [paper]."""
    weak_strength: Lengths = [0.1, 0.3]
    """Strength range of weak common features [ours]."""
    feature_noise_patches: CountOrZero = 2
    """s†, patches that hold another coarse class's common feature [recalled]."""
    feature_noise: Lengths = [0.2, 0.4]
    """[ι†_lo, ι†_hi], the strength of those patches [recalled]."""
    noise: Length = 4.0
    """σ*√d, the norm of the one dominant-noise patch [recalled]; 0: there is none."""


class TargetSettings(Section):
    """A shift of the target's distribution from that of the training samples; null: as in `data` [ours].

    It is the law of test samples, and of those that a probe is fitted on or finetuning trains on.
    """

    noise: Length | None = None
    """σ_ζ√d."""
    strength_spread: Share | None = None
    """ι."""
    feature_noise_patches: CountOrZero | None = None
    """s† of easy samples."""
    feature_noise: Lengths | None = None
    """[ι†_lo, ι†_hi] of easy samples."""
