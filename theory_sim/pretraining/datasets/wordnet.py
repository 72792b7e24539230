"""WordNet's levels of ImageNet-21k: the label sets that the paper pretrains ViT-B/16 on."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import torch
from jaxtyping import Int
from torch import Tensor

from theory_sim.pretraining.datasets.hierarchies import Level
from theory_sim.runtime.errors import InputError

_ONLY_IMAGENET_1K: dict[str, tuple[str, ...]] = {"n04399382": ("n03964744",)}
"""The only class of ImageNet-1k that ImageNet-21k does not have, a teddy bear, and its direct hypernym in WordNet 3.0, a toy."""


@dataclass(frozen=True)
class Synsets:
    """ImageNet-21k in WordNet 3.0, a directed acyclic graph.

    Attributes:
        classes: its synset numbers, sorted.
        hypernyms: direct hypernyms of each class, of each of its ancestors, and of ImageNet-1k's other class. These synsets
            can be classes of a folder of images, and all of them have labels at every level.
    """

    classes: tuple[str, ...]
    hypernyms: Mapping[str, tuple[str, ...]]

    def ancestors(self, level: int, synsets: Sequence[str] | None = None) -> list[frozenset[str]]:
        """For each class what `level` hypernym steps along every path reach; a synset without hypernym stays."""
        reached = [frozenset([synset]) for synset in (self.classes if synsets is None else synsets)]
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
            InputError: a synset is unknown: see `check`.
        """
        for synset in synsets or ():
            self.check(synset)
        rows = [sorted(reached) for reached in self.ancestors(level, synsets)]
        number = {label: index for index, label in enumerate(sorted({label for row in rows for label in row}))}
        most = max(map(len, rows))
        return torch.tensor([[number[label] for label in row] + [-1] * (most - len(row)) for row in rows]), len(number)

    def check(self, synset: str) -> None:
        """Check that a synset can be a class of images.

        Raises:
            InputError: it is no class of ImageNet-21k or ImageNet-1k, and no ancestor of one.
        """
        if synset not in self.hypernyms:
            raise InputError(f"unknown synset '{synset}': neither ImageNet-21k nor ImageNet-1k has it")


@cache
def imagenet21k() -> Synsets:
    """ImageNet-21k's classes and their hypernyms, from the table in the package (see `derive_edges`)."""
    packed = resources.files("theory_sim.pretraining").joinpath("data", "imagenet21k_edges.txt.gz").read_bytes()
    classes, hypernyms = [], dict(_ONLY_IMAGENET_1K)
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
