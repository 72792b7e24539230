"""What the patches of a sample are made of: what they hold, how strongly, in which noise, and how many are alike."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.returned import expect_number, place, shown

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


# --- Content of a patch -------------------------------------------------------------------------------------------------


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
            raise InputError(f"Uniform: expected finite ends with low ≤ high, got {self.low} and {self.high}")

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


# --- Together -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Patches of a sample that are alike.

    Attributes:
        holds: the content of each of them.
        patches: s, how many there are; where the law's counts are independent, each patch is one of them with probability s/P.
        strength: law of α.
        sign: s, shared by the group's patches.
        noise: noise law of a group that holds `Nothing()`; None: the law's.
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


def gaussian_norm(noise: Noise, what: str) -> float:
    """σ√d of Gaussian noise.

    Raises:
        InputError: the noise has another law, which `what` does not cover.
    """
    if isinstance(noise, Gaussian):
        return noise.norm
    name = getattr(getattr(noise.law, "dist", None), "name", None)  # a frozen law of SciPy does not print its name
    raise InputError(f"{what} covers Gaussian noise only, not {place(noise.law) if name is None else f'the law {name}'}")


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


def words(group: Group) -> str:
    """The content of a group, for messages."""
    match group.holds:
        case Node(level):
            return f"the level-{level} feature"
        case OtherClass():
            return "another class's feature"
        case Extra(name):
            return f"feature '{name}'"
        case Nothing():
            return "plain noise" if group.noise is None else "noise of their own"
