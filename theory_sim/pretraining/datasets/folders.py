"""Folders of images: which files belong to which class by the folders' names, and reading them as a data set."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from theory_sim.pretraining.datasets.base import Data, ImageData, OnProgress
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.datasets.splitting import split_files
from theory_sim.runtime.errors import InputError


@dataclass(frozen=True)
class FolderLayout:
    """How folder names become a hierarchy.

    Attributes:
        name: of the layout; part of the index's file name.
        class_path: names from the coarse class down, of an innermost folder, which is given by its path below the root;
            raises `InputError` where a name breaks the rules.
        hierarchy: the label tree of all class paths.
    """

    name: str
    class_path: Callable[[tuple[str, ...], Path], tuple[str, ...]]
    hierarchy: Callable[[Sequence[tuple[str, ...]], Path], Hierarchy]


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


def list_files(layout: FolderLayout, root: Path) -> Listing:
    """List the files of a folder without opening any.

    Args:
        layout: how folder names become a hierarchy.
        root: the folder.

    Raises:
        InputError: no such folder, a folder's name breaks the rules of the layout, a class without files, or no class.
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
            leaves[layout.class_path(path, root)] = files
    if not leaves:
        raise InputError(f"{root} holds no folders of images")
    if empty := sorted(path for path, files in leaves.items() if not files):
        raise InputError(f"{root}: class {'/'.join(empty[0])} is empty; {len(empty)} such folders")
    return Listing(root, dict(sorted(leaves.items())), sorted(stray))


def load_folders(
    layout: FolderLayout, data: Data, keep: Path, on_progress: OnProgress, folders: Sequence[Path] | None = None
) -> ImageData:
    """Read folders of images through their index.

    Args:
        layout: how folder names become a hierarchy.
        data: the folders, and how they are split.
        keep: folder for indexes and lists of damaged files.
        on_progress: called with the progress of reading.
        folders: the folder of the training images and, if there is one, of the test images; those of `data` by default.

    Raises:
        InputError: a folder is absent or breaks the rules of the layout; a test class is not among the training classes;
            too many files are damaged; or a split would be empty.
    """
    import pyarrow

    from theory_sim.pretraining.datasets.index import index_folder

    if folders is None:
        folders = [Path(path) for path in (data.path, data.test_path) if path]
    parts = [index_folder(layout, folder, keep, data.damaged_share, on_progress) for folder in folders]
    hierarchy = layout.hierarchy(parts[0].leaves, parts[0].root)
    for part in parts[1:]:
        if unknown := [leaf for leaf in part.leaves if leaf not in hierarchy.leaf]:
            raise InputError(f"{part.root}: class {'/'.join(unknown[0])} is not among the training classes of {parts[0].root}")
    paths = pyarrow.array([str(part.root / path) for part in parts for path, _ in part.files], pyarrow.large_string())
    leaf = torch.tensor([hierarchy.leaf[part.leaves[place]] for part in parts for _, place in part.files])
    names = [path for part in parts for path, _ in part.files]
    sizes = [size for part in parts for size in part.sizes]
    damaged = [(len(part.damaged), part.fault_list) for part in parts if part.damaged]
    first = (sum(count for count, _ in damaged), damaged[0][1]) if damaged else None
    return split_files(data, hierarchy, paths, leaf, names, sizes, len(parts[0].files), first)
