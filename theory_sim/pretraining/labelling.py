"""The label functions of a study, on its training images: targets, class counts, alignment, and the images used.

The functions are those of `theory_sim.labels.functions`, in the simulator's registry, and one that only images have:
``hypernym(k)``, the synsets k direct-hypernym steps above a class of ImageNet-21k; a class may have several.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.labels.alignment import Alignment, alignment
from theory_sim.labels.functions import (
    LabelContext,
    LabelFunction,
    label_function,
    most_frequent,
    parsed,
    register_label_function,
)
from theory_sim.labels.tree import LabelTree
from theory_sim.pretraining.config import ImageStudy, Labels
from theory_sim.pretraining.datasets.base import ImageData, Listed
from theory_sim.pretraining.datasets.wordnet import imagenet21k
from theory_sim.pretraining.loading.images import ArrayImages
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.storage import load_checkpoint, save_checkpoint


@register_label_function("hypernym", "hypernym(steps)")
def _hypernym(tree: LabelTree, context: LabelContext, level: int) -> LabelFunction:
    """The synsets some direct-hypernym steps above a class of ImageNet-21k; a class may have several."""
    if not context.leaf_names:
        raise InputError(f"hypernym({level}) is for the synset folders of ImageNet")
    synsets = [name.rsplit("/", 1)[-1] for name in context.leaf_names]
    try:
        several, n = imagenet21k().targets(level, synsets)
    except InputError as error:
        raise InputError(f"hypernym({level}) needs folders named by synsets, such as n01440764: {error}") from None
    own = several[:, 0].clone()
    leaf, column = torch.nonzero(several >= 0, as_tuple=True)
    weight = torch.tensor(tree.leaf_probability, dtype=torch.float64)[leaf]
    return LabelFunction(
        f"hypernym({level})",
        n,
        most_frequent(several[leaf, column], tree.coarse_of_leaf[leaf], weight),
        own,
        lambda samples: own[samples.labelled_leaf],
        multi_labels=several,
    )


@dataclass(frozen=True)
class TrainingSamples:
    """The samples that label functions are applied to; see `theory_sim.labels.functions.Samples`."""

    labelled_leaf: Int[Tensor, " n"]
    tag: Float[Tensor, " n"]
    index: Int[Tensor, " n"]


@dataclass(frozen=True)
class Labelling:
    """A label function on the training images.

    Attributes:
        name: the label function.
        n_classes: its number of labels.
        parent: coarse class of each label, for the readouts.
        kind: its name without arguments, such as ``cluster``.
        targets: label of each training image, in the order of `ImageData.train`; rows of labels padded with −1 where a
            class has several.
        used: places in `ImageData.train` of the images that are trained on.
        alignment: with the coarse target, on the images used; None where the target is another data set.
        least: number of images of the rarest label that occurs.
        most: number of images of the most frequent label.
    """

    name: str
    n_classes: int
    parent: Int[Tensor, " label"]
    kind: str
    targets: Int[Tensor, " train"] | Int[Tensor, "train most"]
    used: Int[Tensor, " used"]
    alignment: Alignment | None
    least: int
    most: int


def labelling(
    text: str, data: ImageData, labels: Labels, embedding: Callable[[], Float[Tensor, "train dim"]], to_itself: bool = True
) -> Labelling:
    """Apply a label function to the training images.

    Args:
        text: such as ``cluster(20)``.
        data: the images.
        labels: seed, and how many images are used.
        embedding: computes the training images' embeddings.
        to_itself: whether the target is this data set's own level 1.

    Raises:
        InputError: there is no such function, it does not fit the data, or a class has too few images.
    """
    leaf = data.leaf[data.train]
    n = len(leaf)
    tree, hierarchy = data.hierarchy.tree, data.hierarchy
    names = tuple(hierarchy.names[node] for node in tree.leaves)
    context = LabelContext(n, leaf, embedding, hierarchy.groups, names, labels.seed)
    function = label_function(text, tree, context=context)
    draw = np.random.default_rng([labels.seed, 0])
    samples = TrainingSamples(leaf, torch.from_numpy(draw.random(n)), torch.arange(n))
    single = function.assign(samples)
    used = choose(function.name, single, labels, np.random.default_rng([labels.seed, 1]))
    aligned = alignment(single[used], tree.coarse_of_leaf[leaf[used]]) if to_itself else None
    targets = single if function.multi_labels is None else function.multi_labels[leaf]
    counts = torch.bincount(targets[used][targets[used] >= 0])
    counts = counts[counts > 0]
    kind, _ = parsed(text)
    least, most = int(counts.min()), int(counts.max())
    return Labelling(function.name, function.n_classes, function.parent, kind, targets, used, aligned, least, most)


class _NeedsEmbedding(BaseException):
    """A label function asks for an embedding; no `Exception`, so that no plugin's code takes it for its own."""


def check_labelling(text: str, data: ImageData, labels: Labels) -> None:
    """Check a label function as far as it needs no embedding, before any is computed.

    Args:
        text: as for `labelling`.
        data: as for `labelling`.
        labels: as for `labelling`.

    Raises:
        InputError: as `labelling`.
    """

    def embedding() -> Float[Tensor, "train dim"]:
        raise _NeedsEmbedding

    with suppress(_NeedsEmbedding):
        labelling(text, data, labels, embedding, to_itself=False)  # the alignment of millions takes long


def check_before_reading(listed: Listed, study: ImageStudy) -> None:
    """Check the label functions by what the images' names tell: none of them can have more images than are listed.

    Args:
        listed: the images to pretrain on.
        study: with the label functions.

    Raises:
        InputError: as `labelling`.
    """
    nothing = torch.empty(0, dtype=torch.long)
    images = ArrayImages(torch.empty(0, 3, 1, 1, dtype=torch.uint8))
    data = ImageData(listed.hierarchy, images, listed.leaf, torch.arange(len(listed.leaf)), nothing, nothing, "")
    for text in study.labels.functions:
        check_labelling(text, data, study.labels)


def save_labelling(path: Path, labelling: Labelling) -> None:
    """Write a labelling: clusters are computed once, and all processes train on the same labels."""
    values = {field: getattr(labelling, field) for field in ("name", "n_classes", "kind", "least", "most")}
    aligned = None if labelling.alignment is None else asdict(labelling.alignment)
    tensors = {field: getattr(labelling, field) for field in ("parent", "targets", "used")}
    save_checkpoint(path, tensors, alignment=aligned, **values)


def load_labelling(path: Path) -> Labelling:
    """Read a labelling that `save_labelling` wrote.

    Raises:
        InputError: the file is damaged.
    """
    tensors, values = load_checkpoint(path)
    aligned = values.pop("alignment")
    fields: dict[str, Any] = values | tensors
    return Labelling(**fields, alignment=None if aligned is None else Alignment(**aligned))


def choose(name: str, label: Int[Tensor, " n"], labels: Labels, draw: np.random.Generator) -> Int[Tensor, " used"]:
    """The samples that are used: all; or equally many of each label; or a total, as equally as the labels allow.

    Raises:
        InputError: a label has too few images, or all have together.
    """
    n = len(label)
    if labels.images_per_class is None and labels.total_images is None:
        return torch.arange(n)
    shuffled = draw.permutation(n)
    shuffled = shuffled[np.argsort(label.numpy()[shuffled], kind="stable")]
    inside = np.split(shuffled, np.flatnonzero(np.diff(label.numpy()[shuffled])) + 1)
    if labels.images_per_class is not None:
        least = min(map(len, inside))
        if least < labels.images_per_class:
            raise InputError(f"labels.images_per_class: {labels.images_per_class}, but {name} has a class of {least} images")
        take = [labels.images_per_class] * len(inside)
    else:
        total = labels.total_images or 0
        if not len(inside) <= total <= n:
            raise InputError(f"labels.total_images: from {len(inside)} (the classes of {name}) to {n} images, got {total}")
        take = share_out(total, [len(images) for images in inside])
    return torch.from_numpy(np.sort(np.concatenate([images[:k] for images, k in zip(inside, take, strict=True)])))


def share_out(total: int, sizes: list[int]) -> list[int]:
    """Shares as equal as the sizes allow: fill up to a common level, then one more to the first that have it."""
    low, high = 0, max(sizes)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(size, middle) for size in sizes) <= total else (low, middle - 1)
    shares = [min(size, low) for size in sizes]
    left = total - sum(shares)
    for place, size in enumerate(sizes):
        if left and size > shares[place]:
            shares[place] += 1
            left -= 1
    return shares
