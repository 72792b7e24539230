"""Folders as data sets: hierarchy, splits, groups, damaged files, and the index."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from image_folders import CLASSES, load_tree, make_folder, save_image

from theory_sim.pretraining.datasets import index as index_module
from theory_sim.pretraining.datasets.folders import list_files
from theory_sim.pretraining.datasets.index import index_folder
from theory_sim.pretraining.datasets.tree import TREE
from theory_sim.pretraining.loading.images import View
from theory_sim.runtime.errors import InputError


def test_a_folder_is_its_hierarchy(folder, tmp_path):
    data = load_tree(folder, tmp_path / "keep")
    assert data.hierarchy.names == ("birds", "fish", *CLASSES)
    names = [data.hierarchy.names[data.hierarchy.tree.leaves[leaf]] for leaf in data.leaf]
    for index, name in enumerate(names):
        assert f"/{name}/" in data.images.path(index)
    brightness = data.images.batch(list(range(40)), View(8)).float().mean((1, 2, 3))
    assert (brightness - torch.tensor([CLASSES[name] + 14.5 for name in names])).abs().max() < 6


def test_splits_do_not_touch_and_hold_every_class(folder, tmp_path):
    data = load_tree(folder, tmp_path, test_share=0.3, validation_share=0.2)
    together = torch.cat([data.train, data.validation, data.test])
    assert sorted(together.tolist()) == list(range(40))
    for part, count in ((data.train, 6), (data.validation, 1), (data.test, 3)):
        assert torch.bincount(data.leaf[part]).tolist() == [count] * 4
    again = load_tree(folder, tmp_path, test_share=0.3, validation_share=0.2)
    assert torch.equal(again.train, data.train)
    assert again.fingerprint == data.fingerprint
    other = load_tree(folder, tmp_path, test_share=0.3, validation_share=0.2, seed=1)
    assert not torch.equal(other.test, data.test)
    assert other.fingerprint != data.fingerprint


def test_groups_keep_one_writers_images_together(folder, tmp_path):
    data = load_tree(folder, tmp_path, groups=r"_(\d)\.jpg$", test_share=0.2, validation_share=0.25)
    writers = np.array([data.images.path(index)[-5] for index in range(40)])
    sides = [set(writers[part.numpy()]) for part in (data.train, data.validation, data.test)]
    assert [len(side) for side in sides] == [3, 1, 1]
    assert len(set.union(*sides)) == 5
    with pytest.raises(InputError, match=r"finds no group in birds/gulls/000_0\.jpg"):
        load_tree(folder, tmp_path, groups=r"(\d)\.png")
    with pytest.raises(InputError, match="no regular expression"):
        load_tree(folder, tmp_path, groups="(")


def test_a_test_folder_of_its_own(folder, tmp_path):
    make_folder(tmp_path / "val", 2, seed=7)
    data = load_tree(folder, tmp_path / "keep", test_path=str(tmp_path / "val"))
    assert (len(data.train) + len(data.validation), len(data.test)) == (40, 8)
    assert all("/val/" in data.images.path(int(i)) for i in data.test)
    make_folder(tmp_path / "val", 2, {"birds/terns": 3})
    with pytest.raises(InputError, match="class birds/terns is not among the training classes"):
        load_tree(folder, tmp_path / "keep", test_path=str(tmp_path / "val"))


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
    with pytest.raises(
        InputError, match=r"5 of 45 files are damaged.*data.damaged_share = 0.001;.* they are listed in "
    ) as error:
        load_tree(folder, tmp_path / "keep")
    fault_list = Path(str(error.value).split("listed in ")[1])
    listed = dict(line.split("\t") for line in fault_list.read_text().splitlines())
    assert set(listed) == {f"birds/owls/{name}" for name in expected} | {"birds/README"}
    for name, why in expected.items():
        assert why.lower() in listed[f"birds/owls/{name}"].lower()
    data = load_tree(folder, tmp_path / "keep", damaged_share=0.2)
    assert len(data.images) == 40
    assert data.damaged == {fault_list: 5}


def test_a_class_of_damaged_files_only_is_named(folder, tmp_path):
    for path in (folder / "fish/cod").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(InputError, match="class fish/cod has no image that can be read"):
        load_tree(folder, tmp_path / "keep", damaged_share=1.0)


def test_the_index_is_made_once_and_checked_against_the_folder(folder, tmp_path, monkeypatch):
    looked: list[str] = []
    honest = index_module.look_at
    monkeypatch.setattr(index_module, "look_at", lambda root, path, **more: looked.append(path) or honest(root, path, **more))
    reports = []
    index_folder(list_files(TREE, folder), TREE, tmp_path / "keep", on_progress=reports.append)
    assert len(looked) == 40
    assert (reports[-1].done, reports[-1].total) == (40, 40)
    looked.clear()
    assert len(index_folder(list_files(TREE, folder), TREE, tmp_path / "keep").files) == 40
    assert looked == []
    save_image(folder / "fish/cod/new.png", 160)
    (folder / "fish/cod/000_0.jpg").write_bytes(b"now damaged")
    (folder / "fish/rays/000_0.jpg").unlink()
    index = index_folder(list_files(TREE, folder), TREE, tmp_path / "keep", damaged_share=0.1)
    assert sorted(looked) == ["fish/cod/000_0.jpg", "fish/cod/new.png"]
    assert len(index.files) == 39
    next((tmp_path / "keep").glob("*.parquet")).write_bytes(b"damaged index")
    assert len(index_folder(list_files(TREE, folder), TREE, tmp_path / "keep", damaged_share=0.1).files) == 39
