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

A new one is a function of the tree, the context, and its own arguments, annotated as int or str::

    @register_label_function("odd-even")
    def odd_even(tree: LabelTree, context: LabelContext) -> LabelFunction:
        return by_leaf("odd-even", tree, 2 * tree.coarse_of_leaf + place_of(tree) % 2)
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from theory_sim.labels.tree import LabelTree
from theory_sim.runtime.errors import InputError, expect, shortened
from theory_sim.runtime.plugins import blaming
from theory_sim.runtime.registry import Registry
from theory_sim.runtime.returned import expect_function, expect_tensor, expect_type, expect_whole, place


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
            having clusters of its own.
        multi_labels: labels of each leaf, padded with −1, where a leaf may have more than one; None where each has `leaf_label`.
        n_splits: equally likely labels of a leaf's samples, numbered one after the other: the leaf decides
            ``label // n_splits``. A label that chance decides must be one of these: `theory_sim.predict` and the figures
            of predictions rely on it, and `theory_sim.testing.check_label_function` tests it.
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
    """What a label function may use besides the tree.

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


Maker = Callable[..., LabelFunction]
"""``maker(tree, context, *arguments)``, its arguments annotated as int or str."""


@dataclass(frozen=True)
class LabelMaker:
    """The contract of a label function: what makes it for a tree.

    Attributes:
        name: what configurations write before the parentheses.
        make: takes the tree, the context and the arguments.
        usage: how it is written, for messages.
    """

    name: str
    make: Maker
    usage: str

    def __call__(self, tree: LabelTree, context: LabelContext, arguments: tuple[int | str, ...]) -> LabelFunction:
        """The label function with these arguments.

        Raises:
            InputError: they are not what it takes, or do not fit the tree.
        """
        signature = inspect.signature(self.make)
        text = shortened(f"{self.name}({', '.join(map(str, arguments))})" if arguments else self.name)
        try:
            bound = signature.bind(tree, context, *arguments)
        except TypeError:
            raise InputError(f"label function '{text}': expected {self.usage}") from None
        for name, given in list(bound.arguments.items())[2:]:
            wanted = signature.parameters[name].annotation
            for value in given if isinstance(given, tuple) else (given,):
                if wanted in (int, str) and not isinstance(value, wanted):
                    raise InputError(f"label function '{text}': expected {self.usage}, with {name} {_KINDS[wanted]}")
        with blaming():
            function = self.make(tree, context, *arguments)
        what = f"label function '{text}' ({place(self.make)})"
        _check(what, function, tree)
        if not self._names(function.name, tree, context, bound):
            raise InputError(f"{what}: its name should be the text that makes it, '{text}', got '{function.name}'")
        return function

    def _names(self, name: str, tree: LabelTree, context: LabelContext, bound: inspect.BoundArguments) -> bool:
        """Whether a text makes the same label function: records keep it, and predictions and claims make it from there again."""
        try:
            called, arguments = parsed(name)
            again = inspect.signature(self.make).bind(tree, context, *arguments)
        except (InputError, TypeError):
            return False
        bound.apply_defaults()
        again.apply_defaults()
        return called == self.name and list(again.arguments.values())[2:] == list(bound.arguments.values())[2:]


def _check(what: str, function: Any, tree: LabelTree) -> None:
    """Refuse what is no label function of a tree."""
    expect_type(what, function, LabelFunction)
    expect_type(f"{what}: name", function.name, str)
    expect_type(f"{what}: n_classes", function.n_classes, int)
    if function.n_classes < 1:
        raise InputError(f"{what}: n_classes: expected 1 or more, got {function.n_classes}")
    for name, size, most in (("parent", function.n_classes, tree.n_coarse), ("leaf_label", tree.n_leaves, function.n_classes)):
        expect_tensor(f"{what}: {name}", getattr(function, name), (size,), torch.long)
        expect_whole(f"{what}: {name}", getattr(function, name), 0, most)
    expect_function(f"{what}: assign", function.assign, "samples")


_KINDS: dict[Any, str] = {int: "a whole number", str: "a name"}
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)

LABEL_FUNCTIONS: Registry[LabelMaker] = Registry(
    "label function", ["theory_sim.labels.by_leaf", "theory_sim.labels.random", "theory_sim.labels.clusters"]
)
"""Label functions by name."""


def register_label_function(name: str, usage: str | None = None) -> Callable[[Maker], Maker]:
    """Register the function below it as a label function.

    Args:
        name: what configurations write before the parentheses: lower-case letters and hyphens.
        usage: how it is written, for messages; from the function's arguments without it.

    Raises:
        InputError: the name has other letters, or is taken.
    """
    expect("register_label_function: name", name, str)
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name):
        raise InputError(f"label function '{name}': a name is of lower-case letters and hyphens, such as odd-even")

    def add(make: Maker) -> Maker:
        expect_maker = [kind for kind in inspect.signature(make).parameters.values() if kind.kind in _POSITIONAL]
        if len(expect_maker) < 2 and not any(kind.kind is kind.VAR_POSITIONAL for kind in expect_maker):
            raise InputError(f"label function '{name}': {place(make)} should take the tree, the context and the arguments")
        arguments = list(inspect.signature(make).parameters)[2:]
        written = usage or (f"{name}({', '.join(arguments)})" if arguments else name)
        LABEL_FUNCTIONS.add(name, LabelMaker(name, make, written), make)
        return make

    return add


def parsed(text: str) -> tuple[str, tuple[int | str, ...]]:
    """Name and arguments of a label function's text: ``split(2, 8)`` → ``split``, (2, 8).

    Raises:
        InputError: it has another form.
    """
    match = re.fullmatch(r"\s*([a-z-]+)\s*(?:\(([\w\s,]*)\))?\s*", text)
    if match is None:
        known = ", ".join(LABEL_FUNCTIONS[name].usage for name in LABEL_FUNCTIONS)
        raise InputError(f"label function '{shortened(text)}': expected a name, with arguments in parentheses; there are {known}")
    given = [a.strip() for a in (match[2] or "").split(",") if a.strip()]
    return match[1], tuple(int(a) if re.fullmatch("0|[1-9][0-9]{0,17}", a) else a for a in given)


def kind_of(text: str) -> str:
    """The name of a label function without its arguments: ``split`` of ``split(2, 8)``."""
    return parsed(text)[0]


def label_function(text: str, tree: LabelTree, n_samples: int = 0, context: LabelContext | None = None) -> LabelFunction:
    """The label function that `text` names.

    Args:
        text: such as ``level(1)``; see the module's table.
        tree: the label tree.
        n_samples: size of the finite set of samples, 0 if there is none.
        context: what else there is to rest on; `n_samples` is then its.

    Raises:
        InputError: no such function, or its arguments do not fit the tree.
    """
    name, arguments = parsed(text)
    if context is None and LABEL_FUNCTIONS.entry(name).is_core:
        return _of_core(text, tree, n_samples)
    return LABEL_FUNCTIONS[name](tree, context or LabelContext(n_samples), arguments)


@lru_cache(maxsize=32)
def _of_core(text: str, tree: LabelTree, n_samples: int) -> LabelFunction:
    """One of the package's own: claims and measures ask for the same one dozens of times for each run."""
    name, arguments = parsed(text)
    return LABEL_FUNCTIONS[name](tree, LabelContext(n_samples), arguments)


def by_leaf(name: str, tree: LabelTree, group: Int[Tensor, " leaf"]) -> LabelFunction:
    """Label function that looks only at the leaf.

    Args:
        name: the text that makes it, as configurations write it.
        tree: the label tree.
        group: of each leaf any whole number, the same for leaves of one label; they are numbered afresh.

    Raises:
        InputError: there is not one whole number for each leaf.
    """
    expect_tensor(f"by_leaf: {name}: group", group, (tree.n_leaves,), torch.long, meaning="a label for each leaf")
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


def place_of(tree: LabelTree) -> Int[Tensor, " leaf"]:
    """Each leaf's place among the leaves of its coarse class."""
    place = torch.zeros(tree.n_leaves, dtype=torch.long)
    for y in range(tree.n_coarse):
        inside = tree.coarse_of_leaf == y
        place[inside] = torch.arange(int(inside.sum()))
    return place
