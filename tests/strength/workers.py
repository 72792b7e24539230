"""Workers killed in mid-cell: ``python tests/strength/workers.py [KILLS] [SEED] [local|dask ...]``.

A sweep of six cells runs on two worker processes of loky, and on two of a Dask cluster. A random one of them is killed while
it trains its block of cells, KILLS times (3; of the Dask workers once, since nothing starts them again). The other cells must be
finished, the cells of the killed worker be done again, and the tables be those of cells run one by one without workers, byte for
byte. Then a loky worker is killed each time it trains one cell by itself: this cell fails with one line, and the same command
afterwards finishes it.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import TINY

from theory_sim.config import load_config
from theory_sim.runs.folder import results_folder
from theory_sim.studies import sweep as sweeps

SEEDS = [0, 1, 2, 3, 4, 5]


def in_work(out: Path) -> list[Path]:
    """The folders of cells, and of blocks of cells, that have a checkpoint and are not finished."""
    found = {path.parent for path in out.glob("tiny*/*/checkpoint.safetensors")}
    return sorted(folder for folder in found if not (folder / "manifest.json").exists())


class Killer(threading.Thread):
    """Kills processes that hold the lock of a cell in work.

    Args:
        out: folder of the results.
        kills: how many.
        seed: of the moments.
        only: the cell whose processes are killed; any without it.
    """

    def __init__(self, out: Path, kills: int, seed: int, only: Path | None = None) -> None:
        super().__init__(daemon=True)
        self.out, self.kills, self.only, self.chosen = out, kills, only, random.Random(seed)
        self.killed: list[Path] = []

    def run(self) -> None:
        while len(self.killed) < self.kills:
            time.sleep(self.chosen.uniform(0, 0.05))
            cells = [cell for cell in in_work(self.out) if self.only is None or cell == self.only]
            holders = {cell: holder for cell in cells if (holder := _holder(cell)) is not None}
            if holders:
                cell = self.chosen.choice(sorted(holders))
                os.kill(holders[cell], signal.SIGKILL)
                self.killed.append(cell)
                time.sleep(0.2)


def _holder(cell: Path) -> int | None:
    """The process that has the lock's file open; none where it is this one."""
    inode = (cell / ".theory-sim.lock").stat().st_ino if (cell / ".theory-sim.lock").exists() else None
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[5].endswith(f":{inode}") and int(words[4]) != os.getpid():
            return int(words[4])
    return None


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.parquet").read_bytes() for name in sweeps.tables.SCHEMAS}


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The address of a Dask scheduler with two workers, each a process of its own."""
    from distributed import Client

    file = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    worker = ["worker", *options, "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    commands = [["scheduler", "--port", "0", *options], [*worker, "--name", "one"], [*worker, "--name", "two"]]
    begun = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.dask_{name}", *rest], cwd=folder, stderr=subprocess.DEVNULL)
        for name, *rest in commands
    ]
    try:
        while not file.exists():
            time.sleep(0.05)
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
            address = client.scheduler.address
        yield address
    finally:
        for process in begun:
            process.kill()
            process.wait()


def check(folder: Path, kills: int, seed: int, scheduler: str | None) -> str:
    """Kill workers of a sweep; returns what happened, in a line."""
    config, grids = load_config(folder / "tiny.yaml"), [{"seed": SEEDS}]
    out = folder / ("dask" if scheduler else "local")
    killer = Killer(out, kills, seed)
    killer.start()
    done = sweeps.sweep(config, grids, out, "cpu", jobs=2, scheduler=scheduler)
    alone = sweeps.sweep(config, grids, folder / "alone", "cpu", jobs=0, together=False)
    assert not done.failed, done.failed
    assert tables(done.folder) == tables(alone.folder)
    assert killer.killed, "no worker was killed"
    name = "Dask" if scheduler else "loky"
    return f"{name}: {len(killer.killed)} workers killed in mid-cell, all {len(SEEDS)} cells finished, equal tables"


def check_deadly(folder: Path) -> str:
    """Kill every worker that trains one cell; returns what happened, in a line."""
    config, grids, out = load_config(folder / "tiny.yaml"), [{"seed": SEEDS}], folder / "deadly"
    cell = results_folder(config.replace({"seed": 2}), out)
    killer = Killer(out, 3, 0, cell)
    killer.start()
    done = sweeps.sweep(config, grids, out, "cpu", jobs=2, together=False)
    assert list(done.failed.items()) == [(cell.name, "its worker process died 3 times")], done.failed
    done = sweeps.sweep(config, grids, out, "cpu", jobs=0, together=False)
    assert not done.failed
    assert tables(done.folder) == tables(sweeps.sweep(config, grids, folder / "alone", "cpu", jobs=0).folder)
    return "loky: a cell whose workers are always killed fails with one line; the same command afterwards finishes it"


def main(kills: int = 3, seed: int = 0, names: tuple[str, ...] = ()) -> None:
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        # Long enough to be killed in mid-cell.
        (folder / "tiny.yaml").write_text(TINY.replace("steps: 40", "steps: 600"))
        if not names or "local" in names:
            print(check(folder, kills, seed, None), flush=True)
            print(check_deadly(folder), flush=True)
        if not names or "dask" in names:
            with cluster(folder) as address:
                print(check(folder, 1, seed, address), flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:3]), names=tuple(sys.argv[3:]))
