"""A study checks its settings before it trains; a failed cell gives the same reason with worker processes and without."""

import os
import signal
import threading

import pytest
from image_folders import make_folder

from theory_sim.pretraining import study
from theory_sim.pretraining.cells import Cells
from theory_sim.pretraining.config import load_study
from theory_sim.pretraining.datasets.wordnet import imagenet21k
from theory_sim.pretraining.distributed import _accelerator
from theory_sim.pretraining.loading.images import FileImages
from theory_sim.runtime.errors import InputError

RESNET = ["model.name=resnet18", "model.image_size=32"]
PART = "normalises over the images of a part of a batch, and needs 2 or more"


@pytest.fixture
def untrained(monkeypatch):
    """Any training is an error."""

    def trained(*_: object) -> None:
        raise AssertionError("a network was trained before the settings were checked")

    for cell in ("run_baseline", "run_pretraining", "run_transfer"):
        monkeypatch.setattr(Cells, cell, trained)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["pretraining.batch=1"], f"pretraining: resnet18 {PART}; got batch 1 in 1 parts"),
        (["pretraining.accumulate=8"], f"pretraining: resnet18 {PART}; got batch 8 in 8 parts"),
        (["transfer.training.accumulate=8"], f"transfer.training: resnet18 {PART}"),
        (["transfer.modes=[last_block]", "transfer.training.batch=1"], f"transfer.training: resnet18 {PART}"),
        (["transfer.training.accumulate=3"], "batch: 8 is not a multiple of the number of processes, 1, times accumulate, 3"),
        (["transfer.training.accumulate=8", "transfer.training.mixup=0.2"], "mixup needs an even number of images in each part"),
    ],
)
def test_parts_of_batches_that_cannot_be_trained_on(more, message, settings):
    """One image in a part has no variance to normalise by: PyTorch refused it in the first step, of transfer even later."""
    with pytest.raises(InputError, match=message):
        load_study(None, [*settings, *RESNET, *more])


@pytest.mark.parametrize(
    "more",
    [
        ["pretraining.accumulate=4"],
        ["transfer.modes=[linear_probe]", "transfer.training.batch=1"],
        ["transfer.modes=[none]", "transfer.training.batch=1"],
        ["model.name=convnet", "pretraining.batch=1"],
        ["model.name=vit_ti16", "pretraining.accumulate=8"],
    ],
)
def test_one_image_where_nothing_is_normalised_over_a_batch(more, settings):
    load_study(None, [*settings, *RESNET, *more])


def test_two_images_in_a_part_train_a_residual_network(settings, tmp_path):
    more = ["labels.functions=[leaf]", "seeds=1", "pretraining.accumulate=4", "pretraining.steps=2"]
    more += ["transfer.modes=[linear_probe]", "transfer.training.batch=1"]
    outcome = study.run_study(load_study(None, [*settings, *RESNET, *more]), tmp_path)
    assert not outcome.failures


def test_processes_that_cannot_share_a_batch(settings, tmp_path, monkeypatch, untrained):
    monkeypatch.setattr(type(_accelerator()), "num_processes", 3)
    with pytest.raises(
        InputError, match=r"pretraining\.batch: 8 is not a multiple of the number of processes, 3, times accumulate, 1"
    ):
        study.run_study(load_study(None, settings), tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        ["labels.functions=[leaf, level(1), leaf]"],
        ["transfer.modes=[finetune, finetune]"],
        ["transfer.steps=[2, 4, 2]"],
    ],
)
def test_a_value_is_given_twice(more, settings):
    with pytest.raises(InputError, match="is given twice"):
        load_study(None, [*settings, *more])


def test_a_label_function_is_written_in_two_ways(settings, tmp_path, untrained):
    with pytest.raises(InputError, match=r"labels\.functions: 'level\(1\)' is given twice"):
        study.run_study(load_study(None, [*settings, "labels.functions=[level(1), level( 1 )]"]), tmp_path)


@pytest.mark.parametrize("key", ["pretraining", "transfer.training"])
def test_a_crop_that_the_images_do_not_allow(key, settings, tmp_path, untrained):
    digits = [*settings, "data={source: digits}", f"{key}.crop=resized"]
    with pytest.raises(InputError, match=rf"^{key}\.crop: images in memory are not resized"):
        study.run_study(load_study(None, digits), tmp_path)


def test_smoothed_labels_of_images_with_several(settings, tmp_path, untrained):
    """They were refused only after the baseline had been trained."""
    synsets = sorted(imagenet21k().classes[::4000])
    make_folder(tmp_path / "synsets", 8, {synset: 30 * place for place, synset in enumerate(synsets)})
    more = [f"data={{source: imagenet, path: {tmp_path / 'synsets'}}}", "labels.functions=[leaf, hypernym(3)]"]
    with pytest.raises(InputError, match=r"^labels\.functions: hypernym\(3\): pretraining\.label_smoothing: should be 0 where"):
        study.run_study(load_study(None, [*settings, *more, "pretraining.label_smoothing=0.1"]), tmp_path / "out")


def test_an_error_of_a_loaded_target_names_its_section(settings, tmp_path, untrained):
    keys = ["target={source: digits, groups: x}", "transfer.modes=[finetune]"]
    with pytest.raises(InputError, match=r"^target: source digits has no test_path and no groups"):
        study.run_study(load_study(None, [*settings, *keys]), tmp_path / "out")


@pytest.mark.parametrize("leftover", ["LOCAL_RANK=0", "LOCAL_RANK=none", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS=many"])
def test_variables_that_a_launcher_left(leftover, monkeypatch):
    """They ended the program by a traceback."""
    from accelerate.state import AcceleratorState, PartialState

    name, value = leftover.split("=")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(PartialState, "_shared_state", {})
    monkeypatch.setattr(AcceleratorState, "_shared_state", {})
    with pytest.raises(InputError, match=rf"environment describes \({name}\): .*; unset these variables unless a launcher"):
        _accelerator.__wrapped__()


class _OwnError(Exception):
    """An error that cannot be sent to another process: its contents cannot be pickled."""

    def __init__(self, path: str, line: int) -> None:
        super().__init__(f"{path}, line {line}")
        self.held = threading.Lock()


def _out_of_memory() -> Exception:
    return RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("error", [MemoryError("no memory for an image"), _out_of_memory()], ids=["Python", "PyTorch"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_failed_cell_says_the_same_with_workers(error, workers, settings, tmp_path, monkeypatch):
    real, main = FileImages.batch, os.getpid()

    def batch(images, indices, view, keys=None, out=None):
        if keys is not None and view.crop == "shift" and (workers == 0 or os.getpid() != main):
            raise error
        return real(images, indices, view, keys, out)

    checked = load_study(None, [*settings, f"workers={workers}", "seeds=1", "labels.functions=[leaf]", "pretraining.crop=shift"])
    monkeypatch.setattr(study, "_check_views", lambda *_: None)
    monkeypatch.setattr(FileImages, "batch", batch)
    outcome = study.run_study(checked, tmp_path)
    assert outcome.failures
    assert set(outcome.failures.values()) == {str(error)}


@pytest.mark.parametrize(
    ("error", "kind"),
    [(InputError("cannot read a.png: it is gone"), InputError), (OSError(28, "No space left on device"), OSError)],
    ids=["input", "disk"],
)
def test_an_error_of_a_worker_arrives_as_it_was_raised(error, kind, settings, tmp_path, monkeypatch):
    raised = _raised_by_a_worker(error, settings, tmp_path, monkeypatch)
    assert type(raised) is kind
    assert str(raised) == str(error)


def test_an_error_of_a_worker_that_cannot_be_sent(settings, tmp_path, monkeypatch):
    raised = _raised_by_a_worker(_OwnError("a.png", 3), settings, tmp_path, monkeypatch)
    assert type(raised) is RuntimeError
    assert str(raised) == "_OwnError: a.png, line 3"


def test_a_worker_that_the_system_ends(settings, tmp_path, monkeypatch):
    raised = _raised_by_a_worker(None, settings, tmp_path, monkeypatch)
    assert isinstance(raised, ChildProcessError)
    assert str(raised).startswith("a process that reads images died; fewer workers need less memory (DataLoader worker")


def _raised_by_a_worker(error: Exception | None, settings, tmp_path, monkeypatch) -> BaseException:
    """What a study raises when its workers do; without an error they are killed."""
    real, main = FileImages.batch, os.getpid()

    def batch(images, indices, view, keys=None, out=None):
        if os.getpid() == main:
            return real(images, indices, view, keys, out)
        if error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        raise error

    monkeypatch.setattr(FileImages, "batch", batch)
    with pytest.raises((InputError, OSError, RuntimeError)) as raised:
        study.run_study(load_study(None, [*settings, "workers=1", "seeds=1", "labels.functions=[leaf]"]), tmp_path)
    return raised.value


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("mixed(1, 3)", "has levels 1 to 2"),
        ("cluster(30)", "the 24 samples can be divided into 1 to 24 clusters, not 30"),
        ("cluster-within(13)", "the 12 samples of the smallest coarse class can be divided into 1 to 12 clusters, not 13"),
        ("group(kingdom)", "this data set has none"),
    ],
)
def test_label_functions_that_do_not_fit_are_refused_before_any_is_computed(function, message, settings, tmp_path, monkeypatch):
    """They were refused one by one, after the embedding and the clusters of those before them."""
    monkeypatch.setattr(study, "embed", lambda *_: pytest.fail("images were embedded first"))
    with pytest.raises(InputError, match=message):
        study.run_study(load_study(None, [*settings, f"labels.functions=[leaf, cluster(2), '{function}']"]), tmp_path)
    assert not list((tmp_path / "_images").glob("labels/*"))


def test_label_functions_that_names_refuse_are_refused_before_any_image_is_read(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "load_data", lambda *_: pytest.fail("images were read first"))
    for function, message in (
        ("level(3)", "has levels 1 to 2"),
        ("cluster(500)", "the 40 samples can be divided into"),
    ):
        with pytest.raises(InputError, match=message):
            study.run_study(load_study(None, [*settings, f"labels.functions=[leaf, '{function}']"]), tmp_path)
