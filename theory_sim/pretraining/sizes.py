"""The side of the images that a network is fed, where the configuration does not say it.

Images in memory keep their side. Files are resized: to the network's usual side, 224 pixels, or 32 for the small convolutional
net; or, where that is less, to the median of the images' own shorter sides, but at least to 8, and for vision transformers to the
next multiple of 16. Weights from elsewhere have a side of their own.
"""

import numpy as np
from jaxtyping import Int
from torch import Tensor

from theory_sim.pretraining.backbones import load_backbone
from theory_sim.pretraining.config import Architecture, ImageStudy
from theory_sim.pretraining.datasets.base import ImageData
from theory_sim.pretraining.loading.images import ArrayImages, FileImages, Images, looked_at
from theory_sim.runtime.errors import InputError

_PATCH = 16
_LEAST = 8
"""What the small network's two strides leave something of."""


def with_image_size(study: ImageStudy, data: ImageData, target: ImageData) -> ImageStudy:
    """The study with the side of its images.

    Args:
        study: the configuration.
        data: the images to pretrain on.
        target: the images to transfer to.

    Raises:
        InputError: images in memory have another side than the others, or an image can no longer be read.
    """
    if study.model.image_size is not None:
        return study
    arrays = {images.images.pixels.shape[-1] for images in (data, target) if isinstance(images.images, ArrayImages)}
    if len(arrays) > 1:
        raise InputError(f"target: its images are not as large as those of data: {' and '.join(map(str, sorted(arrays)))} pixels")
    if arrays:
        side = arrays.pop()
    elif study.model.pretrained is not None:
        side = load_backbone(study.model.pretrained, "model.pretrained").side
    else:
        side = _for_files(study.model, data.images, data.train)
    return study.model_copy(update={"model": study.model.model_copy(update={"image_size": side})})


def _for_files(model: Architecture, images: Images, indices: Int[Tensor, " n"]) -> int:
    usual = 32 if model.name == "convnet" else 224
    own = [images.shorter_side(index) for index in looked_at(indices)] if isinstance(images, FileImages) else [usual]
    side = max(_LEAST, min(usual, round(float(np.median(own)))))
    return -(-side // _PATCH) * _PATCH if model.name.startswith("vit") else side
