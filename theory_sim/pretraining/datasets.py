"""Data sets of real images: their hierarchy, their images, and splits that do not touch.

===============  ===================================================================================================
``digits``       scikit-learn's 1,797 images of 8 × 8; coarse: has a closed loop (0, 6, 8, 9) or not [ours]; the
                 partition ``group(parity)`` cuts across that
``tree``         nested folders are the hierarchy, of any depth
``inat2021``     the official folders of a split (train, train_mini or val); coarse: the 11 supercategories
``imagenet``     a folder for each synset, of ImageNet-1k or 21k; a tree of one level
``huggingface``  a data set by name, streamed once into nested folders, then as ``tree``
===============  ===================================================================================================
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from theory_sim.pretraining.config import Data
from theory_sim.pretraining.folders import folder_hierarchy
from theory_sim.pretraining.hierarchies import Hierarchy
from theory_sim.pretraining.images import ArrayImages, FileImages, Images
from theory_sim.pretraining.index import Index, index_folder
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import Progress

Show = Callable[[Progress], None]


@dataclass(frozen=True)
class ImageData:
    """Images with their leaf classes, split for good.

    Attributes:
        hierarchy: the label tree.
        images: all images, of every split.
        leaf: leaf index of each.
        train: numbers of the training images.
        validation: held out from training, for whatever is chosen.
        test: no part in any choice.
        fingerprint: changes when the images, their classes or the splits do.
        damaged: files that were passed over, and where they are listed.
    """

    hierarchy: Hierarchy
    images: Images
    leaf: Int[Tensor, " n"]
    train: Int[Tensor, " train"]
    validation: Int[Tensor, " validation"]
    test: Int[Tensor, " test"]
    fingerprint: str
    damaged: tuple[int, Path] | None = None

    @property
    def coarse(self) -> Int[Tensor, " n"]:
        """Level 1 of each image, the target."""
        return self.hierarchy.tree.coarse_of_leaf[self.leaf]


def load_data(data: Data, keep: Path, show: Show = lambda progress: None) -> ImageData:
    """Read a data set; folders through their index.

    Args:
        data: which one, and how it is split.
        keep: folder for indexes, lists of damaged files, and what is streamed.
        show: called with the progress of long work.

    Raises:
        InputError: what the configuration names is absent or breaks its rules; a split would be empty.
    """
    if data.source == "digits":
        return _digits(data)
    folder, test_folder, source = Path(data.path or ""), Path(data.test_path) if data.test_path else None, data.source
    if data.source == "huggingface":
        from theory_sim.pretraining.hub import stream_to_folder

        folder = stream_to_folder(data, data.split, keep, show)
        test_folder = stream_to_folder(data, data.test_split, keep, show) if data.test_split else None
        source = "tree"
    index = index_folder(source, folder, keep, data.damaged_share, show)
    hierarchy = folder_hierarchy(source, index.leaves, folder)
    parts = [index]
    if test_folder is not None:
        parts.append(index_folder(source, test_folder, keep, data.damaged_share, show))
        if unknown := [leaf for leaf in parts[1].leaves if leaf not in hierarchy.leaf]:
            raise InputError(f"{test_folder}: class {'/'.join(unknown[0])} is not among the training classes of {folder}")
    return _of_folders(data, hierarchy, parts)


def _of_folders(data: Data, hierarchy: Hierarchy, parts: list[Index]) -> ImageData:
    import pyarrow

    paths = pyarrow.array([str(part.root / path) for part in parts for path, _ in part.files], pyarrow.large_string())
    leaf = torch.tensor([hierarchy.leaf[part.leaves[place]] for part in parts for _, place in part.files])
    names = [path for part in parts for path, _ in part.files]
    n_train = len(parts[0].files)
    state = hashlib.sha256(repr([hierarchy.names, data.model_dump(exclude={"path", "test_path", "damaged_share"})]).encode())
    sizes = [size for part in parts for size in part.sizes]
    for name, size in zip(names, sizes, strict=True):
        state.update(f"{name} {size}\n".encode())
    groups = _groups(data, names)
    if len(parts) > 1:
        rest, test = torch.arange(n_train), torch.arange(n_train, len(names))
    else:
        rest, test = _hold_out(torch.arange(n_train), leaf, data.test_share, data.seed, groups, "test_share")
    train, validation = _hold_out(rest, leaf, data.validation_share, data.seed + 1, groups, "validation_share")
    damaged = [(len(part.damaged), part.fault_list) for part in parts if part.damaged]
    first = (sum(count for count, _ in damaged), damaged[0][1]) if damaged else None
    return ImageData(hierarchy, FileImages(paths), leaf, train, validation, test, state.hexdigest()[:16], first)


def _digits(data: Data) -> ImageData:
    from sklearn.datasets import load_digits

    if data.test_path or data.groups:
        raise InputError("data: source digits has no test_path and no groups")
    digits = load_digits()
    grey = torch.from_numpy((digits.images * 255 / 16).round().astype(np.uint8))
    loop = {True: "loop", False: "no loop"}
    hierarchy = Hierarchy.of_paths([(loop[d in (0, 6, 8, 9)], str(d)) for d in range(10)], "digits", ("loop", "digit"))
    of_digit = torch.tensor([hierarchy.leaf[loop[d in (0, 6, 8, 9)], str(d)] for d in range(10)])
    parity = torch.zeros(10, dtype=torch.long)
    parity[of_digit] = torch.arange(10) % 2
    hierarchy = Hierarchy(hierarchy.tree, hierarchy.names, hierarchy.leaf, hierarchy.ranks, {"parity": parity})
    leaf = of_digit[torch.from_numpy(digits.target)]
    rest, test = _hold_out(torch.arange(len(leaf)), leaf, data.test_share, data.seed, None, "test_share")
    train, validation = _hold_out(rest, leaf, data.validation_share, data.seed + 1, None, "validation_share")
    images = ArrayImages(grey[:, None].expand(-1, 3, -1, -1).contiguous())
    state = hashlib.sha256(grey.numpy().tobytes() + repr([hierarchy.names, data.model_dump()]).encode())
    return ImageData(hierarchy, images, leaf, train, validation, test, state.hexdigest()[:16])


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
