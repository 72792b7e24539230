"""Trees of named classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jaxtyping import Int
from torch import Tensor

from theory_sim.labels.tree import ROOT, LabelTree
from theory_sim.runtime.errors import InputError


@dataclass(frozen=True)
class Level:
    """One level of a hierarchy.

    Attributes:
        level: its number: for ImageNet-21k hypernym steps up from the classes, for trees the depth below the root, and 0 for
            another partition of the leaves.
        classes: number of labels.
        classes_with_several: how many of the finest classes carry more than one label there; 0 in a tree.
        name: the rank, where levels have names; of another partition its name.
    """

    level: int
    classes: int
    classes_with_several: int = 0
    name: str = ""


@dataclass(frozen=True)
class Hierarchy:
    """A label tree whose nodes have names, with what else the data set says of its leaves.

    Attributes:
        tree: the tree; its level 1 is the coarse target.
        names: of each node its path from the root, such as ``birds/owls``.
        leaf: for each path that it was made from, its leaf index.
        ranks: names of the levels from 1 on; empty where they have none.
        groups: further partitions of the leaves, which need not respect the tree: group of each leaf, by name.
    """

    tree: LabelTree
    names: tuple[str, ...]
    leaf: Mapping[tuple[str, ...], int]
    ranks: tuple[str, ...] = ()
    groups: Mapping[str, Int[Tensor, " leaf"]] = field(default_factory=dict)

    @classmethod
    def of_paths(cls, paths: Sequence[tuple[str, ...]], where: str = "label tree", ranks: tuple[str, ...] = ()) -> "Hierarchy":
        """The tree of these leaves, siblings in the order of their names.

        Args:
            paths: of each leaf the names from the coarse class down; of any length.
            where: put before an error.
            ranks: names of the levels.

        Raises:
            InputError: fewer than two coarse classes, a leaf is inside another, or a name is empty or holds a slash, which
                would give two nodes one name.
        """
        if bad := [name for path in paths for name in path if not name or "/" in name]:
            raise InputError(f"{where}: a class cannot be named '{bad[0]}': names are not empty and have no slash")
        level = sorted({path[:1] for path in paths})
        if len(level) < 2:
            raise InputError(f"{where}: at least 2 coarse classes are needed, found {len(level)}")
        below: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        for path in paths:
            for depth in range(1, len(path)):
                below.setdefault(path[:depth], set()).add(path[: depth + 1])
        if inner := sorted(below.keys() & set(paths)):
            raise InputError(f"{where}: {'/'.join(inner[0])} is a class and holds classes; images belong into the innermost ones")
        nodes: list[tuple[str, ...]] = []
        parent: list[int] = []
        number: dict[tuple[str, ...], int] = {(): ROOT}
        while level:
            for path in level:
                number[path] = len(nodes)
                nodes.append(path)
                parent.append(number[path[:-1]])
            level = [child for path in level for child in sorted(below.get(path, ()))]
        tree = LabelTree(tuple(parent))
        leaf = {nodes[node]: index for index, node in enumerate(tree.leaves)}
        return cls(tree, tuple("/".join(path) for path in nodes), leaf, ranks)

    @property
    def levels(self) -> list[Level]:
        """The tree's levels, coarsest first, and behind them the other partitions of its leaves."""
        names = (*self.ranks, *[""] * self.tree.depth)
        by_depth = [
            Level(depth, len(self.tree.level(depth).unique()), name=names[depth - 1]) for depth in range(1, self.tree.depth + 1)
        ]
        return by_depth + [Level(0, len(group.unique()), name=name) for name, group in self.groups.items()]
