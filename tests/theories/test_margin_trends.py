"""Margins as measures, and trends in d: by hand on small records, and decided on tables that were never run."""

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
from theory_sim.theories.label_granularity import margins
from theory_sim.theories.theory import theory_of
from theory_sim.theories.trends import by_id
from theory_sim.training.evaluation import MARGIN_QUANTILES

CONFIG = Config().replace({"replicas": 4, "transfer.readouts": ["argmax_parent", "sum_logits"]})
DIMS = (32, 64, 128)


def record(seed: int, kinds: tuple[str, ...] = ("easy", "hard")) -> xr.Dataset:
    """Margins in which every number differs; the easy ones of the last replica are below 0."""
    margin = np.sort(np.random.default_rng(seed).normal(3, 4, (4, len(kinds), len(MARGIN_QUANTILES), 2)), axis=2)
    margin[3, 0] -= 50
    return xr.Dataset(
        {"test_margin": (("replica", "kind", "margin_quantile", "test_readout"), margin)},
        coords={
            "kind": list(kinds),
            "margin_quantile": list(MARGIN_QUANTILES),
            "test_readout": ["argmax_parent", "sum_logits"],
        },
    )


def values(id_: str, results: Results) -> list[float]:
    return list(next(m for m in margins.MEASURES if m.id == id_).values(results))


def test_measures_are_ratios_of_margins_by_the_deciding_readout() -> None:
    results = Results(CONFIG, Path(), {"coarse": record(1), "fine": record(2)})
    for network, data in results.records.items():
        for r in range(4):
            easy, hard = data.test_margin.values[r, 0, :, 0], data.test_margin.values[r, 1, :, 0]
            low, median = hard[1], hard[3]
            expected = {
                "margin-low": low / easy[3] if r < 3 else np.nan,
                "margin-median": median / easy[3] if r < 3 else np.nan,
                "margin-deviations": 2.3263479 * median / (median - low),
            }
            for name, value in expected.items():
                assert values(f"{network}-{name}", results)[r] == pytest.approx(value, nan_ok=True), (network, name, r)


def test_a_normal_law_of_margins_gives_the_deviations_of_its_mean() -> None:
    z = -2.3263479
    margin = np.tile([-99, 6 + 2 * z, 0.0, 6.0], (4, 2, 1))[..., None].repeat(2, -1)
    data = record(0).assign(test_margin=(("replica", "kind", "margin_quantile", "test_readout"), margin))
    assert values("fine-margin-deviations", Results(CONFIG, Path(), {"fine": data})) == pytest.approx([3.0] * 4)


def test_what_is_not_there_is_undefined() -> None:
    """Laws of other kinds of samples, records without margins, and networks that nothing fires."""
    empty, silent = record(1)[[]], record(1)
    silent["test_margin"] = silent.test_margin * 0
    for data in (empty, record(1, ("majority", "minority")), silent):
        results = Results(CONFIG, Path(), {"coarse": data, "fine": data})
        for measure in margins.MEASURES:
            assert np.isnan(measure.values(results)).all(), measure.id


def table(fine: list[float], coarse: list[float], replicas: int = 6) -> pd.DataFrame:
    """A power law of each measure, steeper and flatter in turns: (low margin, rate of deviations), (error, its rate)."""
    rows = []
    for d in DIMS:
        for r in range(replicas):
            low, deviations, level, rate = (*fine, *coarse)
            turn = (d / DIMS[1]) ** (0.02 * (-1) ** r)
            rows.append(
                {
                    "cell": f"d{d}",
                    "replica": r,
                    "data.dim": d,
                    "fine-margin-low": low * turn,
                    "fine-margin-deviations": 3 * (d / 32) ** deviations * turn,
                    "chance": 0.5,
                    "test-samples": 2000.0,
                    "coarse-hard-error": level * (d / DIMS[-1]) ** rate * turn,
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("id_", "fine", "coarse", "decision", "value"),
    [
        ("fine-margin-positive", [0.2, 0.3], [0.5, 0.0], "holds", 0.2),
        ("fine-margin-positive", [-0.2, 0.3], [0.5, 0.0], "refuted", -0.2),
        ("fine-margin-rate", [0.2, 0.3], [0.5, 0.0], "holds", 0.3),
        ("fine-margin-rate", [0.2, -0.2], [0.5, 0.0], "refuted", -0.2),
        ("fine-margin-rate", [0.2, 0.0], [0.5, 0.0], "undecided", 0.0),
        ("coarse-error-level", [0.2, 0.3], [0.7, 0.0], "holds", 0.7),
        ("coarse-error-level", [0.2, 0.3], [0.5, 0.0], "undecided", 0.5),
        ("coarse-error-level", [0.2, 0.3], [0.1, 0.0], "refuted", 0.1),
        ("coarse-error-rate", [0.2, 0.3], [0.5, 0.2], "holds", 0.2),
        ("coarse-error-rate", [0.2, 0.3], [0.5, 0.0], "holds", 0.0),
        ("coarse-error-rate", [0.2, 0.3], [0.5, -0.05], "undecided", -0.05),
        ("coarse-error-rate", [0.2, 0.3], [0.5, -0.4], "refuted", -0.4),
    ],
)
def test_trends_follow_from_the_table(id_: str, fine: list[float], coarse: list[float], decision: str, value: float) -> None:
    found = by_id(margins.TRENDS, id_).decide(table(fine, coarse), 0.95)
    assert found.decision == decision
    assert found.estimate.value == pytest.approx(value, abs=0.02)


def test_a_rate_is_the_mean_of_the_slopes_of_replicas() -> None:
    made = table([0.2, 0.3], [0.5, 0.0], replicas=3)
    slopes = []
    for r in range(3):
        x, y = [], []
        for row in made[made.replica == r].to_dict("records"):
            x.append(np.log(row["data.dim"]))
            y.append(np.log(row["fine-margin-deviations"]))
        x_mean, y_mean = sum(x) / 3, sum(y) / 3
        above = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
        slopes.append(above / sum((a - x_mean) ** 2 for a in x))
    assert by_id(margins.TRENDS, "fine-margin-rate").decide(made, 0.95).estimate.value == pytest.approx(sum(slopes) / 3)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
@pytest.mark.parametrize("id_", ["fine-margin-rate", "coarse-error-rate"])
def test_a_rate_of_what_is_not_positive_is_no_result(id_: str, bad: float) -> None:
    made = table([0.2, 0.3], [0.5, 0.0])
    made.loc[4, ["fine-margin-deviations", "coarse-hard-error"]] = bad
    assert by_id(margins.TRENDS, id_).decide(made, 0.95).decision == "no result"


@pytest.mark.parametrize("id_", ["fine-margin-rate", "coarse-error-rate"])
def test_one_dimension_has_no_rate(id_: str) -> None:
    made = table([0.2, 0.3], [0.5, 0.0])
    assert by_id(margins.TRENDS, id_).decide(made[made["data.dim"] == 32], 0.95).decision == "no result"


def measured(config: Config, out: Path) -> pd.DataFrame:
    """The table of measures of two dimensions."""
    rows = []
    for d in (32, 48):
        results = run(config.replace({"data.dim": d}), out, "cpu")
        found = {m.id: m.values(results) for m in theory_of(config).measures}
        rows += [
            {"cell": d, "replica": r, "data.dim": d} | {id_: of[r] for id_, of in found.items()} for r in range(config.replicas)
        ]
    return pd.DataFrame(rows)


def test_controls_fail(tmp_path: Path) -> None:
    """Untrained networks have no margins that hold, and a coarse model that is trained on fine labels does not fail."""
    small = {"tree.subclasses": 3, "replicas": 5, "test.samples": 300, "test.curve_samples": 1, "record.points": 2}
    config = Config().replace(small | {"transfer.readouts": ["sum_logits"], "training.batch": 64})
    untrained = measured(config.replace({"training.steps": 0}), tmp_path)
    for id_ in ("fine-margin-positive", "fine-margin-rate", "coarse-error-level"):
        assert by_id(margins.TRENDS, id_).decide(untrained, 0.95).decision != "holds", id_
    fine = measured(config.replace({"labels.coarse": "leaf", "training.step_size.coarse": 0.1, "data.noise": 0.3}), tmp_path)
    assert by_id(margins.TRENDS, "coarse-error-level").decide(fine, 0.95).decision == "refuted"
    assert by_id(margins.TRENDS, "coarse-error-rate").decide(fine, 0.95).decision != "holds"
    assert by_id(margins.TRENDS, "fine-margin-positive").decide(fine, 0.95).decision == "holds"


def test_the_study_decides_them(small_studies: Path) -> None:
    study = load_study("dimension_trends")
    assert (study.minutes <= 15, study.configuration().replicas >= 5) == (True, True)
    assert {*study.cells()[0].values} == {*study.cells(smoke=True)[0].values}
    done, answer = run_study(study, smoke=True, out=small_studies, device="cpu", jobs=0)
    assert not done.failed
    assert [trend.id for trend in answer.trends] == study.trends == [trend.id for trend in margins.TRENDS]
    assert all(trend.estimate.value == trend.estimate.value for trend in answer.trends)
