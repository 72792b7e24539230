"""Folders of images: which files belong to which class by the folders' names, and reading them as a data set."""

import os
import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from theory_sim.pretraining.datasets.base import Data, ImageData, Listed
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.datasets.splitting import groups_of, split_files
from theory_sim.pretraining.loading.names import printable
from theory_sim.runtime.errors import DataWarning, InputError
from theory_sim.runtime.progress import OnProgress

if TYPE_CHECKING:
    from theory_sim.pretraining.datasets.index import Index


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
        stray: files that belong to no class, and why; those that turn out to be images count as passed over.
    """

    root: Path
    files: Mapping[tuple[str, ...], list[str]]
    stray: Mapping[str, str]


_BESIDE = "it is beside folders, so that it belongs to no class"
_HIDDEN = "its name, or that of its folder, begins with a dot"


def list_files(layout: FolderLayout, root: Path) -> Listing:
    """List the files of a folder without opening any.

    Names that begin with a dot are hidden, and no classes. Unicode writes one name in several ways (NFC, NFD); the classes'
    names are in NFC.

    Args:
        layout: how folder names become a hierarchy.
        root: the folder.

    Raises:
        InputError: no such folder, a folder's name breaks the rules of the layout or is not UTF-8, two names differ in their
            Unicode form alone, a folder holds both images and folders, a link leads nowhere or to a folder around it, a class
            without files, or no class.
    """
    if not root.is_dir():
        raise InputError(f"no such folder: {printable(str(root))}")
    if printable(str(root)) != str(root):
        raise InputError(f"the folder's path is not UTF-8, or has control characters: {printable(str(root))}; rename it")
    leaves: dict[tuple[str, ...], list[str]] = {}
    written: dict[tuple[str, ...], tuple[str, ...]] = {}
    stray: dict[str, str] = {}
    ahead: list[tuple[str, ...]] = [()]
    while ahead:
        path = ahead.pop()
        with os.scandir(root.joinpath(*path)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        visible = [entry for entry in entries if not entry.name.startswith(".")]
        stray |= {place: _HIDDEN for entry in entries if entry.name.startswith(".") for place in _hidden_images(entry, root)}
        inner = [entry for entry in visible if entry.is_dir()]
        files = ["/".join((*path, entry.name)) for entry in visible if not entry.is_dir()]
        if not inner and path:
            leaves[layout.class_path(_in_nfc(path, written, root), root)] = files
            continue
        _check_inner(root, path, inner, [entry for entry in visible if not entry.is_dir()])
        ahead += [(*path, entry.name) for entry in reversed(inner)]
        stray |= dict.fromkeys(files, _BESIDE)
    if not leaves:
        raise InputError(f"{root} holds no folders of images")
    if empty := sorted(path for path, files in leaves.items() if not files):
        raise InputError(
            f"{root}: class {'/'.join(empty[0])} is empty" + (f" (one of {len(empty)} empty classes)" if len(empty) > 1 else "")
        )
    return Listing(root, dict(sorted(leaves.items())), dict(sorted(stray.items())))


def _check_inner(root: Path, path: tuple[str, ...], inner: list["os.DirEntry[str]"], files: list["os.DirEntry[str]"]) -> None:
    """Check a folder of folders: nothing beside them may be meant as a class, or as images of one."""
    here = printable("/".join((root.name, *path)))
    for entry in files:
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise InputError(f"{here}: {printable(entry.name)} is a link to nothing; mend or delete it")
    images = [entry.name for entry in files if _is_named_as_image(entry.name)]
    if images and path:  # beside the coarse classes, images such as a preview mislead nobody about a class
        raise InputError(
            f"{root}: {printable('/'.join(path))} holds images ({len(images)}, such as {printable(images[0])}) and the folder"
            f" {printable(inner[0].name)}; images belong into the innermost folders, so move or delete one of the two"
        )
    for entry in inner:
        if entry.is_symlink() and _leads_back(Path(entry.path), [root.joinpath(*path[:depth]) for depth in range(len(path) + 1)]):
            raise InputError(f"{here}: {printable(entry.name)} is a link to a folder around it; delete it")


def _leads_back(link: Path, above: list[Path]) -> bool:
    """Whether a link leads to a folder on the way to it, which would be listed without end."""
    return any(folder.resolve().is_relative_to(link.resolve()) for folder in above)


def _in_nfc(path: tuple[str, ...], written: dict[tuple[str, ...], tuple[str, ...]], root: Path) -> tuple[str, ...]:
    """A folder's path in NFC; `written` remembers how each was written, so that no two are taken for one."""
    names = tuple(unicodedata.normalize("NFC", name) for name in path)
    if bad := [name for name in path if printable(name) != name]:
        raise InputError(f"{root}: the folder's name is not UTF-8, or has control characters: {printable(bad[0])}; rename it")
    for depth in range(1, len(path) + 1):
        if written.setdefault(names[:depth], path[:depth]) != path[:depth]:
            first, second = (ascii(way[depth - 1]) for way in (written[names[:depth]], path))
            raise InputError(
                f"{root}: two folders are named {names[depth - 1]}, in different Unicode forms: {first} and {second}; rename one"
            )
    return names


def _hidden_images(entry: "os.DirEntry[str]", root: Path) -> list[str]:
    """Files named as images: this one, or those below this folder."""
    if not entry.is_dir(follow_symlinks=False):
        paths = [entry.path]
    else:
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(entry.path) for name in names]
    return [os.path.relpath(path, root).replace(os.sep, "/") for path in paths if _is_named_as_image(path)]


_SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".image", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
"""Of the usual formats, and of streamed images; a file of another suffix is opened to see what it is."""


def _is_named_as_image(path: str) -> bool:
    return path.lower().endswith(_SUFFIXES)


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
            too many files are damaged, or are both training and test images; or a split would be empty.

    Warns:
        DataWarning: the coarse classes are named as splits are.
    """
    import pyarrow

    from theory_sim.pretraining.datasets.index import index_folder

    listings, hierarchy = list_folders(layout, data, folders)
    parts = [index_folder(listing, layout, keep, data.damaged_share, on_progress, data.value_range) for listing in listings]
    if parts[1:]:
        parts[0] = _without_test_images(parts[0], parts[1], data.damaged_share)
    paths = pyarrow.array([os.fsencode(part.root / path) for part in parts for path, _ in part.files], pyarrow.large_binary())
    leaf = torch.tensor([hierarchy.leaf[part.leaves[place]] for part in parts for _, place in part.files])
    names = [_named(path) for part in parts for path, _ in part.files]
    digests = [digest for part in parts for digest in part.digests]
    damaged = {part.fault_list: part.passed_over for part in parts if part.passed_over}
    return split_files(data, hierarchy, paths, leaf, names, digests, len(parts[0].files), damaged)


def list_folders(layout: FolderLayout, data: Data, folders: Sequence[Path] | None = None) -> tuple[list[Listing], Hierarchy]:
    """List the folders of a data set, and check what their names decide, before any image is read.

    Args:
        layout: how folder names become a hierarchy.
        data: the folders.
        folders: as for `load_folders`.

    Returns:
        the listings of the training folder and, if there is one, of the test folder; and the hierarchy.

    Raises:
        InputError: as `load_folders`, where no image needs to be read to know it.

    Warns:
        DataWarning: the coarse classes are named as splits are.
    """
    if folders is None:
        if data.test_split is not None:
            raise InputError(f"data.test_split: source {data.source} has test_path instead")
        folders = [Path(path) for path in (data.path, data.test_path) if path]
    for folder in folders[1:]:
        if folder.exists() and folders[0].exists() and folder.samefile(folders[0]):
            raise InputError(f"data.test_path: {folder} is the same folder as data.path, {folders[0]}")
    listings = [list_files(layout, folder) for folder in folders]
    hierarchy = hierarchy_of(layout, list(listings[0].files), listings[0].root)
    for listing in listings[1:]:
        _check_apart(listings[0], listing)
        if unknown := [leaf for leaf in listing.files if leaf not in hierarchy.leaf]:
            root = listings[0].root
            raise InputError(f"{listing.root}: class {'/'.join(unknown[0])} is not among the training classes of {root}")
    groups_of(data, [_named(path) for listing in listings for files in listing.files.values() for path in files])
    return listings, hierarchy


def _check_apart(train: Listing, test: Listing) -> None:
    """Refuse a test folder inside the training folder; equal files elsewhere are found by their content, once they are read."""
    here, there = train.root.resolve(), test.root.resolve()
    if there.is_relative_to(here):
        inside = there.relative_to(here).as_posix() + "/"
        every = [path for files in train.files.values() for path in files]
        common = [path for path in every if path.startswith(inside)]
        if common:
            raise InputError(
                f"{len(common)} of {len(every)} training images in {train.root} are test images in {test.root} too, such as"
                f" {printable(common[0])}: data.test_path is inside data.path"
            )


def check_folders(layout: FolderLayout, data: Data) -> Listed:
    """The check of a source of folders: errors are those of `list_folders`; warnings are given when the folders are loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        listings, hierarchy = list_folders(layout, data)
    files = listings[0].files
    leaf = torch.tensor([hierarchy.leaf[path] for path in files])
    return Listed(hierarchy, leaf.repeat_interleave(torch.tensor([len(names) for names in files.values()])))


def _named(path: str) -> str:
    """A file's path below its folder, as groups and fingerprints know it."""
    return unicodedata.normalize("NFC", path)


def _without_test_images(train: "Index", test: "Index", share: float) -> "Index":
    """The index without images that are test images too, whether as the same file, a link or a copy."""
    from theory_sim.pretraining.datasets.index import append_faults

    tested = {digest: path for (path, _), digest in zip(test.files, test.digests, strict=True)}
    common = {path: tested[digest] for (path, _), digest in zip(train.files, train.digests, strict=True) if digest in tested}
    if not common:
        return train
    first, same = next(iter(common.items()))
    if len(common) > share * len(train.files):
        raise InputError(
            f"{len(common)} of {len(train.files)} training images in {train.root} are test images in {test.root} too, such as"
            f" {printable(first)} = {printable(same)}; remove them from one folder, or raise data.damaged_share to pass over them"
        )
    append_faults(train.fault_list, {path: f"the same image as the test image {same}" for path, same in common.items()})
    kept = [pair for pair in zip(train.files, train.digests, strict=True) if pair[0][0] not in common]
    return replace(
        train,
        files=[file for file, _ in kept],
        digests=[digest for _, digest in kept],
        passed_over=train.passed_over + len(common),
    )


_TO_TRAIN = {"train", "training"}
_TO_TEST = {"val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation"}


def hierarchy_of(layout: FolderLayout, leaves: Sequence[tuple[str, ...]], root: Path) -> Hierarchy:
    """The label tree of a folder.

    Args:
        layout: how folder names become a hierarchy.
        leaves: paths of the leaf classes.
        root: the folder.

    Raises:
        InputError: the layout's rules are broken.

    Warns:
        DataWarning: the coarse classes are named as splits are: all of them, or some to train on and some to test on.
    """
    hierarchy = layout.hierarchy(leaves, root)
    coarse = hierarchy.names[: hierarchy.tree.n_coarse]
    word = {name: match[0].lower() for name in coarse if (match := re.match("[A-Za-z]+", name))}  # of train2017, val_mini
    train, test = ([name for name in coarse if word.get(name) in words] for words in (_TO_TRAIN, _TO_TEST))
    if len(train) + len(test) == len(coarse) or (train and test):
        warnings.warn(
            f"the coarse classes of {root} are {', '.join(coarse)}, of which {', '.join(train + test)} look like splits;"
            " if they are, use the folders of the splits: one as data.path and another as data.test_path",
            DataWarning,
            stacklevel=4,
        )
    return hierarchy
