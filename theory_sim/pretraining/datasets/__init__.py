"""Sets of real images: one module for each source, registered by name, behind the contract in `.base`.

===============  ===================================================================================================
``digits``       scikit-learn's 1,797 images of 8 × 8; coarse: has a closed loop (0, 6, 8, 9) or not [ours]; the
                 partition ``group(parity)`` cuts across that
``tree``         nested folders are the hierarchy, of any depth
``inat2021``     the official folders of a split (train, train_mini or val); coarse: the 11 supercategories
``imagenet``     a folder for each synset, of ImageNet-1k or 21k; a tree of one level
``huggingface``  a data set by name, streamed once into nested folders, then read as ``tree``
===============  ===================================================================================================

A source of your own is one function::

    from pathlib import Path

    from theory_sim.pretraining.datasets import Data, ImageData, OnProgress, image_source, split_arrays

    @image_source("stripes", "striped images", needs_path=False)
    def stripes(data: Data, keep: Path, on_progress: OnProgress) -> ImageData:
        pixels, leaf, hierarchy = ...
        return split_arrays(data, hierarchy, pixels, leaf)

`theory_sim.testing.image_sources.check_image_source` tests it.
"""

from theory_sim.pretraining.datasets.base import (
    IMAGE_SOURCES,
    Data,
    ImageData,
    ImageSource,
    image_source,
    load_data,
)
from theory_sim.pretraining.datasets.hierarchies import Hierarchy, Level
from theory_sim.pretraining.datasets.splitting import split_arrays, split_files
from theory_sim.runtime.progress import OnProgress

__all__ = [
    "IMAGE_SOURCES",
    "Data",
    "Hierarchy",
    "ImageData",
    "ImageSource",
    "Level",
    "OnProgress",
    "image_source",
    "load_data",
    "split_arrays",
    "split_files",
]
