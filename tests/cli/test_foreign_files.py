"""Commands refuse to overwrite a user's file before they start their work."""

from pathlib import Path

import pytest
from outcome import Call

import theory_sim as ts


def no_work(*_: object, **__: object) -> None:
    raise AssertionError("the work started")


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "CONFIG"],
        ["regime", "CONFIG"],
        ["check-data", "CONFIG"],
        ["list", "readouts"],
        ["bench"],
        ["bench", "pretrain"],
        ["hierarchy", "imagenet21k"],
    ],
    ids=" ".join,
)
def test_json_over_a_users_file(
    call: Call, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    for work in ("theory_sim.runs.run.run", "theory_sim.bench.simulator.measure", "theory_sim.bench.images.bench"):
        monkeypatch.setattr(work, no_work)
    (tmp_path / "mine.json").write_text("mine")
    done = call(*[config_file if argument == "CONFIG" else argument for argument in arguments], "--json", "mine.json")
    assert "'--json': mine.json was not written by theory-sim, and would be overwritten: move it" in done.complaint
    assert (tmp_path / "mine.json").read_text() == "mine"


def test_json_over_our_own_file(call: Call, config_file: Path) -> None:
    for _ in range(2):
        assert call("regime", config_file, "--json", "ours.json").code == 0


@pytest.mark.parametrize("name", ["README.md", "data_model.png", "data_model.pdf", "data_model.csv"])
def test_figures_over_a_users_file(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A folder of documents with a README of its own lost it to the gallery's page."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("theory_sim.figures.gallery.making.tables", no_work)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / name).write_text("mine")
    complaint = call("figures", "data_model", "--smoke", "--out", "docs").complaint
    assert f"docs/{name} was not written by theory-sim, and would be overwritten" in complaint
    assert [path.name for path in (tmp_path / "docs").iterdir()] == [name]
    assert (tmp_path / "docs" / name).read_text() == "mine"


def test_figures_keep_what_is_beside_them(call: Call, tmp_path: Path) -> None:
    """Also files that look half-written, and the lock of another program."""
    pytest.importorskip("matplotlib")
    beside = {".lock": "a", ".x.part": "b", "notes.md": "c"}
    (tmp_path / "docs").mkdir()
    for name, text in beside.items():
        (tmp_path / "docs" / name).write_text(text)
    for _ in range(2):
        assert call("figures", "data_model", "--smoke", "--out", "docs", "--device", "cpu").code == 0
    assert {name: (tmp_path / "docs" / name).read_text() for name in beside} == beside


def test_a_folder_with_other_files_is_no_place_for_a_run(call: Call, config_file: Path, tmp_path: Path) -> None:
    folder = ts.results_folder(ts.load_config(config_file), tmp_path / "results")
    folder.mkdir(parents=True)
    (folder / "log.jsonl").write_text("mine")
    complaint = call("simulate", config_file, "--out", "results", "--device=cpu").complaint
    assert f"{folder.relative_to(tmp_path)} holds files, and not the config.yaml of a run" in complaint
    assert (folder / "log.jsonl").read_text() == "mine"


def test_a_sweep_over_a_changed_table(call: Call, config_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    sweep = ["sweep", config_file, "--grid=seed=2", "--set=training.steps=2", "--device=cpu", "--jobs=1", "--out=results"]
    assert [call(*sweep).code for _ in range(2)] == [0, 0]
    (table,) = tmp_path.glob("results/tiny-sweep/*/cells.parquet")
    table.write_text("mine")
    assert f"{table.relative_to(tmp_path)} was changed since theory-sim wrote it" in call(*sweep).complaint
    assert table.read_text() == "mine"
