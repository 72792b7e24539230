"""The same configuration run twice at once: one process works, the other one waits and loads its results."""

import errno
import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from holder import Holder, held

import theory_sim as ts
from theory_sim.runs.folder import results_folder
from theory_sim.runtime.locks import LOCK, locked
from theory_sim.runtime.progress import Progress
from theory_sim.studies.sweep import find_sweep, sweep


@pytest.fixture
def config(config_file: Path) -> ts.Config:
    return ts.load_config(config_file)


def refuse(progress: Progress) -> None:
    raise AssertionError(f"trains beside the other process: {progress}")


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_second_process_waits_and_loads(config: ts.Config, finished: Path, tmp_path: Path) -> None:
    folder = results_folder(config, tmp_path / "other")
    with held(folder, finished) as seen:
        results = ts.run(config, tmp_path / "other", "cpu", refuse)
    assert seen == [f"WaitingWarning: another process works in {folder}: waiting for it to end"]
    assert results.fine.equals(ts.load_results(finished).fine)
    assert not (folder / LOCK).exists()


def test_two_processes_that_begin_together(config: ts.Config, finished: Path, tmp_path: Path) -> None:
    """The second begins while the first trains, as two commands do; whatever it writes then would spoil the first."""
    begun: list[int] = []

    def begin_another(progress: Progress) -> None:
        if progress.done == 20:
            with pytest.raises(ts.BusyError, match="another process works in"):
                ts.run(config, tmp_path / "other", "cpu", refuse, wait=False)
            begun.append(progress.done)

    results = ts.run(config, tmp_path / "other", "cpu", begin_another)
    assert begun == [20]
    assert results.fine.equals(ts.load_results(finished).fine)
    assert {path.name for path in results.folder.iterdir()} == {path.name for path in finished.iterdir()}


def test_a_killed_process_leaves_no_lock_and_no_parts(config: ts.Config, finished: Path, tmp_path: Path) -> None:
    folder = results_folder(config, tmp_path / "other")
    holder = Holder(folder)
    (folder / ".fine.nc.0123abcd.part").write_bytes(b"half")
    holder.kill()
    results = ts.run(config, tmp_path / "other", "cpu")
    assert {path.name for path in results.folder.iterdir()} == {path.name for path in finished.iterdir()}
    assert results.fine.equals(ts.load_results(finished).fine)


def test_parts_of_a_living_process_are_kept(tmp_path: Path) -> None:
    with held(tmp_path) as seen:
        (tmp_path / ".fine.nc.0123abcd.part").write_bytes(b"half")
        with pytest.raises(ts.BusyError), locked(tmp_path, wait=False):
            pass
        assert (tmp_path / ".fine.nc.0123abcd.part").exists()
        with locked(tmp_path):
            assert len(seen) == 1
            assert not (tmp_path / ".fine.nc.0123abcd.part").exists()


def test_a_finished_run_is_loaded_without_writing(config: ts.Config, finished: Path, tmp_path: Path) -> None:
    """Its folder may be read-only, or another process may hold a lock that was left there."""
    before = files(finished)
    with held(finished) as seen:
        (finished / LOCK).unlink()
        ts.run(config, tmp_path / "results", "cpu", refuse)
        assert seen == []
    assert files(finished) == before


def test_a_folder_that_nothing_was_written_into_goes_and_a_process_that_waits_makes_it_anew(tmp_path: Path) -> None:
    """The lock's file is deleted while it is held: deleted later, it could be that of the process that waited."""
    folder = tmp_path / "new" / "folder"
    with held(folder) as seen, locked(folder):
        assert (folder / LOCK).exists()
        with pytest.raises(ts.BusyError), locked(folder, wait=False):
            pass
    assert seen == [f"WaitingWarning: another process works in {folder}: waiting for it to end"]
    with locked(tmp_path / "alone"):
        pass
    assert not (tmp_path / "alone").exists()


def test_where_the_file_system_has_no_locks(config: ts.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    folder = results_folder(config, tmp_path)
    folder.mkdir(parents=True)
    (folder / ".fine.nc.0123abcd.part").write_bytes(b"half")
    with pytest.warns(ts.WaitingWarning, match="has no locks: run the same configuration in one process at a time"):
        results = ts.run(config, tmp_path, "cpu")
    assert results.folder == folder
    assert (folder / ".fine.nc.0123abcd.part").exists()  # its process may be alive


# Sweeps.


def test_a_sweep_puts_off_what_another_process_runs(config: ts.Config, finished: Path, tmp_path: Path) -> None:
    """A sweep beside a run or another sweep: it runs all that is free first, then waits in one line."""
    out, seeds = tmp_path / "other", [{"seed": [2, 3, 4]}]
    order: list[str] = []
    with held(results_folder(config, out), finished) as seen:
        done = sweep(
            config,
            seeds,
            out,
            "cpu",
            0,
            together=False,
            on_progress=lambda progress: order.append(f"{progress.done}, {len(seen)}"),
        )
    assert seen == ["WaitingWarning: other processes run the last 1 cells of this sweep: waiting for them"]
    assert order == ["1, 0", "2, 0", "3, 1"]
    assert not done.failed
    alone = sweep(config, seeds, tmp_path / "alone", "cpu", jobs=0)
    assert {name: (done.folder / name).read_bytes() for name in ("cells.parquet", "replicas.parquet")} == {
        name: (alone.folder / name).read_bytes() for name in ("cells.parquet", "replicas.parquet")
    }


# Runs that are not cached.


def hidden(text: str) -> Callable[[ts.Training], float]:
    """A function whose source cannot be read."""
    return eval(text)


def test_runs_that_are_not_cached_do_not_share_a_folder(config: ts.Config, tmp_path: Path) -> None:
    """Two of one configuration look the same from outside, and neither may load, overwrite or delete the other's results."""

    def begin_another(progress: Progress) -> None:
        if progress.done == 20 and not others:
            others.append(ts.run(config, tmp_path, "cpu", record={"mine": hidden("lambda training: 1.0")}))

    others: list[ts.Results] = []
    with pytest.warns(ts.NotCachedWarning):
        results = ts.run(config, tmp_path, "cpu", begin_another, record={"mine": hidden("lambda training: 2.0")})
    assert set(results.fine.mine.values.flat) == {2.0}
    assert set(others[0].fine.mine.values.flat) == {1.0}
    assert results.folder != others[0].folder
    for made in (results, *others):
        assert ts.load_results(made.folder).fine.equals(made.fine)


def test_a_killed_run_that_is_not_cached_is_cleared_away(config: ts.Config, tmp_path: Path) -> None:
    record = {"mine": hidden("lambda training: 1.0")}
    with pytest.warns(ts.NotCachedWarning):
        kept = ts.run(config, tmp_path, "cpu", record=record).folder
    dead, alive = (kept.with_name(f"{kept.name.split('-')[0]}-{mark}-not-cached") for mark in ("dead", "alive"))
    for folder in (dead, alive):
        folder.mkdir()
        shutil.copy(kept / "config.yaml", folder)
    holder = Holder(alive)
    with pytest.warns(ts.NotCachedWarning):
        ts.run(config, tmp_path, "cpu", record=record)
    holder.kill()
    assert (kept.exists(), dead.exists(), alive.exists()) == (True, False, True)


LABELS = """
import theory_sim as ts

@ts.register_label_function("made-up")
def made_up(tree, context):
    return ts.by_leaf("made-up", tree, 2 * tree.coarse_of_leaf + ts.place_of(tree) % 2)
"""


def test_a_sweep_of_runs_that_are_not_cached_names_their_folders(config: ts.Config, tmp_path: Path) -> None:
    exec(compile(LABELS, "<generated>", "exec"), {"__name__": "generated"})
    grids = [{"labels.fine": ["made-up"]}]
    try:
        with pytest.warns(ts.NotCachedWarning):
            done = [sweep(config, grids, tmp_path, "cpu", jobs=0) for _ in range(2)]
        assert done[0].folder != done[1].folder
        named = [set(each.read("cells").folder) for each in done]
        assert not named[0] & named[1]
        assert all((tmp_path / name / "manifest.json").exists() for names in named for name in names)
        assert find_sweep(config, grids, tmp_path, "cpu") is None
    finally:
        ts.LABEL_FUNCTIONS.remove("made-up")
