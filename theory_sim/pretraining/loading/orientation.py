"""The orientation that a camera notes in EXIF or XMP: how stored pixels are turned to be upright, as image viewers do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of the whole image."""


@dataclass(frozen=True)
class Turn:
    """What turns stored pixels upright: rows and columns exchanged or not, then either reversed or not.

    Attributes:
        exchanged: rows become columns.
        rows: their order is then reversed.
        columns: their order is then reversed.
    """

    exchanged: bool = False
    rows: bool = False
    columns: bool = False

    def size(self, stored: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the upright image, or back."""
        return stored[::-1] if self.exchanged else stored

    def stored(self, box: Box, stored: tuple[int, int]) -> Box:
        """Where a part of the upright image is stored.

        Args:
            box: the part of the upright image.
            stored: width and height of the image as it is stored.
        """
        left, top, right, bottom = box
        width, height = self.size(stored)
        if self.columns:
            left, right = width - right, width - left
        if self.rows:
            top, bottom = height - bottom, height - top
        return (top, left, bottom, right) if self.exchanged else (left, top, right, bottom)

    def upright(self, pixels: UInt8[np.ndarray, "a b channel"]) -> UInt8[np.ndarray, "c d channel"]:
        """Stored pixels, turned upright."""
        if self == Turn():
            return pixels
        turned = pixels.swapaxes(0, 1) if self.exchanged else pixels
        return np.ascontiguousarray(turned[:: -1 if self.rows else 1, :: -1 if self.columns else 1])


_TURNS = {
    2: Turn(False, False, True),
    3: Turn(False, True, True),
    4: Turn(False, True, False),
    5: Turn(True, False, False),
    6: Turn(True, False, True),
    7: Turn(True, True, True),
    8: Turn(True, True, False),
}
"""By the value of EXIF's tag 274, Orientation; 1 is upright."""


def turn_of(image: Any) -> Turn:
    """What an image says of its orientation; nothing where its EXIF data cannot be read. A TIFF turns itself as it is loaded."""
    from PIL import ExifTags

    try:
        noted = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF data do not make the pixels unreadable; Pillow's parser raises a dozen kinds
        return Turn()
    return _TURNS.get(noted, Turn()) if isinstance(noted, int) else Turn()
