"""Cells of sweeps that are stored together are runs too: listed, shown, compared, reported, and deleted as a whole."""

import json
from pathlib import Path

import pytest
from outcome import Call, strict

import theory_sim as ts
from theory_sim.runs.folder import results_folder
from theory_sim.studies.disposal import room
from theory_sim.studies.shelf import find_run, find_runs
from theory_sim.studies.sweep import sweep

NOISE = [0.25, 0.5]


@pytest.fixture
def cells(config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[float, ts.Config]:
    """Two cells in one block, in the folder ``results`` of the working directory."""
    monkeypatch.chdir(tmp_path)
    tiny = ts.load_config(config_file)
    assert not sweep(tiny, [{"data.noise": NOISE}], "results", "cpu", jobs=0).failed
    assert len(list(Path(f"results/{tiny.name}-cells").glob("*/manifest.json"))) == 1
    assert not list(Path("results").glob(f"{tiny.name}/*"))
    return {noise: tiny.replace({"data.noise": noise}) for noise in NOISE}


def test_cells_are_listed_with_their_own_claims(call: Call, cells: dict[float, ts.Config]) -> None:
    done = call("runs", "list", "--json", "-")
    assert done.code == 0, done.err
    found = {run["id"]: run for run in strict(done.out)}
    assert found.keys() == {results_folder(config).name for config in cells.values()}
    for noise, config in cells.items():
        run = found[results_folder(config).name]
        alone = ts.run(config, "alone", "cpu")
        assert run["differs"].get("data.noise", 0.5) == noise
        assert (run["finished"], run["stale"]) == (True, None)
        decided = ts.evaluate_claims(alone)
        assert run["not_holding"] == [claim.id for claim in decided if not claim.holds]
        assert (run["claims_held"], run["claims"]) == (sum(claim.holds for claim in decided), len(decided))
        assert Path(run["folder"]).parent.joinpath("cells.json").is_file()
        assert ts.load_results(run["folder"]).fine.test_error.equals(alone.fine.test_error)


def test_a_cell_is_found_by_its_id_its_folder_and_the_folder_in_the_tables(cells: dict[float, ts.Config]) -> None:
    folder = results_folder(cells[0.25])
    by_id = find_run(folder.name[:8])
    assert by_id.settings["data.noise"] == 0.25
    assert [find_run(str(place)).id for place in (folder, by_id.folder)] == [folder.name] * 2
    assert [run.id for run in find_runs(by_id.folder.parent.parent)] == [run.id for run in find_runs()]
    assert [run.settings["data.noise"] for run in find_runs("results", ["data.noise=0.25"])] == [0.25]


def test_show_compare_and_report(call: Call, cells: dict[float, ts.Config]) -> None:
    a, b = (results_folder(config).name for config in cells.values())
    for arguments in (("show", a), ("compare", a, b)):
        done = call("runs", *arguments)
        assert (done.code, done.err) == (0, "")
        assert "data.noise" in done.out
    done = call("report", a)
    assert done.code == 0, done.err
    assert (find_run(a).folder / "report.html").is_file()


def test_cells_are_deleted_together(call: Call, cells: dict[float, ts.Config]) -> None:
    a, b = (find_run(results_folder(config).name) for config in cells.values())
    assert call("report", a.id).code == 0
    done = call("runs", "delete", a.id, "--yes")
    assert done.code == 1
    assert f"it is stored together with 1 other cells of its sweep; name {a.files} to delete them all" in done.err
    assert len(find_runs()) == 2
    (a.files / "mine.txt").write_text("mine")
    assert call("runs", "delete", str(a.files), "--yes").code == 1
    (a.files / "mine.txt").unlink()
    assert call("runs", "delete", a.id, b.id, "--yes").code == 0
    assert not a.files.exists()
    assert find_runs() == []


def test_a_block_is_deleted_by_its_folder_and_counts_once(call: Call, cells: dict[float, ts.Config]) -> None:
    a, b = find_runs()
    assert a.files == b.files
    (of,) = (each for each in room(Path("results")) if each.name.endswith("-cells"))
    assert (of.runs, of.stale, of.unfinished) == (2, 0, 0)
    assert a.bytes + b.bytes <= of.bytes <= a.bytes + b.bytes + of.other + 2
    manifest = a.files / "manifest.json"
    manifest.rename(a.files / "kept")
    assert [run.finished for run in find_runs()] == [False, False]
    (a.files / "kept").rename(manifest)
    done = call("runs", "delete", str(a.files), "--yes")
    assert (done.code, done.out.splitlines()[-1]) == (0, "deleted: 2, kept: 0")
    assert json.loads(call("runs", "list", "--json", "-").out) == []
