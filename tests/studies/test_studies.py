"""Studies: what ships runs at its small size, and verdicts follow from numbers alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from theory_sim.config import Config
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.settings import value_at
from theory_sim.studies import study as studies
from theory_sim.studies.sensitivity import lines
from theory_sim.studies.study import Study, decide_study, load_study, run_study, study_files
from theory_sim.studies.sweep import Sweep

ROOT = Path(__file__).parents[2]
NAMES = [path.stem for path in study_files()]


def test_the_abstracts_conditions_are_among_the_studies() -> None:
    assert {"alignment", "granularity", "hierarchy"} <= set(NAMES)
    assert {path.parent for path in study_files()} == {ROOT / "configs" / "studies"}


@pytest.mark.parametrize("name", NAMES)
def test_study_at_full_size_is_valid(name: str) -> None:
    study = load_study(name)
    assert study.minutes <= 15
    cells = study.cells()
    assert study.one_factor or len(list(studies._pairs(study, cells))) >= 2
    assert study.configuration().replicas >= 5
    assert f"theory-sim study {name}\n" in (ROOT / "configs" / "studies" / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_study_runs_at_its_small_size(name: str, tmp_path: Path) -> None:
    study = load_study(name)
    done, answer = run_study(study, smoke=True, out=tmp_path, device="cpu", jobs=1)
    assert not done.failed
    assert len(done.ids) == len(study.cells(smoke=True)) <= 6
    if not study.one_factor:  # the figures look for all keys that are turned
        assert {*study.cells()[0].values} == {*study.cells(smoke=True)[0].values}
    written = json.loads((done.folder / "verdict.json").read_text())
    assert written["smoke"] is True
    assert written["answer"] == answer.answer
    assert [v["name"] for v in written["verdicts"]] == [v.name for v in answer.verdicts]
    if study.one_factor:
        assert [factor["key"] for factor in written["factors"]] == [next(iter(grid)) for grid in study.grids_at(True)]
        return
    # The estimate is the mean fall of an error, from the table of replicas.
    rows = done.read("replicas")
    first, value, *sides = next(studies._pairs(study, list(done.ids.values())))
    ids = {id(cell): id_ for id_, cell in done.ids.items()}
    means = []
    for side, cell in zip((first.before, first.after), sides, strict=True):
        own = rows[(rows.cell == ids[id(cell)]) & (rows.model == side.model) & (rows.kind == first.kind)]
        means.append(own[own.readout == (side.readout or study.configuration().transfer.readouts[0])].error.mean())
    assert (answer.verdicts[0].comparison, answer.verdicts[0].value) == (first.name, value)
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


def answer_to(errors: dict[tuple[float, int], np.ndarray], folder: Path) -> studies.StudyAnswer:
    """What the made-up study answers when its fine models have these hard errors, by noise and seed."""
    study = Study.model_validate(STUDY)
    cells = {f"cell{i}": cell for i, cell in enumerate(study.cells())}
    rows = [
        {"cell": id_, "replica": r, "model": model, "kind": kind, "readout": readout, "error": e if wanted else 0.5}
        for id_, cell in cells.items()
        for r, e in enumerate(errors.get((cell.values["hard.noise"], cell.values["seed"]), []))
        # The others must be left alone.
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
        ((0.3, 0.0), 0.02, ["confirmed", "not confirmed", "not confirmed"]),
        ((0.3, -0.3), 0.02, ["confirmed", "not confirmed", "not confirmed"]),
        ((0.3, 0.03), 0.3, ["undecided", "undecided", "undecided"]),
        # Above 0 for sure, but perhaps less than what would matter.
        ((0.3, 0.05), 0.02, ["confirmed", "undecided", "undecided"]),
    ],
)
def test_answers_follow_from_the_numbers(falls: tuple[float, float], spread: float, expected: list[str], tmp_path: Path) -> None:
    # All replicas share a difficulty: only a paired comparison can see the fall beside it.
    difficulty = replicas(0.5, 0.2, 9)
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
        # Two comparisons, 95 %: t quantile of 7 degrees of freedom at 1 − 0.05 / 4.
        assert verdict.estimate.high - verdict.estimate.value == pytest.approx(2.8412 * spread / 8**0.5, rel=1e-4)
    p = sorted(v.estimate.p for v in answer.verdicts)
    assert sorted(v.p_holm for v in answer.verdicts) == pytest.approx([min(1, 2 * p[0]), max(2 * p[0], p[1])])


def test_equal_falls_are_no_spread(tmp_path: Path) -> None:
    same = np.float32(0.1) * np.arange(1, 9, dtype=np.float32) / 3
    errors = {(noise, seed): same + np.float32(0.1 * noise / 4) for noise in (0.0, 4.0) for seed in (0, 1)}
    for verdict in answer_to(errors, tmp_path).verdicts:
        assert (verdict.estimate.low, verdict.estimate.high) == pytest.approx((0.1, 0.1))
        assert verdict.estimate.p == 2**-8  # all eight fall: a sign test


def test_a_failed_cell_decides_nothing(tmp_path: Path) -> None:
    sure = {(noise, seed): replicas(0.2 + 0.1 * noise, 0.01, seed + int(noise)) for noise in (0.0, 4.0) for seed in (0, 1)}
    assert answer_to(sure, tmp_path).answer == "confirmed"
    del sure[4.0, 1]
    answer = answer_to(sure, tmp_path)
    assert [v.answer for v in answer.verdicts] == ["confirmed", "undecided"]
    assert answer.verdicts[1].estimate.method == "a cell failed"
    assert answer.answer == "undecided"


# Readouts and keys that a grid leaves alone.


def test_a_side_may_name_its_readout(tmp_path: Path) -> None:
    errors = {(noise, seed): replicas(0.3, 0.02, seed) for noise in (0.0, 4.0) for seed in (0, 1)}
    answer_to(errors, tmp_path)
    change = {"config": {"replicas": 8, "transfer": {"readouts": ["argmax_parent", "sum_logits"]}}}
    sides = {"before": {"where": {"hard.noise": 0.0}, "readout": "sum_logits"}, "after": {"where": {"hard.noise": 0.0}}}
    study = Study.model_validate(STUDY | change | {"comparisons": [{"name": "readout", "for_each": "seed"} | sides]})
    cells = {f"cell{i}": cell for i, cell in enumerate(study.cells())}
    answer = decide_study(study, Sweep(tmp_path, cells, {}))
    # The made-up table holds 0.5 for all that the other study leaves alone.
    assert [v.estimate.value for v in answer.verdicts] == pytest.approx([0.2, 0.2], abs=1e-6)


def test_for_each_passes_over_cells_that_leave_the_key_alone() -> None:
    grids = [{"target.noise": [1.0, 2.0]}, {"target.strength_spread": [0.5]}]
    sides = {"before": {"model": "coarse"}, "after": {"model": "fine"}}
    study = Study.model_validate(STUDY | {"grids": grids, "comparisons": [{"name": "x", "for_each": "target.noise"} | sides]})
    assert [(which.name, value) for which, value, *_ in studies._pairs(study, study.cells())] == [("x", 1.0), ("x", 2.0)]


# One factor at a time.

ONE_FACTOR: dict[str, Any] = {
    "name": "made-up",
    "question": "Where does it break?",
    "minutes": 1,
    "config": {"replicas": 8},
    "smoke": {},
    "grids": [{"data.noise": [4.0, 1.0, 2.0, 0.25]}, {"hard.common": ["weak"]}, {"hard.noise": [0.0, 8.0]}],
    "one_factor": True,
}


def decided(states: dict[tuple[str, Any], tuple[float, float]], folder: Path) -> studies.StudyAnswer:
    """The made-up one-factor study's answer; by key and value the interval of its one claim, which must lie below 0.05."""
    study = Study.model_validate(ONE_FACTOR)
    base = study.configuration()
    cells = {f"cell{i}": cell for i, cell in enumerate(study.cells())}
    rows = []
    for id_, cell in cells.items():
        (turned,) = [item for item in cell.values.items() if item[1] != value_at(base, item[0])]
        if turned not in states:
            rows.append({"cell": id_, "status": "failed", "reason": "it diverged"})
            continue
        low, high = states[turned]
        claim = {"quantity": "fine-hard-error", "low": low, "high": high, "side": "≤", "bound": 0.05, "holds": high <= 0.05}
        rows.append({"cell": id_, "status": "stored"} | claim)
    pd.DataFrame(rows).to_parquet(folder / "cells.parquet")
    return decide_study(study, Sweep(folder, cells, {}))


def test_where_a_claim_breaks(tmp_path: Path) -> None:
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
    assert answer.answer == "not confirmed"
    assert answer.basis.startswith("2 of 3 factors break a claim; 9 claims in 7 cells, 8 replicas")
    noise, common, dominant = answer.factors
    claim = "fine-hard-error"
    assert (noise.key, noise.base, noise.values) == ("data.noise", 0.5, [0.25, 1.0, 2.0, 4.0])
    assert noise.states == {claim: ["holds", "holds", "undecided", "fails"]}
    assert (noise.fails(claim), noise.breaks(claim)) == ("≥ 4", "≥ 2")
    assert (common.fails(claim), common.breaks(claim)) == ("", "")
    # A cell that diverged holds nothing.
    assert dominant.states == {claim: ["fails", "no result"]}
    assert (dominant.fails(claim), dominant.breaks(claim)) == ("everywhere", "everywhere")
    table = list(lines(answer.factors))
    assert table[0] == ("data.noise", "0.5", "0.25, 1.0, 2.0, 4.0", claim, "≥ 4", "≥ 2")
    assert table[1] == ("hard.common", "missing", "weak", "all claims hold", "", "")


def test_all_claims_holding_everywhere_is_a_confirmation(tmp_path: Path) -> None:
    keys = [(key, value) for grid in ONE_FACTOR["grids"] for key, values in grid.items() for value in values]
    assert decided(dict.fromkeys(keys, (0.0, 0.01)), tmp_path).answer == "confirmed"
    assert decided(dict.fromkeys(keys, (0.0, 0.1)), tmp_path).answer == "undecided"


def test_a_one_factor_studys_intervals_cover_together() -> None:
    study = Study.model_validate(ONE_FACTOR)
    assert len(study.cells()) == 7
    assert study.configuration().claims.confidence == pytest.approx(1 - 0.05 / (9 * 7))


# Wrong input.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": None}, "question: Input should be a valid string"),
        ({"quest": "?"}, "quest: Extra inputs are not permitted"),
        ({"minutes": 0}, "minutes: Input should be greater than 0"),
        ({"comparisons": []}, "a study has comparisons, or one_factor: true"),
        ({"one_factor": True}, "a study has comparisons, or one_factor: true"),
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
    with pytest.raises(InputError, match=r"a comparison's {} names 4 cells of the study, not one"):
        run_study(study, out=tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"unknown key data\.nois"):
        Study.model_validate(STUDY | {"config": {"data": {"nois": 1}}}).cells()
    assert Study.model_validate(STUDY).configuration() == Config().replace(
        {"name": "made-up", "replicas": 8, "transfer.readouts": ["argmax_parent"]}
    )
