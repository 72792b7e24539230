"""Training, validation and test images: fixed splits without a common image, and the fingerprint of a data set."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from theory_sim.pretraining.datasets.base import Data, ImageData
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.loading.images import ArrayImages, FileImages, Images
from theory_sim.runtime.errors import InputError


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
    splits = _split(data, leaf, len(leaf), None)
    content = [pixels.contiguous().numpy().tobytes(), leaf.numpy().tobytes()]
    return ImageData(hierarchy, ArrayImages(pixels), leaf, *splits, _fingerprint(data, hierarchy, content))


def split_files(
    data: Data,
    hierarchy: Hierarchy,
    paths: Any,
    leaf: Int[Tensor, " n"],
    names: list[str],
    sizes: list[int],
    n_train: int,
    damaged: tuple[int, Path] | None = None,
) -> ImageData:
    """Split image files.

    Args:
        data: the shares and the seed of the splits, and the expression for groups of files.
        hierarchy: the label tree.
        paths: a pyarrow array of full paths.
        leaf: leaf index of each file.
        names: of each file its path below its data set's folder; the groups and the fingerprint are made from these.
        sizes: of the files, in bytes.
        n_train: files behind these are the test split; where there are none, the test split is held out from all.
        damaged: number of files that were passed over, and the list of them.

    Raises:
        InputError: the expression for groups does not fit, or a split would be empty.
    """
    splits = _split(data, leaf, n_train, _groups(data, names))
    content = (f"{name} {size}\n".encode() for name, size in zip(names, sizes, strict=True))
    images: Images = FileImages(paths)
    return ImageData(hierarchy, images, leaf, *splits, _fingerprint(data, hierarchy, content), damaged)


def _split(
    data: Data, leaf: Int[Tensor, " n"], n_train: int, groups: list[str] | None
) -> tuple[Int[Tensor, " train"], Int[Tensor, " validation"], Int[Tensor, " test"]]:
    if n_train < len(leaf):
        rest, test = torch.arange(n_train), torch.arange(n_train, len(leaf))
    else:
        rest, test = _hold_out(torch.arange(n_train), leaf, data.test_share, data.seed, groups, "test_share")
    train, validation = _hold_out(rest, leaf, data.validation_share, data.seed + 1, groups, "validation_share")
    return train, validation, test


def _fingerprint(data: Data, hierarchy: Hierarchy, content: Iterable[bytes]) -> str:
    """Where the files are on this machine is no part of it."""
    settings = data.model_dump(exclude={"path", "test_path", "damaged_share"})
    state = hashlib.sha256(repr([hierarchy.names, settings]).encode())
    for part in content:
        state.update(part)
    return state.hexdigest()[:16]


def _groups(data: Data, names: list[str]) -> list[str] | None:
    if data.groups is None:
        return None
    try:
        pattern = re.compile(data.groups)
    except re.error as error:
        raise InputError(f"data.groups: no regular expression: {error}") from None
    found = [pattern.search(name) for name in names]
    if pattern.groups < 1 or None in found:
        missing = next((name for name, match in zip(names, found, strict=True) if match is None), "")
        raise InputError(
            f"data.groups: '{data.groups}' finds no group" + (f" in {missing}" if missing else ": it needs parentheses")
        )
    return [match[1] or "" for match in found if match is not None]


def _hold_out(
    among: Int[Tensor, " n"], leaf: Int[Tensor, " all"], share: float, seed: int, groups: list[str] | None, key: str
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    """Hold out a share of each leaf's images, or of the groups."""
    draw = np.random.default_rng(seed)
    held = np.zeros(len(leaf), dtype=bool)
    if groups is not None:
        of = np.asarray(groups)
        names = np.unique(of[among.numpy()])
        wanted = round(share * len(names))
        if not 0 < wanted < len(names):
            raise InputError(f"data.{key}: {share:g} of {len(names)} groups leaves nothing on one side")
        held = np.isin(of, draw.permutation(names)[:wanted])
    else:
        order = among.numpy()[draw.permutation(len(among))]
        order = order[np.argsort(leaf.numpy()[order], kind="stable")]
        for images in np.split(order, np.flatnonzero(np.diff(leaf.numpy()[order])) + 1):
            held[images[: round(share * len(images))]] = True
    mask = torch.from_numpy(held[among.numpy()])
    kept, out = among[~mask], among[mask]
    if not len(kept) or not len(out):
        raise InputError(f"data.{key}: {share:g} of {len(among)} images leaves nothing on one side")
    return kept, out
