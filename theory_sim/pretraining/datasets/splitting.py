"""Training, validation and test images: fixed splits without a common image, and the fingerprint of a data set."""

import hashlib
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from theory_sim.pretraining.datasets.base import Data, ImageData
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.loading.images import ArrayImages, FileImages, Images
from theory_sim.pretraining.loading.names import printable
from theory_sim.runtime.errors import DataWarning, InputError


def split_arrays(
    data: Data, hierarchy: Hierarchy, pixels: UInt8[Tensor, "n 3 height width"], leaf: Int[Tensor, " n"]
) -> ImageData:
    """Split images that are in memory.

    Args:
        data: the shares and the seed of the splits.
        hierarchy: the label tree.
        pixels: red, green and blue of each image, 0 … 255.
        leaf: leaf index of each image.

    Raises:
        InputError: `data` asks for a test folder or for groups of files, or a split would be empty.
    """
    if data.test_path or data.groups:
        raise InputError(f"data: source {data.source} has no test_path and no groups")
    rows = pixels.contiguous().numpy()
    content = _numbers(rows)
    splits = _split(data, leaf, len(leaf), _together(content, None))
    fingerprint = _fingerprint(data, hierarchy, [rows.tobytes(), leaf.numpy().tobytes()])
    return ImageData(hierarchy, ArrayImages(pixels), leaf, *splits, fingerprint, content)


def split_files(
    data: Data,
    hierarchy: Hierarchy,
    paths: Any,
    leaf: Int[Tensor, " n"],
    names: list[str],
    digests: list[str],
    n_train: int,
    damaged: Mapping[Path, int] | None = None,
) -> ImageData:
    """Split image files; those of the same content go to the same split.

    Args:
        data: the shares and the seed of the splits, and the expression for groups of files.
        hierarchy: the label tree.
        paths: a pyarrow array of full paths; see `theory_sim.pretraining.loading.images.FileImages`.
        leaf: leaf index of each file.
        names: of each file its path below its data set's folder; the groups and the fingerprint are made from these.
        digests: of the files' content, by any hash function.
        n_train: files behind these are the test split; where there are none, the test split is held out from all.
        damaged: see `ImageData.damaged`.

    Raises:
        InputError: the expression for groups does not fit, or a split would be empty.
    """
    content = _numbers(digest.encode() for digest in digests)
    splits = _split(data, leaf, n_train, _together(content, groups_of(data, names)))
    rows = (b"%s\0%s\n" % (os.fsencode(name), digest.encode()) for name, digest in zip(names, digests, strict=True))
    images: Images = FileImages(paths, data.value_range)
    return ImageData(hierarchy, images, leaf, *splits, _fingerprint(data, hierarchy, rows), content, damaged or {})


def keep_apart(data: ImageData, target: ImageData, share: float) -> None:
    """Check that a network is not pretrained on the test images of its target.

    Args:
        data: the images to pretrain on.
        target: another data set, to transfer to.
        share: largest share of common test images that is only warned of.

    Raises:
        InputError: there are more.

    Warns:
        DataWarning: there are some.
    """
    if data.content is None or target.content is None:
        return
    common, n = int(torch.isin(target.content[target.test], data.content[data.train]).sum()), len(target.test)
    said = f"target: {common} of its {n} test images are among the images to pretrain on"
    if common > share * n:
        raise InputError(f"{said}; remove them from one, or split both alike (seed, test_share or test_path)")
    if common:
        warnings.warn(said, DataWarning, stacklevel=2)


def _split(
    data: Data, leaf: Int[Tensor, " n"], n_train: int, together: Int[np.ndarray, " n"]
) -> tuple[Int[Tensor, " train"], Int[Tensor, " validation"], Int[Tensor, " test"]]:
    hold_out = partial(_hold_out, leaf=leaf, together=together, grouped=data.groups is not None)
    if n_train < len(leaf):
        rest, test = torch.arange(n_train), torch.arange(n_train, len(leaf))
    else:
        rest, test = hold_out(torch.arange(n_train), share=data.test_share, seed=data.seed, key="test_share")
    train, validation = hold_out(rest, share=data.validation_share, seed=data.seed + 1, key="validation_share")
    if data.images_per_class is not None:
        train = _some_of_each(train, leaf[train], data.images_per_class, data.seed + 2)
    if data.evaluated is not None:
        validation, test = (_some(split, data.evaluated, data.seed + 3) for split in (validation, test))
    return train, validation, test


def _some(among: Int[Tensor, " n"], wanted: int, seed: int) -> Int[Tensor, " kept"]:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(among)))
    return among[order[:wanted].sort().values]


def _some_of_each(among: Int[Tensor, " n"], leaf: Int[Tensor, " n"], wanted: int, seed: int) -> Int[Tensor, " kept"]:
    """As many images of each leaf."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(among)))
    order = order[leaf[order].sort(stable=True).indices]
    counts = torch.bincount(leaf)
    if (least := int(counts[counts > 0].min())) < wanted:
        raise InputError(f"data.images_per_class: {wanted}, but a class has {least} training images")
    kept = [of_leaf[:wanted] for of_leaf in order.split(counts.tolist())]
    return among[torch.cat(kept).sort().values]


def _numbers(contents: Iterable[Any]) -> Int[Tensor, " n"]:
    """A number of each content, by its hash: of 10 million images two share one by chance with a probability of 3e-6."""
    from xxhash import xxh3_64_intdigest

    return torch.from_numpy(np.array([xxh3_64_intdigest(content) for content in contents], dtype=np.uint64).view(np.int64))


def _together(content: Int[Tensor, " n"], groups: list[str] | None) -> Int[np.ndarray, " n"]:
    """For each image the number of the unit that stays in one split.

    Without groups that is the first image of the same content; with groups, the first of those (in the order of their names) that
    images of the same content connect.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, first, same = np.unique(content.numpy(), return_index=True, return_inverse=True)
    if groups is None:
        unit: np.ndarray = first[same]
        return unit
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    n = len(names) + len(first)
    _, part = connected_components(coo_array((np.ones(len(group)), (group, len(names) + same)), shape=(n, n)), directed=False)
    _, least, of_group = np.unique(part[: len(names)], return_index=True, return_inverse=True)
    unit = least[of_group][group]
    return unit


def _fingerprint(data: Data, hierarchy: Hierarchy, content: Iterable[bytes]) -> str:
    """Where the files are on this machine is no part of it."""
    settings = data.model_dump(exclude={"path", "test_path", "damaged_share"})
    state = hashlib.sha256(repr([hierarchy.names, settings]).encode())
    for part in content:
        state.update(part)
    return state.hexdigest()[:16]


def groups_of(data: Data, names: list[str]) -> list[str] | None:
    """The group of each file, which stays in one split; None where there are none.

    Args:
        data: the expression for groups.
        names: the files' paths below their data set's folder.

    Raises:
        InputError: the expression is no regular expression, or finds no group in a name.
    """
    if data.groups is None:
        return None
    try:
        pattern = re.compile(data.groups)
    except re.error as error:
        raise InputError(f"data.groups: no regular expression: {error}") from None
    found = [pattern.search(name) for name in names]
    if pattern.groups < 1 or None in found:
        missing = printable(next((name for name, match in zip(names, found, strict=True) if match is None), ""))
        raise InputError(
            f"data.groups: '{data.groups}' finds no group" + (f" in {missing}" if missing else ": it needs parentheses")
        )
    return [match[1] or "" for match in found if match is not None]


def _hold_out(
    among: Int[Tensor, " n"],
    leaf: Int[Tensor, " all"],
    together: Int[np.ndarray, " all"],
    grouped: bool,
    share: float,
    seed: int,
    key: str,
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    """Hold out a share of each leaf's images of different content, or of the groups."""
    draw = np.random.default_rng(seed)
    held = np.zeros(len(leaf), dtype=bool)
    if grouped:
        units = np.unique(together[among.numpy()])
        wanted = round(share * len(units))
        if not 0 < wanted < len(units):
            raise InputError(f"data.{key}: {share:g} of {len(units)} groups leaves nothing on one side")
        held = np.isin(together, draw.permutation(units)[:wanted])
    else:
        different = among.numpy()[together[among.numpy()] == among.numpy()]
        order = different[draw.permutation(len(different))]
        order = order[np.argsort(leaf.numpy()[order], kind="stable")]
        for images in np.split(order, np.flatnonzero(np.diff(leaf.numpy()[order])) + 1):
            held[images[: round(share * len(images))]] = True
        held = held[together]
    mask = torch.from_numpy(held[among.numpy()])
    kept, out = among[~mask], among[mask]
    if not len(kept) or not len(out):
        raise InputError(f"data.{key}: {share:g} of {len(among)} images leaves nothing on one side")
    return kept, out
