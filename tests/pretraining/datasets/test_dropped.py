"""No image is dropped without a word: what belongs to no class is refused, or counted, listed and limited."""

import os
import shutil

import pytest
from image_folders import load_tree, save_image

from theory_sim.pretraining import summary
from theory_sim.runtime.errors import InputError


@pytest.mark.parametrize("stray", ["birds/owls/@eaDir/x.png", "birds/owls/Thumbs/a/x.png"])
def test_a_stray_folder_beside_images_is_refused(folder, tmp_path, stray):
    """The images beside it vanished, and the class became the thumbnail."""
    save_image(folder / stray, 3)
    message = rf"birds/owls holds images \(10, such as 000_0.jpg\) and the folder {stray.split('/')[2]}; images belong into"
    with pytest.raises(InputError, match=message):
        load_tree(folder, tmp_path / "keep", damaged_share=1.0)
    with pytest.raises(InputError, match=message):
        summary.summarise("tree", folder)


def test_images_in_a_coarse_folder_are_refused(folder, tmp_path):
    save_image(folder / "birds/lost.JPG", 3)
    with pytest.raises(InputError, match=r"birds holds images \(1, such as lost.JPG\) and the folder gulls"):
        load_tree(folder, tmp_path / "keep")


def test_images_of_an_unknown_suffix_beside_folders_count(folder, tmp_path):
    """The content of a file decides whether it is an image."""
    shutil.copy(folder / "birds/owls/000_0.jpg", folder / "birds/lost")
    shutil.copy(folder / "birds/owls/000_0.jpg", folder / "preview.jpg")
    (folder / "birds/README").write_text("no image")
    (folder / "labels.csv").write_text("no image")
    with pytest.raises(
        InputError, match=r"2 images belong to no class, .* the first is birds/lost: it is beside folders"
    ) as error:
        load_tree(folder, tmp_path / "keep", damaged_share=0.04)
    data = load_tree(folder, tmp_path / "keep", damaged_share=0.05)
    ((fault_list, count),) = data.damaged.items()
    assert (count, len(data.images)) == (2, 40)
    assert str(fault_list) in str(error.value)
    listed = dict(line.split("\t") for line in fault_list.read_text().splitlines())
    assert {path: "is beside folders" in why for path, why in listed.items()} == {
        "birds/README": False,
        "birds/lost": True,
        "labels.csv": False,
        "preview.jpg": True,
    }


@pytest.mark.parametrize(
    "hidden", ["birds/.net/a.jpg", ".net/deep/a.png", "birds/owls/.a.jpg", "fish/cod/.ipynb_checkpoints/a.jpg"]
)
def test_hidden_images_count(folder, tmp_path, hidden):
    save_image(folder / hidden, 3)
    (folder / "birds/owls/.DS_Store").write_bytes(b"\0")
    (folder / "birds/owls/._000_0.jpg").write_bytes(b"\0\5\x16\7")  # what macOS puts beside each file in an archive
    with pytest.raises(InputError, match=rf"1 image belongs to no class, .*{hidden}: its name, or .* begins with a dot"):
        load_tree(folder, tmp_path / "keep")
    data = load_tree(folder, tmp_path / "keep", damaged_share=0.1)
    assert (list(data.damaged.values()), len(data.images)) == ([1], 40)


@pytest.mark.parametrize("place", ["terns", "birds/terns"])
def test_a_link_to_nothing_in_place_of_a_class_is_refused(folder, tmp_path, place):
    (folder / place).symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="terns is a link to nothing; mend or delete it"):
        load_tree(folder, tmp_path / "keep", damaged_share=1.0)


@pytest.mark.parametrize(("place", "to"), [("birds/again", ""), ("birds/again", "birds"), ("again", "..")])
def test_a_link_that_leads_back_is_refused(folder, tmp_path, place, to):
    (folder / place).symlink_to(folder / to)
    with pytest.raises(InputError, match="again is a link to a folder around it"):
        load_tree(folder, tmp_path / "keep")


def test_links_that_lead_into_each_other_are_refused(folder, tmp_path):
    (folder / "birds/x").symlink_to(folder / "fish")
    (folder / "fish/y").symlink_to(folder / "birds")
    with pytest.raises(InputError, match=r"(x|y) is a link to a folder around it"):
        load_tree(folder, tmp_path / "keep")


def test_links_to_classes_and_files_are_followed(folder, tmp_path):
    shutil.move(folder / "fish/cod", tmp_path / "cod")
    (folder / "fish/cod").symlink_to(tmp_path / "cod")
    assert len(load_tree(folder, tmp_path / "keep").images) == 40


def test_a_named_pipe_is_not_waited_for(folder, tmp_path):
    os.mkfifo(folder / "birds/owls/pipe.jpg")
    data = load_tree(folder, tmp_path / "keep", damaged_share=0.1)
    assert (list(data.damaged.values()), len(data.images)) == ([1], 40)


def test_the_passed_over_files_of_both_folders_are_reported(folder, tmp_path):
    """Only the list of the first one was named."""
    from image_folders import make_folder

    test = make_folder(tmp_path / "val", 5, seed=7)
    for root in (folder, test):
        (root / "birds/owls/bad.jpg").write_bytes(b"bad")
    data = load_tree(folder, tmp_path / "keep", test_path=str(test), damaged_share=0.1)
    assert [(path.name.split("-")[0], count) for path, count in data.damaged.items()] == [("images", 1), ("val", 1)]
    assert all(path.exists() for path in data.damaged)
