"""Studies: every study of the package runs at its small size, and verdicts follow from the numbers alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from theory_sim.config import Config
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.settings import value_at
from theory_sim.runtime.storage import without_nan
from theory_sim.studies.decision import StudyAnswer, decide_study, run_study
from theory_sim.studies.sensitivity import region, table_rows
from theory_sim.studies.study import Study, load_study, study_files
from theory_sim.studies.sweep import Sweep
from theory_sim.theories.theory import claims_of, theory_of

ROOT = Path(__file__).parents[2]
NAMES = [path.stem for path in study_files()]


def test_the_abstracts_conditions_are_among_the_studies() -> None:
    assert {"alignment", "granularity", "hierarchy"} <= set(NAMES)
    assert {path.parent for path in study_files()} == {ROOT / "configs" / "studies"}


@pytest.mark.parametrize("name", NAMES)
def test_study_at_full_size_is_valid(name: str) -> None:
    study = load_study(name)
    assert study.minutes <= 15
    assert study.one_at_a_time or study.trends or len(study.pairs(dict(enumerate(study.cells())))) >= 2
    assert study.configuration().replicas >= 5
    assert f"theory-sim study {name}\n" in (ROOT / "configs" / "studies" / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_study_runs_at_its_small_size(name: str, small_studies: Path) -> None:
    study = load_study(name)
    done, answer = run_study(study, smoke=True, out=small_studies, device="cpu", jobs=0)
    assert not done.failed
    assert len(done.ids) == len(study.cells(smoke=True)) <= 6
    if not study.one_at_a_time:  # the figures need all keys that vary
        assert {*study.cells()[0].values} == {*study.cells(smoke=True)[0].values}
    written = json.loads((done.folder / "verdict.json").read_text())
    assert written["smoke"] is True
    assert written["answer"] == answer.answer
    assert [(v["id"], v["low"]) for v in written["verdicts"]] == [(v.name, without_nan(v.estimate.low)) for v in answer.verdicts]
    if study.one_at_a_time:
        assert [of["key"] for of in written["sensitivities"]] == [next(iter(grid)) for grid in study.grids_at(True)]
        return
    if study.trends:
        assert [of["id"] for of in written["trends"]] == study.trends
        measures = done.read("measures")
        assert {measure.id for measure in theory_of(study.configuration()).measures} == set(measures.measure)
        return
    # The estimate is the mean fall of an error, from the table of replicas.
    rows = done.read("replicas")
    pair = study.pairs(done.ids)[0]
    means = []
    for side, cell in ((pair.comparison.before, pair.before), (pair.comparison.after, pair.after)):
        own = rows[(rows.cell == cell) & (rows.model == side.model) & (rows.kind == pair.comparison.kind)]
        means.append(own[own.readout == (side.readout or study.configuration().transfer.readouts[0])].error.mean())
    assert answer.verdicts[0].name == pair.name
    assert answer.verdicts[0].estimate.value == pytest.approx(means[0] - means[1], abs=1e-6)


# Verdicts.

STUDY: dict[str, Any] = {
    "name": "made-up",
    "question": "Does it fall?",
    "minutes": 1,
    "config": {"replicas": 8, "transfer": {"readouts": ["argmax_parent"]}},
    "smoke": {},
    "grids": [{"hard.noise": [0.0, 4.0], "seed": [0, 1]}],
    "comparisons": [
        {
            "name": "noise",
            "before": {"where": {"hard.noise": 4.0}},
            "after": {"where": {"hard.noise": 0.0}},
            "for_each": "seed",
        }
    ],
}


def answer_to(errors: dict[tuple[float, int], np.ndarray], folder: Path) -> StudyAnswer:
    """The made-up study's answer for these hard errors of its fine models, by noise and seed."""
    study = Study.model_validate(STUDY)
    cells = {f"cell{i}": cell for i, cell in enumerate(study.cells())}
    rows = [
        {"cell": id_, "replica": r, "model": model, "kind": kind, "readout": readout, "error": e if wanted else 0.5}
        for id_, cell in cells.items()
        for r, e in enumerate(errors.get((cell.values["hard.noise"], cell.values["seed"]), []))
        # The study must not read the other rows.
        for model, kind, readout, wanted in (
            ("fine", "hard", "argmax_parent", True),
            ("coarse", "hard", "argmax_parent", False),
            ("fine", "easy", "argmax_parent", False),
            ("fine", "hard", "sum_logits", False),
        )
    ]
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_parquet(folder / "replicas.parquet")
    return decide_study(study, Sweep(folder, cells, {}))


def replicas(mean: float, spread: float, seed: int) -> np.ndarray:
    """Eight errors with this mean and standard deviation, exactly."""
    values = np.random.default_rng(seed).normal(size=8)
    return mean + spread * (values - values.mean()) / values.std(ddof=1)


@pytest.mark.parametrize(
    ("falls", "spread", "expected"),
    [
        ((0.3, 0.2), 0.02, ["confirmed", "confirmed", "confirmed"]),
        ((0.3, 0.0), 0.02, ["confirmed", "refuted", "refuted"]),
        ((0.3, -0.3), 0.02, ["confirmed", "refuted", "refuted"]),
        ((0.1, 0.03), 0.1, ["undecided", "undecided", "undecided"]),
        # Significantly above 0, but not above the smallest fall that would matter.
        ((0.3, 0.05), 0.02, ["confirmed", "undecided", "undecided"]),
    ],
)
def test_answers_follow_from_the_numbers(falls: tuple[float, float], spread: float, expected: list[str], tmp_path: Path) -> None:
    # The difficulty of a replica varies more than the error falls: only a paired comparison detects the fall.
    difficulty = replicas(0.45, 0.08, 9)
    errors = {}
    for seed, fall in enumerate(falls):
        errors[0.0, seed] = difficulty
        errors[4.0, seed] = difficulty + replicas(fall, spread, seed)
    answer = answer_to(errors, tmp_path)
    assert [*(v.answer for v in answer.verdicts), answer.answer] == expected
    assert [v.name for v in answer.verdicts] == ["noise, seed=0", "noise, seed=1"]
    assert [(v.comparison, v.key, v.value) for v in answer.verdicts] == [("noise", "seed", 0), ("noise", "seed", 1)]
    assert "2 comparisons" in answer.basis
    for verdict, fall in zip(answer.verdicts, falls, strict=True):
        assert verdict.estimate.value == pytest.approx(fall)
        # Two comparisons, 95 %: t quantile of 7 degrees of freedom at 1 − 0.05 / 4, and some more for skewed errors.
        reach = 2.8412 * spread / 8**0.5
        assert 0.9999 * reach < verdict.estimate.high - verdict.estimate.value < reach + 0.2
    p = sorted(v.estimate.p for v in answer.verdicts)
    assert sorted(v.p_holm for v in answer.verdicts) == pytest.approx([min(1, 2 * p[0]), max(2 * p[0], p[1])])


def test_equal_falls_are_no_certainty(tmp_path: Path) -> None:
    """The interval is that of the test sets' sampling: eight replicas of 2,000 samples, and 7 degrees of freedom."""
    same = np.float32(0.1) * np.arange(1, 9, dtype=np.float32) / 3
    errors = {(noise, seed): same + np.float32(0.1 * noise / 4) for noise in (0.0, 4.0) for seed in (0, 1)}
    rates = [(float(e.mean()) * 2000 + 0.5) / 2001 for e in (errors[0.0, 0], errors[4.0, 0])]
    reach = 2.8412 * np.sqrt(sum(rate * (1 - rate) for rate in rates) / (8 * 2000))
    for verdict in answer_to(errors, tmp_path).verdicts:
        assert verdict.estimate.value == pytest.approx(0.1, abs=1e-6)
        assert reach <= verdict.estimate.value - verdict.estimate.low <= 3 * reach
        assert reach <= verdict.estimate.high - verdict.estimate.value <= 3 * reach
        assert 0 < verdict.estimate.p < 1e-5


def test_a_failed_cell_has_no_result(tmp_path: Path) -> None:
    sure = {(noise, seed): replicas(0.2 + 0.1 * noise, 0.01, seed + int(noise)) for noise in (0.0, 4.0) for seed in (0, 1)}
    assert answer_to(sure, tmp_path).answer == "confirmed"
    del sure[4.0, 1]
    answer = answer_to(sure, tmp_path)
    assert [v.answer for v in answer.verdicts] == ["confirmed", "no result"]
    assert answer.verdicts[1].estimate.method == "a cell failed"
    assert answer.answer == "no result"


# Readouts, and keys that a grid does not vary.


def test_a_side_may_name_its_readout(tmp_path: Path) -> None:
    errors = {(noise, seed): replicas(0.3, 0.02, seed) for noise in (0.0, 4.0) for seed in (0, 1)}
    answer_to(errors, tmp_path)
    change = {"config": {"replicas": 8, "transfer": {"readouts": ["argmax_parent", "sum_logits"]}}}
    sides = {"before": {"where": {"hard.noise": 0.0}, "readout": "sum_logits"}, "after": {"where": {"hard.noise": 0.0}}}
    study = Study.model_validate(STUDY | change | {"comparisons": [{"name": "readout", "for_each": "seed"} | sides]})
    cells = {f"cell{i}": cell for i, cell in enumerate(study.cells())}
    answer = decide_study(study, Sweep(tmp_path, cells, {}))
    # The made-up table has 0.5 in all rows that the other study does not read.
    assert [v.estimate.value for v in answer.verdicts] == pytest.approx([0.2, 0.2], abs=1e-6)


@pytest.mark.parametrize(
    ("key", "values"), [("target.noise", [1.0, 2.0]), ("target.feature_noise", [[0.0, 0.1], [0.1, 0.2]])], ids=["number", "list"]
)
def test_for_each_skips_cells_without_a_value(key: str, values: list[Any]) -> None:
    grids = [{key: values}, {"target.strength_spread": [0.5]}]
    sides = {"before": {"model": "coarse"}, "after": {"model": "fine"}}
    study = Study.model_validate(STUDY | {"grids": grids, "comparisons": [{"name": "x", "for_each": key} | sides]})
    cells = dict(enumerate(study.cells()))
    pairs = study.pairs(cells)
    assert [pair.name for pair in pairs] == [f"x, {key}={value}" for value in values]
    assert [pair.value for pair in pairs] == values == [cells[pair.before].values[key] for pair in pairs]
    assert [pair.before for pair in pairs] == [pair.after for pair in pairs]


# One at a time.

ONE_AT_A_TIME: dict[str, Any] = {
    "name": "made-up",
    "question": "Where does it fail?",
    "minutes": 1,
    "config": {"replicas": 8},
    "smoke": {},
    "grids": [{"data.noise": [4.0, 1.0, 2.0, 0.25]}, {"hard.common": ["weak"]}, {"hard.noise": [0.0, 8.0]}],
    "one_at_a_time": True,
}


def _decision(low: float, high: float) -> str:
    """Of an error that should be at most 0.05."""
    return "holds" if high <= 0.05 else "refuted" if low > 0.05 else "undecided"


def decided(states: dict[tuple[str, Any], tuple[float, float]], folder: Path) -> StudyAnswer:
    """The made-up one-at-a-time study's answer for these intervals of one claim, a bound of 0.05, by key and value."""
    study = Study.model_validate(ONE_AT_A_TIME)
    base = study.configuration()
    cells = {f"cell{i}": cell for i, cell in enumerate(study.cells())}
    rows = []
    for id_, cell in cells.items():
        (varied,) = [item for item in cell.values.items() if item[1] != value_at(base, item[0])]
        if varied not in states:
            rows.append({"cell": id_, "status": "failed", "reason": "it diverged"})
            continue
        for id_of_claim in [claim.id for claim in claims_of(base)]:
            low, high = states[varied] if id_of_claim == "fine-hard-error" else (0.0, 0.01)
            claim = {"id": id_of_claim, "low": low, "high": high, "decision": _decision(low, high)}
            rows.append({"cell": id_, "status": "stored"} | claim)
    pd.DataFrame(rows).to_parquet(folder / "cells.parquet")
    return decide_study(study, Sweep(folder, cells, {}))


def test_where_a_claim_is_refuted(tmp_path: Path) -> None:
    good, open_, bad = (0.0, 0.01), (0.01, 0.2), (0.1, 0.2)
    answer = decided(
        {
            ("data.noise", 0.25): good,
            ("data.noise", 1.0): good,
            ("data.noise", 2.0): open_,
            ("data.noise", 4.0): bad,
            ("hard.common", "weak"): good,
            ("hard.noise", 0.0): bad,
        },
        tmp_path,
    )
    assert answer.answer == "refuted"
    what = "some tested value refutes a claim for 2 of 3 settings, and gives no result for 1"
    assert answer.basis.startswith(f"{what}; 9 claims in 7 cells, 8 replicas")
    noise, common, dominant = answer.sensitivities
    claim = "fine-hard-error"
    assert (noise.key, noise.base, noise.values) == ("data.noise", 0.5, [0.25, 1.0, 2.0, 4.0])
    assert noise.states[claim] == ["holds", "holds", "undecided", "refuted"]
    others = noise.states.keys() - {claim}
    assert len(others) == 8
    assert all(noise.states[other] == ["holds"] * 4 for other in others)
    assert (noise.where(claim, "holds"), noise.where(claim, "undecided")) == ([0.25, 1.0], [2.0])
    # A cell that diverged has no result, which is not a failure of the claim.
    assert dominant.states == {claim: ["refuted", "no result"]} | {other: ["holds", "no result"] for other in others}
    assert (common.any_claim("refuted"), dominant.any_claim("refuted"), dominant.any_claim("undecided")) == (False, True, False)
    rows = list(table_rows(answer.sensitivities))
    assert {row for row in rows if row[3] in others} == {
        ("hard.noise", "4.0", "0.0, 8.0", other, "", "", "≥ 8") for other in others
    }
    assert [row for row in rows if row[3] not in others] == [
        ("data.noise", "0.5", "0.25, 1.0, 2.0, 4.0", claim, "≥ 4", "2", ""),
        ("hard.common", "missing", "weak", "all claims hold", "", "", ""),
        ("hard.noise", "4.0", "0.0, 8.0", claim, "≤ 0", "", "≥ 8"),
    ]


@pytest.mark.parametrize(
    ("found", "values", "text"),
    [
        ([], [1, 2], ""),
        ([1, 2], [1, 2], "all"),
        ([0.5, 1], [0.5, 1, 2], "≤ 1"),
        ([1, 2], [0.5, 1, 2], "≥ 1"),
        ([0.5, 2], [0.5, 1, 2], "0.5, 2"),
        (["weak"], ["weak", "none"], "weak"),
        ([[0.1, 0.2]], [[0.0, 0.0], [0.1, 0.2]], "[0.1, 0.2]"),
        ([True], [True], "True"),
    ],
)
def test_regions(found: list[Any], values: list[Any], text: str) -> None:
    assert region(found, values) == text


def test_all_claims_holding_everywhere_is_a_confirmation(tmp_path: Path) -> None:
    keys = [(key, value) for grid in ONE_AT_A_TIME["grids"] for key, values in grid.items() for value in values]
    assert decided(dict.fromkeys(keys, (0.0, 0.01)), tmp_path).answer == "confirmed"
    assert decided(dict.fromkeys(keys, (0.0, 0.1)), tmp_path).answer == "undecided"


def test_a_one_at_a_time_studys_intervals_cover_together() -> None:
    study = Study.model_validate(ONE_AT_A_TIME)
    assert len(study.cells()) == 7
    assert study.configuration().claims.confidence == pytest.approx(1 - 0.05 / (9 * 7))


# Wrong input.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": None}, "question: Input should be a valid string"),
        ({"quest": "?"}, "quest: Extra inputs are not permitted"),
        ({"minutes": 0}, "minutes: Input should be greater than 0"),
        ({"comparisons": []}, "a study has one of comparisons, one_at_a_time: true, and trends"),
        ({"one_at_a_time": True}, "a study has one of comparisons, one_at_a_time: true, and trends"),
    ],
)
def test_wrong_files(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(json.dumps(STUDY | change))
    with pytest.raises(InputError, match=message):
        load_study(tmp_path / "wrong.yaml")


def test_wrong_names_and_comparisons(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no study 'hierarhcy'; there are .*granularity, .*hierarchy"):
        load_study("hierarhcy")
    with pytest.raises(InputError, match=r"cannot read .*absent\.yaml"):
        load_study("absent.yaml")
    study = Study.model_validate(STUDY | {"comparisons": [{"name": "x", "before": {}, "after": {}}]})
    with pytest.raises(InputError, match=r"a comparison's {} identifies 4 cells of the study, not one"):
        run_study(study, out=tmp_path)
    sides: dict[str, Any] = {"before": {"model": "coarse"}, "after": {"model": "fine"}}
    study = Study.model_validate(STUDY | {"comparisons": [{"name": "x", "for_each": "data.dim"} | sides]})
    with pytest.raises(InputError, match=r"comparison 'x': for_each: the grids have no values for data\.dim"):
        run_study(study, out=tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="two comparisons have the name 'x'"):
        Study.model_validate(STUDY | {"comparisons": [{"name": "x"} | sides, {"name": "x"} | sides]})
    with pytest.raises(InputError, match=r"unknown key data\.nois"):
        Study.model_validate(STUDY | {"config": {"data": {"nois": 1}}}).cells()
    assert Study.model_validate(STUDY).configuration() == Config().replace(
        {"name": "made-up", "replicas": 8, "transfer.readouts": ["argmax_parent"]}
    )


# Trends.

TRENDS: dict[str, Any] = {
    "name": "made-up",
    "question": "Do lucky neurons grow 1/k times as much?",
    "minutes": 1,
    "config": {"replicas": 8},
    "smoke": {},
    "grids": [{"network.threshold": [1.6, 2.4]}],
    "trends": ["lucky-growth-least", "lucky-growth-most"],
}


def trends_of(growth: float, folder: Path, failed: int = 0) -> StudyAnswer:
    """The made-up study's answer where lucky neurons grow so much at the highest threshold, and 1/k at the other."""
    study = Study.model_validate(TRENDS)
    cells = {f"cell{i}": cell for i, cell in enumerate(study.cells())}
    rows = [
        {"cell": id_, "replica": r, "measure": "lucky-growth", "value": value + 1e-4 * r} | cell.values
        for id_, cell in list(cells.items())[failed:]
        for value in [growth if cell.values["network.threshold"] > 2 else 1.0]
        for r in range(8)
    ]
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_parquet(folder / "measures.parquet")
    return decide_study(study, Sweep(folder, cells, dict.fromkeys(list(cells)[:failed], "it diverged")))


@pytest.mark.parametrize(
    ("growth", "decisions", "answer"),
    [
        (1.1, ["holds", "holds"], "confirmed"),
        (1.3, ["holds", "refuted"], "refuted"),
        (0.7, ["refuted", "holds"], "refuted"),
        (0.7997, ["undecided", "holds"], "undecided"),
        (float("nan"), ["no result", "no result"], "no result"),
    ],
)
def test_a_study_of_trends(growth: float, decisions: list[str], answer: str, tmp_path: Path) -> None:
    found = trends_of(growth, tmp_path)
    assert [trend.id for trend in found.trends] == TRENDS["trends"]
    assert [trend.decision for trend in found.trends] == decisions
    assert found.answer == answer
    assert found.basis == "2 trends over 2 cells, 8 replicas: 95% intervals by Bonferroni"
    if not np.isnan(growth):
        # 95 % for two trends over two cells together: t quantile of 7 degrees of freedom at 1 − 0.05 / 8.
        reach = 3.3353 * np.std(1e-4 * np.arange(8), ddof=1) / 8**0.5
        e = found.trends[0].estimate
        assert e.high - e.value == pytest.approx(reach, rel=1e-3)


def test_failed_cells_are_said(tmp_path: Path) -> None:
    assert "1 of 2 cells failed" in trends_of(1.1, tmp_path, failed=1).basis


def test_an_unknown_trend_is_an_error_before_the_work(tmp_path: Path) -> None:
    study = Study.model_validate(TRENDS | {"trends": ["lucky-set"]})
    with pytest.raises(InputError, match="there is no trend 'lucky-set'; there are success-probability, "):
        run_study(study, True, tmp_path, "cpu")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("more", [{"comparisons": STUDY["comparisons"]}, {"one_at_a_time": True}, {"trends": []}])
def test_a_study_asks_one_thing(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a study has one of comparisons, one_at_a_time: true, and trends"):
        Study.model_validate(TRENDS | more)
