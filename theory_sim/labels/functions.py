"""Label functions: maps from samples to integers, with a declared number of classes.

One registry serves the simulator and image data. A label function is named in a configuration by a text:

============================  =============================================================================
``level(ℓ)``                  the ancestor at depth ℓ; ``level(1)`` are the coarse classes
``leaf``                      the leaf itself
``mixed(ℓ_1, …, ℓ_K)``        another depth in the branch of each coarse class
``split(ℓ, n)``               the ancestor at depth ℓ, its samples split at random, for good, among n labels
``aligned(n)``                n groups of leaves inside every coarse class
``misaligned(n)``             n groups of leaves that cut across the coarse classes
``random(n)``                 each sample one of n labels at random, for good
``sample-id``                 every sample its own label (a finite training set)
``cluster(n)``                n k-means clusters of the samples' embeddings (a finite set; the simulator's are mean patches)
``cluster-within(n)``         n such clusters inside each coarse class
``group(name)``               a further partition of the leaves that the data set brings (images)
============================  =============================================================================
"""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError


@runtime_checkable
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
        parent: coarse class that each label belongs to; for labels that lie in no one class the most frequent one,
            and where there is none (random) one in name only, so that every readout has an answer.
        leaf_label: the label that each leaf gets; where chance has a part in it, a nominal one of those that it may get.
        assign: labels of samples.
        placeholder: whether `leaf_label` (and, where labels cross the coarse classes, `parent`) are names only, each replica
        having
            clusters of its own.
        multi_labels: labels of each leaf, padded with −1, where a leaf may have more than one; None where each has `own`.
        n_splits: equally likely labels of a leaf's samples, which stand side by side: ``label // ways`` is what the leaf decides.
    """

    name: str
    n_classes: int
    parent: Int[Tensor, " label"]
    leaf_label: Int[Tensor, " leaf"]
    assign: Callable[[Samples], Int[Tensor, "*n"]]
    n_splits: int = 1
    placeholder: bool = False
    multi_labels: Int[Tensor, "leaf most"] | None = None

    def probability(self) -> Float[Tensor, "leaf label"]:
        """P(label | leaf), in double precision."""
        decided = one_hot(self.leaf_label // self.n_splits, self.n_classes // self.n_splits).double()
        return decided.repeat_interleave(self.n_splits, 1) / self.n_splits


@dataclass(frozen=True)
class LabelContext:
    """What a label function may rest on besides the tree.

    Attributes:
        n_samples: size of the finite set of samples, 0 if there is none.
        leaf: leaf index of each of them, where replicas have sets of their own for each; needed with `embedding`.
        embedding: computes their embeddings, the rows to cluster.
        groups: further partitions of the leaves by name: group of each leaf.
        leaf_names: names of the leaves.
        seed: of what is drawn once for the whole set.
    """

    n_samples: int = 0
    leaf: Int[Tensor, "*replica sample"] | None = None
    embedding: Callable[[], Float[Tensor, "*replica sample dim"]] | None = None
    groups: Mapping[str, Int[Tensor, " leaf"]] = field(default_factory=dict)
    leaf_names: tuple[str, ...] = ()
    seed: int = 0


Arguments = tuple[int | str, ...]
Maker = Callable[[LabelTree, LabelContext, Arguments], LabelFunction]
_registry: dict[str, tuple[Maker, str]] = {}
_TEXT = re.compile(r"\s*([a-z-]+)\s*(?:\(([\w\s,]*)\))?\s*")
"""A label function's name, and its arguments."""


_MANY = 10**7
"""Rows × clusters from which full k-means would take minutes."""


def register(name: str, usage: str) -> Callable[[Maker], Maker]:
    """Add a label function: `maker(tree, known, arguments)`; `usage` is shown in errors."""

    def add(maker: Maker) -> Maker:
        _registry[name] = (maker, usage)
        return maker

    return add


def kind_of(text: str) -> str:
    """The registered name in a label function's text: ``split`` of ``split(2, 8)``.

    Raises:
        InputError: it is no text of a label function.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise InputError(f"'{text}' is no label function: a name, and its arguments in parentheses if it has any")
    return match[1]


def label_function(text: str, tree: LabelTree, n_samples: int = 0, known: LabelContext | None = None) -> LabelFunction:
    """The label function that `text` names.

    Args:
        text: such as ``level(1)``; see the module's table.
        tree: the label tree.
        n_samples: size of the finite set of samples, 0 if there is none.
        known: what else there is to rest on; `n_samples` is then its.

    Raises:
        InputError: no such function, or its arguments do not fit the tree.
    """
    match = _TEXT.fullmatch(text)
    if match is None or match[1] not in _registry:
        raise InputError(f"unknown label function '{text}'; known: {', '.join(usage for _, usage in _registry.values())}")
    maker, usage = _registry[match[1]]
    try:
        given = [a.strip() for a in (match[2] or "").split(",") if a.strip()]
        arguments = tuple(int(a) if a.isdecimal() else a for a in given)
        return maker(tree, known or LabelContext(n_samples), arguments)
    except TypeError:
        raise InputError(f"label function '{text}': expected {usage}") from None


def _by_leaf(name: str, tree: LabelTree, group: Int[Tensor, " leaf"]) -> LabelFunction:
    """Label function that looks only at the leaf; `group` may hold any integers, they are numbered afresh."""
    values, own = torch.unique(group, return_inverse=True)
    parent = most_frequent(own, tree.coarse_of_leaf, torch.tensor(tree.leaf_probability, dtype=torch.float64))
    return LabelFunction(
        name, len(values), parent, own, lambda samples: own.to(samples.labelled_leaf.device)[samples.labelled_leaf]
    )


def most_frequent(
    label: Int[Tensor, " n"], coarse: Int[Tensor, " n"], weight: Float[Tensor, " n"] | None = None
) -> Int[Tensor, " label"]:
    """The coarse class of most weight of each label (0, 1, … without gaps), the first of equals."""
    classes = int(coarse.max()) + 1
    pairs, of = torch.unique(label * classes + coarse, return_inverse=True)
    mass = torch.zeros(len(pairs), dtype=torch.float64)
    mass.index_put_((of,), torch.ones(len(label), dtype=torch.float64) if weight is None else weight.double(), accumulate=True)
    heaviest = torch.argsort(-mass, stable=True)  # pairs come ordered by label and class, and stay so among equals
    order = heaviest[torch.argsort(pairs[heaviest] // classes, stable=True)]
    ordered = pairs[order] // classes
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    best: Tensor = pairs[order[first]] % classes
    return best


def _nominal(name: str, tree: LabelTree, n: int, assign: Callable[[Samples], Int[Tensor, "*n"]]) -> LabelFunction:
    """Label function that ignores the leaf: label j stands, in name only, for leaf j mod the number of leaves."""
    leaf = torch.arange(n) % tree.n_leaves
    return LabelFunction(name, n, tree.coarse_of_leaf[leaf], torch.arange(tree.n_leaves) % n, assign, n_splits=n)


def _single(arguments: Arguments) -> int:
    (number,) = _numbers(arguments, 1)
    return number


def _numbers(arguments: Arguments, how_many: int | None = None) -> list[int]:
    numbers = [a for a in arguments if isinstance(a, int)]
    if len(numbers) != len(arguments) or len(numbers) != (len(numbers) if how_many is None else how_many):
        raise TypeError
    return numbers


@register("level", "level(depth)")
def _level(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    depth = _single(arguments)
    return _by_leaf(f"level({depth})", tree, tree.level(depth))


@register("leaf", "leaf")
def _leaf(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    if arguments:
        raise TypeError
    return _by_leaf("leaf", tree, torch.arange(tree.n_leaves))


@register("mixed", "mixed(depth of class 1, depth of class 2, ...)")
def _mixed(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    depths = _numbers(arguments)
    if len(depths) != tree.n_coarse:
        raise InputError(f"mixed levels: {len(depths)} depths for {tree.n_coarse} coarse classes")
    levels = torch.stack([tree.level(depth) for depth in depths])
    return _by_leaf(f"mixed{arguments}", tree, levels[tree.coarse_of_leaf, torch.arange(tree.n_leaves)])


@register("random", "random(labels)")
def _random(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    n = _single(arguments)
    if n < 2:
        raise InputError(f"random({n}): at least 2 labels are needed")
    return _nominal(f"random({n})", tree, n, lambda samples: (samples.tag * n).long().clamp_(max=n - 1))


@register("split", "split(depth, labels)")
def _split(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    """As many labels as a finer level may have, and none of its meaning: chance alone tells them apart."""
    depth, n = _numbers(arguments, 2)
    if n < 1:
        raise InputError(f"split({depth}, {n}): at least 1 label is needed")
    whole = _by_leaf("", tree, tree.level(depth))

    own = whole.leaf_label * n + torch.arange(tree.n_leaves) % n
    return LabelFunction(
        f"split({depth}, {n})",
        whole.n_classes * n,
        whole.parent.repeat_interleave(n),
        own,
        lambda samples: whole.assign(samples) * n + (samples.tag * n).long().clamp_(max=n - 1),
        n_splits=n,
    )


def _place(tree: LabelTree) -> Int[Tensor, " leaf"]:
    """Each leaf's place among the leaves of its coarse class."""
    place = torch.zeros(tree.n_leaves, dtype=torch.long)
    for y in range(tree.n_coarse):
        inside = tree.coarse_of_leaf == y
        place[inside] = torch.arange(int(inside.sum()))
    return place


@register("aligned", "aligned(groups)")
def _aligned(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    """Leaf j of a coarse class joins its group j mod n: the groups of `misaligned`, but inside the coarse classes."""
    n = _single(arguments)
    fewest = int(torch.bincount(tree.coarse_of_leaf).min())
    if not 1 <= n <= fewest:
        raise InputError(f"aligned({n}): from 1 group to {fewest}, the leaves of the smallest coarse class")
    return _by_leaf(f"aligned({n})", tree, tree.coarse_of_leaf * n + _place(tree) % n)


@register("misaligned", "misaligned(groups)")
def _misaligned(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    """Leaf j of every coarse class joins group j mod n: as far as the numbers allow, each group holds all classes."""
    n, place = _single(arguments), _place(tree)
    if not 2 <= n <= int(place.max()) + 1:
        raise InputError(f"misaligned({n}): from 2 groups to {int(place.max()) + 1}, the leaves of the largest coarse class")
    function = _by_leaf(f"misaligned({n})", tree, place % n)
    mass = torch.zeros(n, tree.n_coarse, dtype=torch.float64)
    probability = torch.tensor(tree.leaf_probability, dtype=torch.float64)
    mass.index_put_((function.leaf_label, tree.coarse_of_leaf), probability, accumulate=True)
    # Where several classes are equally frequent each label stands for another one, so that no class is left without a head.
    tied = mass > mass.amax(1, keepdim=True) - 1e-9
    turn = (torch.arange(tree.n_coarse) - torch.arange(n)[:, None]) % tree.n_coarse
    return replace(function, parent=torch.where(tied, turn, tree.n_coarse).argmin(1))


@register("sample-id", "sample-id")
def _sample_id(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    if arguments:
        raise TypeError
    if known.n_samples == 0:
        raise InputError("sample-id needs a finite training set (data.training_samples)")
    if known.leaf is None or known.leaf.dim() > 1:
        return _nominal("sample-id", tree, known.n_samples, lambda samples: samples.index)
    return _of_samples("sample-id", tree, known.leaf, torch.arange(known.n_samples))


@register("cluster", "cluster(clusters)")
def _cluster(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    n = _single(arguments)
    name = f"cluster({n})"
    return _clusters(name, tree, known, n, n, lambda leaf, rows, seed: _k_means(name, rows, n, seed))


@register("cluster-within", "cluster-within(clusters of each coarse class)")
def _cluster_within(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    n = _single(arguments)
    name = f"cluster-within({n})"

    def partition(leaf: Tensor, rows: Tensor, seed: int) -> Tensor:
        coarse = tree.coarse_of_leaf[leaf]
        label = torch.zeros_like(coarse)
        for y in range(tree.n_coarse):
            inside = coarse == y
            label[inside] = n * y + _k_means(name, rows[inside], n, seed)
        return label

    return _clusters(name, tree, known, n, n * tree.n_coarse, partition)


def _clusters(
    name: str, tree: LabelTree, known: LabelContext, n: int, classes: int, partition: Callable[[Tensor, Tensor, int], Tensor]
) -> LabelFunction:
    """Label function of clusters: of one set of samples, or of one set for each replica, whose clusters are its own."""
    if known.n_samples == 0:
        raise InputError(f"{name} needs a finite set of samples (data.training_samples)")
    if not 1 <= n <= known.n_samples:
        raise InputError(f"{name}: {n} clusters of {known.n_samples} samples")
    if known.embedding is not None and known.leaf is not None and known.leaf.dim() == 1:
        return _of_samples(name, tree, known.leaf, partition(known.leaf, known.embedding(), known.seed))
    within, label = classes > n, torch.arange(classes)
    table = None
    if known.embedding is not None and known.leaf is not None:
        sets = enumerate(zip(known.leaf, known.embedding(), strict=True))
        table = torch.stack([partition(leaf, rows, known.seed + r) for r, (leaf, rows) in sets])

    def assign(samples: Samples) -> Int[Tensor, "R B"]:
        if table is None:
            raise InputError(f"{name}: nothing was clustered")
        return table.to(samples.index.device).gather(1, samples.index)

    own = _place(tree) % n + n * tree.coarse_of_leaf if within else torch.arange(tree.n_leaves) % n
    return LabelFunction(name, classes, label // n if within else label % tree.n_coarse, own, assign, placeholder=True)


@register("group", "group(name)")
def _group(tree: LabelTree, known: LabelContext, arguments: Arguments) -> LabelFunction:
    (name,) = map(str, arguments) if len(arguments) == 1 else ("",)
    if name not in known.groups:
        raise InputError(
            f"group({name}): this data set has " + (f"the groups {', '.join(known.groups)}" if known.groups else "none")
        )
    return _by_leaf(f"group({name})", tree, known.groups[name])


def _k_means(name: str, rows: Float[Tensor, "n dim"], n: int, seed: int) -> Int[Tensor, " n"]:
    """Cluster of each row; k-means++ and ten starts, or one pass over minibatches where the rows are many."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    if not 1 <= n <= len(rows):
        raise InputError(f"{name}: {n} clusters of {len(rows)} samples")
    many = len(rows) * n > _MANY
    method = (
        MiniBatchKMeans(n, batch_size=max(4096, n), n_init=1, random_state=seed)
        if many
        else KMeans(n, random_state=seed, n_init=10)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            return torch.from_numpy(method.fit_predict(rows.numpy())).long()
        except ConvergenceWarning:
            raise InputError(f"{name}: {n} clusters of {len(rows)} samples, of which fewer than that are different") from None


def _of_samples(name: str, tree: LabelTree, leaf: Int[Tensor, " sample"], label: Int[Tensor, " sample"]) -> LabelFunction:
    """Label function of a finite set of samples, given by its table; labels that do not occur are left out.

    A leaf's own label is the most frequent among its samples (0 where it has none).
    """
    values, label = torch.unique(label, return_inverse=True)
    own = torch.zeros(tree.n_leaves, dtype=torch.long)
    seen, leaf_place = torch.unique(leaf, return_inverse=True)
    own[seen] = most_frequent(leaf_place, label)
    parent = most_frequent(label, tree.coarse_of_leaf[leaf])
    return LabelFunction(name, len(values), parent, own, lambda samples: label.to(samples.index.device)[samples.index])
