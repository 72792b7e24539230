"""Names of files and classes: any bytes, any Unicode form, and never two for one."""

import os
import shutil
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import load_tree, make_folder

from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.datasets.huggingface import folder_of_label
from theory_sim.pretraining.loading.images import View
from theory_sim.pretraining.loading.names import printable
from theory_sim.runtime.errors import InputError

LATIN = os.fsdecode(b"caf\xe9.jpg")
"""A file's name in Latin-1, which is not UTF-8."""


def rename(folder, name):
    os.rename(folder / "birds/owls/000_0.jpg", folder / "birds/owls" / name)


@pytest.mark.parametrize("name", [LATIN, "a\tb\n.jpg"])
def test_files_of_any_name_are_read(folder, tmp_path, name):
    """A name that is not UTF-8 ended in a traceback."""
    first = load_tree(folder, tmp_path / "keep")
    rename(folder, name)
    for _ in range(2):  # made, then read from the index
        data = load_tree(folder, tmp_path / "keep")
        places = [index for index in range(40) if data.images.path(index).endswith(name)]
        assert len(places) == 1
        assert data.images.batch(places, View(8)).float().mean() == pytest.approx(104.5, abs=6)
    assert data.fingerprint != first.fingerprint
    os.remove(folder / "birds/owls" / name)
    with pytest.raises(InputError, match=r"cannot read .*birds/owls/(caf\\xe9|a\\tb\\n).jpg: No such file or directory$"):
        data.images.batch(places, View(8))


@pytest.mark.parametrize("name", [LATIN, "a\tb\n.jpg"])
def test_damaged_files_of_any_name_are_listed_on_a_line_each(folder, tmp_path, name):
    rename(folder, name)
    (folder / "birds/owls" / name).write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"the first is birds/owls/(caf\\xe9|a\\tb\\n).jpg: no image"):
        load_tree(folder, tmp_path / "keep")
    data = load_tree(folder, tmp_path / "keep", damaged_share=0.1)
    ((fault_list, _),) = data.damaged.items()
    assert fault_list.read_text(encoding="utf-8") == f"birds/owls/{printable(name)}\tno image\n"


def test_groups_are_found_in_names_that_are_not_utf_8(folder, tmp_path):
    rename(folder, os.fsdecode(b"caf\xe9_0.jpg"))
    assert len(load_tree(folder, tmp_path / "keep", groups=r"_(\d)\.jpg$", validation_share=0.3).images) == 40
    rename_to = os.fsdecode(b"caf\xe9_0.jpg")
    os.rename(folder / "birds/owls" / rename_to, folder / "birds/owls" / LATIN)
    with pytest.raises(InputError, match=r"finds no group in birds/owls/caf\\xe9.jpg"):
        load_tree(folder, tmp_path / "keep", groups=r"_(\d)\.jpg$")


@pytest.mark.parametrize("place", [b"fish/caf\xe9", b"caf\xe9/trout"])
def test_a_class_whose_name_is_not_utf_8_is_refused(folder, tmp_path, place):
    make_folder(folder, 2, {os.fsdecode(place): 3})
    with pytest.raises(InputError, match=r"the folder's name is not UTF-8, or has control characters: caf\\xe9; rename it"):
        load_tree(folder, tmp_path / "keep")


def test_a_root_whose_name_is_not_utf_8_is_refused(folder, tmp_path):
    root = tmp_path / os.fsdecode(b"caf\xe9")
    os.rename(folder, root)
    with pytest.raises(InputError, match=r"the folder's path is not UTF-8, .*caf\\xe9; rename it"):
        load_tree(root, tmp_path / "keep")


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def test_a_class_is_the_same_in_either_unicode_form(tmp_path):
    """The test class café was not among the training classes, of which one was café."""
    train = make_folder(tmp_path / "train", 8, {f"{COMPOSED}/a": 40, "b": 90})
    test = make_folder(tmp_path / "test", 2, {f"{DECOMPOSED}/a": 40, "b": 90}, seed=7)
    data = load_tree(train, tmp_path / "keep", test_path=str(test), validation_share=0.3)
    assert data.hierarchy.names == ("b", COMPOSED, f"{COMPOSED}/a")
    assert len(data.test) == 4
    shutil.move(train / COMPOSED, train / DECOMPOSED)
    assert load_tree(train, tmp_path / "keep", test_path=str(test), validation_share=0.3).fingerprint == data.fingerprint


@pytest.mark.parametrize("leaf", ["a", "b"])
def test_two_classes_of_one_name_in_two_unicode_forms_are_refused(tmp_path, leaf):
    root = make_folder(tmp_path / "images", 2, {f"{COMPOSED}/a": 40, f"{DECOMPOSED}/{leaf}": 60, "c": 90})
    with pytest.raises(InputError, match=r"two folders are named café, .*: 'cafe\\u0301' and 'caf\\xe9'; rename one"):
        load_tree(root, tmp_path / "keep")


@given(st.lists(st.text(max_size=12), min_size=2, max_size=6, unique=True))
def test_labels_have_folders_of_their_own(labels):
    """either/or and either_or shared a folder, and so did net and .net."""
    folders = [folder_of_label(label) for label in labels]
    assert len(set(folders)) == len(labels)
    for folder in folders:
        assert folder
        assert not set(folder) & set("/\0\n")
        assert not folder.startswith(".")


@pytest.mark.parametrize(
    ("label", "folder"),
    {
        "great horned owl": "great horned owl",
        "either/or": "either%2For",
        "either_or": "either_or",
        ".net": "%2Enet",
        "100%": "100%25",
        "": "%",
        "..": "%2E.",
        "a\nb": "a%0Ab",
        "café": "café",
    }.items(),
)
def test_a_label_is_recognised_by_its_folder(label, folder):
    assert folder_of_label(label) == folder


def test_a_label_that_is_too_long_for_a_folder_is_refused():
    assert folder_of_label("é" * 127) == "é" * 127
    with pytest.raises(InputError, match="too long for a folder's name"):
        folder_of_label("é" * 128)


@pytest.mark.parametrize("name", ["a/b", ""])
def test_a_class_whose_name_could_be_anothers_path_is_refused(name):
    with pytest.raises(InputError, match="names are not empty and have no slash"):
        Hierarchy.of_paths([(name,), ("a", "b"), ("c",)])
