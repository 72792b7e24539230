"""Images that are decoded once are the same, pixel by pixel, as those that are read from their files each time."""

import pyarrow
import pytest
import torch
from image_folders import load_tree, make_folder, save_image
from PIL import Image

from theory_sim.pretraining.loading import kept
from theory_sim.pretraining.loading.images import FileImages, View
from theory_sim.pretraining.loading.kept import ImageMemory, KeptImages

KEYS = [(3, place) for place in range(24)]


def memory(side=16, **changes):
    progress = []
    made = ImageMemory(side, progress.append)
    for name, value in changes.items():
        setattr(made, name, value)
    return made, progress


def various(root):
    """Images of several sizes and formats, some of them turned by their EXIF data, one transparent, one of 16 bits."""
    for place, leaf in enumerate(("a/b", "a/c", "d/e")):
        for number in range(12):
            exif = Image.Exif()
            exif[274] = 1 + (number + 5 * place) % 8
            format_ = ("jpg", "png", "tiff")[number % 3]
            size = (17 + 3 * (number // 4), 31 - 2 * (number % 5))
            save_image(root / leaf / f"{number}.{format_}", 60 * place, number + 100 * place, size, exif=exif)
    Image.new("RGBA", (20, 21), (200, 10, 30, 100)).save(root / "a/b/transparent.png")
    Image.linear_gradient("L").resize((19, 18)).convert("I;16").point(lambda v: 200 * v).save(root / "a/c/deep.png")
    return root


@pytest.mark.parametrize("crop", ["none", "shift", "resized"])
def test_batches_are_those_of_the_files(crop, tmp_path):
    data = load_tree(various(tmp_path / "images"), tmp_path / "keep")
    keep, progress = memory()
    images = keep(data)
    assert isinstance(images, KeptImages)
    assert (images.offset >= 0).all()
    assert (progress[-1].done, progress[-1].total) == (38, 38)
    order = torch.randperm(38, generator=torch.Generator().manual_seed(0)).tolist()
    view, keys = View(16, crop), [(3, place) for place in range(38)]
    assert torch.equal(images.batch(order, view, keys), data.images.batch(order, view, keys))
    assert torch.equal(images.batch(order, view), data.images.batch(order, view))
    out = torch.zeros(38, 3, 16, 16, dtype=torch.uint8)
    assert images.batch(order, view, keys, out) is out
    assert torch.equal(out, data.images.batch(order, view, keys))
    assert [images.name(index) for index in range(38)] == [data.images.name(index) for index in range(38)]
    assert keep(data) is images, "they are decoded once"


def test_files_are_read_once(tmp_path):
    data = load_tree(make_folder(tmp_path / "images"), tmp_path / "keep")
    images = memory()[0](data)
    before = images.batch(list(range(40)), View(16, "shift"), KEYS[:20] + KEYS[:20])
    for path in (tmp_path / "images").rglob("*.jpg"):
        path.unlink()
    assert torch.equal(images.batch(list(range(40)), View(16, "shift"), KEYS[:20] + KEYS[:20]), before)


def test_jpegs_that_are_decoded_at_half_their_size_stay_in_their_files(tmp_path):
    """Decoded whole and then resized they would have other pixels."""
    root = make_folder(tmp_path / "images")
    save_image(root / "birds/gulls/large.jpg", 90, 7, (64, 50))
    data = load_tree(root, tmp_path / "keep")
    (large,) = (index for index in range(len(data.images)) if "large" in data.images.name(index))
    images = kept.decoded(data.images, torch.arange(41), 16)  # as where it is not among those that are looked at
    assert [index for index in range(len(images)) if images.offset[index] < 0] == [large]
    for crop in ("none", "resized"):
        view = View(16, crop)
        assert torch.equal(images.batch([0, large], view, KEYS[:2]), data.images.batch([0, large], view, KEYS[:2]))
    assert memory()[0](data) is data.images
    assert isinstance(memory(side=26)[0](data), KeptImages)


def test_sets_that_do_not_fit_stay_in_their_files(tmp_path):
    data = load_tree(make_folder(tmp_path / "images"), tmp_path / "keep")
    assert memory(room=3 * 24 * 20 * 40 - 1)[0](data) is data.images
    assert memory(room=3 * 24 * 20 * 40)[0](data) is not data.images
    assert 0 < ImageMemory(16, print, 2).room == ImageMemory(16, print).room / 2 < 2**45


def test_only_images_of_the_splits_are_decoded(tmp_path, monkeypatch):
    from dataclasses import replace

    data = load_tree(make_folder(tmp_path / "images"), tmp_path / "keep")
    read = []
    honest = kept.decode_whole
    monkeypatch.setattr(kept, "decode_whole", lambda path, **more: read.append(path) or honest(path, **more))
    fewer = replace(data, train=data.train[:3])
    memory()[0](fewer)
    assert sorted(read) == sorted(data.images.path(int(i)) for i in torch.cat([fewer.train, data.validation, data.test]))


def test_a_file_that_is_gone_is_named(tmp_path):
    from theory_sim.runtime.errors import InputError

    files = FileImages(pyarrow.array([str(tmp_path / "gone.png")]))
    with pytest.raises(InputError, match=r"cannot read .*gone.png: No such file or directory"):
        files.batch([0], View(8))


@pytest.mark.parametrize("crop", ["none", "shift"])
@pytest.mark.parametrize("side", [16, 12])
def test_squares_of_one_size_are_taken_as_they_are(crop, side, tmp_path):
    for place, leaf in enumerate(("a/b", "a/c", "d/e")):
        for number in range(6):
            save_image(tmp_path / "images" / leaf / f"{number}.png", 70 * place, number + 100 * place, (16, 16))
    data = load_tree(tmp_path / "images", tmp_path / "keep", validation_share=0.3)
    images = memory(side)[0](data)
    assert images._squares is not None
    order = torch.randperm(18, generator=torch.Generator().manual_seed(0)).tolist()
    for keys in (KEYS[:18], None):
        assert torch.equal(images.batch(order, View(side, crop), keys), data.images.batch(order, View(side, crop), keys))
