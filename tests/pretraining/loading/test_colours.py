"""Images of every kind are read with the brightness that they have, or refused: never black without a word."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from theory_sim.pretraining.config import load_study
from theory_sim.pretraining.datasets.index import look_at
from theory_sim.pretraining.loading.decoding import decode
from theory_sim.runtime.errors import InputError

RAMP = np.linspace(0, 1, 64).reshape(8, 8)
"""Brightness from black to white."""


def read(path, value_range=None):
    return decode(path, lambda size: (0, 0, *size), 64, value_range)[..., :3]


def png(samples, colour, bits, transparent=()):
    """A PNG of any bit depth, which Pillow does not write."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = samples.shape[:2]
    if bits < 8:
        rows = np.packbits(np.unpackbits(samples.astype(np.uint8)[..., None], axis=2)[..., -bits:].reshape(height, -1), axis=1)
    else:
        rows = samples.astype(">u2" if bits == 16 else np.uint8)
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)
    clear = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)) if transparent else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + clear + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def tiff_of_12_bits(values):
    """A grey TIFF whose samples are packed in 12 bits each."""
    pixels = np.packbits(np.unpackbits(values.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1)[:, 4:].ravel()).tobytes()
    tags = [(256, 8), (257, 8), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, len(pixels))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory


DEEP = {
    "float, 0 to 1": (RAMP.astype(np.float32), (0, 1)),
    "float, 0 to 255": ((RAMP * 255).astype(np.float32), (0, 255)),
    "float, -1 to 1": ((RAMP * 2 - 1).astype(np.float32), (-1, 1)),
    "int32, 0 to 255": ((RAMP * 255).astype(np.int32), (0, 255)),
    "int32, -100 to 100": ((RAMP * 200 - 100).round().astype(np.int32), (-100, 100)),
    "int32, up to 2e9": ((RAMP * 2e9).astype(np.int32), (0, 2e9)),
    "12 bits in uint16": ((RAMP * 4095).astype(np.uint16), (0, 4095)),
    "10 bits in uint16": ((RAMP * 1023).astype(np.uint16), (0, 1023)),
    "8 bits in uint16": ((RAMP * 255).astype(np.uint16), (0, 255)),
}


@pytest.mark.parametrize("kind", DEEP)
def test_values_whose_range_is_not_known_are_refused_until_it_is_given(kind, tmp_path):
    """A float TIFF in 0 … 1 and an int32 TIFF were read as 0, and 12 bits in uint16 as 15 at most."""
    values, value_range = DEEP[kind]
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"set data.value_range=\["):
        read(tmp_path / "a.tif")
    assert "set data.value_range=[" in look_at(tmp_path, "a.tif")[1]
    assert look_at(tmp_path, "a.tif", value_range)[1] == ""
    assert np.abs(read(tmp_path / "a.tif", value_range) - 255 * RAMP[..., None]).max() <= 1


def test_the_range_of_16_bits_is_known(tmp_path):
    Image.fromarray((RAMP * 65535).astype(np.uint16)).save(tmp_path / "a.png")
    Image.fromarray((RAMP * 65535).astype(np.uint16)).save(tmp_path / "a.tif")
    (tmp_path / "a.pgm").write_bytes(b"P5 8 8 4095\n" + (RAMP * 4095).astype(">u2").tobytes())
    (tmp_path / "b.tif").write_bytes(tiff_of_12_bits((RAMP * 4095).round().astype(int)))
    for name in ("a.png", "a.tif", "a.pgm", "b.tif"):
        assert np.abs(read(tmp_path / name) - 255 * RAMP[..., None]).max() <= 1, name


def test_dark_images_of_16_bits_are_read_as_they_are_when_that_is_said(tmp_path):
    Image.fromarray(np.full((8, 8), 2600, np.uint16)).save(tmp_path / "a.png")
    assert (read(tmp_path / "a.png", (0, 65535)) == 10).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(bad, tmp_path):
    values = RAMP.astype(np.float32)
    values[3, 3] = bad
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="NaN or infinite"):
        read(tmp_path / "a.tif", (0, 1))


def test_colours_of_16_bits_are_never_nearly_black(tmp_path):
    colour = np.repeat(RAMP[..., None], 3, axis=2)
    (tmp_path / "a.png").write_bytes(png((colour * 65535).round(), 2, 16))
    assert np.abs(read(tmp_path / "a.png") - 255 * colour).max() <= 1
    (tmp_path / "b.png").write_bytes(png((colour * 4095).round(), 2, 16))
    with pytest.raises(ValueError, match="nearly black; convert it to 8 bits"):
        read(tmp_path / "b.png")
    with pytest.raises(ValueError, match="colours of 16 bits are read as 0 to 65535"):
        read(tmp_path / "b.png", (0, 4095))
    assert read(tmp_path / "b.png", (0, 65535)).max() == 15
    (tmp_path / "c.png").write_bytes(png((colour * 65535).round(), 2, 16, (5, 5, 5)))
    with pytest.raises(ValueError, match="with a transparent colour"):
        read(tmp_path / "c.png")


def test_a_transparent_colour_is_laid_over_white_in_every_mode(tmp_path):
    """An RGB PNG with a transparent colour showed that colour, while L and P were laid over white."""
    dark = np.where(np.arange(8)[:, None] < 4, 0, 1) * np.ones((1, 8), int)
    files = {
        "rgb": png(np.repeat((dark * 200)[..., None], 3, 2), 2, 8, (0, 0, 0)),
        "grey": png(dark * 200, 0, 8, (0,)),
        "16 bits": png(dark * 200 * 257, 0, 16, (0,)),
        "4 bits": png(3 + dark * 6, 0, 4, (3,)),
        "2 bits": png(1 + dark * 1, 0, 2, (1,)),
    }
    for name, content in files.items():
        (tmp_path / f"{name}.png").write_bytes(content)
        pixels = read(tmp_path / f"{name}.png")
        shown = {"4 bits": 9 * 17, "2 bits": 2 * 85}.get(name, 200)
        assert (pixels[:4] == 255).all(), name
        assert (pixels[4:] == shown).all(), name
    palette = Image.fromarray((dark * 200).astype(np.uint8)).convert("RGB").quantize(2)
    clear = int(np.asarray(palette)[0, 0])
    for name, how in {"index": clear, "bytes": bytes([0 if place == clear else 255 for place in range(2)])}.items():
        palette.save(tmp_path / f"{name}.png", transparency=how)
        pixels = read(tmp_path / f"{name}.png")
        assert ((pixels[0, 0] == 255).all(), (pixels[-1, -1] == 200).all()) == (True, True), name


def test_half_transparent_pixels_are_mixed_with_white(tmp_path):
    for mode, colour in {"RGBA": (100, 100, 100, 51), "LA": (100, 51)}.items():
        Image.new(mode, (4, 4), colour).save(tmp_path / f"{mode}.png")
        assert (read(tmp_path / f"{mode}.png") == 224).all()  # 255 + (100 − 255) / 5


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_several_pictures_the_first_is_read(suffix, tmp_path):
    if suffix == "webp" and not features.check("webp"):
        pytest.skip("this Pillow reads no WebP")
    first, second = (Image.new("RGB", (8, 8), (grey,) * 3) for grey in (60, 200))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
    assert np.abs(read(tmp_path / f"a.{suffix}").astype(int) - 60).max() <= 2


@pytest.mark.parametrize("given", ["[1, 0]", "[2, 2]"])
def test_a_range_that_does_not_ascend_is_refused(given):
    with pytest.raises(InputError, match=r"data.value_range: expected \[black, white\] with black < white"):
        load_study(None, [f"data.value_range={given}"])
