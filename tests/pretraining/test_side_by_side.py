"""Cells of a small network are computed side by side, one core each, to the same numbers as one after the other."""

import subprocess
import sys
import threading

import pandas as pd
import pytest
import torch

from theory_sim.pretraining import cells as cells_module
from theory_sim.pretraining import study
from theory_sim.pretraining.config import load_study
from theory_sim.pretraining.overall import Overall, StoppedError
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.threads import side_by_side, torch_threads

MORE = [
    "model={width: 4, image_size: 16}",
    "controls=[width]",
    "labels.functions=[leaf]",
    "pretraining.crop=shift",
    "pretraining.flip=true",
]


@pytest.fixture
def meeting(monkeypatch):
    """Makes the first two trainings wait for each other."""
    barrier, honest, names = threading.Barrier(2, timeout=60), cells_module.train, []

    def train(*arguments):
        names.append(arguments[6])
        if len(names) <= 2:
            barrier.wait()
        assert torch.get_num_threads() == 1
        return honest(*arguments)

    monkeypatch.setattr(cells_module, "train", train)
    return names


def test_the_numbers_are_the_same_and_files_are_decoded_once(settings, tmp_path, meeting, monkeypatch):
    from theory_sim.pretraining.loading import kept

    own = load_study(None, [*settings, *MORE])
    decoded, honest = [], kept.decode_whole
    monkeypatch.setattr(kept, "decode_whole", lambda path, **more: decoded.append(path) or honest(path, **more))
    done = []
    with torch_threads(2):
        both = study.run_study(own, tmp_path / "both", done.append)
    assert len(decoded) == len(set(decoded)) == 40
    assert set(meeting[:2]) == {"baseline of 6 steps, seed 0", "control: width of 6 steps, seed 0"}
    monkeypatch.undo()
    monkeypatch.setattr(kept.ImageMemory, "__call__", lambda memory, data: data.images)  # every batch from its files
    with torch_threads(1):
        one = study.run_study(own, tmp_path / "one")
    pd.testing.assert_frame_equal(both.results, one.results)
    for first, second in zip(both.transferred, one.transferred, strict=True):
        for seed in (0, 1):
            assert torch.equal(first.answers[seed]["test"].confidence, second.answers[seed]["test"].confidence)
    for name in ("networks", "failures", "notes"):
        assert getattr(both, name) == getattr(one, name)
    study_steps = [progress.done for progress in done if progress.stage == "study"]
    assert study_steps == sorted(study_steps)
    assert study_steps[-1] == done[-1].total
    said = [progress.note for progress in done if "evaluating" in progress.note]
    assert "evaluating: 12 of 12 test images  (leaf, seed 1, finetune)" in said
    assert "evaluating: 4 of 4 validation images  (baseline of 8 steps, seed 0)" in said


def test_an_error_in_one_cell_ends_the_others_and_is_the_studys(settings, tmp_path, failing):
    failing("control.*", OSError("no space left"))
    with torch_threads(2), pytest.raises(OSError, match="no space left"):
        study.run_study(load_study(None, [*settings, *MORE, "pretraining.steps=100000"]), tmp_path / "out")


def test_an_interrupted_study_has_what_is_done_and_goes_on(settings, tmp_path):
    own = load_study(None, [*settings, *MORE])
    whole = study.run_study(own, tmp_path / "whole")

    def interrupt(progress):
        if progress.stage == "study" and progress.done == 30:
            raise KeyboardInterrupt

    with torch_threads(2):
        with pytest.raises(study.StudyInterrupt) as stop:
            study.run_study(own, tmp_path / "out", interrupt)
        assert 0 in stop.value.outcome.baselines[6]
        pd.testing.assert_frame_equal(study.run_study(own, tmp_path / "out").results, whole.results)


def test_works_that_have_not_begun_are_left_out():
    begun, stopped = [], threading.Event()

    def fail():
        begun.append("fail")
        raise KeyError("first")

    def run():
        begun.append("run")
        assert stopped.wait(60)

    with pytest.raises(KeyError, match="first"):
        side_by_side([run, fail, *[run] * 20], 2, stopped.set)
    assert len(begun) <= 3
    begun.clear()
    with pytest.raises(KeyError):
        side_by_side([fail, run], 1, stopped.set)
    assert begun == ["fail"]


def test_progress_of_several_cells_is_added_up(settings):
    said = []
    overall = Overall(load_study(None, [*settings, "seeds=1"]), said.append)
    failures = {}
    with overall.cell("a", 6, failures):
        overall.within(Progress("a", 4, 6, "loss 1"))
        overall.within(Progress("b", 2, 6))
        overall.within(Progress("a", 5, 6))
    overall.within(Progress("b", 3, 6))
    assert [progress.done for progress in said] == [4, 6, 7, 9]
    assert said[0].note == "loss 1  (a)"
    overall.stop()
    with pytest.raises(StoppedError):
        overall.within(Progress("b", 4, 6))


def test_threads_that_ask_for_the_accelerator_first_at_once_get_the_same():
    """Both made one, and one of them had no device."""
    code = """
import threading
from theory_sim.pretraining.distributed import processes
start, found = threading.Barrier(8), []
def ask():
    start.wait()
    found.append((processes(), processes().device.type))
threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print(len(found), len({id(accelerator) for accelerator, _ in found}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["8", "1"]
