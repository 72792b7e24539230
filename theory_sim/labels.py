"""Label functions: maps from samples to integers, with a declared number of classes.

One registry serves the simulator and image data. A label function is named in a configuration by a text:

============================  =============================================================================
``level(ℓ)``                  the ancestor at depth ℓ; ``level(1)`` are the coarse classes
``leaf``                      the leaf itself
``mixed(ℓ_1, …, ℓ_K)``        another depth in the branch of each coarse class
``random(n)``                 each sample one of n labels at random, for good
``misaligned(n)``             n groups of leaves that cut across the coarse classes
``sample-id``                 every sample its own label (a finite training set)
============================  =============================================================================
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.errors import InputError
from theory_sim.tree import LabelTree


class Samples(Protocol):
    """What a label function may look at: never the patches or pixels themselves."""

    @property
    def labelled_leaf(self) -> Int[Tensor, "*n"]:
        """Leaf index that the label is made from (label noise included)."""

    @property
    def tag(self) -> Float[Tensor, "*n"]:
        """A number in [0, 1) that belongs to the sample and is independent of everything in it."""

    @property
    def index(self) -> Int[Tensor, "*n"]:
        """Place in the finite training set."""


@dataclass(frozen=True)
class LabelFunction:
    """A label function over a tree.

    Attributes:
        name: the text that made it.
        n_classes: number of labels, and so of heads.
        parent: coarse class that each label belongs to; for labels that lie in no one class (random, misaligned)
            the most frequent one, so that every readout has an answer.
        own: the label that each leaf gets; for functions that ignore the leaf a nominal one (leaf index mod n).
        assign: labels of samples.
    """

    name: str
    n_classes: int
    parent: Int[Tensor, " label"]
    own: Int[Tensor, " leaf"]
    assign: Callable[[Samples], Int[Tensor, "*n"]]


Maker = Callable[[LabelTree, int, tuple[int, ...]], LabelFunction]
_registry: dict[str, tuple[Maker, str]] = {}


def register(name: str, usage: str) -> Callable[[Maker], Maker]:
    """Add a label function: `maker(tree, n_samples, arguments)`; `usage` is shown in errors."""

    def add(maker: Maker) -> Maker:
        _registry[name] = (maker, usage)
        return maker

    return add


def label_function(text: str, tree: LabelTree, n_samples: int = 0) -> LabelFunction:
    """The label function that `text` names.

    Args:
        text: such as ``level(1)``; see the module's table.
        tree: the label tree.
        n_samples: size of the finite set of samples, 0 if there is none.

    Raises:
        InputError: no such function, or its arguments do not fit the tree.
    """
    match = re.fullmatch(r"\s*([a-z-]+)\s*(?:\(([\d\s,]*)\))?\s*", text)
    if match is None or match[1] not in _registry:
        raise InputError(f"unknown label function '{text}'; known: {', '.join(usage for _, usage in _registry.values())}")
    maker, usage = _registry[match[1]]
    try:
        arguments = tuple(int(a) for a in (match[2] or "").split(",") if a.strip())
        return maker(tree, n_samples, arguments)
    except TypeError:
        raise InputError(f"label function '{text}': expected {usage}") from None


def _by_leaf(name: str, tree: LabelTree, group: Int[Tensor, " leaf"]) -> LabelFunction:
    """Label function that looks only at the leaf; `group` may hold any integers, they are numbered afresh."""
    values, own = torch.unique(group, return_inverse=True)
    n = len(values)
    mass = torch.zeros(n, tree.n_coarse, dtype=torch.float64)
    mass.index_put_((own, tree.coarse_of_leaf), torch.tensor(tree.leaf_probability, dtype=torch.float64), accumulate=True)
    return LabelFunction(
        name, n, mass.argmax(1), own, lambda samples: own.to(samples.labelled_leaf.device)[samples.labelled_leaf]
    )


def _nominal(name: str, tree: LabelTree, n: int, assign: Callable[[Samples], Int[Tensor, "*n"]]) -> LabelFunction:
    """Label function that ignores the leaf: label j stands, in name only, for leaf j mod the number of leaves."""
    leaf = torch.arange(n) % tree.n_leaves
    return LabelFunction(name, n, tree.coarse_of_leaf[leaf], torch.arange(tree.n_leaves) % n, assign)


def _single(arguments: tuple[int, ...]) -> int:
    if len(arguments) != 1:
        raise TypeError
    return arguments[0]


@register("level", "level(depth)")
def _level(tree: LabelTree, n_samples: int, arguments: tuple[int, ...]) -> LabelFunction:
    depth = _single(arguments)
    return _by_leaf(f"level({depth})", tree, tree.level(depth))


@register("leaf", "leaf")
def _leaf(tree: LabelTree, n_samples: int, arguments: tuple[int, ...]) -> LabelFunction:
    if arguments:
        raise TypeError
    return _by_leaf("leaf", tree, torch.arange(tree.n_leaves))


@register("mixed", "mixed(depth of class 1, depth of class 2, ...)")
def _mixed(tree: LabelTree, n_samples: int, arguments: tuple[int, ...]) -> LabelFunction:
    if len(arguments) != tree.n_coarse:
        raise InputError(f"mixed levels: {len(arguments)} depths for {tree.n_coarse} coarse classes")
    levels = torch.stack([tree.level(depth) for depth in arguments])
    return _by_leaf(f"mixed{arguments}", tree, levels[tree.coarse_of_leaf, torch.arange(tree.n_leaves)])


@register("random", "random(labels)")
def _random(tree: LabelTree, n_samples: int, arguments: tuple[int, ...]) -> LabelFunction:
    n = _single(arguments)
    if n < 2:
        raise InputError(f"random({n}): at least 2 labels are needed")
    return _nominal(f"random({n})", tree, n, lambda samples: (samples.tag * n).long().clamp_(max=n - 1))


@register("misaligned", "misaligned(groups)")
def _misaligned(tree: LabelTree, n_samples: int, arguments: tuple[int, ...]) -> LabelFunction:
    """Leaf j of every coarse class joins group j mod n: as far as the numbers allow, each group holds all classes."""
    n = _single(arguments)
    place = torch.zeros(tree.n_leaves, dtype=torch.long)
    for y in range(tree.n_coarse):
        inside = tree.coarse_of_leaf == y
        place[inside] = torch.arange(int(inside.sum()))
    if not 2 <= n <= int(place.max()) + 1:
        raise InputError(f"misaligned({n}): from 2 groups to {int(place.max()) + 1}, the leaves of the largest coarse class")
    return _by_leaf(f"misaligned({n})", tree, place % n)


@register("sample-id", "sample-id")
def _sample_id(tree: LabelTree, n_samples: int, arguments: tuple[int, ...]) -> LabelFunction:
    if arguments:
        raise TypeError
    if n_samples == 0:
        raise InputError("sample-id needs a finite training set (data.training_samples)")
    return _nominal("sample-id", tree, n_samples, lambda samples: samples.index)


@dataclass(frozen=True)
class Alignment:
    """How labels relate to the coarse target, on a set of samples.

    Attributes:
        n_classes: labels that occur.
        samples_per_class: mean number of samples of a label that occurs.
        inside: share of labels whose samples all lie in one coarse class.
        purity: share of samples that are of their label's most frequent coarse class.
        adjusted_mutual_information: 0 for independent labels, 1 for the same partition.
    """

    n_classes: int
    samples_per_class: float
    inside: float
    purity: float
    adjusted_mutual_information: float


def alignment(labels: Int[Tensor, " n"], coarse: Int[Tensor, " n"]) -> Alignment:
    """Report a label function's classes and their alignment with the coarse target."""
    from sklearn.metrics import adjusted_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(labels.cpu().numpy(), coarse.cpu().numpy())
    return Alignment(
        n_classes=len(table),
        samples_per_class=float(table.sum() / len(table)),
        inside=float(((table > 0).sum(1) == 1).mean()),
        purity=float(table.max(1).sum() / table.sum()),
        adjusted_mutual_information=float(adjusted_mutual_info_score(labels.cpu().numpy(), coarse.cpu().numpy())),
    )
