"""The orientation that a camera notes is applied, to any part of an image and in every format that holds it."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from theory_sim.pretraining.loading import decoding
from theory_sim.pretraining.loading.decoding import decode

SIZE = (40, 28)
"""Width and height as stored."""


def stored(path, orientation):
    """A picture with something in every place, stored as a camera stores it."""
    draw = np.random.default_rng(0)
    picture = Image.fromarray(draw.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif)
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_read_upright(orientation, suffix, tmp_path):
    """They were read as they are stored, so that a portrait lay on its side."""
    expected = stored(tmp_path / f"a.{suffix}", orientation)
    sizes = []
    whole = decode(tmp_path / f"a.{suffix}", lambda size: sizes.append(size) or (0, 0, *size), 64)
    assert set(sizes) == {expected.shape[1::-1]}
    assert np.array_equal(whole[..., :3], expected)
    for left, top, right, bottom in ((0, 0, 9, 5), (3, 11, 20, 26), (15, 20, 28, 28)):
        part = decode(tmp_path / f"a.{suffix}", lambda size, box=(left, top, right, bottom): box, 64)
        assert np.array_equal(part[..., :3], expected[top:bottom, left:right])


def test_of_a_jpeg_on_its_head_only_the_rows_that_are_needed_are_decoded(tmp_path, monkeypatch):
    expected = stored(tmp_path / "a.jpg", 3)
    heights = []
    honest = decoding.to_rgb
    monkeypatch.setattr(decoding, "to_rgb", lambda image: heights.append(image.height) or honest(image))
    part = decode(tmp_path / "a.jpg", lambda size: (0, 20, 40, 28), 64)  # the last rows, which are stored first
    assert np.array_equal(part[..., :3], expected[20:])
    assert heights == [8 + 2]


def test_a_rotated_jpeg_that_is_shrunk_is_the_same_picture(tmp_path):
    ramp = np.broadcast_to(np.linspace(0, 255, 640).astype(np.uint8)[None, :, None], (480, 640, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: turned right, the columns are rows
    Image.fromarray(ramp.copy()).save(tmp_path / "a.jpg", quality=95, exif=exif)
    part = decode(tmp_path / "a.jpg", lambda size: (0, 80, 480, 560), 60)[..., :3].astype(float)
    assert part.shape == (60, 60, 3)
    assert np.abs(part[:, 30, 0] - np.linspace(0, 255, 640)[80:560].reshape(60, 8).mean(1)).max() < 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_data_do_not_make_an_image_unreadable(tmp_path):
    picture = Image.new("RGB", SIZE, (90, 90, 90))
    picture.save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(tmp_path / "a.jpg", lambda size: (0, 0, *size), 64).shape[:2] == SIZE[::-1]
