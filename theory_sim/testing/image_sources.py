"""Checks that any image source must pass; the package's own sources pass them in its tests::

    from theory_sim.pretraining.datasets import Data
    from theory_sim.testing.image_sources import check_image_source

    def test_my_source(tmp_path):
        assert check_image_source(Data(source="stripes"), tmp_path, image_size=16) == []

Each finding names the check and what was found.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from theory_sim.pretraining.datasets import IMAGE_SOURCES, Data, ImageData
from theory_sim.pretraining.loading.images import View
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import ignore

CONTENT = "the fingerprint follows the content"
_IMAGES = 64
"""Images that are read, spread over the data set."""


@dataclass(frozen=True)
class Finding:
    """A check that a source does not pass.

    Attributes:
        check: name of the check, one of `CHECKS` or `CONTENT`.
        message: what is wrong.
    """

    check: str
    message: str


@dataclass(frozen=True)
class Case:
    """What the checks look at.

    Attributes:
        first: the data, as loaded.
        again: loaded a second time, with the same settings.
        reseeded: loaded with another seed of the splits.
        image_size: side of the images that are read.
        own_test_images: whether the test split is a data set of its own, which the seed does not change.
    """

    first: ImageData
    again: ImageData
    reseeded: ImageData
    image_size: int
    own_test_images: bool


def check_image_source(data: Data, keep: Path, image_size: int = 8, change: Callable[[], object] | None = None) -> list[Finding]:
    """Load a data set in several ways and check the contract of `theory_sim.pretraining.datasets.base`.

    Args:
        data: the settings to load it with.
        keep: an empty folder for indexes and downloads.
        image_size: side of the images that are read; that of the source's own where they are not resized.
        change: changes the content, such as a file or a pixel, so that the fingerprint must change.

    Returns:
        the findings; none where the source keeps the contract.

    Raises:
        InputError: the source refuses these settings.
    """
    load = IMAGE_SOURCES[data.source].load
    first, again = (load(data, keep, ignore) for _ in range(2))
    reseeded = load(data.replace({"seed": data.seed + 1}), keep, ignore)
    case = Case(first, again, reseeded, image_size, bool(data.test_path or data.test_split))
    findings = [Finding(name, message) for name, check in CHECKS.items() for message in check(case)]
    if change is not None:
        change()
        if load(data, keep, ignore).fingerprint == first.fingerprint:
            findings.append(Finding(CONTENT, "changed content has the same fingerprint"))
    return findings


def _splits_are_disjoint(case: Case) -> Iterator[str]:
    together = torch.cat(list(_splits(case.first).values()))
    twice = together.unique(return_counts=True)
    if (many := twice[0][twice[1] > 1]).numel():
        yield f"image {int(many[0])} is in more than one split, or twice in one"


def _splits_are_not_empty(case: Case) -> Iterator[str]:
    yield from (f"{name} has no images" for name, split in _splits(case.first).items() if not len(split))


def _splits_name_images(case: Case) -> Iterator[str]:
    n = len(case.first.images)
    for name, split in _splits(case.first).items():
        if len(split) and not (int(split.min()) >= 0 and int(split.max()) < n):
            yield f"{name} names images outside 0 … {n - 1}"


def _every_image_has_a_leaf(case: Case) -> Iterator[str]:
    leaf, tree = case.first.leaf, case.first.hierarchy.tree
    if len(leaf) != len(case.first.images):
        yield f"{len(leaf)} leaf indices for {len(case.first.images)} images"
    if len(leaf) and not (int(leaf.min()) >= 0 and int(leaf.max()) < tree.n_leaves):
        yield f"leaf indices {int(leaf.min())} … {int(leaf.max())}, but the tree has {tree.n_leaves} leaves"


def _every_leaf_is_trained_on(case: Case) -> Iterator[str]:
    present = set(case.first.leaf[case.first.train].tolist())
    tree = case.first.hierarchy.tree
    if missing := [leaf for leaf in range(tree.n_leaves) if leaf not in present]:
        yield f"no training image of {case.first.hierarchy.names[tree.leaves[missing[0]]]}"


def _nodes_are_named(case: Case) -> Iterator[str]:
    hierarchy = case.first.hierarchy
    tree, names = hierarchy.tree, hierarchy.names
    if len(names) != tree.n_nodes or len(set(names)) != len(names):
        yield f"{len(set(names))} different names for {tree.n_nodes} nodes"
        return
    if sorted(hierarchy.leaf.values()) != list(range(tree.n_leaves)):
        yield "Hierarchy.leaf does not number each leaf once"
        return
    for path, index in hierarchy.leaf.items():
        if names[tree.leaves[index]] != "/".join(path):
            yield f"leaf {index} is named {names[tree.leaves[index]]}, but its path is {'/'.join(path)}"


def _groups_are_partitions(case: Case) -> Iterator[str]:
    n = case.first.hierarchy.tree.n_leaves
    for name, group in case.first.hierarchy.groups.items():
        if tuple(group.shape) != (n,):
            yield f"group {name} has {len(group)} values for {n} leaves"


def _images_can_be_read(case: Case) -> Iterator[str]:
    side = case.image_size
    try:
        batch = case.first.images.batch(_some(case.first), View(side))
    except InputError as error:
        yield str(error)
        return
    if tuple(batch.shape[1:]) != (3, side, side) or batch.dtype != torch.uint8:
        yield f"a batch is {tuple(batch.shape)} of {batch.dtype}, not (n, 3, {side}, {side}) of torch.uint8"


def _reading_is_repeatable(case: Case) -> Iterator[str]:
    view, some = View(case.image_size), _some(case.first)
    try:
        batch = case.first.images.batch(some, view)
    except InputError:  # what `_images_can_be_read` reports
        return
    for images in (case.first.images, case.again.images):
        alone = torch.cat([images.batch([index], view) for index in some])
        if not torch.equal(alone, batch):
            yield "the same images, read again one by one, have other pixels"
            return


def _loading_is_repeatable(case: Case) -> Iterator[str]:
    if case.again.fingerprint != case.first.fingerprint:
        yield "the same data have another fingerprint when they are loaded again"
    for name in ("leaf", "train", "validation", "test"):
        if not torch.equal(getattr(case.first, name), getattr(case.again, name)):
            yield f"{name} differs when the same data are loaded again"


def _the_seed_decides_the_splits(case: Case) -> Iterator[str]:
    name = "train" if case.own_test_images else "test"
    if torch.equal(getattr(case.first, name), getattr(case.reseeded, name)):
        yield f"another seed gives the same {name} split"
    if case.reseeded.fingerprint == case.first.fingerprint:
        yield "another seed gives the same fingerprint"


CHECKS: dict[str, Callable[[Case], Iterator[str]]] = {
    "splits are disjoint": _splits_are_disjoint,
    "splits are not empty": _splits_are_not_empty,
    "splits name images": _splits_name_images,
    "every image has a leaf": _every_image_has_a_leaf,
    "every leaf is trained on": _every_leaf_is_trained_on,
    "nodes are named": _nodes_are_named,
    "groups are partitions": _groups_are_partitions,
    "images can be read": _images_can_be_read,
    "reading is repeatable": _reading_is_repeatable,
    "loading is repeatable": _loading_is_repeatable,
    "the seed decides the splits": _the_seed_decides_the_splits,
}
"""The checks by name; `CONTENT` is one more."""


def _splits(data: ImageData) -> dict[str, torch.Tensor]:
    return {"train": data.train, "validation": data.validation, "test": data.test}


def _some(data: ImageData) -> list[int]:
    return list(range(0, len(data.images), max(1, len(data.images) // _IMAGES)))
