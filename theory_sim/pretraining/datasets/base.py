"""The contract of an image source: its settings, what it returns, and the registry of sources by name."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from jaxtyping import Int
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.loading.images import Images
from theory_sim.runtime.errors import DataWarning
from theory_sim.runtime.progress import OnProgress, ignore
from theory_sim.runtime.registry import Registry
from theory_sim.runtime.settings import Count, Distinct, Section, Seed, Share

OpenShare = Annotated[float, Field(gt=0, lt=1)]


class Data(Section):
    """A set of images, its hierarchy and its splits."""

    source: str = "digits"
    """Name of the image source; see `theory_sim.pretraining.datasets`."""
    path: str | None = None
    """Folder of the training images; for `huggingface` the name of the data set, or with ``./`` or ``/`` before it the folder
    of its Parquet files."""
    test_path: str | None = None
    """Folder of the test images; without it the test split is taken from `path`."""
    test_share: OpenShare = 0.2
    """Share of each leaf's images, or with `groups` of all groups, that is held out for the test; not used with `test_path` or
    `test_split`."""
    validation_share: OpenShare = 0.1
    """Share of each leaf's training images, or with `groups` of all groups, that is held out for validation."""
    images_per_class: Count | None = None
    """Training images of each leaf that are used, drawn by `seed` (those of a smaller number are among those of a larger one);
    validation and test images stay the same."""
    evaluated: Count | None = None
    """Largest number of validation images, and of test images, that are used, drawn by `seed`; without it all are."""
    groups: str | None = None
    """A regular expression on the path: files with the same first group go to the same split, such as one writer's."""
    damaged_share: Share = 0.001
    """A larger share of files that are passed over (unreadable, of no class, or training and test images) stops the study."""
    value_range: Annotated[tuple[float, float], Field(strict=False)] | None = None
    """Values that become black and white, of images of more than 8 bits: [0, 4095] for 12 bits, [0, 1] for floats. Without it
    16 bits are 0 to 65535, and images of 32 bits are refused; see `theory_sim.pretraining.loading.colours`."""
    columns: Annotated[list[str], Field(min_length=1), Distinct] = Field(default_factory=lambda: ["label"])
    """Label columns of a Hugging Face data set, coarsest first."""
    image_column: str = "image"
    """Image column of a Hugging Face data set."""
    split: str = "train"
    """Split of a Hugging Face data set to train on."""
    test_split: str | None = None
    """Test split of a Hugging Face data set; without it the test images are taken from `split`."""
    seed: Seed = 0
    """Seed of the splits."""

    @field_validator("source")
    @classmethod
    def _is_registered(cls, name: str) -> str:
        IMAGE_SOURCES.entry(name)  # its `InputError` is a `ValueError`
        return name

    @field_validator("value_range")
    @classmethod
    def _ascends(cls, given: tuple[float, float] | None) -> tuple[float, float] | None:
        if given is not None and not given[0] < given[1]:
            raise ValueError(f"expected [black, white] with black < white, got {list(given)}")
        return given

    @model_validator(mode="after")
    def _has_a_path_where_needed(self) -> "Data":
        source = IMAGE_SOURCES[self.source]
        if source.needs_path != (self.path is not None):
            raise ValueError(f"path: source {self.source} " + ("takes none" if self.path else "needs one"))
        if self.path is not None and self.path == self.test_path:
            raise ValueError(f"test_path: the same folder as path, {self.path}; without test_path the test images are held out")
        if self.test_split is not None and self.test_split == self.split:
            raise ValueError(f"test_split: the same as split, {self.split}; without test_split the test images are held out")
        return self


@dataclass(frozen=True)
class ImageData:
    """Images with their leaf classes, in three fixed splits.

    Attributes:
        hierarchy: the label tree.
        images: all images, of every split.
        leaf: leaf index of each image.
        train: numbers of the training images.
        validation: numbers of the images held out from training, for choices between models.
        test: numbers of the test images, which no choice may depend on.
        fingerprint: changes when the images' content, their classes or the splits change.
        content: of each image a number that images of the same content share; None where the source gives none.
        damaged: files that list what was passed over and why, with the number of images in each.
    """

    hierarchy: Hierarchy
    images: Images
    leaf: Int[Tensor, " n"]
    train: Int[Tensor, " train"]
    validation: Int[Tensor, " validation"]
    test: Int[Tensor, " test"]
    fingerprint: str
    content: Int[Tensor, " image"] | None = None
    damaged: Mapping[Path, int] = field(default_factory=dict)

    @property
    def coarse(self) -> Int[Tensor, " n"]:
        """Level-1 class of each image, the target."""
        return self.hierarchy.tree.coarse_of_leaf[self.leaf]


Load = Callable[[Data, Path, OnProgress], ImageData]
"""Reads a data set. Arguments: the settings; a folder to keep indexes and downloads in; a function to call with progress.

Raises `InputError` where the configuration names something absent or wrong, or a split would be empty.
"""


@dataclass(frozen=True)
class Listed:
    """The images of a data set as far as their names tell, before any is read; some may turn out to be damaged.

    Attributes:
        hierarchy: the label tree.
        leaf: leaf index of each image that is not of a test folder.
    """

    hierarchy: Hierarchy
    leaf: Int[Tensor, " n"]


Check = Callable[[Data], Listed | None]
"""Checks the settings as far as no image needs to be read for it, so that mistakes are known before long work; returns what the
names tell, None where they tell nothing.

Raises `InputError` as `Load` does.
"""


def _nothing(data: Data) -> None:
    """The check of a source that has none."""


@dataclass(frozen=True)
class ImageSource:
    """Where images come from.

    Attributes:
        name: how configurations name it.
        summary: what it is, in a few words.
        load: reads the images.
        needs_path: whether `Data.path` must be given; otherwise it must not be.
        check: called before any data set of a study is loaded.
    """

    name: str
    summary: str
    load: Load
    needs_path: bool = True
    check: Check = _nothing


IMAGE_SOURCES: Registry[ImageSource] = Registry(
    "image source",
    [f"theory_sim.pretraining.datasets.{name}" for name in ("digits", "tree", "inat2021", "imagenet", "huggingface")],
)


def image_source(name: str, summary: str, needs_path: bool = True, check: Check = _nothing) -> Callable[[Load], Load]:
    """Register the decorated function as the `load` of an image source; arguments are those of `ImageSource`.

    Raises:
        InputError: another module has registered this name.
    """

    def register(load: Load) -> Load:
        IMAGE_SOURCES.add(name, ImageSource(name, summary, load, needs_path, check), source=load)
        return load

    return register


def load_data(data: Data, keep: Path, on_progress: OnProgress = ignore) -> ImageData:
    """Read a data set.

    Args:
        data: its source and how it is split.
        keep: folder for indexes, lists of damaged files, and downloads.
        on_progress: called with the progress of long work.

    Raises:
        InputError: the configuration names something absent or wrong, or a split would be empty.

    Warns:
        DataWarning: a class has no training image, or a coarse class no test image.
    """
    images = IMAGE_SOURCES[data.source].load(data, keep, on_progress)
    warn_of_absent_classes(images)
    return images


def warn_of_absent_classes(images: ImageData) -> None:
    """Warn of classes that are never trained on, and of coarse classes that no test image has.

    Warns:
        DataWarning: there are such classes.
    """
    tree, names = images.hierarchy.tree, images.hierarchy.names
    trained = set(images.leaf[images.train].tolist())
    tested = set(images.coarse[images.test].tolist())
    untrained = [names[node] for leaf, node in enumerate(tree.leaves) if leaf not in trained]
    untested = [names[node] for node in range(tree.n_coarse) if node not in tested]
    for split, absent in (("training", untrained), ("test", untested)):
        if absent:
            more = f" and {len(absent) - 1} other classes" if absent[1:] else ""
            warnings.warn(f"the {split} images have none of class {absent[0]}{more}", DataWarning, stacklevel=3)
