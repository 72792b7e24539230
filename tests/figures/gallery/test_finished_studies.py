"""Finished studies: found by what they are, refused where they are of another version, and run only at their small size."""

from pathlib import Path

import made_up
import pandas as pd
import pytest
from drawn import command

from theory_sim.config import Config
from theory_sim.figures import FIGURES
from theory_sim.figures.gallery import source as sources
from theory_sim.figures.gallery import studies as finished
from theory_sim.figures.gallery.needed import waiting
from theory_sim.figures.gallery.source import Source
from theory_sim.runtime.errors import InputError
from theory_sim.studies import study as studies
from theory_sim.studies import sweep
from theory_sim.studies.decision import decide_study, run_study

STUDIES = sorted({study for name in FIGURES for study in FIGURES[name].needs(Config()).studies})
COMMAND = "theory-sim study hierarchy --out {}"


def test_every_study_that_is_drawn_ships_and_has_the_figures_name() -> None:
    assert set(STUDIES) <= {path.stem for path in studies.study_files()}
    several = FIGURES["tightness"].needs(Config()).studies
    assert all(FIGURES[name].needs(Config()).studies == [name] for name in STUDIES if name not in several)


@pytest.mark.parametrize("name", ["hierarchy", "assumptions"])
def test_tables_are_read_and_decided(name: str, tmp_path: Path) -> None:
    folder = made_up.write(name, tmp_path)
    found, study = finished.find_study(name, tmp_path, "cpu"), studies.load_study(name)
    assert found.config == study.configuration()
    pd.testing.assert_frame_equal(found.cells, pd.read_parquet(folder / "cells.parquet"))
    pd.testing.assert_frame_equal(found.replicas, pd.read_parquet(folder / "replicas.parquet"))
    done = sweep.find_sweep(found.config, study.grids, tmp_path, "cpu")
    assert done is not None
    assert found.answer == decide_study(study, done)


def test_failed_cells_are_known(tmp_path: Path) -> None:
    made_up.write("hierarchy", tmp_path, failed=2)
    study = studies.load_study("hierarchy")
    done = sweep.find_sweep(study.configuration(), study.grids, tmp_path, "cpu")
    assert done is not None
    assert list(done.failed.values()) == ["it met a NaN"] * 2
    assert finished.find_study("hierarchy", tmp_path, "cpu").answer.answer != "confirmed"


def refusal(out: Path, smoke: bool = False) -> str:
    with pytest.raises(finished.NotMadeError) as error:
        finished.find_study("hierarchy", out, "cpu", smoke)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_absent_tables_are_refused_with_the_command_that_makes_them(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"there are no tables in {tmp_path / 'hierarchy-sweep'}; {COMMAND.format(tmp_path)} makes them"
    folder = made_up.write("hierarchy", tmp_path)
    (folder / "replicas.parquet").unlink()
    assert "of another version or size" in refusal(tmp_path), "half of them is not enough"
    with pytest.raises(InputError, match="no study 'nothing'"):
        finished.find_study("nothing", tmp_path, "cpu")


def test_tables_of_another_version_or_size_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up.write("hierarchy", tmp_path)
    place = tmp_path / "hierarchy-sweep"
    wrong = f"the tables in {place} are of another version or size; "
    assert refusal(tmp_path, smoke=True) == f"{wrong}theory-sim study hierarchy --smoke --out {tmp_path} makes them"
    finished.find_study("hierarchy", tmp_path, "cpu")
    monkeypatch.setattr(sweep, "files_digest", lambda *names: "other code")
    assert refusal(tmp_path) == f"{wrong}{COMMAND.format(tmp_path)} makes them"


def test_newer_tables_of_other_code_do_not_hide_those_of_this(tmp_path: Path) -> None:
    folder = made_up.write("hierarchy", tmp_path)
    newer = folder.with_name("ffff")
    newer.mkdir()
    for table in ("cells", "replicas"):
        pd.DataFrame({"status": []}).to_parquet(newer / f"{table}.parquet")
    pd.testing.assert_frame_equal(
        finished.find_study("hierarchy", tmp_path, "cpu").cells, pd.read_parquet(folder / "cells.parquet")
    )


# --- the command ----------------------------------------------------------------------------------------------------


def test_named_without_results_it_is_an_error_before_anything_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    complaint = command("theorem_fine", "granularity", "--device", "cpu").complaint
    assert complaint == "there are no tables in results/granularity-sweep; theory-sim study granularity makes them"
    complaint = command("real_granularity", "--device", "cpu").complaint
    assert complaint == "there is no results/digits/…/results.csv; theory-sim pretrain configs/digits.yaml makes it"
    assert list(tmp_path.iterdir()) == []


def test_unnamed_it_waits_until_its_results_are_there(tmp_path: Path) -> None:
    source = Source(Config(), tmp_path, "cpu")
    assert waiting(FIGURES["hierarchy"], source) == refusal(tmp_path)
    assert waiting(FIGURES["theory_scale"], source) == (
        "its runs take an hour and 5 GB; theory-sim figures theory_scale makes them"
    )
    assert "theory-sim pretrain configs/digits.yaml" in str(waiting(FIGURES["real_granularity"], source))
    made_up.write("hierarchy", tmp_path)
    assert waiting(FIGURES["hierarchy"], source) is None
    assert waiting(FIGURES["theorem_fine"], source) is None, "its run is made by the way"


def test_missing_packages_let_a_figure_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> None:
        raise InputError("sweeps and studies need pandas and pyarrow")

    monkeypatch.setattr(sources, "find_study", absent)
    assert (
        waiting(FIGURES["hierarchy"], Source(Config(), tmp_path, "cpu", smoke=True))
        == "sweeps and studies need pandas and pyarrow"
    )


def test_smoke_runs_the_study_at_its_small_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = command("granularity", "--smoke", "--device", "cpu")
    assert (outcome.code, outcome.out) == (0, "figures_smoke/granularity: pdf, png, csv\n")
    assert outcome.err.splitlines()[-1].startswith("figures 1000/1000 granularity, cells")
    table = pd.read_csv("figures_smoke/granularity.csv")
    study = studies.load_study("granularity")
    assert len(table[table.part == "error"]) == 2 * len(study.cells(smoke=True))
    assert "- study: `theory-sim study granularity --smoke`" in Path("figures_smoke/README.md").read_text()
    again = command("granularity", "--smoke", "--device", "cpu", "--check")
    assert (again.code, again.out, again.err) == (0, "granularity: the same\n", "")
    # In this process or in others: the same tables.
    done, _ = run_study(study, True, tmp_path / "others", "cpu", jobs=1)
    pd.testing.assert_frame_equal(
        done.read("replicas"), finished.find_study("granularity", Path("results"), "cpu", True).replicas
    )
