"""Sweeps: grids, tables, failed cells, killed processes, and a Dask cluster.

Run as a program, ``python tests/studies/test_sweep.py FOLDER``, it does the item of `test_no_worker_outlives_its_parent`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from theory_sim.config import Config, load_config
from theory_sim.runs.results import load_results
from theory_sim.runtime.errors import DivergedError, InputError, is_out_of_memory
from theory_sim.runtime.progress import Progress
from theory_sim.studies import backends, tables
from theory_sim.studies import work as single
from theory_sim.studies.backends import locally, on_dask
from theory_sim.studies.sweep import make_cells, parse_axis, sweep
from theory_sim.theories.theory import evaluate_claims

TINY = """
name: tiny
replicas: 2
tree: {subclasses: 2}
data: {dim: 16, patches: 8, feature_patches: 2}
network: {neurons: 3}
training: {batch: 8, steps: 4, checkpoint_every: 1}
transfer: {readouts: [sum_logits]}
test: {samples: 20, curve_samples: 5}
record: {points: 2}
"""
GRIDS = ["tree.subclasses=1,2", "hard.noise=0,4", "hard.feature_noise=[0.2, 0.4],[0.4, 0.8]", "labels.fine=leaf,split(1, 2)"]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted sweep of sixteen cells."""
    out = tmp_path_factory.mktemp("whole")
    grid = dict(parse_axis(text) for text in GRIDS)
    return sweep(load_config(tiny), [grid], out, "cpu", jobs=2).folder


def command(config: Path, out: Path) -> list[str]:
    grids = [f"--grid={text}" for text in GRIDS]
    return [sys.executable, "-m", "theory_sim", "sweep", str(config), *grids, "--out", str(out), "--device=cpu", "--jobs=1"]


def table_bytes(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.parquet").read_bytes() for name in tables.SCHEMAS}


# Grids.


def test_a_sweep_without_grids_has_no_cells(tiny: Path, tmp_path: Path) -> None:
    assert not sweep(load_config(tiny), [], tmp_path, "cpu", jobs=0).ids


def test_axes() -> None:
    assert parse_axis("tree.subclasses=4,8,16") == ("tree.subclasses", [4, 8, 16])
    assert parse_axis("hard.noise = 0, 1e-3") == ("hard.noise", [0, 0.001])
    assert parse_axis("hard.feature_noise=[0.2, 0.4],[0.4, 0.8]") == ("hard.feature_noise", [[0.2, 0.4], [0.4, 0.8]])
    labels = ["leaf", "split(1, 9)", "sample-id", "level(1)"]
    assert parse_axis('labels.fine=leaf,split(1, 9),sample-id,"level(1)"') == ("labels.fine", labels)
    assert parse_axis("training.bias_decay=theory,0.1") == ("training.bias_decay", ["theory", 0.1])


@pytest.mark.parametrize("text", ["", "=1", "data.dim", "data.dim=", "data.dim=[1", "data.dim=1,}"])
def test_wrong_axes(text: str) -> None:
    with pytest.raises(InputError, match=r"^--grid "):
        parse_axis(text)


def test_cells_are_all_combinations_and_stand_once() -> None:
    grids = [{"tree.subclasses": [2, 3], "hard.noise": [0, 4.0]}, {"hard.noise": [4], "replicas": [5, 6]}]
    cells = make_cells(Config().replace({"tree.subclasses": 3}), grids)
    values = [tuple(cell.values[key] for key in ("tree.subclasses", "hard.noise", "replicas")) for cell in cells]
    # (3, 4, 5) is a cell of both grids.
    assert values == [(2, 0, 5), (2, 4, 5), (3, 0, 5), (3, 4, 5), (3, 4, 6)]
    for cell, (subclasses, noise, replicas) in zip(cells, values, strict=True):
        assert (cell.config.tree.subclasses, cell.config.hard.noise, cell.config.replicas) == (subclasses, noise, replicas)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"data.nois": [1]}, "cell data.nois=1: unknown key data.nois; did you mean data.noise?"),
        ({"dta.noise": [1]}, "cell dta.noise=1: unknown key dta; did you mean data?"),
        ({"data.dim.x": [1]}, "cell data.dim.x=1: data.dim.x: dim is a value, not a section"),
        ({"data.noise": [1, -1]}, "cell data.noise=-1: data.noise: .* greater than or equal to 0, got -1"),
        ({"data.dim": [64, 8], "seed": [3]}, "cell data.dim=8 seed=3: tree.subclasses: 9 do not fit into data.dim = 8"),
        ({"claims.confidence": [0.5]}, "claims.confidence: bounds of claims are no part of a run"),
        ({"seed": []}, "seed: the grid has no values"),
        ({"data.dim": [64], "seed": [7, 8, 7]}, "seed: the grid has the value 7 twice"),
        ({"seed": range(1000), "data.noise": range(1000)}, "the grid has 1000000 cells; 100000 are the most"),
    ],
)
def test_wrong_grids(grid: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_cells(Config(), [grid])


# Tables.


def test_tables_hold_what_the_results_hold(whole: Path) -> None:
    cells, replicas = (pd.read_parquet(whole / f"{name}.parquet") for name in ("cells", "replicas"))
    keys = [text.partition("=")[0] for text in GRIDS]
    assert list(cells.columns) == ["cell", *keys, *tables.SCHEMAS["cells"]]
    assert list(replicas.columns) == ["cell", *keys, *tables.SCHEMAS["replicas"]]
    # tree.subclasses = 1 has no feature that is not common to a class, but split(1, 2) has its labels.
    assert cells.cell.nunique() == 16
    assert cells["hard.feature_noise"].unique().tolist() == ["[0.2, 0.4]", "[0.4, 0.8]"]
    assert (len(cells), len(replicas)) == (16 * 9, 16 * 2 * 2 * 2)
    for id_, rows in list(cells.groupby("cell"))[:3]:
        results = load_results(whole.parents[1] / rows.folder.iloc[0])
        decided = {claim.id: claim for claim in evaluate_claims(results)}
        assert rows.id.tolist() == list(decided)
        for row in rows.itertuples():
            claim = decided[row.id]
            own = np.array([claim.estimate.value, claim.estimate.low, claim.estimate.high])
            np.testing.assert_equal([row.estimate, row.low, row.high], np.where(np.isfinite(own), own, np.nan))
            assert (row.decision, row.bound, row.method) == (claim.decision, claim.bound, claim.estimate.method)
            assert row.notes == "; ".join(claim.estimate.notes)
        assert results.config.hard.noise == rows["hard.noise"].iloc[0]
        own = replicas[(replicas.cell == id_) & (replicas.model == "fine") & (replicas.kind == "hard")]
        assert own.error.tolist() == results.fine.test_error.sel(kind="hard", test_readout="sum_logits").values.tolist()
        assert own.labels.unique().tolist() == [results.config.labels["fine"]]


def test_same_results_give_the_same_bytes_and_no_cell_runs_again(whole: Path, tiny: Path) -> None:
    out, before = whole.parents[1], table_bytes(whole)
    manifests = {path: path.stat().st_mtime_ns for path in out.glob("tiny-cells/*/manifest.json")}
    assert len(manifests) == 8  # blocks of two cells
    for rows in sorted((whole / "rows").glob("*.json"))[:2]:
        rows.unlink()
    told: list[Progress] = []
    again = sweep(load_config(tiny), [dict(parse_axis(text) for text in GRIDS)], out, "cpu", jobs=1, on_progress=told.append)
    assert again.folder == whole
    assert table_bytes(whole) == before
    assert {path: path.stat().st_mtime_ns for path in out.glob("tiny-cells/*/manifest.json")} == manifests
    assert [(p.done, p.total) for p in told] == [(14, 16), (16, 16)]


def test_cells_in_this_process_leave_its_threads_alone(whole: Path, tiny: Path, tmp_path: Path) -> None:
    assert torch.get_num_threads() == 1
    here = sweep(load_config(tiny), [{"hard.noise": [0, 4]}], tmp_path, "cpu", jobs=0)
    assert not here.failed
    assert torch.get_num_threads() == 1


def test_memory_does_not_grow_with_cells(tmp_path: Path) -> None:
    def peak(cells: int) -> int:
        rows = [{"status": "stored", "id": f"q{i}", "estimate": float(i), "holds": True} for i in range(50)]
        parts = ([{"cell": f"{cell:016}", "seed": cell} | row for row in rows] for cell in range(cells))
        tracemalloc.start()
        tables.write(tmp_path / "cells.parquet", "cells", {"seed": [1]}, parts)
        reached = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(pd.read_parquet(tmp_path / "cells.parquet")) == 50 * cells
        return reached

    assert peak(800) < 1.2 * peak(200)


# Interrupted sweeps.


def test_killed_sweep_goes_on_to_the_same_table(whole: Path, tiny: Path, tmp_path: Path) -> None:
    stored: dict[Path, int] = {}
    reached = []

    def look() -> int:
        found = {path: path.stat().st_mtime_ns for path in tmp_path.glob("tiny-cells/*/manifest.json")}
        assert stored.items() <= found.items(), "a stored block ran again"
        stored.update(found)
        return len(stored)

    for goal in (1, 2, 3):  # of four blocks of four cells
        process = subprocess.Popen(command(tiny, tmp_path), start_new_session=True, env=ONE_THREAD, stderr=subprocess.PIPE)
        while look() < goal:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        reached.append(look())
    assert len(set(reached)) == 3
    assert reached[-1] < 4, "the last kill came too late"
    done = subprocess.run(command(tiny, tmp_path), env=ONE_THREAD, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert look() == 4
    assert table_bytes(next(tmp_path.glob("tiny-sweep/*"))) == table_bytes(whole)


def note(folder: Path, item: str) -> int:
    """Count the started runs of an item."""
    with open(folder / item, "a") as file:
        file.write(f"{os.getpid()}\n")
    return len((folder / item).read_text().splitlines())


def work(item: str, folder: Path) -> str | None:
    """`victim` is killed once, `killer` each time, `bystander` runs until both deaths of `killer`; `bug` raises an exception."""
    runs = note(folder, item)
    if item == "bystander":
        wait_until(lambda: (folder / "killer").exists() and len((folder / "killer").read_text().splitlines()) == 2)
    if item == "killer" or (item == "victim" and runs == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "bug":
        raise KeyError("a programming error")
    return "it is wrong" if item == "wrong" else None


def wait_until(reached) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_only_the_item_of_a_killed_worker_is_rerun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "MAX_DEATHS", 2)
    items = ["bystander", "victim", "wrong", "killer", "last"]
    outcome = dict(locally(items, partial(work, folder=tmp_path), jobs=2))
    reasons = {"wrong": "it is wrong", "killer": "its worker process died 2 times"}
    assert outcome == {item: reasons.get(item) for item in items}
    runs = {item: len((tmp_path / item).read_text().splitlines()) for item in items}
    assert runs == {"bystander": 1, "victim": 2, "wrong": 1, "killer": 2, "last": 1}


def test_a_programming_error_of_an_item_is_raised(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="a programming error"):
        list(locally(["a", "bug", "b"], partial(work, folder=tmp_path), jobs=1))
    assert not (tmp_path / "b").exists()


def test_no_worker_outlives_its_parent(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, __file__, str(tmp_path)], env=ONE_THREAD)
    wait_until(lambda: (tmp_path / "bystander").exists() and (tmp_path / "bystander").read_text().endswith("\n"))
    process.kill()
    process.wait()
    worker = int((tmp_path / "bystander").read_text())
    wait_until(lambda: not Path(f"/proc/{worker}").exists() or " Z " in Path(f"/proc/{worker}/stat").read_text())


def test_failed_cells_are_recorded_and_the_others_are_run(tiny: Path, tmp_path: Path) -> None:
    config = load_config(tiny)
    grid = {"training.step_size.fine": [1e30, 0.1], "network.neurons": [10**9, 3]}
    told: list[Progress] = []
    done = sweep(config, [grid], tmp_path, "cpu", jobs=1, on_progress=told.append)
    assert [p.note for p in told][-1] == "3 failed"
    cells = done.read("cells").drop_duplicates("cell").set_index(["training.step_size.fine", "network.neurons"])
    assert cells.status.tolist() == ["failed", "failed", "failed", "stored"]
    assert cells.reason[1e30, 3].startswith("DivergedError: step ")
    assert "memory" in cells.reason[0.1, 10**9]
    assert cells.estimate.isna().tolist() == [True, True, True, False]
    assert len(done.read("cells")) == 3 + 9
    assert {str(done.ids[id_]) for id_ in done.failed} == {
        f"training.step_size.fine={eta} network.neurons={m}" for eta, m in ((1e30, 10**9), (1e30, 3), (0.1, 10**9))
    }


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("no such device"), "no such device"),
        (DivergedError("step 3: inf"), "DivergedError: step 3: inf"),
        (MemoryError(), "MemoryError: "),
        (torch.cuda.OutOfMemoryError("of the GPU"), "OutOfMemoryError: of the GPU"),
        (RuntimeError("shapes do not match; memory format is channels_last"), None),
        (TypeError("'NoneType' object is not callable"), None),
        (OSError(28, "No space left on device"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_which_errors_fail_a_cell(
    error: Exception, reason: str | None, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The errors of one configuration fail its cell; programming errors and those of the whole machine end the sweep."""

    def fails(*_: object, wait: bool) -> None:
        raise error

    monkeypatch.setattr(single, "run", fails)
    arguments = load_config(tiny), [{"seed": [0]}], tmp_path, "cpu", 0
    if reason is None:
        with pytest.raises(type(error)):
            sweep(*arguments)
    else:
        assert list(sweep(*arguments).failed.values()) == [reason]


def test_allocations_that_fail() -> None:
    """The errors that NumPy and PyTorch really raise."""
    for allocate in (np.empty, torch.empty):
        with pytest.raises((MemoryError, RuntimeError)) as failed:
            allocate(2**50)
        assert is_out_of_memory(failed.value)
    assert not is_out_of_memory(RuntimeError("view size is not compatible with input tensor's memory"))


# Dask.


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address and the process of a scheduler with two workers, each a process of its own, on loopback."""
    file = folder / "scheduler.json"
    begin = [sys.executable, "-m", "distributed.cli.dask_"]
    options = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    args = {"cwd": folder, "env": ONE_THREAD | {"PYTHONPATH": str(Path(__file__).parent)}, "stderr": subprocess.DEVNULL}
    commands = [["scheduler", "--port", "0", *options]]
    worker = ["worker", *options, "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    commands += [[*worker, "--name", "one"], [*worker, "--name", "two"]]
    processes = [subprocess.Popen([*begin[:2], begin[2] + name, *rest], **args) for name, *rest in commands]
    try:
        wait_until(file.exists)
        from distributed import Client

        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            address = client.scheduler.address
        yield address, processes[0]
    finally:
        # Not terminated: a worker may wait for ever for a scheduler that ended first (distributed 2026.8).
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def test_dask_gives_the_same_tables(whole: Path, tiny: Path, tmp_path: Path) -> None:
    grid = {"tree.subclasses": [1, 2], "network.neurons": [3, 10**9]}
    with cluster(tmp_path) as (address, scheduler):
        done = sweep(load_config(tiny), [grid], tmp_path / "dask", "cpu", scheduler=address)
        items = ["a", "wrong", "victim", "b"]
        outcome = dict(on_dask(items, partial(work, folder=tmp_path), address))
        with pytest.raises(KeyError, match="a programming error"):
            list(on_dask(["bug"], partial(work, folder=tmp_path), address))
        begun = on_dask(["a", "bystander"], partial(work, folder=tmp_path), address)
        assert next(begun) == ("a", None)
        scheduler.kill()
        with pytest.raises(InputError, match=f"lost the Dask scheduler at {address}; run the same command again"):
            next(begun)
    local = sweep(load_config(tiny), [grid], tmp_path / "local", "cpu", jobs=1)
    assert len(done.failed) == 2
    assert table_bytes(done.folder) == table_bytes(local.folder)
    # One of the two workers was killed, and without a nanny it is not restarted: the other worker did its item.
    assert outcome == {"a": None, "wrong": "it is wrong", "victim": None, "b": None}
    assert len((tmp_path / "victim").read_text().split()) == 2


def test_no_scheduler(monkeypatch: pytest.MonkeyPatch, tiny: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(backends, "_ANSWER_SECONDS", 1)
    for address in ("tcp://127.0.0.1:1", "nowhere"):
        with pytest.raises(InputError, match=f"no Dask scheduler answers at {address}"):
            sweep(load_config(tiny), [{"seed": [0, 1]}], tmp_path, "cpu", scheduler=address)


if __name__ == "__main__":
    list(locally(["bystander"], partial(work, folder=Path(sys.argv[1])), jobs=1))
