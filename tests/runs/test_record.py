"""Quantities of a user's own, recorded beside the package's: ``run(config, record={...})``."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import theory_sim as ts

CONFIG = ts.Config().replace(
    {
        "replicas": 2,
        "tree.subclasses": 2,
        "data.dim": 16,
        "data.patches": 20,
        "network.neurons": 3,
        "training.batch": 8,
        "training.steps": 9,
        "training.checkpoint_every": 2,
        "test.samples": 20,
        "test.curve_samples": 5,
        "record.points": 4,
    }
)


def steps(training: ts.Training) -> int:
    return training.steps_done


def largest_norm(training: ts.Training) -> dict[str, torch.Tensor]:
    return {name: model.engine.norm().flatten(1).amax(1) for name, model in training.models.items()}


def matrix(training: ts.Training) -> np.ndarray:
    return np.arange(2 * 3 * 4).reshape(2, 3, 4) + training.steps_done


def of_fine(training: ts.Training) -> dict[str, float]:
    return {"fine": 0.5}


OWN: dict[str, Callable[[ts.Training], Any]] = {"steps": steps, "largest": largest_norm, "matrix": matrix, "of_fine": of_fine}


def test_numbers_arrays_and_mappings_by_network(tmp_path: Any) -> None:
    results = ts.run(CONFIG, tmp_path, "cpu", record=OWN)
    for name, data in results.records.items():
        at = data.step.values
        assert (data.steps.dims, data.steps.values.tolist()) == (("replica", "step"), [at.tolist()] * 2)
        np.testing.assert_array_equal(data.largest.values, data.norm.max(("head", "neuron")).values)
        assert data.matrix.dims == ("replica", "step", "matrix_0", "matrix_1")
        np.testing.assert_array_equal(data.matrix.isel(replica=1).values, np.arange(12, 24).reshape(3, 4) + at[:, None, None])
        assert ("of_fine" in data) == (name == "fine")
        assert data.matrix.attrs["long_name"] == "matrix"
    plain = ts.run(CONFIG, tmp_path, "cpu")
    assert plain.folder != results.folder
    for name, data in plain.records.items():
        assert data.drop_attrs().identical(results.records[name].drop_attrs()[list(data.data_vars)])
    assert results.tidy("of_fine").network.unique().tolist() == ["fine"]


class StoppedError(Exception):
    """Raised to leave a run unfinished."""


def test_an_interrupted_run_keeps_what_it_recorded(tmp_path: Any) -> None:
    seen: list[int] = []

    def stop(progress: ts.Progress) -> None:
        if progress.done == 7:
            raise StoppedError

    def noted(training: ts.Training) -> int:
        seen.append(training.steps_done)
        return training.steps_done

    noting = {"noted": noted}
    with pytest.raises(StoppedError):
        ts.run(CONFIG, tmp_path, "cpu", stop, record={"steps": steps, "matrix": matrix})
    begun: list[int] = []
    resumed = ts.run(CONFIG, tmp_path, "cpu", lambda p: begun.append(p.done), record={"steps": steps, "matrix": matrix})
    assert begun[0] == 7, "it goes on from the checkpoint of step 6"
    whole = ts.run(CONFIG, tmp_path / "whole", "cpu", record={"steps": steps, "matrix": matrix})
    for name in whole.records:
        assert resumed.records[name].identical(whole.records[name])
    assert ts.run(CONFIG, tmp_path, "cpu", record=noting).fine.noted.values[0].tolist() == seen


def test_another_function_is_another_run(tmp_path: Any) -> None:
    def folder(record: dict[str, Callable[[ts.Training], Any]] | None) -> Any:
        return ts.results_folder(CONFIG, tmp_path, record=record)

    one, again = (folder({"x": lambda training: training.steps_done}) for _ in range(2))
    assert one == again
    others = [
        folder({"x": lambda training: training.steps_done + 1}),
        folder({"y": lambda training: training.steps_done}),
        folder({"x": steps}),
        folder({"x": largest_norm}),
        folder(None),
    ]
    assert len({one, *others}) == 6


@pytest.mark.parametrize(
    "name", ["correlation", "test_error", "step", "neuron", "feature_name", "sample", "test_sample", "two words", "1st", ""]
)
def test_taken_names_are_refused(name: str, tmp_path: Any) -> None:
    with pytest.raises(ts.InputError, match=f"^record {name}: choose a name that is an identifier and none of correlation, "):
        ts.run(CONFIG, tmp_path, "cpu", record={name: steps})
    assert list(tmp_path.iterdir()) == []


def test_names_of_the_axes_of_others_are_refused(tmp_path: Any) -> None:
    with pytest.raises(ts.InputError, match=r"^record matrix_0: choose another name: this is an axis of the recorded"):
        ts.run(CONFIG, tmp_path, "cpu", record={"matrix": matrix, "matrix_0": steps})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda training: torch.zeros(3), r"an array whose first axis is the 2 replicas, got the shape \(3,\)"),
        (lambda training: "text", "an array whose first axis is the 2 replicas, got str"),
        (lambda training: None, "an array whose first axis is the 2 replicas, got NoneType"),
        (lambda training: {"other": 1}, "there is no network 'other'; there are coarse, fine"),
        (lambda training: {}, "gave numbers of no network"),
        (lambda training: 1j, "of real numbers; got complex"),
        (lambda training: np.array(["a", "b"]), r"got ndarray of <U1 of the shape \(2,\)"),
        (
            lambda training: torch.zeros(2, 1 + training.steps_done),
            r"gave the shape \(2, 1\) at first and \(2, 2\) at step 1; one shape is needed",
        ),
        (
            lambda training: {"fine" if training.steps_done else "coarse": 1.0},
            "gave numbers of fine, and of coarse at earlier steps; return the same networks at every step",
        ),
        (lambda: 1.0, r"expected a function \(training\), got <lambda> in .*, which takes \(\)"),
    ],
)
def test_wrong_values_are_refused(function: Callable[[ts.Training], Any], message: str, tmp_path: Any) -> None:
    with pytest.raises(ts.InputError, match=rf"^record mine( \(.*line \d+\))?: .*{message}$"):
        ts.run(CONFIG, tmp_path, "cpu", record={"mine": function})
