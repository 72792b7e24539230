"""A part of an image file, decoded by Pillow: always RGB and upright, and no more rows of a JPEG than the part needs."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from theory_sim.pretraining.loading.colours import ValueRange, to_rgb
from theory_sim.pretraining.loading.orientation import Box, Turn, turn_of

SHRUNK_FORMATS = ("JPEG", "MPO")
"""Formats that are decoded at 1/2, 1/4 or 1/8 of their size where no more is needed."""
_APP1 = b"\xff\xe1"
"""The marker of the segment that holds EXIF or XMP in a JPEG."""
_BELOW = 2
"""Rows decoded below the last one wanted: colours stored at half resolution are interpolated between rows."""
_SHRINK = 8
"""Largest factor by which libjpeg shrinks an image while it decodes; `_BELOW` rows of the result are as many times more."""


def decode(
    path: str | bytes | Path, choose: Callable[[tuple[int, int]], Box], side: int, value_range: ValueRange | None = None
) -> UInt8[np.ndarray, "height width channel"]:
    """A part of an image file; a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that still has `side` pixels.

    Args:
        path: the file.
        choose: the part of the upright image, by its width and height.
        side: pixels that the shorter side of the part is needed with.
        value_range: the values that become black and white, of images of more than 8 bits; see `.colours`.

    Returns:
        red, green, blue, and where there is a fourth channel, one to be ignored.

    Raises:
        OSError, SyntaxError, ValueError: the file is absent or damaged, or has values that cannot be read as brightness.
    """
    from PIL import Image

    with open(path, "rb") as file:
        content = file.read()
    frame = frame_of(content)
    if frame is not None:
        size, turn = (frame.width, frame.height), Turn()
        if _APP1 in content[: frame.at]:
            with Image.open(io.BytesIO(content)) as image:
                turn = turn_of(image)
        box = turn.stored(choose(turn.size(size)), size)
        scale = _scale(box, side)
        rows = math.ceil(box[3]) + _BELOW * (_SHRINK if scale >= 2 else 1)
        if rows < frame.height:
            try:
                with Image.open(frame.shortened(content, rows)) as image:
                    return turn.upright(_part(image, box, scale))
            except (OSError, SyntaxError):
                pass  # decoding the whole image says what is wrong with it
    with Image.open(io.BytesIO(content)) as image:
        if image.format not in SHRUNK_FORMATS:
            rgb = to_rgb(image, value_range)
            turn = turn_of(image)  # known once it is loaded
            return turn.upright(_cut(rgb, turn.stored(choose(turn.size(rgb.size)), rgb.size)))
        turn = turn_of(image)
        box = turn.stored(choose(turn.size(image.size)), image.size)
        return turn.upright(_part(image, box, _scale(box, side)))


@dataclass(frozen=True)
class Decoded:
    """A whole image as it is stored, with what turns it upright.

    Attributes:
        pixels: red, green and blue.
        turn: what turns them upright.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    turn: Turn

    def part(self, choose: Callable[[tuple[int, int]], Box]) -> UInt8[np.ndarray, "height width 3"]:
        """What `decode` gives of the file, for a part that a JPEG is not shrunk for."""
        height, width = self.pixels.shape[:2]
        left, top, right, bottom = _edges(
            self.turn.stored(choose(self.turn.size((width, height))), (width, height)), width, height
        )
        return self.turn.upright(self.pixels[top:bottom, left:right])


def decode_whole(path: str | bytes | Path, side: int, value_range: ValueRange | None = None) -> Decoded | None:
    """Decode a whole image file; None where `decode` may shrink it for a part of `side` pixels.

    Args:
        path: the file.
        side: as for `decode`.
        value_range: as for `decode`.

    Raises:
        OSError, SyntaxError, ValueError: as `decode`.
    """
    from PIL import Image

    with Image.open(path) as image:
        if image.format not in SHRUNK_FORMATS:
            rgb = to_rgb(image, value_range)
            turn = turn_of(image)  # known once it is loaded
        elif _may_shrink(image, side):
            return None
        else:
            turn, rgb = turn_of(image), to_rgb(image)
        return Decoded(np.array(rgb), turn)


def head_of(path: str | bytes | Path, side: int) -> tuple[int, bool]:
    """An image's number of pixels, and whether `decode` may shrink it for a part of `side` pixels, from the head of its file.

    Raises:
        OSError, SyntaxError, ValueError: as `decode`.
    """
    from PIL import Image

    with Image.open(path) as image:
        return image.width * image.height, image.format in SHRUNK_FORMATS and _may_shrink(image, side)


def _may_shrink(jpeg: Any, side: int) -> bool:
    return bool(min(jpeg.size) >= 2 * side)


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
    """A part of an opened JPEG."""
    width, height = image.size
    if scale >= 2:
        image.draft("RGB", (int(width / scale), int(height / scale)))
    across, down = image.width / width, image.height / height
    return _cut(to_rgb(image), (box[0] * across, box[1] * down, box[2] * across, box[3] * down))


def _cut(rgb: Any, box: Box) -> UInt8[np.ndarray, "height width channel"]:
    """A part of an RGB image, of at least one pixel, that is inside it.

    Pillow keeps four bytes for each pixel and lends them through Arrow, so that only the part is copied; PyTorch resizes
    four channels as fast as three.
    """
    left, top, right, bottom = _edges(box, rgb.width, rgb.height)
    lent = _lent(rgb)
    return np.array(rgb.crop((left, top, right, bottom))) if lent is None else lent[top:bottom, left:right].copy()


def _edges(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(edge) for edge in box)
    left, top = min(left, width - 1), min(top, height - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _lent(rgb: Any) -> UInt8[np.ndarray, "height width 4"] | None:
    """An RGB image's pixels without a copy; None where they are in several blocks of memory, as millions of pixels are."""
    import pyarrow

    try:
        lent = pyarrow.array(rgb).buffers()[-1]
    except ValueError:
        return None
    return np.frombuffer(lent, np.uint8).reshape(rgb.height, rgb.width, 4)
