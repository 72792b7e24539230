"""Whether noise fires neurons in training: measures by hand, trends on tables that were never run, and the study."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from theory_sim.config import Config
from theory_sim.runs.results import Results
from theory_sim.runs.run import run
from theory_sim.studies.decision import run_study
from theory_sim.studies.study import load_study
from theory_sim.theories.label_granularity import noise_control
from theory_sim.theories.theory import theory_of
from theory_sim.theories.trends import Trend, by_id

CONFIG = Config().replace({"replicas": 3, "training.bias_decay": 0.01, "data.dim": 64})
MARGINS = [[-1.0, -0.5, -0.1, -0.2], [-1.0, 0.5, 0.25, -0.5], [0.1, 0.0, 0.7, 0.2]]


def values(id_: str, results: Results) -> list[float]:
    return list(next(m for m in noise_control.MEASURES if m.id == id_).values(results))


def test_measures_by_hand() -> None:
    data = xr.Dataset({"noise_margin": (("replica", "step"), np.array(MARGINS))})
    results = Results(CONFIG, Path(), {"coarse": data, "fine": data - 1})
    assert values("coarse-noise-largest", results) == [-0.1, 0.5, 0.7]
    assert values("fine-noise-largest", results) == pytest.approx([-1.1, -0.5, -0.3])
    assert values("coarse-noise-firing", results) == [0, 0.5, 0.75]
    assert values("fine-noise-firing", results) == [0, 0, 0]
    assert values("bias-decay", results) == pytest.approx([0.01 * math.log(64) ** 5] * 3)


def test_the_theorys_decay_is_the_unit() -> None:
    results = Results(CONFIG.replace({"training.bias_decay": "theory"}), Path(), {})
    assert values("bias-decay", results) == pytest.approx([1.0] * 3)


def test_without_a_record_of_noise_there_are_no_numbers() -> None:
    data = xr.Dataset()
    results = Results(CONFIG, Path(), {"coarse": data, "fine": data})
    unrecorded = xr.Dataset({"noise_margin": (("replica", "step"), np.full((3, 2), np.nan))})
    without_patches = Results(CONFIG, Path(), {"coarse": unrecorded, "fine": unrecorded})
    for given in (results, without_patches):
        for measure in noise_control.MEASURES:
            assert np.isnan(measure.values(given)).all() == (measure.id != "bias-decay"), measure.id


def table(at_zero: float, slope: float, least: float, replicas: int = 40) -> pd.DataFrame:
    """The margin at the most noise falls linearly in κ, a little less in each further replica; that at the least is constant."""
    rows = []
    for noise in (0.05, 0.1):
        for kappa in (0.0, 1.0, 20.0, 60.0):
            for r in range(replicas):
                margin = at_zero - slope * kappa + 1e-3 * r if noise == 0.1 else least
                rows.append({"cell": f"{noise} {kappa}", "replica": r, "data.noise": noise, "bias-decay": kappa,
                             "fine-noise-largest": margin})  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("id_", "made", "decision", "value"),
    [
        ("noise-silent", table(1, 0.1, -0.5), "holds", 0),
        ("noise-silent", table(1, 0.1, 0.5), "refuted", 1),
        ("noise-silent", table(1, 0.1, -0.5, 4), "undecided", 0),
        ("bias-decay-needed", table(1, 0.1, -0.5), "holds", 1),
        ("bias-decay-needed", table(-1, 0.1, -0.5), "refuted", 0),
        ("bias-decay-needed", table(1, 0.1, -0.5, 3), "undecided", 1),
        ("bias-decay-enough", table(1, 0.1, -0.5), "refuted", 10.195),
        ("bias-decay-enough", table(0.2, 0.5, -0.5), "holds", 0.439),
        ("bias-decay-enough", table(-1, 0.1, -0.5), "holds", 0),
        ("bias-decay-enough", table(7, 0.1, -0.5), "refuted", 60),
    ],
)
def test_trends_follow_from_the_table(id_: str, made: pd.DataFrame, decision: str, value: float) -> None:
    found = by_id(noise_control.TRENDS, id_).decide(made, 0.95)
    assert found.decision == decision
    assert found.estimate.value == pytest.approx(value, abs=1e-3)


def test_where_noise_fires_at_the_largest_decay_the_interval_is_open() -> None:
    estimate = by_id(noise_control.TRENDS, "bias-decay-enough").decide(table(7, 0.1, -0.5, 5), 0.95).estimate
    assert (estimate.low, estimate.high) == (60, math.inf)
    assert "noise fires at the largest κ in 5 replicas" in estimate.notes


def test_the_last_crossing_counts() -> None:
    """Noise that is silent at some κ and fires again at a larger one has not been silenced."""
    made = table(1, 0.1, -0.5, 2)
    rows = (made["data.noise"] == 0.1) & (made["bias-decay"] == 1)
    made.loc[rows, "fine-noise-largest"] = -1.0
    made.loc[(made["data.noise"] == 0.1) & (made["bias-decay"] == 20), "fine-noise-largest"] = 0.5
    made.loc[(made["data.noise"] == 0.1) & (made["bias-decay"] == 60), "fine-noise-largest"] = -0.5
    assert by_id(noise_control.TRENDS, "bias-decay-enough").decide(made, 0.95).estimate.value == pytest.approx(40)


@pytest.mark.parametrize("trend", noise_control.TRENDS, ids=lambda trend: trend.id)
def test_without_numbers_there_is_no_result(trend: Trend) -> None:
    made = table(1, 0.1, -0.5)
    assert trend.decide(made.assign(**{"fine-noise-largest": np.nan}), 0.95).decision == "no result"
    if trend.id != "bias-decay-enough":
        assert trend.decide(made[made["bias-decay"] > 5], 0.95).decision == "no result"


def test_controls_fail(tmp_path: Path) -> None:
    """Noise that is loud fires at the start, without training; without noise nothing fires however biases decay."""
    small = {"tree.subclasses": 2, "data.dim": 32, "replicas": 4, "test.samples": 20, "test.curve_samples": 1, "record.points": 4}
    config = Config().replace(small | {"record.noise": True, "transfer.readouts": ["sum_logits"], "training.steps": 40})
    rows = []
    for noise, loud in ((0.0, False), (2.0, True)):
        results = run(config.replace({"data.noise": noise, "training.bias_decay": "theory"}), tmp_path, "cpu")
        found = {m.id: m.values(results) for m in theory_of(config).measures}
        assert (found["fine-noise-firing"] == float(loud)).all()
        rows += [{"data.noise": noise, "replica": r, **{id_: of[r] for id_, of in found.items()}} for r in range(4)]
    made = pd.DataFrame(rows)
    silent = by_id(noise_control.TRENDS, "noise-silent")
    assert silent.decide(made, 0.95).estimate.value == 0
    assert silent.decide(made[made["data.noise"] == 2], 0.95).decision == "refuted"


def test_the_study_decides_them(small_studies: Path) -> None:
    study = load_study("noise_control")
    assert (study.minutes <= 15, study.configuration().replicas >= 5) == (True, True)
    assert {*study.cells()[0].values} == {*study.cells(smoke=True)[0].values}
    done, answer = run_study(study, smoke=True, out=small_studies, device="cpu", jobs=0)
    assert not done.failed
    assert [trend.id for trend in answer.trends] == study.trends == [trend.id for trend in noise_control.TRENDS]
    assert all(trend.estimate.value == trend.estimate.value for trend in answer.trends)
