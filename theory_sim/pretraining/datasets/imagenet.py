"""ImageNet-1k or 21k: a folder for each synset; a tree of one level."""

import re
from functools import partial
from pathlib import Path

from theory_sim.pretraining.datasets.base import Data, ImageData, image_source
from theory_sim.pretraining.datasets.folders import FolderLayout, check_folders, load_folders
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.datasets.wordnet import imagenet21k
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import OnProgress


def _class_path(path: tuple[str, ...], root: Path) -> tuple[str, ...]:
    name = path[-1]
    if len(path) > 1:
        raise InputError(f"{root}: expected folders synset, found {'/'.join(path)}; give the folder of one split")
    if not re.fullmatch(r"n\d{8}", name):
        raise InputError(f"{root}: '{name}' is no synset such as n01440764")
    try:
        imagenet21k().check(name)
    except InputError as error:
        raise InputError(f"{root}: {error}") from None
    return path


IMAGENET = FolderLayout("imagenet", _class_path, lambda leaves, root: Hierarchy.of_paths(leaves, str(root)))


@image_source("imagenet", "ImageNet-1k or 21k, a folder for each synset", check=partial(check_folders, IMAGENET))
def load(data: Data, keep: Path, on_progress: OnProgress) -> ImageData:
    """Read folders named by their synset, such as ``n01440764``."""
    return load_folders(IMAGENET, data, keep, on_progress)
