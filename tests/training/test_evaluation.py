"""Tests of trained networks on other samples than those of their run."""

from pathlib import Path

import numpy as np
import pytest

from theory_sim.config import load_config
from theory_sim.runs.evaluate import evaluate_on
from theory_sim.runs.folder import evaluation_path
from theory_sim.runs.results import Results
from theory_sim.runs.run import run
from theory_sim.runtime.errors import InputError

MODELS = ("coarse", "fine")


@pytest.fixture
def results(config_file: Path, finished: Path, tmp_path: Path) -> Results:
    return run(load_config(config_file), tmp_path / "results", "cpu")


def test_on_its_own_samples_a_run_is_found_again(results):
    tested = evaluate_on(results, results.config, "cpu")
    for name in MODELS:
        np.testing.assert_array_equal(tested.test_correct.sel(model=name), getattr(results, name).test_correct)
        np.testing.assert_array_equal(tested.test_error.sel(model=name), getattr(results, name).test_error)


def test_other_hard_samples_give_what_a_run_with_them_gives(results, tmp_path):
    """Hard samples are not trained on: both ways the networks and the random numbers are the same."""
    other = results.config.replace({"hard.feature_noise": [0.5, 0.9], "hard.noise": 1.0, "test.samples": 70})
    tested, whole = evaluate_on(results, other, "cpu"), run(other, tmp_path / "whole", "cpu")
    for name in MODELS:
        np.testing.assert_array_equal(tested.test_correct.sel(model=name), getattr(whole, name).test_correct)
    assert (tested.test_error.sel(kind="hard").values != results.coarse.test_error.sel(kind="hard").values).any()


def test_a_shifted_target_is_tested_and_fitted_on_and_not_trained_on(results, tmp_path):
    readouts = {"transfer.readouts": ["linear_probe", "sum_logits"], "transfer.samples": 40}
    plain = results.config.replace(readouts | {"data.noise": 3.0})
    shifted = results.config.replace(readouts | {"target.noise": 3.0})
    run_ = run(shifted, tmp_path / "shifted", "cpu")
    for name in MODELS:
        here, there = getattr(results, name), getattr(run_, name)
        np.testing.assert_array_equal(here.training_loss, there.training_loss)
        assert float(there.test_error.mean()) > float(here.test_error.mean())
        # The same networks, tested on samples whose training law has the shift: the same samples, and the same probe.
        np.testing.assert_array_equal(
            evaluate_on(results, plain, "cpu").test_correct.sel(model=name), there.test_correct, err_msg=name
        )


def test_other_readouts_are_fitted(results):
    config = results.config.replace(
        {"transfer.readouts": ["linear_probe", "finetuning"], "transfer.samples": 40, "transfer.steps": 2}
    )
    tested = evaluate_on(results, config, "cpu")
    assert tested.test_readout.values.tolist() == ["linear_probe", "finetuning"]
    assert set(np.unique(tested.test_correct.sel(test_readout="linear_probe"))) == {0, 1}


def test_a_shift_of_the_easy_samples_is_seen(results):
    shifted = evaluate_on(results, results.config.replace({"data.noise": 6.0}), "cpu").test_error.sel(kind="easy")
    own = evaluate_on(results, results.config, "cpu").test_error.sel(kind="easy")
    assert (shifted >= own).all()
    assert float(shifted.mean()) > float(own.mean())


def test_what_is_on_disk_is_loaded_and_progress_is_told(results, monkeypatch):
    told = []
    first = evaluate_on(results, results.config, "cpu", told.append)
    assert (told[-1].stage, told[-1].done, told[-1].total) == ("testing", 100, 100)
    monkeypatch.setattr("theory_sim.runs.evaluate.evaluate", lambda *_: pytest.fail("tested again"))
    assert evaluate_on(results, results.config, "cpu").equals(first)
    # Bounds of claims change no number.
    assert evaluation_path(results.folder, results.config.replace({"claims.easy_error": 0.5})).exists()
    assert len(list((results.folder / "evaluations").glob("*.nc"))) == 1


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"data.dim": 40}, "data.dim = 32 cannot be tested with data.dim = 40"),
        ({"replicas": 1}, "replicas = 2"),
        ({"tree.subclasses": 2}, "tree ="),
        ({"labels.fine": "random(4)"}, "labels ="),
        ({"seed": 7}, "seed = 2"),
        ({"data.basis": "rotated"}, "data.basis = canonical"),
        ({"training.engine": "gradient"}, "training.engine = dense cannot be tested with training.engine = gradient"),
    ],
)
def test_networks_that_do_not_fit_are_refused(results, values, named):
    with pytest.raises(InputError, match=named):
        evaluate_on(results, results.config.replace(values), "cpu")


def test_a_damaged_evaluation_is_named(results):
    evaluate_on(results, results.config, "cpu")
    path = evaluation_path(results.folder, results.config)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"is damaged; delete it to test again"):
        evaluate_on(results, results.config, "cpu")
