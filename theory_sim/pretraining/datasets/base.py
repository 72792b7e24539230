"""The contract of an image source: its settings, what it returns, and the registry of sources by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from jaxtyping import Int
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.loading.images import Images
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.registry import Registry
from theory_sim.runtime.settings import Section, Seed, Share

OpenShare = Annotated[float, Field(gt=0, lt=1)]
OnProgress = Callable[[Progress], None]


class Data(Section):
    """A set of images, its hierarchy and its splits."""

    source: str = "digits"
    """Name of the image source; see `theory_sim.pretraining.datasets`."""
    path: str | None = None
    """Folder of the training images; for `huggingface` the name of the data set."""
    test_path: str | None = None
    """Folder of the test images; without it the test split is taken from `path`."""
    test_share: OpenShare = 0.2
    """Share of each leaf's images that is held out for the test, where there is no `test_path`."""
    validation_share: OpenShare = 0.1
    """Share of each leaf's training images that is held out for validation."""
    groups: str | None = None
    """A regular expression on the path: files with the same first group go to the same split, such as one writer's."""
    damaged_share: Share = 0.001
    """A larger share of unreadable files stops the study."""
    columns: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["label"])
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

    @model_validator(mode="after")
    def _has_a_path_where_needed(self) -> "Data":
        source = IMAGE_SOURCES[self.source]
        if source.needs_path != (self.path is not None):
            raise ValueError(f"path: source {self.source} " + ("takes none" if self.path else "needs one"))
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
        fingerprint: changes when the images, their classes or the splits change.
        damaged: number of files that were passed over, and the list of them.
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
        """Level-1 class of each image, the target."""
        return self.hierarchy.tree.coarse_of_leaf[self.leaf]


Load = Callable[[Data, Path, OnProgress], ImageData]
"""Reads a data set. Arguments: the settings; a folder to keep indexes and downloads in; a function to call with progress.

Raises `InputError` where the configuration names something absent or wrong, or a split would be empty.
"""


@dataclass(frozen=True)
class ImageSource:
    """Where images come from.

    Attributes:
        name: how configurations name it.
        summary: what it is, in a few words.
        load: reads the images.
        needs_path: whether `Data.path` must be given; otherwise it must not be.
    """

    name: str
    summary: str
    load: Load
    needs_path: bool = True


IMAGE_SOURCES: Registry[ImageSource] = Registry(
    "image source",
    [f"theory_sim.pretraining.datasets.{name}" for name in ("digits", "tree", "inat2021", "imagenet", "huggingface")],
)


def image_source(name: str, summary: str, needs_path: bool = True) -> Callable[[Load], Load]:
    """Register the decorated function as the `load` of an image source; arguments are those of `ImageSource`.

    Raises:
        InputError: another module has registered this name.
    """

    def register(load: Load) -> Load:
        IMAGE_SOURCES.add(name, ImageSource(name, summary, load, needs_path), source=load)
        return load

    return register


def load_data(data: Data, keep: Path, on_progress: OnProgress = lambda progress: None) -> ImageData:
    """Read a data set.

    Args:
        data: its source and how it is split.
        keep: folder for indexes, lists of damaged files, and downloads.
        on_progress: called with the progress of long work.

    Raises:
        InputError: the configuration names something absent or wrong, or a split would be empty.
    """
    return IMAGE_SOURCES[data.source].load(data, keep, on_progress)
