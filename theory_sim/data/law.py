"""Laws of samples: for each kind of sample what its patches hold, how many of them, how strongly, and in which noise.

A `PatchLaw` is the one description of a data model. The sampler, the checks, the large-batch recursion, the regime, the lucky
engine and the benchmark's baselines read it; none of them writes a law down again. In symbols: a sample of kind t and leaf ℓ
has P patches, and a patch of group g ∈ groups(t) is

    x_p = s α v + ζ,   v: what the group holds, α: its strength's law, s ∈ {+1, −1}: its sign, ζ: noise;

a group that holds nothing is noise alone, and may have a noise law of its own. Patches that belong to no group hold nothing.

A `SampledLaw` brings its own sampling function instead. It runs on the dense engine; what can only be derived from a
description (checks of its laws, the recursion, the lucky engine) refuses it with one line.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.returned import expect_function, expect_number, place, shown

if TYPE_CHECKING:
    from theory_sim.data.dictionary import Dictionary
    from theory_sim.data.sampler import Batch
    from theory_sim.runtime.streams import Streams

Numbers = np.ndarray


@runtime_checkable
class Distribution(Protocol):
    """A law of numbers, as SciPy's frozen distributions are: ``scipy.stats.t(3)``."""

    def ppf(self, q: Any) -> Any:
        """Quantile function."""

    def cdf(self, x: Any) -> Any:
        """Distribution function."""

    def std(self) -> Any:
        """Standard deviation."""


# --- What a patch holds -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """The feature of the node at `level` of the sample's path in the label tree; 1: its coarse class, 2: its subclass, …

    A leaf whose path is shorter has patches of noise alone instead.
    """

    level: int


@dataclass(frozen=True)
class OtherClass:
    """The feature of another coarse class, each of the others with the same probability."""


@dataclass(frozen=True)
class Extra:
    """A feature that belongs to no class, one of `PatchLaw.features`."""

    name: str


@dataclass(frozen=True)
class Nothing:
    """No feature: noise alone."""


Holds = Node | OtherClass | Extra | Nothing


# --- How strongly -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uniform:
    """α ~ U[low, high]; equal ends are a constant."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.high < math.inf:
            raise InputError(f"strengths: the lower end {self.low} is not below the upper end {self.high}")

    def ppf(self, q: Any) -> Any:
        """Quantile function."""
        return self.low + (self.high - self.low) * np.asarray(q)

    def cdf(self, x: Any) -> Any:
        """Distribution function."""
        x = np.asarray(x, dtype=float)
        if self.low == self.high:
            return (x >= self.low).astype(float)
        return np.clip((x - self.low) / (self.high - self.low), 0, 1)

    def std(self) -> float:
        """Standard deviation."""
        return (self.high - self.low) / math.sqrt(12)


Strength = Uniform | Distribution
Sign = Literal["+", "random", "class", "-class"]
"""+1 always; drawn anew for each sample; +1 in the first coarse class and −1 in the second (or the other way round)."""


# --- In which noise -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gaussian:
    """ζ ~ N(0, norm²/d I): `norm` is σ√d, so that it means the same in every dimension."""

    norm: float

    def __post_init__(self) -> None:
        _check_norm("Gaussian", self.norm)

    def of_normal(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Noise from standard normal numbers, one for each coordinate."""
        return z * (self.norm / math.sqrt(z.shape[-1]))

    def cdf(self, x: Numbers, dim: int) -> Numbers:
        """Distribution function of a coordinate in `dim` dimensions."""
        from scipy.special import ndtr

        return np.asarray(ndtr(np.asarray(x) * (math.sqrt(dim) / self.norm)))


@dataclass(frozen=True)
class Coordinates:
    """Independent coordinates of one law with mean 0 and finite variance, scaled so that E‖ζ‖² = norm².

    Args:
        law: of a coordinate, up to its scale, such as ``scipy.stats.t(3)``.
        norm: root mean square of ‖ζ‖.
    """

    law: Distribution
    norm: float

    def __post_init__(self) -> None:
        _check_norm("Coordinates", self.norm)
        spread = _check_distribution("Coordinates: law", self.law)
        if not math.isfinite(spread):
            raise InputError("Coordinates: the law has no finite variance, so that no norm can be given to it")
        if spread <= 0:
            raise InputError(f"Coordinates: the law has the standard deviation {spread:g}; noise without one is Gaussian(0)")
        middle = expect_number("Coordinates: law: mean", self.law.mean()) if hasattr(self.law, "mean") else 0.0
        if not abs(middle) <= 1e-9 * spread:
            raise InputError(f"Coordinates: the law has the mean {middle:g}; noise needs a law of mean 0")

    def of_normal(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Noise from standard normal numbers: the quantile of each one's probability."""
        from scipy.special import ndtr

        scale = self.norm / (float(self.law.std()) * math.sqrt(z.shape[-1]))
        values = np.asarray(self.law.ppf(ndtr(z.double().cpu().numpy()))) * scale
        return torch.from_numpy(values).to(z)

    def cdf(self, x: Numbers, dim: int) -> Numbers:
        """Distribution function of a coordinate in `dim` dimensions."""
        return np.asarray(self.law.cdf(np.asarray(x) * (float(self.law.std()) * math.sqrt(dim) / self.norm)))


Noise = Gaussian | Coordinates


# --- The law ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Patches of a sample that are alike.

    Attributes:
        holds: what each of them holds.
        patches: how many there are, or, where the law's counts are independent, on average.
        strength: law of α.
        sign: s, shared by the group's patches.
        noise: of patches that hold nothing a noise law of their own; None: the law's.
        exact: exactly so many patches even where the law's counts are independent.
    """

    holds: Holds
    patches: int
    strength: Strength = field(default_factory=lambda: Uniform(1.0, 1.0))
    sign: Sign = "+"
    noise: Noise | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        expect("Group: holds", self.holds, Node, OtherClass, Extra, Nothing)
        expect("Group: patches", self.patches, int, np.integer)
        if self.sign not in get_args(Sign):
            raise InputError(f"Group: the sign is one of {', '.join(get_args(Sign))}, got {self.sign!r}")
        if not isinstance(self.strength, Uniform):
            if isinstance(self.strength, type) or not hasattr(self.strength, "ppf"):
                raise InputError(f"Group: strength: expected Uniform or a law as SciPy's, got {type(self.strength).__name__}")
            _check_distribution("Group: strength", self.strength)
        if self.patches < 0:
            raise InputError(f"a group of {self.patches} patches: there cannot be fewer than 0")
        if self.noise is not None and not isinstance(self.holds, Nothing):
            raise InputError(
                "a group that holds a feature has the law's noise: give noise of its own to one that holds Nothing()"
            )


class _Features:
    """What both sorts of law say of their features and kinds of samples."""

    tree: LabelTree
    features: Sequence[str]
    kinds: Any
    training: Mapping[str, float]
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
        training: share of each kind among training samples; kinds without one do not occur. The first kind without it.
        independent: each patch draws its group by itself, so that counts are binomial with the groups' means; otherwise a
            sample has exactly so many patches of each, in random places.
        features: names of features that belong to no class.
        label_noise: probability that a sample is labelled as a leaf drawn at random.
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
        if not 0 <= expect_number("PatchLaw: label_noise", self.label_noise) <= 1:
            raise InputError(f"PatchLaw: label_noise: should be a probability, got {self.label_noise}")
        _check_kinds("PatchLaw", self, tuple(self.kinds))
        for kind, groups in self.kinds.items():
            expect(f"PatchLaw: kinds: {kind}", groups, list, tuple)
            for group in groups:
                expect(f"PatchLaw: kinds: {kind}", group, Group)
            needed = sum(group.patches for group in groups)
            if needed > self.patches:
                parts = ", ".join(f"{group.patches} of {_words(group.holds)}" for group in groups if group.patches)
                raise InputError(
                    f"data.patches: {self.patches} patches cannot hold the {needed} that {kind} samples need ({parts})"
                )
            for group in groups:
                if isinstance(group.holds, Extra) and group.holds.name not in self.features:
                    raise InputError(f"{kind} samples: there is no feature '{group.holds.name}' among {list(self.features)}")
                if isinstance(group.holds, Node | OtherClass) and not self.node_features:
                    raise InputError(f"{kind} samples: {_words(group.holds)} is none without node_features")
                if isinstance(group.holds, Node) and not 1 <= group.holds.level <= self.tree.depth:
                    raise InputError(f"{kind} samples: level {group.holds.level} of a tree of {self.tree.depth} levels")
                if group.sign in ("class", "-class") and self.tree.n_coarse != 2:
                    raise InputError(f"sign '{group.sign}' is for two coarse classes, not {self.tree.n_coarse}")

    @property
    def own_noises(self) -> tuple[Noise, ...]:
        """The noise laws that differ from the law's, each once; content −2 − i stands for number i."""
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
    """

    tree: LabelTree
    kinds: Sequence[str]
    sample: "Callable[[Streams, int, Mapping[str, float], Dictionary], Batch]"
    training: Mapping[str, float] = field(default_factory=dict)
    features: Sequence[str] = ()
    node_features: bool = True

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
    """The law, if it is a description.

    Raises:
        InputError: it samples by a function of its own; the message opens with `what` cannot be derived.
    """
    if isinstance(law, PatchLaw):
        return law
    raise InputError(f"{what}: the law draws its samples by a function of its own, and nothing can be derived from that")


def gaussian_norm(noise: Noise, what: str) -> float:
    """σ√d of Gaussian noise.

    Raises:
        InputError: the noise has another law, which `what` does not cover.
    """
    if isinstance(noise, Gaussian):
        return noise.norm
    raise InputError(f"{what} covers Gaussian noise only, not {noise.law}")


def _check_kinds(law: str, of: _Features, kinds: Sequence[str]) -> None:
    """The tree, and names of kinds and features: results are stored by them, so that each is a text of its own."""
    expect(f"{law}: tree", of.tree, LabelTree)
    expect(f"{law}: training", of.training, Mapping)
    expect(f"{law}: node_features", of.node_features, bool)
    expect(f"{law}: features", of.features, list, tuple)
    if not kinds:
        raise InputError("a law needs at least one kind of sample")
    for what, own, names in (("kinds", kinds, kinds), ("features", of.features, of.feature_names)):
        for name in own:
            expect(f"{law}: {what}: a name", name, str)
        if len(set(names)) < len(names):
            twice = next(name for name in own if names.count(name) > 1)
            raise InputError(f"{law}: {what}: '{twice}' is there twice")
    if unknown := [kind for kind in of.training if kind not in kinds]:
        raise InputError(f"training samples of kind '{unknown[0]}': the law has {', '.join(kinds)}")
    for kind, share in of.training.items():
        expect_number(f"{law}: training: {kind}", share)


def _check_distribution(what: str, law: Any) -> float:
    """Refuse a law of numbers whose functions do not give numbers, one for each that they get; returns its standard deviation."""
    if missing := [name for name in ("ppf", "cdf", "std") if not callable(getattr(law, name, None))]:
        raise InputError(f"{what}: expected a law as SciPy's, with ppf, cdf and std; {place(law)} has no {missing[0]}")
    for name in ("ppf", "cdf"):
        asked = np.array([0.25, 0.5, 0.75])
        given = getattr(law, name)(asked)
        found = np.asarray(given)
        if found.shape != asked.shape or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
            values = f" with the values {found}" if found.shape == asked.shape and found.dtype.kind in "fiu" else ""
            raise InputError(f"{what}: {name} ({place(law)}): expected a number for each of 3, got {shown(given)}{values}")
    return expect_number(f"{what}: std ({place(law)})", law.std())


def _check_norm(noise: str, norm: float) -> None:
    expect(f"{noise}: norm", norm, float, int, np.number)
    if not 0 <= norm < math.inf:
        raise InputError(f"{noise}: norm: should be a number of 0 or more, got {norm}")


def _words(holds: Holds) -> str:
    """What a group holds, for messages."""
    if isinstance(holds, Node):
        return f"the level-{holds.level} feature"
    return {OtherClass: "another class's feature", Nothing: "noise of their own"}.get(
        type(holds), f"feature '{getattr(holds, 'name', '')}'"
    )
