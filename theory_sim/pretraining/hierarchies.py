"""The label sets of real images: trees of named classes, iNaturalist's ranks, and WordNet's levels of ImageNet-21k."""

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from theory_sim.labels.tree import ROOT, LabelTree
from theory_sim.runtime.errors import InputError


@dataclass(frozen=True)
class Level:
    """One level of a hierarchy.

    Attributes:
        level: its number: for ImageNet-21k hypernym steps up from the classes, for trees the depth below the root.
        classes: number of labels.
        classes_with_several: how many of the finest classes carry more than one label there; 0 in a tree.
        name: the rank, where levels have names.
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
            InputError: fewer than two coarse classes, or a leaf lies inside another.
        """
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


RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
_SUPERCATEGORY = (  # the first that fits; Animalia are the rest of the animals
    ("kingdom", "Plantae", "Plants"),
    ("kingdom", "Fungi", "Fungi"),
    ("class", "Insecta", "Insects"),
    ("class", "Aves", "Birds"),
    ("class", "Reptilia", "Reptiles"),
    ("class", "Mammalia", "Mammals"),
    ("class", "Actinopterygii", "Ray-finned Fishes"),
    ("class", "Amphibia", "Amphibians"),
    ("class", "Arachnida", "Arachnids"),
    ("phylum", "Mollusca", "Mollusks"),
    ("kingdom", "Animalia", "Animalia"),
)


def inat_ranks(folder: str) -> dict[str, str]:
    """The ranks that a folder of iNaturalist 2021 is named by, ``NNNNN_kingdom_phylum_class_order_family_genus_species``.

    The species may hold underscores and numbers of its own.

    Raises:
        InputError: the name has another form.
    """
    match = re.fullmatch(r"\d{5}((?:_[^_]+){6})_([^_].*)", folder)
    if match is None:
        raise InputError(f"'{folder}' is no iNaturalist 2021 folder: expected NNNNN_{'_'.join(RANKS)}")
    return dict(zip(RANKS, [*match[1][1:].split("_"), match[2]], strict=True))


def inat_supercategory(ranks: Mapping[str, str], folder: str = "") -> str:
    """Which of the 11 supercategories these ranks belong to.

    Raises:
        InputError: to none.
    """
    for rank, value, name in _SUPERCATEGORY:
        if ranks[rank] == value:
            return name
    known = ", ".join(value for rank, value, _ in _SUPERCATEGORY if rank == "kingdom")
    raise InputError(f"'{folder}': kingdom {ranks['kingdom']} belongs to no supercategory of iNaturalist 2021 (known: {known})")


def inat_path(folder: str) -> tuple[str, ...]:
    """Names from the supercategory down: supercategory, class, order, family, genus, folder.

    Kingdom and phylum do not nest below the supercategories: they are partitions of their own (`inat_hierarchy`).
    """
    ranks = inat_ranks(folder)
    return (inat_supercategory(ranks, folder), *(ranks[rank] for rank in RANKS[2:-1]), folder)


def inat_hierarchy(folders: Sequence[str], where: str = "iNaturalist 2021") -> Hierarchy:
    """The tree of these species folders; level 1 are the supercategories, the target."""
    hierarchy = Hierarchy.of_paths([inat_path(folder) for folder in folders], where, ("supercategory", *RANKS[2:]))
    groups = {}
    for rank in RANKS[:2]:
        values = {index: inat_ranks(path[-1])[rank] for path, index in hierarchy.leaf.items()}
        numbers = {value: number for number, value in enumerate(sorted(set(values.values())))}
        groups[rank] = torch.tensor([numbers[values[index]] for index in range(hierarchy.tree.n_leaves)])
    return Hierarchy(hierarchy.tree, hierarchy.names, hierarchy.leaf, hierarchy.ranks, groups)


@dataclass(frozen=True)
class Synsets:
    """ImageNet-21k in WordNet 3.0, a directed acyclic graph.

    Attributes:
        classes: its synset numbers, sorted.
        hypernyms: direct hypernyms of each class and of each of its ancestors.
    """

    classes: tuple[str, ...]
    hypernyms: Mapping[str, tuple[str, ...]]

    def ancestors(self, level: int) -> list[frozenset[str]]:
        """For each class what `level` hypernym steps along every path reach; a synset without hypernym stays."""
        reached = [frozenset([synset]) for synset in self.classes]
        for _ in range(level):
            reached = [
                frozenset(above for synset in synsets for above in self.hypernyms[synset] or (synset,)) for synsets in reached
            ]
        return reached

    def targets(self, level: int, synsets: Sequence[str] | None = None) -> tuple[Int[Tensor, "class most"], int]:
        """The labels of each class at a level.

        Args:
            level: number of hypernym steps.
            synsets: the classes to give labels; all of them by default. The labels are numbered by these classes.

        Returns:
            the label numbers of each class, padded with −1; and the number of labels.

        Raises:
            InputError: a synset is none of ImageNet-21k's classes.
        """
        place = {synset: index for index, synset in enumerate(self.classes)}
        wanted = self.classes if synsets is None else tuple(synsets)
        if unknown := [synset for synset in wanted if synset not in place]:
            raise InputError(f"unknown synset '{unknown[0]}': it is none of ImageNet-21k's {len(self.classes)} classes")
        reached = self.ancestors(level)
        rows = [sorted(reached[place[synset]]) for synset in wanted]
        number = {label: index for index, label in enumerate(sorted({label for row in rows for label in row}))}
        most = max(map(len, rows))
        return torch.tensor([[number[label] for label in row] + [-1] * (most - len(row)) for row in rows]), len(number)


@cache
def imagenet21k() -> Synsets:
    """ImageNet-21k's classes and their hypernyms, from the table in the package (see `derive_edges`)."""
    packed = resources.files("theory_sim.pretraining").joinpath("data", "imagenet21k_edges.txt.gz").read_bytes()
    classes, hypernyms = [], {}
    for line in gzip.decompress(packed).decode("ascii").splitlines():
        synset, *above = line[1:].split(" ")
        hypernyms[synset] = tuple(above)
        if line[0] == "+":
            classes.append(synset)
    return Synsets(tuple(classes), hypernyms)


def imagenet21k_levels(last: int = 9) -> list[Level]:
    """Levels 0 to `last` of ImageNet-21k; 0, 1, 2, 4, 6 and 9 are the paper's label sets."""
    levels = []
    for level in range(last + 1):
        reached = imagenet21k().ancestors(level)
        levels.append(Level(level, len(frozenset().union(*reached)), sum(len(synsets) > 1 for synsets in reached)))
    return levels


def multi_hot(labels: Int[Tensor, "n most"], n_classes: int) -> Bool[Tensor, "n label"]:
    """Targets of a sigmoid cross-entropy: true at each of a sample's labels; −1 is padding."""
    hot = torch.zeros(len(labels), n_classes + 1, dtype=torch.bool, device=labels.device)
    hot.scatter_(1, labels.where(labels >= 0, n_classes), True)
    return hot[:, :n_classes]
