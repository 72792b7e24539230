"""Label trees: the root's children are the coarse classes, the leaves the finest classes.

One tree serves the simulator (each node below the root has a feature) and image data (each node is a class).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from theory_sim.runtime.errors import InputError, expect

ROOT = -1


def _inner(children: object) -> list[object]:
    """The children of a node, each again a number of children or a list of them."""
    if isinstance(children, int) and children >= 0:
        return [0] * children
    if isinstance(children, Sequence) and not isinstance(children, str):
        return list(children)
    raise InputError(f"tree.subclasses: expected numbers of 0 or more, and lists of them, got {children!r}")


@dataclass(frozen=True)
class LabelTree:
    """A rooted tree, its nodes below the root numbered breadth first: the coarse classes are nodes 0 … K−1.

    Args:
        parent: for each node the number of its parent, `ROOT` for the coarse classes.
        tail: how unequal the children of a node below the root are, see `leaf_probability`.

    Raises:
        InputError: a parent does not precede its children, nodes are not numbered breadth first, or there are fewer than two
            coarse classes.
    """

    parent: tuple[int, ...]
    tail: float = 0.0

    def __post_init__(self) -> None:
        for node, p in enumerate(self.parent):
            if not ROOT <= p < node:
                raise InputError(f"label tree: the parent of node {node} is {p}; it must come before it")
        if list(self.parent) != sorted(self.parent):
            raise InputError("label tree: nodes must be numbered breadth first")
        if self.n_coarse < 2:
            raise InputError(f"label tree: at least 2 coarse classes are needed, got {self.n_coarse}")

    @classmethod
    def of(cls, coarse: int, subclasses: int | Sequence[object], tail: float = 0.0) -> "LabelTree":
        """The tree with `coarse` classes (K), each with `subclasses` (k): a number, or one entry per child.

        Examples:
            ``of(2, 9)``: two classes of nine subclasses. ``of(2, [3, 5])``: unequal ones.
            ``of(2, [[2, 2], 3])``: the first class has two children of two leaves each.
            ``of(2, 0)``: two classes without subclasses, which are the leaves themselves.

        Raises:
            InputError: there are fewer than two coarse classes, or `subclasses` does not fit them.
        """
        expect("tree.coarse", coarse, int)
        expect("tree.subclasses", subclasses, int, Sequence)
        if isinstance(subclasses, int):
            if subclasses < 0:
                raise InputError(f"tree.subclasses: a coarse class cannot have {subclasses} subclasses")
            level: list[object] = [subclasses] * coarse
        else:
            level = list(subclasses)
            if len(level) != coarse:
                raise InputError(f"tree.subclasses: {len(level)} entries for tree.coarse = {coarse} classes")
        parent = [ROOT] * coarse
        first = 0
        while level:
            below: list[object] = []
            for node, children in enumerate(level, start=first):
                inner = _inner(children)
                parent += [node] * len(inner)
                below += inner
            first += len(level)
            level = below
        return cls(tuple(parent), tail)

    @property
    def n_nodes(self) -> int:
        """Number of nodes below the root: the number of features."""
        return len(self.parent)

    @cached_property
    def n_coarse(self) -> int:
        """K, number of coarse classes."""
        return sum(p == ROOT for p in self.parent)

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """The nodes without children, in order; a *leaf index* is a place in this tuple."""
        inner = set(self.parent)
        return tuple(node for node in range(self.n_nodes) if node not in inner)

    @property
    def n_leaves(self) -> int:
        """Number of finest classes: Σ_y k_y in a two-level tree."""
        return len(self.leaves)

    def ancestors(self, node: int) -> tuple[int, ...]:
        """The nodes from the coarse class down to `node`, which comes last."""
        up = []
        while node != ROOT:
            up.append(node)
            node = self.parent[node]
        return tuple(reversed(up))

    @cached_property
    def depth(self) -> int:
        """Levels below the root; 2 in the paper's model."""
        return max(len(self.ancestors(leaf)) for leaf in self.leaves)

    @cached_property
    def paths(self) -> Int[Tensor, "leaf depth"]:
        """For each leaf its nodes from the coarse class down, −1 below a leaf that is not at full depth."""
        rows = [self.ancestors(leaf) for leaf in self.leaves]
        return torch.tensor([[*row, *([-1] * (self.depth - len(row)))] for row in rows])

    @cached_property
    def coarse_of_leaf(self) -> Int[Tensor, " leaf"]:
        """The coarse class y of each leaf."""
        return self.paths[:, 0].clone()

    def level(self, depth: int) -> Int[Tensor, " leaf"]:
        """Each leaf's ancestor at `depth`, or the leaf itself where it is higher.

        Raises:
            InputError: the tree has no such level.
        """
        if not 1 <= depth <= self.depth:
            raise InputError(f"level({depth}): the label tree has levels 1 to {self.depth}")
        return torch.tensor([self.ancestors(leaf)[:depth][-1] for leaf in self.leaves])

    @cached_property
    def leaf_probability(self) -> tuple[float, ...]:
        """Coarse classes are equally likely, and so are the children of each node [recalled: balanced classes].

        With a `tail` t the c-th child of a node below the root has a share ∝ c^−t among its siblings (Zipf's law) [ours].
        """
        count, weight = [0] * (self.n_nodes + 1), []
        for p in self.parent:
            count[p] += 1
            weight.append(1.0 if p == ROOT else count[p] ** -self.tail)
        total = [0.0] * (self.n_nodes + 1)
        for p, w in zip(self.parent, weight, strict=True):
            total[p] += w
        return tuple(math.prod(weight[node] / total[self.parent[node]] for node in self.ancestors(leaf)) for leaf in self.leaves)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Node names as in the paper's v_{y,c}, numbered from 1: ``1``, ``2``, ``1,1``, …"""
        count: dict[int, int] = {}
        names: list[str] = []
        for p in self.parent:
            count[p] = count.get(p, 0) + 1
            names.append(str(count[p]) if p == ROOT else f"{names[p]},{count[p]}")
        return tuple(names)
