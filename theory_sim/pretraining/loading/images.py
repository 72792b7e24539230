"""Images by number, always RGB: arrays in memory, and files decoded by Pillow."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from theory_sim.pretraining.loading.colours import ValueRange
from theory_sim.pretraining.loading.decoding import decode
from theory_sim.pretraining.loading.names import printable, reason_of
from theory_sim.pretraining.loading.orientation import Box
from theory_sim.pretraining.loading.randomness import Key, crop_draws, uniform
from theory_sim.runtime.errors import InputError

Read = TypeVar("Read")
_LOOKED_AT = 64


def looked_at(indices: Int[Tensor, " n"]) -> list[int]:
    """The numbers of at most 64 images, evenly spread over all."""
    some: list[int] = indices[torch.linspace(0, len(indices) - 1, min(len(indices), _LOOKED_AT)).round().long()].tolist()
    return some


@dataclass(frozen=True)
class View:
    """How images become squares of one size.

    Attributes:
        size: side of the square.
        crop: ``none``: the middle, its shorter side resized; ``shift`` and ``resized``: see
            `theory_sim.pretraining.config.TrainingRecipe.crop`.
    """

    size: int
    crop: str = "none"


@dataclass(frozen=True)
class ArrayImages:
    """Images in memory.

    Attributes:
        pixels: all of them, of any one size.
    """

    pixels: UInt8[Tensor, "n 3 height width"]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.pixels)

    def name(self, index: int) -> str:
        """Its number."""
        return str(index)

    def batch(
        self, indices: list[int], view: View, keys: list[Key] | None = None, out: UInt8[Tensor, "n 3 side side"] | None = None
    ) -> UInt8[Tensor, "n 3 side side"]:
        """Read images; `keys` decide their random crops. An array has one size already, and is not resized."""
        read = self._batch(indices, view, keys)
        return read if out is None else out.copy_(read)

    def _batch(self, indices: list[int], view: View, keys: list[Key] | None) -> UInt8[Tensor, "n 3 side side"]:
        chosen = self.pixels[indices]
        if chosen.shape[-2:] != (view.size, view.size):
            raise InputError(f"model.image_size: these images are {chosen.shape[-1]} wide and not resized, got {view.size}")
        if view.crop == "none" or keys is None:
            return chosen
        if view.crop == "resized":
            raise InputError("crop: images in memory are not resized, so that 'resized' does not apply; give 'shift' or 'none'")
        reach = max(1, view.size // 8)
        padded = functional.pad(chosen, (reach,) * 4)
        down, right = (torch.from_numpy((uniform(keys, stream) * (2 * reach + 1)).astype(int)) for stream in (1, 2))
        rows = down[:, None] + torch.arange(view.size)
        columns = right[:, None] + torch.arange(view.size)
        n = torch.arange(len(indices))
        return padded[n[:, None, None, None], torch.arange(3)[:, None, None], rows[:, None, :, None], columns[:, None, None, :]]


@dataclass(frozen=True)
class FileImages:
    """Image files.

    Attributes:
        paths: a pyarrow array of their full paths, strings or, since not every file name is UTF-8, bytes: millions of them cost
            little, and a worker process copies none.
        value_range: the values that become black and white, of images of more than 8 bits; see `.colours`.
    """

    paths: Any
    value_range: ValueRange | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self.paths)

    def path(self, index: int) -> str:
        """The full path of an image, as Python names files: bytes that are not UTF-8 are surrogates."""
        return os.fsdecode(self.paths[index].as_py())

    def name(self, index: int) -> str:
        """The path for people: what is not UTF-8, or a control character, is escaped."""
        return printable(self.path(index))

    def shorter_side(self, index: int) -> int:
        """The shorter side of an image, from the head of its file.

        Raises:
            InputError: the file is gone or can no longer be read.
        """
        from PIL import Image

        def head(path: str) -> int:
            with Image.open(path) as image:
                return min(image.size)

        return self.look(index, head)

    def look(self, index: int, read: Callable[[str], Read]) -> Read:
        """What a function reads of a file, given its path.

        Raises:
            InputError: the file is gone or can no longer be read.
        """
        path = self.path(index)
        try:
            return read(path)
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"cannot read {printable(path)}: {printable(reason_of(error))}") from None

    def batch(
        self, indices: list[int], view: View, keys: list[Key] | None = None, out: UInt8[Tensor, "n 3 side side"] | None = None
    ) -> UInt8[Tensor, "n 3 side side"]:
        """Read images; `keys` decide their random crops.

        Args:
            indices: which.
            view: how they become squares.
            keys: one for each; without them the crop is the middle.
            out: where to put them, such as memory that other processes see; else a tensor of their own.

        Raises:
            InputError: a file is gone or can no longer be read.
        """
        if out is None:
            out = torch.empty(len(indices), 3, view.size, view.size, dtype=torch.uint8)
        draws = [None] * len(indices) if keys is None or view.crop == "none" else list(crop_draws(keys))
        for place, index in enumerate(indices):
            out[place] = self.read(index, view, draws[place])
        return out

    def read(self, index: int, view: View, draws: Float[np.ndarray, " draw"] | None = None) -> UInt8[Tensor, "3 side side"]:
        """One image: decoded by Pillow, cropped, and resized by PyTorch, whose 8-bit kernels are several times faster.

        Args:
            index: which.
            view: how it becomes a square.
            draws: what decides its random crop, of `crop_draws`; without them the crop is the middle.
        """
        part = self.look(index, lambda path: decode(path, lambda size: crop_box(size, view, draws), view.size, self.value_range))
        return resized(torch.from_numpy(part).permute(2, 0, 1)[None], view.size)[0, :3]


def resized(pixels: UInt8[Tensor, "n channel height width"], side: int) -> UInt8[Tensor, "n channel side side"]:
    """Images as squares."""
    return functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)


@runtime_checkable
class Images(Protocol):
    """Images by number: `ArrayImages`, `FileImages`, and `theory_sim.pretraining.loading.kept.KeptImages`."""

    def __len__(self) -> int:
        """How many there are."""

    def name(self, index: int) -> str:
        """What people call an image."""

    def batch(
        self, indices: list[int], view: View, keys: list[Key] | None = None, out: UInt8[Tensor, "n 3 side side"] | None = None
    ) -> UInt8[Tensor, "n 3 side side"]:
        """Images as squares; `keys` decide their random crops, and `out` is where to put them."""


def crop_box(size: tuple[float, float], view: View, draws: Float[np.ndarray, " draw"] | None) -> Box:
    """The part of an image that is resized to the square: left, top, right, bottom; `draws` are those of `crop_draws`."""
    width, height = size
    if draws is None or view.crop == "none":
        side = min(width, height)
        return (width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2
    across, down, *tries = draws.tolist()
    if view.crop == "shift":
        side = min(width, height) * 7 / 8
        left, top = across * (width - side), down * (height - side)
        return left, top, left + side, top + side
    # Random area and aspect ratio, as is the custom for ImageNet; the middle where ten tries do not fit.
    for of_area, of_ratio in zip(tries[::2], tries[1::2], strict=True):
        area = width * height * (0.08 + 0.92 * of_area)
        ratio = (4 / 3) ** (2 * of_ratio - 1)
        w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if w <= width and h <= height:
            left, top = across * (width - w), down * (height - h)
            return left, top, left + w, top + h
    return crop_box(size, view, None)
