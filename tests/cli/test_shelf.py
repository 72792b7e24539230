"""The runs on disk: list, show, compare, delete, disk, and the same in Python."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from outcome import Call, rows, strict

import theory_sim as ts
from theory_sim.runs.cells import failed_in
from theory_sim.runs.folder import is_finished
from theory_sim.runtime import outputs
from theory_sim.runtime.errors import BusyError, InputError
from theory_sim.runtime.locks import locked
from theory_sim.studies import shelf
from theory_sim.studies.disposal import delete_run
from theory_sim.studies.shelf import StoredRun, find_run, find_runs

OTHER = "0123456789abcdef"


@pytest.fixture
def two(finished: Path) -> Path:
    """The folder of all results, with a second run that is like the first except for its noise and the version of its code."""
    other = finished.with_name(OTHER)
    shutil.copytree(finished, other)
    text = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(text.replace("noise: 0.5", "noise: 0.25", 1))
    env = json.loads((other / "environment.json").read_text())
    (other / "environment.json").write_text(json.dumps(env | {"theory_sim": "0.0.1+old"}))
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["files"] = {name: outputs.digest(other / name) for name in manifest["files"]}
    (other / "manifest.json").write_text(json.dumps(manifest))
    return finished.parent.parent


def listed(call: Call, *arguments: object) -> list[dict[str, Any]]:
    done = call("runs", "list", "--json", "-", *arguments)
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = strict(done.out)
    return found


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal at which somebody answers what a test writes."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", stream)
    return stream


def test_list_names_what_differs_and_what_holds(call: Call, two: Path) -> None:
    found = {run["id"]: run for run in listed(call)}
    assert len(found) == 2
    stale = found[OTHER]
    assert stale["name"] == "tiny"
    assert stale["code"] == "0.0.1+old"
    assert stale["stale"] == "made by another version of the code"
    assert stale["differs"]["data.noise"] == 0.25
    (fresh,) = (run for id_, run in found.items() if id_ != OTHER)
    assert fresh["stale"] is None
    assert "data.noise" not in fresh["differs"]
    assert (fresh["differs"]["data.dim"], fresh["claims"]) == (32, 9)
    assert fresh["claims_held"] == 9 - len(fresh["not_holding"])
    printed = rows(call("runs", "list").out)
    assert f"{fresh['claims_held']} of 9" in printed[f"tiny/{fresh['id']}"]
    assert f"tiny/{OTHER}" in printed


def test_without_a_command_the_commands_are_listed(call: Call) -> None:
    done = call("runs")
    assert done.code == 0
    for command in ("list", "show", "compare", "delete", "disk"):
        assert re.search(rf"^  {command} +[A-Z]", done.out, re.MULTILINE)


def test_list_chooses(call: Call, two: Path) -> None:
    assert [run["id"] for run in listed(call, "--stale")] == [OTHER]
    assert [run["id"] for run in listed(call, "--filter", "data.noise=0.25")] == [OTHER]
    assert len(listed(call, "--filter", "name=tiny", "--filter", "data.dim=32")) == 2
    assert listed(call, "--filter", "data.dim=64") == []
    message = call("runs", "list", "--filter", "data.noize=1").complaint
    assert "no run has a setting data.noize; did you mean data.noise?" in message
    assert "expected key=value" in call("runs", "list", "--filter", "data.dim").complaint


def test_an_unfinished_run_is_told(call: Call, two: Path) -> None:
    (two / "tiny" / OTHER / "manifest.json").unlink()
    (run,) = (run for run in listed(call) if run["id"] == OTHER)
    assert (run["finished"], run["claims"], run["not_decided"]) == (False, None, "not finished")
    assert "not finished" in rows(call("runs", "list").out)[f"tiny/{OTHER}"]


def test_show(call: Call, two: Path) -> None:
    done = call("runs", "show", f"tiny/{OTHER}")
    assert done.code == 0
    assert "stale: made by another version of the code" in done.out
    assert rows(done.out)["data.noise"][1] == "0.25"
    assert "coarse-hard-error" in rows(done.out)
    by_folder = call("runs", "show", two / "tiny" / OTHER, "--json", "-")
    assert strict(by_folder.out)["settings"]["data.noise"] == 0.25
    assert OTHER in call("runs", "show", OTHER[:6]).out
    assert "names 2 runs" in call("runs", "show", "tiny").complaint
    assert "there is no run 'absent'" in call("runs", "show", "absent").complaint
    assert "there is no folder of results nowhere" in call("runs", "show", "tiny", "--out", "nowhere").complaint


def test_compare(call: Call, two: Path) -> None:
    own = next(run["id"] for run in listed(call) if run["id"] != OTHER)
    found = strict(call("runs", "compare", f"tiny/{own}", OTHER, "--json", "-").out)
    assert found["settings"] == {"data.noise": [0.5, 0.25]}
    assert list(found["environment"]) == ["theory_sim"]
    assert len(found["claims"]) == 9
    assert rows(call("runs", "compare", f"tiny/{own}", OTHER).out)["data.noise"][1:] == ["0.5", "0.25"]
    same = call("runs", "compare", OTHER, OTHER).out
    assert "settings: no difference\nenvironment: no difference" in same
    in_python = ts.compare(two / "tiny" / str(own), ts.load_results(two / "tiny" / OTHER))
    assert in_python.settings == {"data.noise": (0.5, 0.25)}
    assert "data.noise: 0.5 | 0.25" in repr(in_python)


def test_the_table_in_python(two: Path) -> None:
    table = ts.list_runs(two)
    assert set(table["id"]) == {path.name for path in (two / "tiny").iterdir()}
    assert sorted(table["data.noise"]) == [0.25, 0.5]
    assert list(ts.list_runs(two, stale=True)["id"]) == [OTHER]
    assert list(ts.list_runs(two, ["data.dim=1"]).columns)[:2] == ["name", "id"]


def test_delete_asks(call: Call, two: Path, answering: io.StringIO) -> None:
    for answer, code, there in (("\n", 1, True), ("no\n", 1, True), ("y\n", 0, False)):
        answering.seek(0)
        answering.truncate()
        answering.write(answer)
        answering.seek(0)
        done = call("runs", "delete", OTHER)
        assert f"{OTHER}" in done.out
        assert "delete 1 run, " in done.out
        assert (done.code, (two / "tiny" / OTHER).exists()) == (code, there)
    assert len(list((two / "tiny").iterdir())) == 1


def test_delete_needs_yes_where_nobody_answers(call: Call, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    done = call("runs", "delete", OTHER)
    assert (done.code, done.err) == (2, "error: nobody can be asked here: --yes deletes without asking\n")
    assert (two / "tiny" / OTHER).exists()
    assert "name the runs to delete" in call("runs", "delete", "--yes").complaint
    assert "name the runs to delete" in call("runs", "delete", OTHER, "--stale", "--yes").complaint
    assert call("runs", "delete", "--stale", "--yes").code == 0
    assert not (two / "tiny" / OTHER).exists()
    assert call("runs", "delete", "--stale", "--yes").out == "nothing to delete\n"


@pytest.mark.parametrize("what", ["a note", "a changed file", "a note among tests", "a folder", "a link"])
def test_what_the_package_did_not_write_keeps_a_run(call: Call, two: Path, what: str) -> None:
    run = two / "tiny" / OTHER
    (run / "evaluations").mkdir()
    if what == "a note":
        (run / "notes.txt").write_text("mine")
    elif what == "a changed file":
        (run / "log.jsonl").write_text("{}\n")
    elif what == "a note among tests":
        (run / "evaluations" / "mine.nc").write_text("mine")
    elif what == "a folder":
        (run / "plots").mkdir()
    else:
        (run / "coarse.nc").rename(run.parent.parent / "moved.nc")
        (run / "coarse.nc").symlink_to("../../moved.nc")
    before = sorted(path for path in run.rglob("*"))
    done = call("runs", "delete", OTHER, "--yes")
    assert done.code == 1
    assert done.err.startswith("kept: ")
    assert "theory-sim" in done.err
    assert sorted(path for path in run.rglob("*")) == before


def test_all_that_the_package_writes_goes(two: Path) -> None:
    run = two / "tiny" / OTHER
    (run / "evaluations").mkdir()
    (run / "evaluations" / f"{OTHER}.nc").write_text("numbers")
    (run / ".log.jsonl.01234567.part").write_text("half")
    outputs.write_text(run / "report.html", "a page")
    delete_run(find_run(OTHER, two))
    assert not run.exists()
    (rest,) = find_runs(two)
    assert is_finished(rest.folder)
    delete_run(rest)
    assert not (two / "tiny").exists(), "nothing else was in it"


def test_a_run_at_work_is_kept(two: Path) -> None:
    run = find_run(OTHER, two)
    (run.folder / "manifest.json").unlink()
    with locked(run.folder), pytest.raises(BusyError):
        delete_run(run)
    assert (run.folder / "checkpoint.safetensors").exists()


def test_an_interrupted_deletion_leaves_an_unfinished_run(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = find_run(OTHER, two)
    deleted: list[Path] = []

    def once(path: Path, missing_ok: bool = False) -> None:
        if path.parent == run.folder and deleted:
            raise KeyboardInterrupt
        deleted.append(path)
        unlink(path, missing_ok)

    unlink = Path.unlink
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", once)
        with pytest.raises(KeyboardInterrupt):
            delete_run(run)
    assert [path.name for path in deleted] == ["manifest.json"]
    assert not find_run(OTHER, two).finished


def test_disk(call: Call, two: Path) -> None:
    (two / "tiny" / "other.txt").write_text("x" * 1000)
    (found,) = strict(call("runs", "disk", "--json", "-").out)
    sizes = {run.id: run.bytes for run in find_runs(two)}
    assert (found["name"], found["runs"], found["other"]) == ("tiny", 2, 1000)
    assert (found["stale"], found["unfinished"]) == (sizes[OTHER], 0)
    assert found["bytes"] == sum(sizes.values()) + 1000
    assert rows(call("runs", "disk").out)["tiny"][1] == "2"


def test_disk_counts_all_of_any_folder_of_results(call: Call, two: Path) -> None:
    """Files beside the folders of names were once left out, and the runs in the folder of one name were none."""
    run = find_run(OTHER, two)
    (two / "notes.txt").write_text("x" * 1000)
    found = {room["name"]: room for room in strict(call("runs", "disk", "--json", "-").out)}
    assert (found["."]["bytes"], found["."]["other"], found["."]["runs"]) == (1000, 1000, 0)
    for place in (two / "tiny", run.folder):
        rooms = strict(call("runs", "disk", "--out", place, "--json", "-").out)
        (own,) = (room for room in rooms if room["name"] == ("." if place == run.folder else OTHER))
        assert (own["runs"], own["bytes"], own["other"], own["stale"]) == (1, run.bytes, 0, run.bytes)
        assert sum(room["bytes"] for room in rooms) == shelf.folder_bytes(place)


def test_folders_that_are_no_runs_are_passed_over(two: Path) -> None:
    for name, text in (("no-hash", "theory: x\n"), ("f" * 16, "pretraining: {}\n"), ("e" * 16, ":\n")):
        (two / "tiny" / name).mkdir()
        (two / "tiny" / name / "config.yaml").write_text(text)
        (two / "tiny" / name / "environment.json").write_text("{}")
    assert len(find_runs(two)) == 2
    with pytest.raises(InputError, match="there is no run"):
        find_run("f" * 16, two)


def test_a_link_to_a_run_is_the_run_itself(call: Call, two: Path) -> None:
    """It was once a second run, with the link's name for its id."""
    (two / "best").mkdir()
    (two / "best" / "chosen").symlink_to(f"../tiny/{OTHER}")
    (two / "again").symlink_to("tiny")
    found = {run["id"]: run["folder"] for run in listed(call)}
    assert len(found) == 2
    assert found[OTHER] == f"results/tiny/{OTHER}"
    assert find_run(str(two / "best" / "chosen")).id == OTHER
    assert call("runs", "show", OTHER[:6]).code == 0


def test_a_run_that_another_process_deletes_meanwhile_is_passed_over(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = shelf._read

    def read_and_lose(folder: Path) -> StoredRun | None:
        run = read(folder)
        if folder.name == OTHER:
            shutil.rmtree(folder)
        return run

    with monkeypatch.context() as patch:
        patch.setattr(shelf, "_read", read_and_lose)
        found = {run.id: run.as_dict() for run in find_runs(two)}
    assert found[OTHER]["bytes"] == 0
    assert "holds no finished run" in found[OTHER]["not_decided"] or found[OTHER]["not_decided"] == "not finished"


@pytest.mark.parametrize("text", ['{"a": ', "[]", "null"])
def test_damaged_files_of_a_block_are_one_line(call: Call, two: Path, text: str) -> None:
    block = two / "tiny-cells" / OTHER
    block.mkdir(parents=True)
    (block / "manifest.json").write_text("{}")
    (block / "cells.json").write_text(text)
    assert len(listed(call)) == 2
    for named in ("results/tiny/absent", f"results/tiny-cells/{OTHER}/absent"):
        assert "cells.json is damaged; delete the folder to run again" in call("runs", "show", named).complaint
    (block / "cells.json").write_text('{"absent": {}}')
    assert "environment.json is absent or damaged" in call("runs", "show", "results/tiny/absent").complaint
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        failed_in(block, ["absent"])


def test_names_of_foreign_runs_do_not_steer_the_terminal(call: Call, two: Path) -> None:
    config = two / "tiny" / OTHER / "config.yaml"
    config.write_text(config.read_text().replace("name: tiny\n", 'name: "\\e[31mred\\a"\n', 1))
    for arguments in (("list",), ("show", OTHER), ("compare", OTHER, OTHER), ("delete", OTHER, "--yes")):
        done = call("runs", *arguments)
        assert "\x1b" not in done.out + done.err
        assert "\a" not in done.out + done.err
    assert "\\x1b[31mred\\x07/" in call("runs", "list").out
