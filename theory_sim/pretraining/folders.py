"""Folders of images whose nesting is the hierarchy: what lies in them, without opening a file."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from theory_sim.pretraining.hierarchies import RANKS, Hierarchy, imagenet21k, inat_hierarchy, inat_path
from theory_sim.runtime.errors import InputError

_ONLY_1K = "n04399382"
"""The one class of ImageNet-1k that is none of ImageNet-21k."""


@dataclass(frozen=True)
class Listing:
    """Files by leaf class.

    Attributes:
        root: the folder.
        files: for each leaf's path in the hierarchy its files, sorted, as paths below `root`.
        stray: files beside folders, which belong to no class.
    """

    root: Path
    files: Mapping[tuple[str, ...], list[str]]
    stray: list[str]


def list_files(source: str, root: Path) -> Listing:
    """What a folder holds.

    Args:
        source: ``tree``: nested folders of any depth, the innermost are the leaves; ``inat2021``: folders named by their
            ranks; ``imagenet``: folders named by their synset, such as ``n01440764``.
        root: the folder.

    Raises:
        InputError: no such folder, a folder's name breaks the rules of `source`, a class without files, or none at all.
    """
    if not root.is_dir():
        raise InputError(f"no such folder: {root}")
    leaves: dict[tuple[str, ...], list[str]] = {}
    stray: list[str] = []
    ahead: list[tuple[str, ...]] = [()]
    while ahead:
        path = ahead.pop()
        with os.scandir(root.joinpath(*path)) as entries:
            visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
        inner = [entry.name for entry in visible if entry.is_dir()]
        files = ["/".join((*path, entry.name)) for entry in visible if not entry.is_dir()]
        if inner or not path:
            ahead += [(*path, name) for name in reversed(inner)]
            stray += files
        else:
            leaves[_class_path(source, path, root)] = files
    if not leaves:
        raise InputError(f"{root} holds no folders of images")
    if empty := sorted(path for path, files in leaves.items() if not files):
        raise InputError(f"{root}: class {'/'.join(empty[0])} is empty; {len(empty)} such folders")
    return Listing(root, dict(sorted(leaves.items())), sorted(stray))


def folder_hierarchy(source: str, leaves: Sequence[tuple[str, ...]], root: Path) -> Hierarchy:
    """The hierarchy that the folders' names say.

    Raises:
        InputError: only one coarse class.
    """
    if source == "inat2021":
        return inat_hierarchy([path[-1] for path in leaves], str(root))
    return Hierarchy.of_paths(leaves, str(root))


def _class_path(source: str, path: tuple[str, ...], root: Path) -> tuple[str, ...]:
    if source == "tree":
        return path
    name = path[-1]
    if len(path) > 1:
        expected = f"NNNNN_{'_'.join(RANKS)}" if source == "inat2021" else "synset"
        raise InputError(f"{root}: expected folders {expected}, found {'/'.join(path)}; give the folder of one split")
    if source == "inat2021":
        return inat_path(name)
    if not re.fullmatch(r"n\d{8}", name):
        raise InputError(f"{root}: '{name}' is no synset such as n01440764")
    if name not in imagenet21k().hypernyms and name != _ONLY_1K:
        raise InputError(f"{root}: unknown synset '{name}': neither ImageNet-21k nor ImageNet-1k has it")
    return path
