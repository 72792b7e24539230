"""Images of every kind that Pillow opens, as RGB of 8 bits a channel.

* Transparency is put over white.
* Grey images of 16 bits are scaled from 0 … 65535, or from the range that a TIFF of 12 bits has. Images of 32 bits, whole numbers
  or floats, do not say which values are black and white: `theory_sim.pretraining.datasets.Data.value_range` must.
* An image of 16 bits whose largest value is below 4096 would become nearly black, and most likely holds fewer bits: it is refused
  unless `value_range` says how it is meant. Of colours of 16 bits Pillow keeps the upper 8, so that no other range can be read.
* Of an animation, or a file of several pages, the first picture is read.
"""

import re
from typing import Any

import numpy as np
from jaxtyping import UInt8

ValueRange = tuple[float, float]
"""The values that become black and white."""
_16_BITS = (0.0, 65535.0)
_NEARLY_BLACK = 16
"""Of 256 levels: 16 bits that hold at most 12 stay below it."""


def to_rgb(image: Any, value_range: ValueRange | None = None) -> Any:
    """A Pillow image, not loaded yet, in RGB; see the module.

    Args:
        image: of any mode.
        value_range: the values that become black and white, of images of more than 8 bits a channel.

    Raises:
        OSError, SyntaxError: the image is damaged.
        ValueError: it has values that cannot be read as brightness.
    """
    from PIL import Image

    stored = _stored_as(image)
    image.load()
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_scaled(image, stored, value_range)).convert("RGB")
    clear = image.info.get("transparency")
    if isinstance(clear, int) and stored in ("L;2", "L;4"):  # Pillow scales the pixels of 2 and 4 bits, not this value
        image.info["transparency"] = clear * {"L;2": 85, "L;4": 17}[stored]
    of_16_bits = re.match(r"(?!BGR).*;16", stored) is not None
    if of_16_bits:
        _check_range(image, clear, value_range)
    if image.mode == "RGB" and clear is None:
        return image
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or clear is not None:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _stored_as(image: Any) -> str:
    """Pillow's name of how the file stores pixels, such as ``RGB;16B``; empty where it has none."""
    tiles = getattr(image, "tile", None) or []
    arguments = tiles[0][3] if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _scaled(image: Any, stored: str, value_range: ValueRange | None) -> UInt8[np.ndarray, "height width"]:
    """Grey values of more than 8 bits, scaled to 0 … 255."""
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise ValueError("some of its values are NaN or infinite")
    smallest, largest = float(values.min()), float(values.max())
    bits = 12 if stored == "I;12" else 16
    scaled_by_pillow = image.format == "PPM" and image.mode == "I"  # to 16 bits
    if value_range is None and image.mode in ("F", "I") and not scaled_by_pillow:
        raise ValueError(
            f"its values, of 32 bits, are {smallest:g} to {largest:g}; set data.value_range=[B, W] to the values of black, white"
        )
    low, high = value_range or (0.0, 2.0**bits - 1)
    if value_range is None and largest * 256 < _NEARLY_BLACK * (high + 1):
        raise ValueError(
            f"its largest value, {largest:g} of {high:g}, is nearly black; set data.value_range=[0, {_ones(largest)}],"
            f" or [0, {high:g}] to read it as it is"
        )
    grey = ((values.astype(np.float64) - low) * (255 / (high - low))).clip(0, 255).round().astype(np.uint8)
    clear = image.info.get("transparency")
    return grey if clear is None else np.where(values == clear, np.uint8(255), grey)


def _ones(value: float) -> int:
    """The largest number of as many bits as the value has, and of no fewer than 8."""
    return int(2 ** max(8, int(value).bit_length()) - 1)


def _check_range(image: Any, clear: object, value_range: ValueRange | None) -> None:
    """Refuse colours of 16 bits that Pillow, which keeps their upper 8, does not show."""
    if clear is not None:
        raise ValueError("16 bits a channel with a transparent colour cannot be read; convert it to 8 bits")
    if value_range not in (None, _16_BITS):
        raise ValueError("colours of 16 bits are read as 0 to 65535, not by data.value_range; convert it to 8 bits")
    largest = max(high for low, high in image.convert("RGB").getextrema())
    if value_range is None and largest < _NEARLY_BLACK:
        raise ValueError(
            f"its largest value, below {256 * (largest + 1)} of 65535, is nearly black; convert it to 8 bits,"
            " or set data.value_range=[0, 65535] to read it as it is"
        )
