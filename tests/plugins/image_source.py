"""A plugin: striped images made in memory. The coarse class is the direction of the stripes, the leaf also their width."""

from pathlib import Path

import torch

from theory_sim.pretraining.datasets import Data, Hierarchy, ImageData, OnProgress, image_source, split_arrays

SIDE, PER_LEAF = 8, 30
WIDTHS = {"narrow": 1, "wide": 2, "broad": 4}


@image_source("stripes", "striped images of 8 × 8 pixels", needs_path=False)
def stripes(data: Data, keep: Path, on_progress: OnProgress) -> ImageData:
    """Bright and dark stripes with noise, 30 images of each of six leaves."""
    paths = [(direction, width) for direction in ("horizontal", "vertical") for width in WIDTHS]
    hierarchy = Hierarchy.of_paths(paths, "stripes", ("direction", "width"))
    draw = torch.Generator().manual_seed(7)
    pixels, leaf = [], []
    for direction, width in paths:
        bright = torch.arange(SIDE) // WIDTHS[width] % 2 * 120
        picture = bright[:, None].expand(SIDE, SIDE) if direction == "horizontal" else bright.expand(SIDE, SIDE)
        noise = torch.randint(0, 100, (PER_LEAF, 3, SIDE, SIDE), generator=draw)
        pixels.append((noise + picture).to(torch.uint8))
        leaf += [hierarchy.leaf[direction, width]] * PER_LEAF
    return split_arrays(data, hierarchy, torch.cat(pixels), torch.tensor(leaf))
