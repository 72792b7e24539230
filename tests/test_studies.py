"""Studies: what ships runs at its small size, and verdicts follow from numbers alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from theory_sim import studies
from theory_sim.config import Config
from theory_sim.errors import InputError
from theory_sim.studies import Study, decide_study, load_study, run_study, study_files
from theory_sim.sweep import Sweep

ROOT = Path(__file__).parents[1]
NAMES = [path.stem for path in study_files()]


def test_three_studies_ship_with_the_package() -> None:
    assert {"alignment", "granularity", "hierarchy"} <= set(NAMES)
    assert {path.parent for path in study_files()} == {ROOT / "configs" / "studies"}


@pytest.mark.parametrize("name", NAMES)
def test_study_at_full_size_is_valid(name: str) -> None:
    study = load_study(name)
    assert study.minutes <= 15
    assert len(list(studies._pairs(study, study.cells()))) >= 2
    assert study.configuration().replicas >= 5
    assert f"theory-sim study {name}\n" in (ROOT / "configs" / "studies" / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_study_runs_at_its_small_size(name: str, tmp_path: Path) -> None:
    study = load_study(name)
    done, answer = run_study(study, smoke=True, out=tmp_path, device="cpu", jobs=1)
    assert not done.failed
    assert len(done.ids) == len(study.cells(smoke=True)) <= 5
    written = json.loads((done.folder / "verdict.json").read_text())
    assert written["smoke"] is True
    assert written["answer"] == answer.answer
    assert [v["name"] for v in written["verdicts"]] == [v.name for v in answer.verdicts]
    # The estimate is the mean fall of the hard error, from the table of replicas.
    rows = done.read("replicas")
    rows = rows[(rows.readout == "linear_probe") & (rows.kind == "hard") & (rows.model == "fine")]
    first = study.comparisons[0]
    means = [rows[rows["labels.fine"] == side.where["labels.fine"]].error.mean() for side in (first.before, first.after)]
    assert answer.verdicts[0].estimate.value == pytest.approx(means[0] - means[1])


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
    return decide_study(study, Sweep(folder, cells, {}), study.configuration())


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


# Wrong input.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": None}, "question: Input should be a valid string"),
        ({"quest": "?"}, "quest: Extra inputs are not permitted"),
        ({"minutes": 0}, "minutes: Input should be greater than 0"),
        ({"comparisons": []}, "comparisons: List should have at least 1 item"),
    ],
)
def test_wrong_files(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(json.dumps(STUDY | change))
    with pytest.raises(InputError, match=message):
        load_study(tmp_path / "wrong.yaml")


def test_wrong_names_and_comparisons(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no study 'hierarhcy'; there are alignment, granularity, hierarchy"):
        load_study("hierarhcy")
    with pytest.raises(InputError, match=r"cannot read .*absent\.yaml"):
        load_study("absent.yaml")
    study = Study.model_validate(STUDY | {"comparisons": [{"name": "x", "before": {}, "after": {}}]})
    with pytest.raises(InputError, match=r"a comparison's {} names 4 cells of the study, not one"):
        run_study(study, out=tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"unknown key data\.nois"):
        Study.model_validate(STUDY | {"config": {"data": {"nois": 1}}}).cells()
    assert Study.model_validate(STUDY).configuration() == Config().but(
        {"name": "made-up", "replicas": 8, "transfer.readouts": ["argmax_parent"]}
    )
