"""The border of hard samples: margins by hand and against test samples, and trends on tables made by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import theory_sim as ts
from theory_sim.studies.decision import run_study
from theory_sim.studies.study import load_study
from theory_sim.theories.label_granularity import boundary, recursion
from theory_sim.theories.label_granularity.boundary import Margins, border
from theory_sim.theories.theory import THEORIES, predict
from theory_sim.theories.trends import by_id

CONFIG = ts.Config().replace(
    {
        "name": "boundary",
        "replicas": 2,
        "tree.subclasses": [2, 3],
        "data.dim": 32,
        "data.patches": 16,
        "hard.feature_noise": [0.3, 0.5],
        "training.steps": 40,
        "test.samples": 4000,
        "test.curve_samples": 1,
        "record.points": 2,
        "record.predicted": True,
        "transfer.readouts": ["sum_logits"],
    }
)
MEASURES = {measure.id: measure for measure in boundary.MEASURES}
PARENT = {"coarse": np.array([0, 1]), "fine": np.array([0, 0, 1, 1, 1])}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ts.Results:
    return ts.run(CONFIG, tmp_path_factory.mktemp("results"), "cpu")


# --- the margin ---------------------------------------------------------------------------------------------------


def network(rare: float, common: float, bias: float = 0.0) -> Margins:
    """Two heads of one neuron each: it sees all rare features of its class, and its common one, and nothing else."""
    u = np.zeros((1, 2, 1, 7))  # features: two classes, then the leaves 2 + 3
    for head, leaves in ((0, (2, 3)), (1, (4, 5, 6))):
        u[0, head, 0, leaves] = rare
        u[0, head, 0, head] = common
    norm = np.sqrt((u**2).sum(-1))
    dims = ("replica", "head", "neuron")
    weights = {"correlation": ((*dims, "feature"), u), "bias": (dims, np.full((1, 2, 1), bias)), "norm": (dims, norm)}
    return Margins(xr.Dataset(weights), PARENT["coarse"])


QUIET = CONFIG.replace({"data.noise": 0.0, "data.strength_spread": 0.0, "hard.noise": 0.0})


@pytest.mark.parametrize(("rare", "bias", "wrong"), [(0.21, 0.0, 0.0), (0.19, 0.0, 1.0), (0.21, -0.1, 1.0)])
def test_patches_of_a_strength_add_up(rare: float, bias: float, wrong: float) -> None:
    """Four rare patches of strength 1 against two foreign ones of 0.4 and correlation 1, with no noise at all."""
    config = QUIET.replace({"hard.feature_noise": [0.4, 0.4]})
    expected = 4 * max(0, rare + bias) - 2 * max(0, 0.4 + bias)
    assert (expected < 0) == bool(wrong)
    assert network(rare, 1.0, bias).hard_error(config) == pytest.approx([wrong], abs=1e-9)


def test_foreign_strengths_as_a_normal_variable() -> None:
    """Margin 4·0.2 − 2α†, α† ~ U[0.2, 0.7]: mean −0.1, variance 2·0.5²/12."""
    config = QUIET.replace({"hard.feature_noise": [0.2, 0.7]})
    expected = 0.5 * math.erfc(-0.1 / math.sqrt(2 * 2 * 0.25 / 12))
    assert network(0.2, 1.0).hard_error(config) == pytest.approx([expected], abs=0.01)


def test_dominant_noise_is_not_normal() -> None:
    """Margin m + (x_1)₊ − (x_2)₊, each x a sum of components of law N(0, σ*²): by a plain simulation."""
    config = QUIET.replace({"hard.feature_noise_patches": 0, "hard.noise": 4.0})
    sigma = 4 / math.sqrt(32)
    for rare in (0.02, 0.1, 0.2):
        along = np.random.default_rng(1).normal(0, sigma, (10**5, 7))
        seen = [1.0 * along[:, 0] + rare * along[:, 2:4].sum(1), 1.0 * along[:, 1] + rare * along[:, 4:7].sum(1)]
        margin = 4 * rare + seen[0].clip(0) - seen[1].clip(0), 4 * rare + seen[1].clip(0) - seen[0].clip(0)
        found = network(rare, 1.0).hard_error(config)
        leaves = config.label_tree.leaf_probability
        expected = sum(leaves[:2]) * (margin[0] < 0).mean() + sum(leaves[2:]) * (margin[1] < 0).mean()
        assert found == pytest.approx([expected], abs=0.015), rare
        assert expected > 0.05, "it misleads"


@pytest.mark.parametrize("name", ["coarse", "fine"])
@pytest.mark.parametrize("hard", [{}, {"hard.common": "weak", "hard.feature_noise_patches": 3}, {"hard.noise": 16.0}])
def test_error_of_a_trained_network_is_that_of_its_test(name: str, hard: dict, results: ts.Results) -> None:
    """From the weights that training ended with, on 4000 samples of each replica."""
    config = CONFIG.replace(hard)
    tested = ts.evaluate_on(results, config, "cpu").test_error.sel(model=name, kind="hard", test_readout="sum_logits").values
    margins = Margins(results.records[name].isel(step=-1), PARENT[name])
    assert margins.hard_error(config) == pytest.approx(tested, abs=0.03)


def test_measure_is_of_the_predicted_weights(results: ts.Results) -> None:
    for name in ("coarse", "fine"):
        predicted = predict(CONFIG, results.records[name]).isel(step=-1)
        expected = Margins(predicted, PARENT[name]).hard_error(CONFIG)
        assert MEASURES[f"{name}-hard-error-predicted"].values(results) == pytest.approx(expected)
        assert expected == pytest.approx(results.records[name].test_error.sel(kind="hard").values[:, 0], abs=0.1)


def test_measure_is_undefined_elsewhere(results: ts.Results, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = MEASURES["coarse-hard-error-predicted"]
    for change in (
        {"tree.coarse": 3, "tree.subclasses": 2},
        {"data.patch_law": "independent"},
        {"transfer.readouts": ["argmax_parent"]},
        {"data.training_samples": 100},
        {"network.train_output": True},
        {"record.predicted": False},
    ):
        assert np.isnan(measure.values(ts.Results(CONFIG.replace(change), Path(), results.records))).all(), change
    monkeypatch.setattr(recursion, "MOST_WORK", 10)
    assert np.isnan(measure.values(results)).all()


def test_border_by_hand() -> None:
    x = np.array([4.0, 1.0, 2.0])  # in any order
    assert border(x, np.array([1.0, 0.0, 0.25])) == pytest.approx(2 * 2 ** (1 / 3))
    assert border(x, np.array([1.0, 0.0, 0.5])) == pytest.approx(2)
    assert math.isnan(border(x, np.array([0.4, 0.0, 0.2])))
    assert math.isnan(border(x, np.array([0.9, 0.6, 0.7])))


# --- trends -------------------------------------------------------------------------------------------------------

TRENDS = ("phase-difference", "phase-border-least", "phase-border-most")


def plane(moved: float = 1.0, spread: float = 0.002, network: str = "fine", most: float = 1.0) -> pd.DataFrame:
    """Seven replicas of a plane; one network's predicted border is at another strength than that seen."""
    rng = np.random.default_rng(0)
    rows, cells = [], [(low, norm) for low in (0.1, 0.2, 0.4, 0.8, 1.6) for norm in (0.0, 4.0)]
    for cell, (low, norm) in enumerate(cells):
        for replica in range(7):
            row = {"cell": cell, "replica": replica, "hard.noise": norm, "hard.feature_noise": json.dumps([low, 2 * low])}
            for each in ("coarse", "fine"):
                for which, at in (("", 0.6), ("-predicted", 0.6 * (moved if each == network else 1.0))):
                    value = most / (1 + (at / (1.5 * low)) ** 4) + spread * rng.normal()
                    row[f"{each}-hard-error{which}"] = float(np.clip(value, 0, 1))
            rows.append(row)
    return pd.DataFrame(rows)


def decided(table: pd.DataFrame) -> list[str]:
    return [by_id(THEORIES["label-granularity"].trends, id_).decide(table, 0.95).decision for id_ in TRENDS]


@pytest.mark.parametrize("name", ["coarse", "fine"])
def test_trends_of_the_plane(name: str) -> None:
    assert decided(plane(network=name)) == ["holds"] * 3
    assert decided(plane(0.6, network=name)) == ["refuted", "refuted", "holds"]
    assert decided(plane(1.6, network=name)) == ["refuted", "holds", "refuted"]
    assert decided(plane(1.05, 0.2, network=name))[1:] == ["undecided", "undecided"]


def test_guessing_is_no_prediction() -> None:
    """The control: a prediction of 1/2 everywhere, and one of the other network."""
    guess = plane()
    guess["fine-hard-error-predicted"] = 0.5
    assert decided(guess)[0] == "refuted"
    swapped = plane(0.5)
    swapped["coarse-hard-error-predicted"] = swapped["fine-hard-error-predicted"]
    assert decided(swapped)[:2] == ["refuted", "refuted"]


def test_no_border_or_no_prediction_is_no_result() -> None:
    assert decided(plane(most=0.4)) == ["holds", "no result", "no result"]
    missing = plane()
    missing.loc[5, "coarse-hard-error-predicted"] = math.nan
    assert decided(missing) == ["no result"] * 3


def test_the_study_runs(small_studies: Path) -> None:
    study = load_study("boundary")
    done, answer = run_study(study, smoke=True, out=small_studies, device="cpu", jobs=0)
    assert not done.failed
    assert [trend.id for trend in answer.trends] == list(TRENDS) == study.trends
    assert answer.trends[0].estimate.value < 0.1
