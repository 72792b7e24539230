"""Small folders of real image files, made on the spot."""

from pathlib import Path

import numpy as np

CLASSES = {"birds/gulls": 40, "birds/owls": 90, "fish/cod": 160, "fish/rays": 220}
"""Leaf folder and the brightness of its images."""


def save_image(path: Path, brightness: int, seed: int = 0, size: tuple[int, int] = (24, 20), **options) -> Path:
    from PIL import Image

    noise = np.random.default_rng(seed).integers(0, 30, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((noise + brightness).clip(0, 255).astype(np.uint8)).save(path, **options)
    return path


def make_folder(root: Path, per_class: int = 10, classes: dict[str, int] = CLASSES, seed: int = 0) -> Path:
    """Folders of images; those of another seed have no image in common with them."""
    for place, (name, brightness) in enumerate(classes.items()):
        for number in range(per_class):
            save_image(root / name / f"{number:03d}_{number % 5}.jpg", brightness, 100_000 * seed + 1000 * place + number)
    return root


def load_tree(folder: Path, keep: Path, **keys):
    """A folder as a data set."""
    from theory_sim.pretraining.datasets import Data, load_data

    return load_data(Data(source="tree", path=str(folder), **keys), keep)
