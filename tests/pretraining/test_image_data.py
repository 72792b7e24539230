"""Folders, their index, damaged files, conversions, splits, digits, and data sets of the hub."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from image_folders import CLASSES, make_folder, save_image
from PIL import Image
from scipy import stats

from theory_sim.pretraining import index as index_module
from theory_sim.pretraining.config import Data
from theory_sim.pretraining.datasets import load_data
from theory_sim.pretraining.decoding import cut, upper_rows
from theory_sim.pretraining.images import ArrayImages, FileImages, View, _box, crop_draws, mirrored, uniform
from theory_sim.pretraining.index import index_folder
from theory_sim.runtime.errors import InputError


def load(folder, keep, **keys):
    return load_data(Data(source="tree", path=str(folder), **keys), keep)


def test_a_folder_is_its_hierarchy(folder, tmp_path):
    data = load(folder, tmp_path / "keep")
    assert data.hierarchy.names == ("birds", "fish", *CLASSES)
    names = [data.hierarchy.names[data.hierarchy.tree.leaves[leaf]] for leaf in data.leaf]
    for path, name in zip(data.images.paths.to_pylist(), names, strict=True):
        assert f"/{name}/" in path
    brightness = data.images.batch(list(range(40)), View(8)).float().mean((1, 2, 3))
    assert (brightness - torch.tensor([CLASSES[name] + 14.5 for name in names])).abs().max() < 6


def test_splits_do_not_touch_and_hold_every_class(folder, tmp_path):
    data = load(folder, tmp_path, test_share=0.3, validation_share=0.2)
    together = torch.cat([data.train, data.validation, data.test])
    assert sorted(together.tolist()) == list(range(40))
    for part, count in ((data.train, 6), (data.validation, 1), (data.test, 3)):
        assert torch.bincount(data.leaf[part]).tolist() == [count] * 4
    again = load(folder, tmp_path, test_share=0.3, validation_share=0.2)
    assert torch.equal(again.train, data.train)
    assert again.fingerprint == data.fingerprint
    other = load(folder, tmp_path, test_share=0.3, validation_share=0.2, seed=1)
    assert not torch.equal(other.test, data.test)
    assert other.fingerprint != data.fingerprint


def test_groups_keep_one_writers_images_together(folder, tmp_path):
    data = load(folder, tmp_path, groups=r"_(\d)\.jpg$", test_share=0.2, validation_share=0.25)
    writers = np.array([path[-5] for path in data.images.paths.to_pylist()])
    sides = [set(writers[part.numpy()]) for part in (data.train, data.validation, data.test)]
    assert [len(side) for side in sides] == [3, 1, 1]
    assert len(set.union(*sides)) == 5
    with pytest.raises(InputError, match=r"finds no group in birds/gulls/000_0\.jpg"):
        load(folder, tmp_path, groups=r"(\d)\.png")
    with pytest.raises(InputError, match="no regular expression"):
        load(folder, tmp_path, groups="(")


def test_a_test_folder_of_its_own(folder, tmp_path):
    make_folder(tmp_path / "val", 2)
    data = load(folder, tmp_path / "keep", test_path=str(tmp_path / "val"))
    assert (len(data.train) + len(data.validation), len(data.test)) == (40, 8)
    assert all("/val/" in data.images.paths[int(i)].as_py() for i in data.test)
    make_folder(tmp_path / "val", 2, {"birds/terns": 3})
    with pytest.raises(InputError, match="class birds/terns is not among the training classes"):
        load(folder, tmp_path / "keep", test_path=str(tmp_path / "val"))


def damage(folder):
    """Five bad files of six kinds, and one that belongs to no class; returns what should be said of each."""
    owls = folder / "birds/owls"
    whole = (owls / "000_0.jpg").read_bytes()
    (owls / "900.jpg").write_bytes(whole[: len(whole) // 2])
    (owls / "901.jpg").write_bytes(b"")
    (owls / "902.txt").write_text("no image")
    (owls / "903.jpg").write_bytes(whole[:20] + os.urandom(100))
    (owls / "904.jpg").symlink_to(folder / "nowhere")
    (folder / "birds" / "README").write_text("beside the classes")
    return {"900.jpg": "truncated", "901.jpg": "empty", "902.txt": "no image", "903.jpg": "", "904.jpg": "No such file"}


def test_damaged_files_are_listed_and_passed_over_below_the_share(folder, tmp_path):
    expected = damage(folder)
    with pytest.raises(InputError, match=r"5 of 45 files are damaged.*data.damaged_share = 0.001; they are listed in ") as error:
        load(folder, tmp_path / "keep")
    fault_list = Path(str(error.value).split("listed in ")[1])
    listed = dict(line.split("\t") for line in fault_list.read_text().splitlines())
    assert set(listed) == {f"birds/owls/{name}" for name in expected} | {"birds/README"}
    for name, why in expected.items():
        assert why.lower() in listed[f"birds/owls/{name}"].lower()
    data = load(folder, tmp_path / "keep", damaged_share=0.2)
    assert len(data.images) == 40
    assert data.damaged is not None
    assert data.damaged[0] == 5


def test_a_class_of_damaged_files_only_is_named(folder, tmp_path):
    for path in (folder / "fish/cod").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(InputError, match="class fish/cod has no image that can be read"):
        load(folder, tmp_path / "keep", damaged_share=1.0)


def test_the_index_is_made_once_and_checked_against_the_folder(folder, tmp_path, monkeypatch):
    looked: list[str] = []
    honest = index_module.fault_of
    monkeypatch.setattr(index_module, "fault_of", lambda root, path: looked.append(path) or honest(root, path))
    reports = []
    index_folder("tree", folder, tmp_path / "keep", progress=reports.append)
    assert len(looked) == 40
    assert (reports[-1].done, reports[-1].total) == (40, 40)
    looked.clear()
    assert len(index_folder("tree", folder, tmp_path / "keep").files) == 40
    assert looked == []
    save_image(folder / "fish/cod/new.png", 160)
    (folder / "fish/cod/000_0.jpg").write_bytes(b"now damaged")
    (folder / "fish/rays/000_0.jpg").unlink()
    index = index_folder("tree", folder, tmp_path / "keep", damaged_share=0.1)
    assert sorted(looked) == ["fish/cod/000_0.jpg", "fish/cod/new.png"]
    assert len(index.files) == 39
    next((tmp_path / "keep").glob("*.parquet")).write_bytes(b"damaged index")
    assert len(index_folder("tree", folder, tmp_path / "keep", damaged_share=0.1).files) == 39


@pytest.mark.parametrize("mode", ["L", "LA", "P", "PA", "RGBA", "CMYK", "I;16", "1", "YCbCr"])
def test_every_kind_of_image_becomes_rgb(mode, tmp_path):
    import pyarrow

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
    import pyarrow

    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert (FileImages(pyarrow.array([str(tmp_path / "a.png")])).batch([0], View(8)) == 255).all()


def test_a_large_jpeg_decoded_small_is_the_same_picture(tmp_path):
    import pyarrow

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


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"restart_marker_rows": 2}], ids=str)
def test_upper_rows_of_a_jpeg_are_those_of_the_whole(options, tmp_path):
    path = photograph(tmp_path / "a.jpg", 90, 70, **options)
    whole = np.asarray(Image.open(path))
    for bottom in (1, 8, 33, 69):
        with Image.open(path) as image:
            rows = upper_rows(image, bottom)
        assert rows.size == (90, bottom)
        assert np.array_equal(np.asarray(rows), whole[:bottom])
    for bottom in (20, 70):
        with Image.open(path) as image:
            assert np.array_equal(cut(image, (3, 5, 80, bottom))[..., :3], whole[5:bottom, 3:80])


def test_only_upper_rows_of_colour_jpegs_are_decoded_alone(tmp_path):
    others = {"whole.jpg": "RGB", "grey.jpg": "L", "print.jpg": "CMYK", "colour.png": "RGB"}
    for name, mode in others.items():
        photograph(tmp_path / "a.jpg", 40, 30)
        Image.open(tmp_path / "a.jpg").convert(mode).save(tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert upper_rows(image, 30 if name == "whole.jpg" else 10) is None
            expected = np.asarray(Image.open(tmp_path / name).convert("RGB"))
            assert np.array_equal(cut(image, (0, 0, 40, 10))[..., :3], expected[:10])


def test_damage_above_the_last_row_wanted_is_an_error(tmp_path):
    path = photograph(tmp_path / "a.jpg", 90, 70)
    expected, content = np.asarray(Image.open(path)), path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with Image.open(path) as image, pytest.raises(OSError, match="truncated"):
        cut(image, (0, 0, 90, 65))
    with Image.open(path) as image:
        assert np.array_equal(cut(image, (0, 0, 90, 16))[..., :3], expected[:16])


def test_pictures_in_several_pieces_of_memory(tmp_path):
    path = photograph(tmp_path / "a.jpg", 200, 160)
    with Image.open(path) as image:
        expected = cut(image, (10, 20, 150, 120))
    size = Image.core.get_block_size()
    try:
        Image.core.set_block_size(4096 * 8)
        with Image.open(path) as image:
            assert np.array_equal(cut(image, (10, 20, 150, 120)), expected[..., :3])
    finally:
        Image.core.set_block_size(size)


def test_resized_crops_follow_their_law():
    """Area uniform in [0.08, 1] and the logarithm of the aspect ratio uniform, where every try fits; then a uniform place."""
    draws = crop_draws([(3, position) for position in range(4000)])
    boxes = np.array([_box((4000, 3000), View(32, "resized"), row) for row in draws])
    left, top, right, bottom = boxes.T
    assert (boxes >= 0).all()
    assert right.max() <= 4000
    assert bottom.max() <= 3000
    area, ratio = (right - left) * (bottom - top) / 12e6, (right - left) / (bottom - top)
    small = area < 0.5  # all of these fit, whatever their aspect ratio
    for values, low, high in (
        (area[small], 0.08, 0.5),
        (np.log(ratio[small]), np.log(3 / 4), np.log(4 / 3)),
        ((left / (4000 - right + left))[small], 0, 1),
        ((top / (3000 - bottom + top))[small], 0, 1),
    ):
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3
    assert 0.05 < area.min() + 0.01 < 0.1
    assert area.max() > 0.9


def test_random_crops_hang_on_the_key_alone(folder, tmp_path):
    data = load(folder, tmp_path)
    view = View(8, "resized")
    one = data.images.batch([3, 7], view, [(0, 5), (0, 6)])
    assert torch.equal(data.images.batch([7], view, [(0, 6)])[0], one[1])
    assert not torch.equal(data.images.batch([7], view, [(0, 7)])[0], one[1])
    digits = load_data(Data(), tmp_path)
    moved = digits.images.batch([0, 1], View(8, "shift"), [(0, 1), (0, 2)])
    assert torch.equal(digits.images.batch([1], View(8, "shift"), [(0, 2)])[0], moved[1])
    whole = digits.images.pixels[:1].repeat(200, 1, 1, 1)
    shifted = ArrayImages(whole).batch(list(range(200)), View(8, "shift"), [(1, i) for i in range(200)])
    assert len({tuple(image.ravel().tolist()) for image in shifted}) == 9


def test_what_is_random_about_a_sample_is_uniform_and_independent():
    draws = np.stack([uniform([(seed, i) for i in range(4000)], stream) for seed in (0, 1, 2**62) for stream in (0, 1, 2)])
    assert 0 <= draws.min() < draws.max() < 1
    for row in draws:
        counts = np.histogram(row, 10, (0, 1))[0]
        assert ((counts - 400) ** 2 / 400).sum() < 35  # χ² with 9 degrees of freedom: p ≈ 6e-5
        assert abs(np.corrcoef(row[1:], row[:-1])[0, 1]) < 5 / np.sqrt(4000)
    assert np.abs(np.corrcoef(draws) - np.eye(9)).max() < 5 / np.sqrt(4000)
    assert abs(mirrored([(0, i) for i in range(4000)]).mean() - 0.5) < 0.04


def test_digits(tmp_path):
    from sklearn.datasets import load_digits

    data = load_data(Data(test_share=0.25), tmp_path)
    assert len(data.images) == 1797
    for number in (0, 5, 1000):
        digit = int(load_digits().target[number])
        name = data.hierarchy.names[data.hierarchy.tree.leaves[int(data.leaf[number])]]
        assert name == ("loop/" if digit in (0, 6, 8, 9) else "no loop/") + str(digit)
        assert int(data.hierarchy.groups["parity"][data.leaf[number]]) == digit % 2
        np.testing.assert_allclose(data.images.pixels[number, 1] / 255 * 16, load_digits().images[number], atol=0.04)


def test_image_file_that_is_gone_is_named(folder, tmp_path):
    data = load(folder, tmp_path / "keep")
    shutil.rmtree(folder)
    with pytest.raises(InputError, match=r"cannot read .*birds/gulls/000_0.jpg"):
        data.images.batch([0], View(8))


@pytest.fixture
def hub_folder(tmp_path, monkeypatch):
    """A data set in the hub's form, with a coarse and a fine label, and one damaged image."""
    import datasets

    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "coarse": datasets.ClassLabel(names=["birds", "fish"]),
            "fine": datasets.Value("int64"),
        }
    )
    rows = {"image": [], "coarse": [], "fine": []}
    for number in range(24):
        content = save_image(tmp_path / "one.jpg", 10 * number).read_bytes() if number else b"damaged"
        rows["image"].append({"bytes": content, "path": None})
        rows["coarse"].append(number % 2)
        rows["fine"].append(number % 4)
    (tmp_path / "hub").mkdir()
    datasets.Dataset.from_dict(rows, features).to_parquet(str(tmp_path / "hub" / "train.parquet"))
    return tmp_path / "hub"


def test_a_data_set_of_the_hub_is_streamed_into_folders(hub_folder, tmp_path):
    settings = Data(
        source="huggingface", path=str(hub_folder), columns=["coarse", "fine"], damaged_share=0.1, validation_share=0.3
    )
    data = load_data(settings, tmp_path / "keep")
    expected = ("birds", "fish", "birds/000000", "birds/000002", "fish/000001", "fish/000003")
    assert data.hierarchy.names == expected
    assert (len(data.images), data.damaged[0]) == (23, 1)
    shutil.rmtree(hub_folder)
    assert len(load_data(settings, tmp_path / "keep").images) == 23
    with pytest.raises(InputError, match="cannot stream the Hugging Face data set"):
        load_data(settings.model_copy(update={"path": str(tmp_path / "absent")}), tmp_path / "keep")


def test_a_column_that_the_hub_does_not_have_is_named(hub_folder, tmp_path):
    with pytest.raises(InputError, match="no column 'label'; it has image, coarse, fine"):
        load_data(Data(source="huggingface", path=str(hub_folder)), tmp_path)


def test_inaturalist_is_loaded_with_its_ranks(tmp_path):
    animal, plant = "00000_Animalia_Annelida_Clitellata_Haplotaxida_A_B", "04345_Plantae_Tracheophyta_Magnoliopsida_Rosales_A_B"
    make_folder(tmp_path / "train_mini", 5, {f"{animal}_one": 40, f"{animal}_two": 90, f"{plant}_one_2": 200})
    make_folder(tmp_path / "val", 2, {f"{animal}_one": 40, f"{plant}_one_2": 200})
    settings = Data(source="inat2021", path=str(tmp_path / "train_mini"), test_path=str(tmp_path / "val"), validation_share=0.2)
    data = load_data(settings, tmp_path / "keep")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [12, 3, 4]
    assert data.coarse[data.test].tolist() == [0, 0, 1, 1]
    assert [level.classes for level in data.hierarchy.levels] == [2, 2, 2, 2, 2, 3, 2, 2]
    (tmp_path / "val" / "birds").mkdir()
    save_image(tmp_path / "val/birds/a.jpg", 3)
    with pytest.raises(InputError, match="'birds' is no iNaturalist 2021 folder"):
        load_data(settings, tmp_path / "keep")


@pytest.mark.parametrize("name", ["n00000000", "cat"])
def test_unknown_synsets_are_named(name, tmp_path):
    make_folder(tmp_path / "images", 2, {"n01440764": 5, name: 8})
    with pytest.raises(InputError, match=name):
        load_data(Data(source="imagenet", path=str(tmp_path / "images")), tmp_path)
