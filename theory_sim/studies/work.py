"""The work of a sweep: which cells are run together, and running some of them in a worker.

**Blocks.** Cells of one shape (`theory_sim.training.shapes`) are trained side by side, in one process, and stored together
(`theory_sim.runs.cells`), if at least two have it and `LEAST` of them fit into the memory of a block. Training, recording and
testing then cost the same arithmetic with fewer calls, cells that are trained in the same way are trained once, and one dataset
is written instead of a folder for each cell. Cells that are trained on the same samples are in one block where they fit.
"""

import json
import math
import threading
import warnings
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from theory_sim.config import Config
from theory_sim.runs.cells import cells_folder, failed_in, run_cells
from theory_sim.runs.folder import NOT_CACHED, finished_cells, is_finished
from theory_sim.runs.results import load_cells
from theory_sim.runs.run import run
from theory_sim.runtime import plugins
from theory_sim.runtime.errors import (
    BusyError,
    DivergedError,
    InputError,
    NoEffectWarning,
    NotCachedWarning,
    WaitingWarning,
    is_out_of_memory,
)
from theory_sim.runtime.locks import locked
from theory_sim.runtime.memory import total_memory
from theory_sim.runtime.progress import ignore
from theory_sim.runtime.storage import without_nan, write_text
from theory_sim.runtime.threads import torch_threads
from theory_sim.studies import tables
from theory_sim.training.cells import sources_of
from theory_sim.training.shapes import bytes_of, shape_of

LEAST = 4
"""So many cells must fit into the memory of a block: larger ones are alone, since they gain little."""
_MOST_BYTES = 2**30
_SHARE = 8
"""Blocks that run at the same time take at most 1/8 of the machine's memory together."""
BUSY = "another process runs it"
"""The reason of work that is put off."""
_one_at_a_time = threading.Lock()
"""Held while a cell runs: a Dask worker may have several threads, and PyTorch's number of threads is global to a process."""


@dataclass(frozen=True)
class Task:
    """Cells that are run together.

    Attributes:
        cells: their configurations, by their hash.
        part: the file of their table rows.
        block: the folder of a finished block that they are read from; None: they are run.
    """

    cells: dict[str, Config]
    part: Path
    block: Path | None = None

    @property
    def together(self) -> bool:
        """Whether they are a block."""
        return len(self.cells) > 1 or self.block is not None

    def failed(self, out: Path) -> dict[str, str]:
        """The reasons of its cells that failed, once it is done."""
        return failed_in(self.block or cells_folder(self.cells, out), self.cells) if self.together else {}

    def alone(self) -> "list[Task]":
        """A task for each of its cells."""
        return [Task({id_: config}, self.part.with_name(f"{id_}.json")) for id_, config in self.cells.items()]


@dataclass(frozen=True)
class Work:
    """What a sweep has to do, and what is done.

    Attributes:
        tasks: what is left to do.
        parts: for each cell that is done the file of its table rows.
        failed: the reasons of cells that failed in finished blocks.
    """

    tasks: list[Task]
    parts: dict[str, Path]
    failed: dict[str, str]


def work_of(cells: Mapping[str, Config], out: Path, rows: Path, jobs: int, device: torch.device, together: bool) -> Work:
    """The work of a sweep.

    Args:
        cells: by their hash.
        out: folder of all results.
        rows: folder of the files of table rows.
        jobs: how many blocks or cells run at the same time.
        device: where.
        together: whether cells of one shape are run together.
    """
    done = Work([], {}, {})
    in_blocks = {
        id_: block for name in {config.name for config in cells.values()} for id_, block in finished_cells(out, name).items()
    }
    of_blocks: dict[Path, dict[str, Config]] = defaultdict(dict)
    left: dict[str, Config] = {}
    for id_, config in cells.items():
        if is_finished(out / config.name / id_):
            done.parts[id_] = rows / f"{id_}.json"
            if not done.parts[id_].exists():
                done.tasks.append(Task({id_: config}, done.parts[id_]))
        else:
            left[id_] = config
            if id_ in in_blocks:
                of_blocks[in_blocks[id_]][id_] = config
    for block, own in of_blocks.items():
        task = Task(own, rows / f"{block.name}.json", block)
        if task.part.exists():
            done.parts.update(dict.fromkeys(own, task.part))
            done.failed.update(task.failed(out))
        else:
            done.tasks.append(task)
    # Finished cells are planned too, so that an interrupted block has the same cells, and its name, again.
    cached = {id_: config for id_, config in left.items() if together and not id_.endswith(NOT_CACHED)}
    planned = plan(cached, jobs, device) + [{id_: config} for id_, config in left.items() if id_ not in cached]
    for group in planned:
        if own := {id_: config for id_, config in group.items() if id_ not in in_blocks}:
            name = cells_folder(own, out).name if len(own) > 1 else next(iter(own))
            done.tasks.append(Task(own, rows / f"{name}.json"))
    return done


def plan(cells: Mapping[str, Config], jobs: int, device: torch.device) -> list[dict[str, Config]]:
    """Which cells are run together, in the order of their first cells.

    Args:
        cells: by their hash.
        jobs: how many blocks or cells run at the same time.
        device: where.
    """
    elsewhere = device.type == "cuda" and not torch.cuda.is_available()  # on a cluster
    most = _MOST_BYTES if elsewhere else min(_MOST_BYTES, total_memory(device) // (_SHARE * max(1, jobs)))
    by_shape: dict[Hashable, list[str]] = defaultdict(list)
    for id_, config in cells.items():
        by_shape[_shape(id_, config, most)].append(id_)
    place = {id_: i for i, id_ in enumerate(cells)}
    found: list[list[str]] = []
    for ids in by_shape.values():
        if len(ids) < 2:
            found.append(ids)
            continue
        size = max(bytes_of(cells[id_]) for id_ in ids)
        blocks = max(math.ceil(len(ids) * size / most), min(jobs, len(ids) // 2))
        found += _divided(ids, sources_of([cells[id_] for id_ in ids]), math.ceil(len(ids) / max(1, blocks)))
    return [{id_: cells[id_] for id_ in ids} for ids in sorted(found, key=lambda ids: place[ids[0]])]


def _shape(id_: str, config: Config, most: float) -> Hashable:
    """The shape of a cell; its hash, if it is run alone."""
    shape = shape_of(config)
    return id_ if shape is None or LEAST * bytes_of(config) > most else shape


def _divided(ids: Sequence[str], sources: Sequence[int], size: int) -> Iterator[list[str]]:
    """Blocks of at most `size` cells; those of one source of training samples are in one block if they fit into it."""
    runs: dict[int, list[str]] = defaultdict(list)
    for id_, source in zip(ids, sources, strict=True):
        runs[source].append(id_)
    waiting: list[str] = []
    for run_ in runs.values():
        if waiting and len(waiting) + len(run_) > size:
            yield waiting
            waiting = []
        waiting += run_
        while len(waiting) > size:
            yield waiting[:size]
            waiting = waiting[size:]
    if waiting:
        yield waiting


def do(task: Task, out: Path, device: str, threads: int, wait: bool) -> str | None:
    """Run a task in a worker and write its table rows; returns the reason if it failed, or None."""
    with _one_at_a_time, torch_threads(threads), warnings.catch_warnings():
        for category in (NoEffectWarning, NotCachedWarning, WaitingWarning):  # `sweep` has warned
            warnings.simplefilter("ignore", category)
        try:
            plugins.load(next(iter(task.cells.values())).plugins)  # a block, too, may be of a theory or have claims of the user's
            rows = _rows(task, out, device, wait)
            with locked(task.part.parent):  # which also clears away what killed processes left there
                # In one line: indented JSON is written six times as slowly, and nobody reads it.
                write_text(task.part, json.dumps(without_nan(rows), allow_nan=False))
        except BusyError:
            return BUSY
        except Exception as error:
            if not (isinstance(error, InputError | DivergedError) or is_out_of_memory(error)):
                raise
            return _reason(error)
    return None


def _reason(error: BaseException) -> str:
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return kind + " ".join(str(error).split())


def _rows(task: Task, out: Path, device: str, wait: bool) -> dict[str, dict[str, list[tables.Row]]]:
    """The table rows of each cell that did not fail."""
    if not task.together:
        return {id_: tables.rows(run(config, out, device, ignore, wait=wait)) for id_, config in task.cells.items()}
    block = load_cells(task.block) if task.block else run_cells(task.cells, out, torch.device(device), wait)
    # Bounds of claims are not those that the block was made with.
    done = {id_: replace(block.results(id_), config=own) for id_, own in task.cells.items() if id_ not in block.failed}
    return {id_: tables.rows(results) for id_, results in done.items()}
