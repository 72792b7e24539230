"""A part of an image file, decoded by Pillow: always RGB, and no more rows of a JPEG than the part needs."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of the whole image."""
_BELOW = 2
"""Rows decoded below the last one wanted: colours stored at half resolution are interpolated between rows."""
_SHRINK = 8
"""Largest factor by which libjpeg shrinks an image while it decodes; `_BELOW` rows of the result are as many times more."""


def decode(path: str | Path, choose: Callable[[tuple[int, int]], Box], side: int) -> UInt8[np.ndarray, "height width channel"]:
    """A part of an image file; a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that still has `side` pixels.

    Args:
        path: the file.
        choose: the part of an image, by its width and height.
        side: pixels that the shorter side of the part is needed with.

    Returns:
        red, green, blue, and where there is a fourth channel, one to be ignored.

    Raises:
        OSError, SyntaxError, ValueError: the file is absent or damaged.
    """
    from PIL import Image

    with open(path, "rb") as file:
        content = file.read()
    frame = frame_of(content)
    if frame is not None:
        box = choose((frame.width, frame.height))
        scale = _scale(box, side)
        rows = math.ceil(box[3]) + _BELOW * (_SHRINK if scale >= 2 else 1)
        if rows < frame.height:
            try:
                with Image.open(frame.shortened(content, rows)) as image:
                    return _part(image, box, scale)
            except (OSError, SyntaxError):
                pass  # decoding the whole image says what is wrong with it
    with Image.open(io.BytesIO(content)) as image:
        box = choose(image.size)
        return _part(image, box, _scale(box, side))


@dataclass(frozen=True)
class Frame:
    """The frame header of a JPEG (marker SOF, ITU-T T.81, section B.2.2), which holds length, precision, height, width.

    Attributes:
        at: place of the height in the file.
        height: of the image, in pixels.
        width: of the image, in pixels.
    """

    at: int
    height: int
    width: int

    def shortened(self, jpeg: bytes, rows: int) -> io.BytesIO:
        """The same file with another height, so that a decoder stops after so many rows.

        A JPEG stores its rows from top to bottom, and a random crop rarely reaches the last of them.
        """
        file = io.BytesIO(jpeg)
        file.seek(self.at)
        file.write(rows.to_bytes(2, "big"))
        file.seek(0)
        return file


def frame_of(file: bytes) -> Frame | None:
    """The frame header of a JPEG; None where none is found, as in any other file."""
    at = 2 if file.startswith(b"\xff\xd8") else len(file)
    while at + 9 <= len(file) and file[at] == 0xFF:
        marker = file[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the others are tables
            return Frame(at + 5, int.from_bytes(file[at + 5 : at + 7], "big"), int.from_bytes(file[at + 7 : at + 9], "big"))
        else:
            at += 2 + int.from_bytes(file[at + 2 : at + 4], "big")
    return None


def _scale(box: Box, side: int) -> float:
    return min(box[2] - box[0], box[3] - box[1]) / side


def _part(image: Any, box: Box, scale: float) -> UInt8[np.ndarray, "height width channel"]:
    """A part of an opened image.

    Pillow keeps four bytes for each pixel and lends them through Arrow, so that only the part is copied; PyTorch resizes
    four channels as fast as three.
    """
    width, height = image.size
    if scale >= 2:
        image.draft("RGB", (int(width / scale), int(height / scale)))
    shrunk = image.width / width, image.height / height
    left, top, right, bottom = (round(edge * shrunk[place % 2]) for place, edge in enumerate(box))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    rgb = to_rgb(image)
    lent = _lent(rgb)
    return np.array(rgb.crop((left, top, right, bottom))) if lent is None else lent[top:bottom, left:right].copy()


def to_rgb(image: Any) -> Any:
    """A Pillow image in RGB: grey, palette and CMYK converted, transparency put over white, 16 bits reduced to 8."""
    from PIL import Image

    if image.mode == "RGB":
        image.load()
        return image
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _lent(rgb: Any) -> UInt8[np.ndarray, "height width 4"] | None:
    """An RGB image's pixels without a copy; None where they are in several blocks of memory, as millions of pixels are."""
    import pyarrow

    try:
        lent = pyarrow.array(rgb).buffers()[-1]
    except ValueError:
        return None
    return np.frombuffer(lent, np.uint8).reshape(rgb.height, rgb.width, 4)
