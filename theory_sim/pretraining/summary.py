"""The levels of a label set, with the samples of their classes: what ``theory-sim hierarchy`` prints."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch

from theory_sim.pretraining.datasets.folders import hierarchy_of, list_files
from theory_sim.pretraining.datasets.hierarchies import Hierarchy, Level
from theory_sim.pretraining.datasets.imagenet import IMAGENET
from theory_sim.pretraining.datasets.inat2021 import INAT2021, inat_ranks
from theory_sim.pretraining.datasets.tree import TREE
from theory_sim.pretraining.datasets.wordnet import imagenet21k_levels
from theory_sim.runtime.errors import InputError


@dataclass(frozen=True)
class Counted(Level):
    """A level, and how many files its classes hold; None where no folder was given.

    Attributes:
        least: files of the smallest class.
        mean: files per class.
        most: files of the largest class.
        samples: files of each class, by name; empty where no folder was given.
    """

    least: int | None = None
    mean: float | None = None
    most: int | None = None
    samples: dict[str, int] = field(default_factory=dict)


def summarise(source: str, path: Path | None = None) -> list[Counted]:
    """The levels of a label set.

    Args:
        source: ``imagenet21k`` (needs no images), or the name of a source of folders: ``imagenet``, ``inat2021``, ``tree``.
        path: the folder of images, of one split.

    Raises:
        InputError: unknown source, or a folder that is absent or breaks its rules.

    Warns:
        DataWarning: the coarse classes are named as splits are.
    """
    if source == "imagenet21k":
        if path is not None:
            raise InputError("hierarchy imagenet21k takes no folder: its levels are those of WordNet 3.0")
        return [Counted(level.level, level.classes, level.classes_with_several) for level in imagenet21k_levels()]
    layout = {layout.name: layout for layout in (IMAGENET, INAT2021, TREE)}.get(source)
    if layout is None:
        raise InputError(f"unknown hierarchy '{source}': imagenet21k, imagenet PATH, inat2021 PATH or tree PATH")
    if path is None:
        raise InputError(f"hierarchy {source} needs the folder of images: theory-sim hierarchy {source} PATH")
    listing = list_files(layout, path)
    hierarchy = hierarchy_of(layout, list(listing.files), path)
    files = torch.zeros(hierarchy.tree.n_leaves, dtype=torch.long)
    for leaf, names in listing.files.items():
        files[hierarchy.leaf[leaf]] = len(names)
    counted = []
    for level, names_of in zip(hierarchy.levels, _class_names(hierarchy), strict=True):
        total: Counter[str] = Counter()
        for name, count in zip(names_of, files.tolist(), strict=True):
            total[name] += count
        counts = total.values()
        mean = sum(counts) / len(counts)
        samples = dict(sorted(total.items()))
        counted.append(Counted(level.level, level.classes, 0, level.name, min(counts), mean, max(counts), samples))
    return counted


def _class_names(hierarchy: Hierarchy) -> list[list[str]]:
    """For each of `Hierarchy.levels` the class of every leaf; a leaf above a level is a class of its own there."""
    tree = hierarchy.tree
    above = [[hierarchy.names[node] for node in tree.ancestors(leaf)] for leaf in tree.leaves]
    by_depth = [[names[min(depth, len(names) - 1)] for names in above] for depth in range(tree.depth)]
    return by_depth + [[inat_ranks(names[-1].rsplit("/", 1)[-1])[rank] for names in above] for rank in hierarchy.groups]
