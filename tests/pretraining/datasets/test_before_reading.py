"""What folders' names decide is checked before any image is read; the index of a folder is shared, and its reading is shown."""

import warnings

import pytest
from image_folders import make_folder

from theory_sim.pretraining import study, summary
from theory_sim.pretraining.config import load_study
from theory_sim.pretraining.datasets import Data, load_data
from theory_sim.pretraining.datasets import index as index_module
from theory_sim.runtime.errors import DataWarning, InputError


@pytest.fixture
def unread(monkeypatch):
    """Reading an image is an error."""

    def look_at(*_, **__):
        raise AssertionError("an image was read before the names were checked")

    monkeypatch.setattr(index_module, "look_at", look_at)


def test_unknown_test_classes(settings, tmp_path, unread):
    """They were reported only after every image had been decoded."""
    make_folder(tmp_path / "test", 2, {"birds/gulls": 40, "birds/emus": 80}, seed=7)
    with pytest.raises(InputError, match="class birds/emus is not among the training classes"):
        study.run_study(load_study(None, [*settings, f"data.test_path={tmp_path / 'test'}"]), tmp_path / "out")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{source: tree, path: /nowhere}", "no such folder: /nowhere"),
        ("{source: imagenet, path: FOLDER}", "expected folders synset"),
        ("{source: huggingface, path: ./nowhere}", r"^target\.path: no such folder: ./nowhere"),
        ("{source: tree, path: FOLDER, groups: (}", r"^target\.groups: no regular expression"),
        ("{source: tree, path: FOLDER, groups: (gulls)}", "finds no group in"),
    ],
)
def test_a_target_that_is_wrong(target, message, settings, folder, tmp_path, unread):
    """The target was looked at after the images to pretrain on had been decoded, and its errors named the section ``data``."""
    own = [*settings, "transfer.modes=[finetune]", f"target={target.replace('FOLDER', str(folder))}"]
    with pytest.raises(InputError, match=message):
        study.run_study(load_study(None, own), tmp_path / "out")


def test_each_folder_has_progress_of_its_own(folder, tmp_path):
    """The second folder's reading continued the first one's bar, with the first one's total."""
    make_folder(tmp_path / "test", 30, seed=7)
    reports = []
    load_data(Data(source="tree", path=str(folder), test_path=str(tmp_path / "test")), tmp_path / "keep", reports.append)
    totals = {report.stage: report.total for report in reports}
    assert totals == {f"reading images of {folder}": 40, f"reading images of {tmp_path / 'test'}": 120}
    assert all(totals[report.stage] == report.total for report in reports)


def test_a_study_of_another_name_reads_no_image_again(settings, tmp_path, monkeypatch):
    honest = index_module.look_at
    looked = []
    monkeypatch.setattr(index_module, "look_at", lambda *a, **k: looked.append(a) or honest(*a, **k))
    quick = [*settings, "seeds=1", "pretraining.steps=1", "labels.functions=[leaf]"]
    study.run_study(load_study(None, quick), tmp_path / "out")
    assert len(looked) == 40
    study.run_study(load_study(None, [*quick, "name=another"]), tmp_path / "out")
    assert len(looked) == 40
    assert len(list((tmp_path / "out").rglob("images-*.parquet"))) == 1


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train", "test"], "train, test"),
        (["train2017", "val2017", "extra"], "train2017, val2017"),
        (["train_mini", "validation"], "train_mini, validation"),
        (["bus", "train"], ""),
        (["trains", "tests"], ""),
    ],
)
def test_splits_that_would_be_classes_are_named(names, splits, tmp_path):
    """``hierarchy tree`` counted the splits as classes without a word."""
    make_folder(tmp_path / "parent", 1, {f"{name}/{leaf}": 40 for name in names for leaf in ("gulls", "owls")})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        levels = summary.summarise("tree", tmp_path / "parent")
    assert levels[0].classes == len(names)
    texts = [str(warning.message) for warning in said if issubclass(warning.category, DataWarning)]
    assert len(texts) == bool(splits)
    assert all(f"of which {splits} look like splits" in text for text in texts)


def test_the_classes_of_imagenet_are_counted(tmp_path):
    """``hierarchy imagenet PATH`` was refused, though the source of this name reads such folders."""
    make_folder(tmp_path / "images", 3, {"n01440764": 40, "n04399382": 200})
    (level,) = summary.summarise("imagenet", tmp_path / "images")
    assert (level.classes, level.samples) == (2, {"n01440764": 3, "n04399382": 3})
