"""Image files of every kind become RGB; of a JPEG only the rows that are needed are decoded."""

import numpy as np
import pyarrow
import pytest
import torch
from PIL import Image

from theory_sim.pretraining.loading import decoding
from theory_sim.pretraining.loading.decoding import Frame, decode, frame_of
from theory_sim.pretraining.loading.images import FileImages, View


@pytest.mark.parametrize("mode", ["L", "LA", "P", "PA", "RGBA", "CMYK", "I;16", "1", "YCbCr"])
def test_every_kind_of_image_becomes_rgb(mode, tmp_path):
    grey = 255 if mode == "1" else 204
    rgb = Image.new("RGB", (16, 12), (grey,) * 3)
    if mode == "I;16":
        image = Image.fromarray(np.full((12, 16), 204 * 256 + 7, dtype=np.uint16))
    elif mode in ("RGBA", "LA", "PA"):
        image = rgb.convert("RGBA")
        image.putalpha(255)
        image = image.convert(mode)
    else:
        image = rgb.convert(mode)
    suffix = {"CMYK": "jpg", "YCbCr": "jpg", "PA": "tif"}.get(mode, "png")
    try:
        image.save(tmp_path / f"a.{suffix}")
    except (OSError, KeyError):
        pytest.skip("Pillow writes no such file")
    pixels = FileImages(pyarrow.array([str(tmp_path / f"a.{suffix}")])).batch([0], View(8))
    assert pixels.shape == (1, 3, 8, 8)
    assert (pixels.float() - grey).abs().max() < 3


def test_transparency_is_laid_over_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert (FileImages(pyarrow.array([str(tmp_path / "a.png")])).batch([0], View(8)) == 255).all()


def test_a_large_jpeg_decoded_small_is_the_same_picture(tmp_path):
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (480, 640, 3)).copy()).save(tmp_path / "a.jpg", quality=95)
    pixels = FileImages(pyarrow.array([str(tmp_path / "a.jpg")])).batch([0], View(32))
    expected = torch.linspace(0, 255, 640)[80:560].reshape(32, 15).mean(1)
    assert (pixels[0, 0, 16].float() - expected).abs().max() < 4


def photograph(path, width, height, **options):
    """Noise at two scales: something in every block."""
    draw = np.random.default_rng(width)
    coarse = Image.fromarray(draw.integers(0, 200, (5, 7, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    fine = draw.integers(0, 55, (height, width, 3))
    Image.fromarray((np.asarray(coarse) + fine).astype(np.uint8)).save(path, **options)
    return path


KINDS = [{}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}, {"restart_marker_rows": 2}, {"exif": b"Exif" * 50}]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_upper_rows_of_a_jpeg_are_those_of_the_whole(options, tmp_path):
    path = photograph(tmp_path / "a.jpg", 90, 70, **options)
    whole = np.asarray(Image.open(path))
    assert frame_of(path.read_bytes()).height == 70
    for bottom in (1, 8, 31, 32, 33, 67):
        with Image.open(frame_of(path.read_bytes()).shortened(path.read_bytes(), bottom + 2)) as image:
            assert image.size == (90, bottom + 2)
            assert np.array_equal(np.asarray(image)[:bottom], whole[:bottom])
    for bottom in (20, 70):
        part = decode(path, lambda size, bottom=bottom: (3, 5, 80, bottom), 64)
        assert np.array_equal(part[..., :3], whole[5:bottom, 3:80])


def test_the_rows_below_a_part_are_not_decoded(tmp_path, monkeypatch):
    path = photograph(tmp_path / "a.jpg", 90, 70)
    heights = []
    honest = decoding.to_rgb
    monkeypatch.setattr(decoding, "to_rgb", lambda image: heights.append(image.height) or honest(image))
    decode(path, lambda size: (0, 0, 90, 30), 64)
    decode(path, lambda size: (0, 0, 90, 69), 64)
    assert heights == [32, 70]


@pytest.mark.parametrize(("name", "mode"), [("a.jpg", "RGB"), ("grey.jpg", "L"), ("print.jpg", "CMYK"), ("a.png", "RGB")])
def test_a_part_of_any_file_is_that_part_of_the_whole(name, mode, tmp_path):
    photograph(tmp_path / "original.png", 40, 30)
    Image.open(tmp_path / "original.png").convert(mode).save(tmp_path / name)
    expected = np.asarray(Image.open(tmp_path / name).convert("RGB"))
    for box in ((0, 0, 40, 10), (7, 3, 31, 30)):
        left, top, right, bottom = box
        part = decode(tmp_path / name, lambda size, box=box: box, 64)
        assert np.array_equal(part[..., :3], expected[top:bottom, left:right])


def test_a_part_of_a_jpeg_that_is_shrunk_is_that_part_of_the_whole(tmp_path):
    path = photograph(tmp_path / "a.jpg", 640, 480)
    with Image.open(path) as image:
        image.draft("RGB", (160, 120))
        expected = np.asarray(image).astype(float)
    part = decode(path, lambda size: (80, 40, 400, 360), 80)[..., :3]
    assert part.shape == (80, 80, 3)
    assert np.array_equal(part, expected[10:90, 20:100])


def test_the_frame_header_is_found_behind_other_segments():
    header = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0\x00\x0b\x08\x00\x50\x00\x40\x01"
    assert frame_of(header) == Frame(header.index(b"\x00\x50"), 0x50, 0x40)
    for damaged in (b"", header[:9], header[:14], header[2:], header.replace(b"\xff\xe0", b"\x00\xe0"), b"\x89PNG" + header):
        assert frame_of(damaged) is None


def test_a_height_of_zero_is_left_to_the_decoder(tmp_path):
    """Such a file says its height only after its rows, which few decoders understand."""
    path = photograph(tmp_path / "a.jpg", 40, 30)
    path.write_bytes(frame_of(path.read_bytes()).shortened(path.read_bytes(), 0).read())
    with pytest.raises(OSError, match=r".+"):
        decode(path, lambda size: (0, 0, 40, 10), 64)


def test_damage_above_the_last_row_wanted_is_an_error(tmp_path):
    path = photograph(tmp_path / "a.jpg", 90, 70)
    expected, content = np.asarray(Image.open(path)), path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(OSError, match="truncated"):
        decode(path, lambda size: (0, 0, 90, 65), 64)
    assert np.array_equal(decode(path, lambda size: (0, 0, 90, 16), 64)[..., :3], expected[:16])


def test_pictures_in_several_blocks_of_memory(tmp_path):
    path = photograph(tmp_path / "a.jpg", 200, 160)
    expected = decode(path, lambda size: (10, 20, 150, 120), 128)
    assert expected.shape == (100, 140, 4)
    size = Image.core.get_block_size()
    try:
        Image.core.set_block_size(4096 * 8)
        assert np.array_equal(decode(path, lambda size: (10, 20, 150, 120), 128), expected[..., :3])
    finally:
        Image.core.set_block_size(size)
