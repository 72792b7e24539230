"""iNaturalist 2021: a folder for each species, named by its ranks; the coarse target is the supercategory."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from theory_sim.pretraining.datasets.base import Data, ImageData, image_source
from theory_sim.pretraining.datasets.folders import FolderLayout, check_folders, load_folders
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import OnProgress

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
    return replace(hierarchy, groups=groups)


def _class_path(path: tuple[str, ...], root: Path) -> tuple[str, ...]:
    if len(path) > 1:
        expected = f"NNNNN_{'_'.join(RANKS)}"
        raise InputError(f"{root}: expected folders {expected}, found {'/'.join(path)}; give the folder of one split")
    return inat_path(path[-1])


INAT2021 = FolderLayout("inat2021", _class_path, lambda leaves, root: inat_hierarchy([path[-1] for path in leaves], str(root)))


@image_source("inat2021", "iNaturalist 2021, the official folders of one split", check=partial(check_folders, INAT2021))
def load(data: Data, keep: Path, on_progress: OnProgress) -> ImageData:
    """Read the folders of a split (train, train_mini or val); ``group(kingdom)`` and ``group(phylum)`` cut across the tree."""
    return load_folders(INAT2021, data, keep, on_progress)
