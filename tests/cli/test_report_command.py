"""The command report, and --report of other commands, with good and bad input."""

import importlib.util
import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from outcome import Call, strict

from theory_sim.reports.page import need_extra
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.storage import digest
from theory_sim.studies.disposal import delete_run
from theory_sim.studies.shelf import find_run


def test_the_newest_run_without_a_name(call: Call, finished: Path) -> None:
    done = call("report")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"report: results/tiny/{finished.name}/report.html\n"
    assert (finished / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert len(json.loads((finished / "summary.json").read_text())["claims"]) == 9
    assert call("report", "tiny").code == 0, "a page that is ours is written again"
    delete_run(find_run(str(finished)))
    assert not finished.exists(), "a run with its page can be deleted"


def test_to_a_file_and_as_json(call: Call, finished: Path, tmp_path: Path) -> None:
    done = call("report", "tiny", "--out", "mine.html", "--json", "-")
    assert done.code == 0
    assert strict(done.out)["id"] == finished.name
    assert (tmp_path / "mine.html").exists()
    assert not (finished / "report.html").exists()


def test_a_file_of_the_users_is_kept(call: Call, finished: Path, tmp_path: Path) -> None:
    for name, arguments in ((finished / "report.html", []), (tmp_path / "mine.html", ["--out", "mine.html"])):
        name.write_text("mine")
        assert "was not written by theory-sim" in call("report", "tiny", *arguments).complaint
        assert name.read_text() == "mine"
        name.unlink()
    (finished / "report.html").write_text("mine")
    again = call("verify", "--report", *_SETTINGS)
    assert "was not written by theory-sim" in again.complaint


_SETTINGS = ["tiny.yaml", "--device", "cpu"]


@pytest.fixture(autouse=True)
def _configuration(config_file: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(config_file.read_text())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing"], "error: there is no run 'nothing' in results"),
        (["--results", "absent"], "error: there is no folder of results absent"),
        (["tiny", "tiny"], "error: a run is named twice"),
    ],
)
def test_wrong_input_is_one_line(call: Call, finished: Path, arguments: list[str], complaint: str) -> None:
    assert call("report", *arguments).complaint.startswith(complaint)


def test_an_unfinished_run_has_no_page(call: Call, finished: Path) -> None:
    (finished / "manifest.json").unlink()
    assert "there is no finished run in results" in call("report").complaint
    assert "holds no finished run" in call("report", finished).complaint


def test_a_study_and_a_run_do_not_go_side_by_side(call: Call, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    for name in ("sweep.json", "cells.parquet"):
        (tmp_path / "study" / name).touch()
    assert "side by side are runs" in call("report", finished, "study").complaint


def test_two_runs_side_by_side(call: Call, finished: Path, tmp_path: Path) -> None:
    other = finished.with_name("0123456789abcdef")
    shutil.copytree(finished, other)
    text = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(text.replace("noise: 0.5", "noise: 0.25", 1))
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["files"] = {name: digest(other / name) for name in manifest["files"]}
    (other / "manifest.json").write_text(json.dumps(manifest))
    done = call("report", finished, other)
    assert (done.code, done.out) == (0, "report: report.html\n")
    assert '<th scope="row">data.noise</th><td>0.5</td><td>0.25</td>' in (tmp_path / "report.html").read_text()


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, call: Call, finished: Path) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "plotly" else there(name))
    with pytest.raises(InputError, match="report pages need Plotly: pip install 'theory-sim\\[report\\]'"):
        need_extra()
    for command in (["report"], ["verify", *_SETTINGS, "--report"]):
        assert call(*command).complaint == "error: report pages need Plotly: pip install 'theory-sim[report]'\n"


def test_verify_writes_a_page_when_asked(call: Call, finished: Path) -> None:
    assert call("verify", *_SETTINGS).code == 1
    assert not (finished / "report.html").exists()
    done = call("verify", *_SETTINGS, "--report")
    assert done.out.endswith(f"results: results/tiny/{finished.name}\nreport: results/tiny/{finished.name}/report.html\n")
    assert (finished / "summary.json").exists()


def test_a_page_goes_through_links_and_pipes_and_to_standard_output(call: Call, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target.html")
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text(encoding="utf-8")))
    reader.start()
    assert call("report", "tiny", "--out", "pipe").code == 0
    reader.join(20)
    assert call("report", "tiny", "--out", "link").out == "report: link\n"
    printed = call("report", "tiny", "--out", "-")
    assert printed.err == "report: standard output\n"
    for page in (*read, (tmp_path / "target.html").read_text(), printed.out):
        assert page.startswith("<!DOCTYPE html>")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "pipe").is_fifo()
    assert not (tmp_path / "-").exists()


def test_a_place_for_the_page_is_checked_before_it_is_made(call: Call, finished: Path, tmp_path: Path) -> None:
    for place, reason in (("results", "it is a folder"), ("absent/x.html", "its folder does not exist")):
        message = call("report", "tiny", "--out", place).complaint
        assert message == f"error: Invalid value for '--out': cannot write {place}: {reason}\n"
    message = call("report", "tiny", "--out", "-", "--json", "-").complaint
    assert message.endswith("two outputs cannot both go to standard output: give one of them a file\n")
    (finished / "report.html").mkdir()
    assert "report.html is a folder" in call("report", "tiny").complaint
