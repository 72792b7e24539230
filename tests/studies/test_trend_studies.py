"""Studies of trends: cells that fail, keys that no grid has, and what is printed below their tables."""

from pathlib import Path

import pytest

from theory_sim.cli.notes import note_lines
from theory_sim.runtime.errors import InputError
from theory_sim.studies.decision import run_study
from theory_sim.studies.study import Study
from theory_sim.theories.theory import claims_of

STUDY = {
    "name": "made-up",
    "question": "Does it fail?",
    "minutes": 1,
    "config": {
        "replicas": 2,
        "tree": {"subclasses": 2},
        "data": {"dim": 16, "patches": 16},
        "network": {"neurons": 4},
        "training": {"steps": 4, "batch": 8},
        "test": {"samples": 10, "curve_samples": 2},
    },
    "smoke": {},
    "grids": [{"data.dim": [16, 24], "training.step_size.fine": [0.1, 1e30]}],
    "trends": ["coarse-error-level", "many-subclasses-sums"],
}


@pytest.mark.parametrize("steps", [[0.1, 1e30], [1e30]], ids=["some", "all"])
def test_a_failed_cell_leaves_no_trend_a_result(steps: list[float], tmp_path: Path) -> None:
    """Half of the cells diverge: what the others show is no statement about all of them."""
    study = Study.model_validate(STUDY | {"grids": [{"data.dim": [16, 24], "training.step_size.fine": steps}]})
    done, answer = run_study(study, out=tmp_path, device="cpu", jobs=0)
    assert len(done.failed) == 2
    assert [trend.decision for trend in answer.trends] == ["no result"] * 2
    assert {trend.estimate.method for trend in answer.trends} == {"a cell failed"}
    assert answer.answer == "no result"
    assert f"2 of {2 * len(steps)} cells failed" in answer.basis


def test_settings_none_of_whose_values_runs_have_no_result(tmp_path: Path) -> None:
    made = STUDY | {"grids": [{}, {"training.step_size.fine": [1e29, 1e30]}], "trends": [], "one_at_a_time": True}
    made["config"] = made["config"] | {"training": {"steps": 4, "batch": 8, "step_size": {"fine": 1e30}}}
    study = Study.model_validate(made)
    done, answer = run_study(study, out=tmp_path, device="cpu", jobs=0)
    assert len(done.failed) == len(done.ids)
    (sensitivity,) = answer.sensitivities
    assert set(sensitivity.states) == {claim.id for claim in claims_of(study.configuration())}
    assert {state for states in sensitivity.states.values() for state in states} == {"no result"}
    assert answer.answer == "no result"


def test_a_key_that_no_grid_has_is_refused_before_the_cells_run(tmp_path: Path) -> None:
    study = Study.model_validate(STUDY | {"grids": [{"data.noise": [0.1, 0.2]}]})
    with pytest.raises(InputError, match=r"study 'made-up': the trend coarse-error-level reads data\.dim, which is in none of"):
        run_study(study, out=tmp_path, device="cpu", jobs=0)
    assert not list(tmp_path.iterdir())


def test_notes_name_the_intervals_or_count_them() -> None:
    notes = [("a", ("few replicas", "under normality")), ("b", ("few replicas",))]
    assert note_lines(notes, "trends") == ["note: few replicas (all trends)", "note: under normality (a)"]
    assert note_lines([("", own) for _, own in notes], "claims")[1] == "note: under normality (1 of 2 claims)"
