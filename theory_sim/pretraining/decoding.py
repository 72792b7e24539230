"""A part of an image file, decoded by Pillow: always RGB, and no more of it than the part needs."""

from typing import Any

import numpy as np
from jaxtyping import UInt8


def cut(image: Any, box: tuple[int, int, int, int]) -> UInt8[np.ndarray, "height width channel"]:
    """A part of an image that Pillow has opened.

    Pillow keeps four bytes for each pixel and lends them through Arrow: taken so, only the part is copied, row by row, and
    PyTorch resizes four channels as fast as three.

    Args:
        image: as `PIL.Image.open` returns it.
        box: left, top, right, bottom.

    Returns:
        red, green, blue, and where there is a fourth channel, something that says nothing.

    Raises:
        OSError, SyntaxError, ValueError: the file is damaged.
    """
    left, top, right, bottom = box
    rgb = upper_rows(image, bottom) or to_rgb(image)
    whole = _lent(rgb)
    if whole is None:
        return np.array(rgb.crop(box))
    return whole[top:bottom, left:right].copy()


def upper_rows(image: Any, bottom: int) -> Any | None:
    """The rows of a colour JPEG above `bottom`, decoded without those below.

    A JPEG holds its rows one after the other, and a random crop ends above the last of them. Pillow has no call for that:
    its decoder is given a picture that is only so high. It then reports a broken stream, for libjpeg had more to give; that
    the last row was reached is seen in the fourth byte of its pixels, which is 0 before and 255 after.

    Returns:
        an image of so many rows; None where it is not to be had so (another kind of file, a damaged one, all rows wanted):
        then the image is to be loaded as usual, which says what is wrong with it.
    """
    from PIL import Image

    if image.format != "JPEG" or image.mode != "RGB" or len(image.tile) != 1 or bottom >= image.height:
        return None
    codec, _, offset, arguments = image.tile[0]
    rows = Image.new("RGB", (image.width, bottom))
    decoder = Image._getdecoder("RGB", codec, arguments, image.decoderconfig)
    try:
        decoder.setimage(rows.im, (0, 0, image.width, bottom))
        image.fp.seek(offset)
        decoder.decode(image.fp.read())
    finally:
        decoder.cleanup()
    pixels = _lent(rows)
    return rows if pixels is not None and pixels[-1, -1, 3] == 255 else None


def to_rgb(image: Any) -> Any:
    """A Pillow image in RGB: grey, palette and CMYK converted, transparency laid over white, 16 bits brought to 8."""
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
    """An RGB image's pixels as they lie in memory; None where that is in several pieces, as of millions of pixels."""
    import pyarrow

    try:
        lent = pyarrow.array(rgb).buffers()[-1]
    except ValueError:
        return None
    return np.frombuffer(lent, np.uint8).reshape(rgb.height, rgb.width, 4)
