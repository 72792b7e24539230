"""The content of images decides: whether results are old, and which images are the same."""

import os
import shutil

import numpy as np
import pytest
import torch
from image_folders import CLASSES, load_tree, make_folder
from PIL import Image

from theory_sim.pretraining.config import load_study
from theory_sim.pretraining.datasets import Data, load_data
from theory_sim.pretraining.study import run_study
from theory_sim.runtime.errors import DataWarning, InputError


def bitmaps(root, per_class=10):
    """Files of one size and one time of modification, whatever they show."""
    for place, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = np.random.default_rng([place, number]).integers(0, 50, (8, 8, 3)) + 60 * place
            path = root / name / f"{number}.bmp"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
            os.utime(path, ns=(10**18, 10**18))
    return root


def exchange_folders(root):
    (root / "birds/owls").rename(root / "aside")
    (root / "fish/cod").rename(root / "birds/owls")
    (root / "aside").rename(root / "fish/cod")


def exchange_files(root):
    for name in ("0.bmp", "1.bmp"):
        (root / "birds/owls" / name).rename(root / "aside")
        (root / "fish/cod" / name).rename(root / "birds/owls" / name)
        (root / "aside").rename(root / "fish/cod" / name)


def overwrite(root):
    path = root / "birds/owls/0.bmp"
    path.write_bytes((root / "fish/cod/0.bmp").read_bytes()[:-4] + bytes(4))
    os.utime(path, ns=(10**18, 10**18))


@pytest.mark.parametrize("change", [exchange_folders, exchange_files, overwrite])
def test_other_images_of_the_same_names_sizes_and_times_are_other_data(change, tmp_path):
    """Two classes of files of one size, exchanged, were taken for the old ones."""
    root = bitmaps(tmp_path / "images")
    first = load_tree(root, tmp_path / "keep")
    assert load_tree(root, tmp_path / "keep").fingerprint == first.fingerprint
    change(root)
    again = load_tree(root, tmp_path / "keep")
    assert again.fingerprint != first.fingerprint
    assert not torch.equal(again.content, first.content)
    assert again.fingerprint == load_tree(root, tmp_path / "other").fingerprint


def test_the_same_images_elsewhere_are_the_same_data(tmp_path):
    root = bitmaps(tmp_path / "images")
    first = load_tree(root, tmp_path / "keep")
    shutil.copytree(root, tmp_path / "copy")
    assert load_tree(tmp_path / "copy", tmp_path / "keep").fingerprint == first.fingerprint


def test_exchanged_classes_give_a_new_table(settings, tmp_path):
    """What a study prints, and not only a fingerprint."""
    root = bitmaps(tmp_path / "bitmaps")
    own = [*settings, f"data.path={root}", "seeds=1", "transfer.modes=[none]"]
    first = run_study(load_study(None, own), tmp_path / "out")
    exchange_folders(root)
    again = run_study(load_study(None, own), tmp_path / "out")
    assert again.folder != first.folder
    assert not again.results.equals(first.results)


def overlap(first, second):
    return set(first.tolist()) & set(second.tolist())


@pytest.mark.parametrize("how", ["copy", "link", "hard link"])
def test_images_of_the_same_content_stay_in_one_split(folder, tmp_path, how):
    for path in list(folder.rglob("*.jpg")):
        for number in range(2):
            other = path.with_name(f"again{number}_{path.name}")
            {"copy": shutil.copy, "link": lambda a, b: b.symlink_to(a), "hard link": lambda a, b: b.hardlink_to(a)}[how](
                path, other
            )
    data = load_tree(folder, tmp_path / "keep", test_share=0.3, validation_share=0.2)
    splits = [data.content[part] for part in (data.train, data.validation, data.test)]
    assert [len(split) for split in splits] == [72, 12, 36]  # thrice the images without copies
    assert not overlap(splits[0], splits[1]) | overlap(splits[0], splits[2]) | overlap(splits[1], splits[2])


def test_copies_in_two_classes_and_in_two_groups_stay_in_one_split(folder, tmp_path):
    """Files 000_0 and 001_1 of a class are of two writers; a copy connects these."""
    for name in CLASSES:
        shutil.copy(folder / name / "000_0.jpg", folder / name / "100_1.jpg")
    shutil.copy(folder / "birds/owls/002_2.jpg", folder / "fish/cod/102_2.jpg")
    for keys in ({}, {"groups": r"_(\d)\.jpg$"}):
        for seed in range(5):
            data = load_tree(folder, tmp_path / "keep", test_share=0.3, validation_share=0.3, seed=seed, **keys)
            splits = [data.content[part] for part in (data.train, data.validation, data.test)]
            assert not overlap(splits[0], splits[1]) | overlap(splits[0], splits[2]) | overlap(splits[1], splits[2])
            if keys:
                writers = [{data.images.path(int(i))[-5] for i in part} for part in (data.train, data.validation, data.test)]
                assert sum(map(len, writers)) == 5
                assert any({"0", "1"} <= group for group in writers)


def test_equal_arrays_stay_in_one_split(tmp_path):
    from theory_sim.pretraining.datasets import split_arrays

    digits = load_data(Data(), tmp_path)
    pixels = digits.images.pixels[:300].repeat(2, 1, 1, 1)
    data = split_arrays(Data(), digits.hierarchy, pixels, digits.leaf[:300].repeat(2))
    assert not overlap(data.train % 300, data.test % 300) | overlap(data.train % 300, data.validation % 300)


def test_the_training_folder_is_no_test_folder(folder, tmp_path):
    with pytest.raises(InputError, match="test_path: the same folder as path"):
        load_study(None, [f"data={{source: tree, path: {folder}, test_path: {folder}}}"])
    (tmp_path / "link").symlink_to(folder)
    for same in (tmp_path / "link", folder / ".." / folder.name):
        with pytest.raises(InputError, match=r"the same folder as data\.path"):
            load_tree(folder, tmp_path / "keep", test_path=str(same))
    with pytest.raises(InputError, match="test_split: the same as split"):
        load_study(None, ["data={source: huggingface, path: x/y, split: test, test_split: test}"])
    with pytest.raises(InputError, match="source tree has test_path instead"):
        load_tree(folder, tmp_path / "keep", test_split="test")
    with pytest.raises(InputError, match="source huggingface has test_split instead"):
        load_data(Data(source="huggingface", path="x/y", test_path=str(folder)), tmp_path / "keep")


@pytest.mark.parametrize("how", ["copies", "links", "inside"])
def test_training_images_that_are_test_images_are_refused(folder, tmp_path, how):
    test = tmp_path / "test" if how != "inside" else folder / "birds"
    if how == "copies":
        shutil.copytree(folder, test)
    elif how == "links":
        for name in CLASSES:
            test.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
            test.joinpath(name).symlink_to(folder / name)
    count = 20 if how == "inside" else 40
    with pytest.raises(
        InputError, match=rf"{count} of 40 training images in .* are test images in .* too, such as birds/gulls/000_0"
    ):
        load_tree(folder, tmp_path / "keep", test_path=str(test))


def test_a_few_training_images_that_are_test_images_are_passed_over_and_listed(folder, tmp_path):
    test = make_folder(tmp_path / "test", 3, seed=7)
    shutil.copy(folder / "fish/cod/003_3.jpg", test / "fish/rays/copy.jpg")
    data = load_tree(folder, tmp_path / "keep", test_path=str(test), damaged_share=0.05)
    assert (len(data.train) + len(data.validation), len(data.test)) == (39, 13)
    ((fault_list, count),) = data.damaged.items()
    assert count == 1
    assert fault_list.read_text() == "fish/cod/003_3.jpg\tthe same image as the test image fish/rays/copy.jpg\n"
    assert not overlap(data.content[data.train], data.content[data.test])


def test_a_target_whose_test_images_are_pretrained_on_is_refused(settings, tmp_path, folder):
    own = [*settings, "transfer.modes=[finetune]", f"target={{source: tree, path: {folder}, test_share: 0.3, seed: 1}}"]
    with pytest.raises(InputError, match=r"target: \d+ of its 12 test images are among the images to pretrain on"):
        run_study(load_study(None, own), tmp_path / "out")
    with pytest.warns(DataWarning, match=r"target: \d+ of its 12 test images"):
        run_study(load_study(None, [*own, "target.damaged_share=0.9", "seeds=1"]), tmp_path / "out")


def test_absent_classes_are_warned_of(folder, tmp_path):
    make_folder(tmp_path / "test", 2, {"fish/cod": 160}, seed=7)
    with pytest.warns(DataWarning, match="the test images have none of class birds$"):
        load_tree(folder, tmp_path / "keep", test_path=str(tmp_path / "test"))
    make_folder(folder, 1, {"fish/trout": 9}, seed=8)
    with pytest.warns(DataWarning, match="the training images have none of class fish/trout$"):
        load_tree(folder, tmp_path / "keep", test_share=0.6, validation_share=0.4)


def test_splits_that_are_taken_for_classes_are_warned_of(tmp_path):
    for seed, split in enumerate(("train", "Val", "test")):
        make_folder(tmp_path / "images" / split, 4, seed=seed)
    with pytest.warns(
        DataWarning, match=r"the coarse classes of .*images are Val, test, train, of which train, Val, test look like splits"
    ):
        load_tree(tmp_path / "images", tmp_path / "keep", test_share=0.3, validation_share=0.4)


def test_a_changed_model_of_the_same_folder_gives_other_embeddings(tmp_path):
    from theory_sim.pretraining.embedding import model_version

    assert model_version("pixels") == "pixels"
    assert model_version("openai/clip-vit-large-patch14") == "openai/clip-vit-large-patch14"
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    first = model_version(str(tmp_path))
    assert model_version(str(tmp_path)) == first
    (tmp_path / "model.safetensors").write_bytes(b"Weights")
    assert model_version(str(tmp_path)) != first


def test_fewer_training_images_of_each_class(tmp_path):
    """The other splits stay as they are, and a smaller number's images are among a larger one's."""
    folder = make_folder(tmp_path / "images")
    whole, four, two = (load_tree(folder, tmp_path / "keep", images_per_class=n) for n in (None, 4, 2))
    for data, n in ((four, 4), (two, 2)):
        assert torch.bincount(data.leaf[data.train]).tolist() == [n] * 4
        assert torch.equal(data.test, whole.test)
        assert torch.equal(data.validation, whole.validation)
        assert data.fingerprint != whole.fingerprint
    assert set(two.train.tolist()) < set(four.train.tolist()) < set(whole.train.tolist())
    with pytest.raises(InputError, match=r"data\.images_per_class: 8, but a class has 7 training images"):
        load_tree(folder, tmp_path / "keep", images_per_class=8)
