"""Laws of samples: for each kind of sample what its patches hold, how many of them, how strongly, and in which noise.

A `PatchLaw` is the one description of a data model. The sampler, the checks, the large-batch recursion, the regime, the lucky
engine and the benchmark's baselines read it; none of them writes a law down again. In symbols: a sample of kind t and leaf ℓ
has P patches, and a patch of group g ∈ groups(t) is

    x_p = s α v + ζ,   v: the feature of the group, α: its strength's law, s ∈ {+1, −1}: its sign, ζ: noise;

a group that holds nothing is noise alone, and may have a noise law of its own. Patches that belong to no group hold nothing.

A `SampledLaw` brings its own sampling function instead. It runs on the dense engine; what can only be derived from a
description (checks of its laws, the recursion, the lucky engine) refuses it with one line.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.data.parts import Coordinates, Extra, Gaussian, Group, Node, Noise, OtherClass, words
from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.returned import expect_function, expect_number
from theory_sim.runtime.settings import repeated

if TYPE_CHECKING:
    from theory_sim.data.dictionary import Dictionary
    from theory_sim.data.sampler import Batch
    from theory_sim.runtime.streams import Streams


class _Features:
    """What both sorts of law say of their features and kinds of samples."""

    tree: LabelTree
    features: Sequence[str]
    kinds: Any
    training: Mapping[str, float]
    label_noise: float
    node_features: bool

    @property
    def n_node_features(self) -> int:
        """Features of the tree's nodes, which come first."""
        return self.tree.n_nodes if self.node_features else 0

    @property
    def n_features(self) -> int:
        """Features of the tree's nodes, then those of no class."""
        return self.n_node_features + len(self.features)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each feature."""
        return (*self.tree.names[: self.n_node_features], *self.features)

    @property
    def training_shares(self) -> Mapping[str, float]:
        """Share of every kind among training samples."""
        return shares_of(self, self.training or next(iter(self.kinds)))


@dataclass(frozen=True)
class PatchLaw(_Features):
    """The law of samples of a data model.

    Attributes:
        tree: the label tree; each of its nodes below the root has a feature.
        patches: P.
        noise: law of ζ.
        kinds: the groups of each kind of sample, such as ``easy`` and ``hard``; models are tested on each kind.
        training: share of each kind among training samples; kinds without one do not occur. Empty: all are of the first kind.
        independent: each patch draws its group independently, with probability s/P for a group of s patches, so that counts are
            binomial; groups with `Group.exact` are placed first. Otherwise a sample has exactly so many patches of each group,
            in random places.
        features: names of features that belong to no class.
        label_noise: probability that a sample is labelled as a leaf that is drawn anew, by the leaves' probabilities.
        node_features: whether the tree's nodes have features. Without them patches hold features of no class alone, such as
            one whose sign is the class: ``Group(Extra("signal"), 1, sign="class")``.

    A law without subclasses has a tree of coarse classes alone, ``LabelTree.of(2, 0)``.

    Raises:
        InputError: a kind's groups need more patches than there are, or name what is not there.
    """

    tree: LabelTree
    patches: int
    noise: Noise
    kinds: Mapping[str, Sequence[Group]]
    training: Mapping[str, float] = field(default_factory=dict)
    independent: bool = False
    features: Sequence[str] = ()
    label_noise: float = 0.0
    node_features: bool = True

    def __post_init__(self) -> None:
        expect("PatchLaw: patches", self.patches, int, np.integer)
        if self.patches < 1:
            raise InputError(f"PatchLaw: patches: should be 1 or more, got {self.patches}")
        expect("PatchLaw: noise", self.noise, Gaussian, Coordinates)
        expect("PatchLaw: kinds", self.kinds, Mapping)
        expect("PatchLaw: independent", self.independent, bool)
        _check_kinds("PatchLaw", self, tuple(self.kinds))
        for kind, groups in self.kinds.items():
            expect(f"PatchLaw: kinds: {kind}", groups, list, tuple)
            for group in groups:
                expect(f"PatchLaw: kinds: {kind}", group, Group)
            needed = sum(group.patches for group in groups)
            if needed > self.patches:
                parts = ", ".join(f"{group.patches} of {words(group)}" for group in groups if group.patches)
                raise InputError(
                    f"data.patches: {self.patches} patches cannot hold the {needed} that {kind} samples need ({parts})"
                )
            for group in groups:
                if isinstance(group.holds, Extra) and group.holds.name not in self.features:
                    raise InputError(f"{kind} samples: there is no feature '{group.holds.name}' among {list(self.features)}")
                if isinstance(group.holds, Node | OtherClass) and not self.node_features:
                    raise InputError(f"{kind} samples: a group holds {words(group)}, but node_features is False: use Extra(name)")
                if isinstance(group.holds, Node) and not 1 <= group.holds.level <= self.tree.depth:
                    raise InputError(
                        f"{kind} samples: Node({group.holds.level}): the label tree has levels 1 to {self.tree.depth}"
                    )
                if group.sign in ("class", "-class") and self.tree.n_coarse != 2:
                    raise InputError(f"{kind} samples: sign '{group.sign}' is for two coarse classes, not {self.tree.n_coarse}")

    @property
    def own_noises(self) -> tuple[Noise, ...]:
        """The noise laws that differ from the law's, each once; content −2 − i means number i."""
        found = [group.noise for group in chain.from_iterable(self.kinds.values()) if group.noise is not None and group.patches]
        return tuple(dict.fromkeys(found))

    def feature_of(self, holds: Extra) -> int:
        """Number of a feature that belongs to no class."""
        return self.n_node_features + list(self.features).index(holds.name)


@dataclass(frozen=True)
class SampledLaw(_Features):
    """A law that draws its samples by a function of its own.

    Attributes:
        tree: the label tree.
        kinds: the kinds of samples.
        sample: ``sample(streams, samples, shares, dictionary)`` → `theory_sim.data.sampler.Batch`, where `shares` maps every kind
            to its probability and `dictionary` holds the features; `Batch.of` fills in what it does not say.
        training: as in `PatchLaw`.
        features: as in `PatchLaw`.
        node_features: whether the tree's nodes have features.
        label_noise: probability that `sample` labels a sample as a leaf drawn anew, which the checks of labels must know.
    """

    tree: LabelTree
    kinds: Sequence[str]
    sample: "Callable[[Streams, int, Mapping[str, float], Dictionary], Batch]"
    training: Mapping[str, float] = field(default_factory=dict)
    features: Sequence[str] = ()
    node_features: bool = True
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        expect("SampledLaw: kinds", self.kinds, list, tuple)
        expect_function("SampledLaw: sample", self.sample, "streams", "samples", "shares", "dictionary")
        _check_kinds("SampledLaw", self, tuple(self.kinds))


Law = PatchLaw | SampledLaw
Shares = Mapping[str, float] | str | float
"""Which kinds of samples are drawn: the share of each; a kind's name alone; or a number, the share of the last kind, all
others being of the first."""


def shares_of(law: _Features, shares: Shares) -> dict[str, float]:
    """The share of every kind of a law.

    Raises:
        InputError: a kind is unknown, or the shares are no probabilities.
    """
    kinds = list(law.kinds)
    if isinstance(shares, str):
        shares = {shares: 1.0}
    elif not isinstance(shares, Mapping):
        shares = {kinds[0]: 1.0 - shares} | ({kinds[-1]: float(shares)} if len(kinds) > 1 else {})
    if unknown := [kind for kind in shares if kind not in kinds]:
        raise InputError(f"there is no kind of sample '{unknown[0]}'; there are {', '.join(kinds)}")
    if any(share < 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1):
        raise InputError(f"shares of kinds of samples: {dict(shares)} are no probabilities that sum to 1")
    return {kind: shares.get(kind, 0.0) for kind in kinds}


def described(law: Law, what: str) -> PatchLaw:
    """The law, if it is a `PatchLaw`.

    Raises:
        InputError: it is a `SampledLaw`; the message begins with `what`, which needs the description.
    """
    if isinstance(law, PatchLaw):
        return law
    raise InputError(f"{what} needs a PatchLaw: nothing can be derived from a SampledLaw, which draws by a function of its own")


def _check_kinds(law: str, of: _Features, kinds: Sequence[str]) -> None:
    """The tree, and names of kinds and features: results are stored by them, so that each is a text of its own."""
    expect(f"{law}: tree", of.tree, LabelTree)
    expect(f"{law}: training", of.training, Mapping)
    expect(f"{law}: node_features", of.node_features, bool)
    if not 0 <= expect_number(f"{law}: label_noise", of.label_noise) <= 1:
        raise InputError(f"{law}: label_noise: should be a probability, got {of.label_noise}")
    expect(f"{law}: features", of.features, list, tuple)
    if not kinds:
        raise InputError("a law needs at least one kind of sample")
    for what, own, names in (("kinds", kinds, kinds), ("features", of.features, of.feature_names)):
        for name in own:
            expect(f"{law}: {what}: a name", name, str)
        if twice := repeated(names):
            raise InputError(f"{law}: {what}: '{twice[0]}' is there twice")
    if unknown := [kind for kind in of.training if kind not in kinds]:
        raise InputError(f"training samples of kind '{unknown[0]}': the law has {', '.join(kinds)}")
    for kind, share in of.training.items():
        expect_number(f"{law}: training: {kind}", share)
