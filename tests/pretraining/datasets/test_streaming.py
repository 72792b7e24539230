"""Streaming a data set of the hub: labels that look alike, several processes at once, streams that end early."""

import io
import multiprocessing
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from theory_sim.pretraining.datasets import Data, huggingface, load_data
from theory_sim.runtime.errors import InputError


def make_hub(
    folder: Path, labels: list[object], feature: str = "string", file_name: str = "train.parquet", seed: int = 0
) -> Path:
    """A data set in the hub's form: an image for each label."""
    import datasets

    rows = []
    for number in range(len(labels)):
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng([seed, number]).integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(file, "png")
        rows.append({"bytes": file.getvalue(), "path": None})
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value(feature)})
    (folder / file_name).parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict({"image": rows, "label": labels}, features).to_parquet(str(folder / file_name))
    return folder


def settings(hub: Path, **keys: object) -> Data:
    return Data(source="huggingface", path=str(hub), test_share=0.4, validation_share=0.4, **keys)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))


def test_labels_that_look_alike_stay_apart(tmp_path):
    labels = ["either/or", "either_or", "net", ".net", "", "_", "a\nb", "ab"]
    data = load_data(settings(make_hub(tmp_path / "hub", labels * 6)), tmp_path / "keep")
    expected = ["%", "%2Enet", "_", "a%0Ab", "ab", "either%2For", "either_or", "net"]
    assert list(data.hierarchy.names) == expected
    assert data.leaf.bincount().tolist() == [6] * 8


def test_labels_that_are_no_numbers_are_refused(tmp_path):
    hub = make_hub(tmp_path / "hub", [0.5, float("nan")] * 3, "float64")
    with pytest.raises(InputError, match="column 'label' has images without a label"):
        load_data(settings(hub), tmp_path / "keep")


def test_a_file_system_that_merges_two_labels_is_noticed(tmp_path):
    (tmp_path / "owl").mkdir()  # where the file system takes Owl for owl, this is the folder of Owl too
    with pytest.raises(InputError, match="the label 'owl' shares its folder with another one"):
        huggingface._make_class(tmp_path, ("owl",))


def _stream(hub: Path, keep: Path, started: object, results: object) -> None:
    """A process that streams slowly; it says when it has begun."""
    honest = huggingface._images

    def slowly(data, split):
        for place, image in enumerate(honest(data, split)):
            yield image
            started.set()
            time.sleep(0.02 if place < 60 else 0)

    huggingface._images = slowly
    results.put(len(load_data(settings(hub), keep).images))


def begin(hub: Path, keep: Path) -> tuple[multiprocessing.Process, object]:
    """A process that has begun to stream, and where it will say how many images it has."""
    fork = multiprocessing.get_context("fork")
    started, results = fork.Event(), fork.Queue()
    process = fork.Process(target=_stream, args=(hub, keep, started, results))
    process.start()
    assert started.wait(60)
    return process, results


def test_two_processes_that_stream_one_data_set_both_have_all_of_it(tmp_path):
    """The second removed what the first had streamed, and the first took what was left for the whole."""
    hub = make_hub(tmp_path / "hub", ["a", "b", "c"] * 40)
    first, results = begin(hub, tmp_path / "keep")
    assert len(load_data(settings(hub), tmp_path / "keep").images) == 120
    assert results.get(timeout=100) == 120
    first.join()
    assert [path.name.split("-")[0] for path in (tmp_path / "keep").iterdir() if path.is_dir()] == ["streamed"]


def test_what_a_killed_process_left_is_streamed_again(tmp_path):
    hub = make_hub(tmp_path / "hub", ["a", "b", "c"] * 10)
    first, _ = begin(hub, tmp_path / "keep")
    first.kill()
    first.join()
    (part,) = (tmp_path / "keep").glob(".streamed-*.part")
    assert 0 < len(list(part.rglob("*.image"))) < 30
    assert len(load_data(settings(hub), tmp_path / "keep").images) == 30


def test_waiting_for_another_process_is_reported(tmp_path):
    import filelock

    hub = make_hub(tmp_path / "hub", ["a", "b", "c"] * 10)
    folder = huggingface.stream_to_folder(settings(hub), "train", tmp_path / "keep", lambda progress: None)
    folder.rename(tmp_path / "keep" / "aside")
    lock, said = filelock.FileLock(tmp_path / "keep" / f".{folder.name}.lock", thread_local=False), threading.Event()
    lock.acquire()
    stages: list[str] = []

    def on_progress(progress):
        stages.append(progress.stage)
        (tmp_path / "keep" / "aside").rename(folder)  # as the other process would
        lock.release()
        said.set()

    assert huggingface.stream_to_folder(settings(hub), "train", tmp_path / "keep", on_progress) == folder
    assert stages == ["waiting for the process that streams train"]
    assert said.is_set()


def test_a_stream_that_ends_early_is_not_kept(tmp_path, monkeypatch):
    """The data set says how many images a split has."""
    import datasets

    splits = datasets.SplitDict({"train": datasets.SplitInfo("train", num_examples=30)})

    class Cut:
        def __init__(self, rows):
            self.rows, self.features, self.info = rows, rows.features, datasets.DatasetInfo(splits=splits)

        def cast_column(self, *arguments):
            return Cut(self.rows.cast_column(*arguments))

        def __iter__(self):
            return iter(self.rows.take(12))

    hub = make_hub(tmp_path / "hub", ["a", "b", "c"] * 10)
    honest = datasets.load_dataset
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **keys: Cut(honest(*arguments, **keys)))
    with pytest.raises(InputError, match="12 of the 30 images of split 'train' arrived; run again"):
        load_data(settings(hub), tmp_path / "keep")
    monkeypatch.setattr(datasets, "load_dataset", honest)
    assert len(load_data(settings(hub), tmp_path / "keep").images) == 30


def test_images_that_vanish_while_they_are_streamed_are_noticed(tmp_path, monkeypatch):
    honest = huggingface._images

    def images(data, split):
        for number, image in enumerate(honest(data, split)):
            if number == 20:
                next((tmp_path / "keep").rglob("*.image")).unlink()
            yield image

    monkeypatch.setattr(huggingface, "_images", images)
    hub = make_hub(tmp_path / "hub", ["a", "b", "c"] * 10)
    with pytest.raises(InputError, match="has 29 of the 30 images that were streamed"):
        load_data(settings(hub), tmp_path / "keep")
    assert not list((tmp_path / "keep").glob("streamed-*"))


def classes(hub: Path, keep: Path, **keys: object) -> dict[str, int]:
    data = load_data(settings(hub, **keys), keep)
    return dict(zip(data.hierarchy.names, data.leaf.bincount().tolist(), strict=True))


def test_a_folder_with_the_name_of_a_hub_data_set_is_not_taken_for_it(tmp_path, monkeypatch):
    """``datasets`` reads a folder of this name in the working directory, without a word."""
    import datasets

    asked = []

    def load_dataset(path, **keys):
        asked.append(path)
        raise ConnectionError("offline")

    make_hub(tmp_path / "here/user/name", ["a", "b"] * 10)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(
        InputError, match=r"'user/name' may be a folder here or a name of the hub: write \./user/name or hf://user"
    ):
        load_data(settings("user/name"), tmp_path / "keep")
    assert classes("./user/name", tmp_path / "keep") == {"a": 10, "b": 10}
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    for name in ("hf://user/name", "user/other"):
        with pytest.raises(InputError, match="cannot stream the Hugging Face data set"):
            load_data(settings(name), tmp_path / "keep")
    assert asked == ["hf://datasets/user/name", "hf://datasets/user/other"]


def test_the_splits_of_a_folder_are_its_files_and_not_guessed_from_words(tmp_path):
    """``datasets`` finds ``test`` in any part of a path, and gives the rest to ``train`` or to nothing."""
    hub = tmp_path / "test-set" / "train-and-test"
    make_hub(hub, ["a", "b"] * 10, file_name="data/train-00000-of-00002.parquet")
    make_hub(hub, ["a", "c"] * 5, file_name="data/train-00001-of-00002.parquet", seed=1)
    make_hub(hub, ["a", "b", "c"], file_name="data/test-00000-of-00001.parquet", seed=2)
    make_hub(hub, ["x", "y"], file_name="extra/validation/0000.parquet")
    assert classes(hub, tmp_path / "keep") == {"a": 15, "b": 10, "c": 5}
    assert classes(hub, tmp_path / "keep", test_split="test") == {"a": 16, "b": 11, "c": 6}
    with pytest.raises(InputError, match=r"no Parquet files of the split 'dev', such as dev-….parquet; it has test-00000"):
        load_data(settings(hub, split="dev"), tmp_path / "keep")
    assert {path.name for path in huggingface._parquet_files(settings(hub), "validation")} == {"0000.parquet"}
    (tmp_path / "photographs").mkdir()
    with pytest.raises(InputError, match="holds no Parquet files; a folder of images has the source tree"):
        load_data(settings(tmp_path / "photographs"), tmp_path / "keep")


def test_a_copy_belongs_to_one_folder_and_to_its_files(tmp_path, monkeypatch):
    """The copy of another working directory's folder of the same name, or of files that have changed since, was used."""
    for name, labels in (("one", ["a", "b"]), ("two", ["c", "d"])):
        make_hub(tmp_path / name / "set", labels * 10)
        monkeypatch.chdir(tmp_path / name)
        assert set(classes("./set", tmp_path / "keep")) == set(labels)
    make_hub(tmp_path / "two" / "set", ["e", "f"] * 11)
    assert classes("./set", tmp_path / "keep") == {"e": 11, "f": 11}
    assert len(list((tmp_path / "keep").glob("streamed-*/"))) == 2
