"""Nested folders of any depth: their nesting is the hierarchy."""

from functools import partial
from pathlib import Path

from theory_sim.pretraining.datasets.base import Data, ImageData, image_source
from theory_sim.pretraining.datasets.folders import FolderLayout, check_folders, load_folders
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.runtime.progress import OnProgress


def _class_path(path: tuple[str, ...], root: Path) -> tuple[str, ...]:
    return path


TREE = FolderLayout("tree", _class_path, lambda leaves, root: Hierarchy.of_paths(leaves, str(root)))


@image_source("tree", "nested folders of images, of any depth", check=partial(check_folders, TREE))
def load(data: Data, keep: Path, on_progress: OnProgress) -> ImageData:
    """Read nested folders; the innermost ones are the leaves, the outermost ones the coarse classes."""
    return load_folders(TREE, data, keep, on_progress)
