"""The commands ``theory-sim sweep`` and ``study``: output, files and exit codes."""

import re
from pathlib import Path

import pytest
from outcome import Call, rows, strict


def test_sweep_prints_a_row_per_cell(call: Call, config_file: Path, tmp_path: Path) -> None:
    sweep = ("sweep", config_file, "--set", "training.steps=3", "--device", "cpu", "--jobs", 1)
    sweep = (*sweep, "--grid", "data.dim=16,32", "--grid", "training.step_size.fine=0.1,1e30")
    done = call(*sweep)
    assert done.code == 1
    printed = {id_: cells for id_, cells in rows(done.out).items() if id_}  # further lines of a cell's row have none
    assert {id_: cells[2] for id_, cells in printed.items()} == {"16": "6", "32": "6"}
    assert re.fullmatch(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", printed["32"][3])
    assert re.fullmatch(r"\d of 9", printed["32"][-2])
    cells = [cell for cell in strict(call(*sweep, "--json", "-").out)["cells"] if cell["status"] == "stored"]
    failing = [cell["id"] for cell in cells if cell["data.dim"] == 32 and cell["decision"] != "holds"]
    assert printed["32"][-2] == f"{9 - len(failing)} of 9"
    assert printed["32"][-1].split(",")[0] == failing[0], "claims that do not hold are named"
    failed = [line for line in done.err.splitlines() if line.startswith("failed: ")]
    assert [line.split(": ")[1] for line in failed] == [f"data.dim={d} training.step_size.fine=1e+30" for d in (16, 32)]
    assert all("DivergedError: step " in line for line in failed)
    tables = Path(done.out.splitlines()[-1].removeprefix("tables: "))
    files = {path.name for path in (tmp_path / tables).iterdir() if not path.name.startswith(".")}
    assert files == {"sweep.json", "rows", "cells.parquet", "replicas.parquet", "measures.parquet"}


def test_study_lists_and_answers(call: Call, tmp_path: Path) -> None:
    listed = call("study", "--list")
    assert (listed.code, listed.err) == (0, "")
    assert {"alignment", "granularity", "hierarchy"} <= set(rows(listed.out))
    assert re.match("error: no study 'x'; there are alignment, ", call("study", "x").complaint)
    (tmp_path / "mine.yaml").write_text(
        """
question: Does noise harm?
minutes: 1
config: {replicas: 2, tree: {subclasses: 2}, data: {dim: 16}, network: {neurons: 2}, training: {batch: 4, steps: 2}}
smoke: {test: {samples: 10, curve_samples: 5}}
grids: [{hard.noise: [0, 4]}]
comparisons:
  - {name: no noise, before: {model: coarse, where: {hard.noise: 4}}, after: {model: fine, where: {hard.noise: 0}}}
"""
    )
    done = call("study", "mine.yaml", "--smoke", "--device", "cpu", "--jobs", 1)
    assert done.code == 0
    printed = strict(call("study", "mine.yaml", "--smoke", "--device", "cpu", "--jobs", 1, "--json", "-").out)
    (comparison,) = printed["verdicts"]
    assert {"id", "estimate", "low", "high"} <= set(comparison)
    assert {"id", "estimate", "low", "high", "hard.noise"} <= set(printed["cells"][0])
    verdict = strict(next(tmp_path.glob("results/mine-sweep/*/verdict.json")).read_text())
    assert rows(done.out)["no noise"][-1] == verdict["answer"]
    assert done.out.splitlines()[-1].startswith(f"mine: {verdict['answer']} (1 comparison, 2 replicas: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", "data.nois=1"], "cell data.nois=1: unknown key data.nois; did you mean data.noise?"),
        (["--grid", "data.noise=1,-1"], "cell data.noise=-1: data.noise: "),
        (["--grid", "data.noise"], "--grid data.noise: expected section.key=value,value,..."),
        (["--grid", "seed=1", "--grid", "seed=2"], "--grid: a key is given twice"),
        (["--grid", "seed=1", "--backend", "dask"], "--backend dask and --scheduler ADDRESS go together"),
        (["--grid", "seed=1", "--scheduler", "tcp://127.0.0.1:1"], "--backend dask and --scheduler ADDRESS go together"),
        (["--grid", "seed=1", "--device", "nowhere"], "unknown device 'nowhere'"),
        (["--grid", "seed=1", "--jobs", "0"], "Invalid value for '--jobs': "),
        ([], "Missing option '--grid'"),
    ],
)
def test_wrong_sweep(call: Call, config_file: Path, tmp_path: Path, options: list[str], message: str) -> None:
    assert message in call("sweep", config_file, *options).complaint
    assert list(tmp_path.iterdir()) == []
