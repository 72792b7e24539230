"""Sweeps: the cells of one or more grids over a configuration are run, and their results are written as tidy tables.

A *cell* is one configuration with all its replicas, run by `theory_sim.runs.run.run`. Results are stored by their hash: an
interrupted sweep continues with its unfinished cells, and two sweeps share the cells that they have in common. The files of a
sweep are in ``<out>/<name>-sweep/<hash>/``:

* ``sweep.json`` — the configuration, the keys of the grids, and the values of each cell;
* ``rows/<cell>.json`` — the table rows of a finished cell, so that its results are read only once;
* ``cells.parquet``, ``replicas.parquet``, ``measures.parquet`` — the tables (`theory_sim.studies.tables`), written last.

Two sweeps at once share the work: a cell that another process runs is put off until all others are done.

**Failed cells.** A cell fails when its configuration or its stored results are wrong (`InputError`), its training diverges
(`DivergedError`), its memory cannot be allocated, or its worker process dies repeatedly. The tables record the reason, and the
other cells are run. Any other exception, such as a programming error or a full disk, concerns the whole sweep and ends it.
"""

import itertools
import json
import re
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from theory_sim.config import Config
from theory_sim.data.setup import warn_without_effect
from theory_sim.runs.folder import NOT_CACHED, configuration_hash, results_folder, used_objects, warn_not_cached
from theory_sim.runtime import outputs
from theory_sim.runtime.contracts import SETUPS
from theory_sim.runtime.devices import choose_device
from theory_sim.runtime.errors import BlockWarning, InputError, WaitingWarning, shortened
from theory_sim.runtime.locks import locked
from theory_sim.runtime.plain_yaml import parse_values
from theory_sim.runtime.progress import OnProgress, Progress, ignore
from theory_sim.runtime.provenance import files_digest
from theory_sim.runtime.settings import repeated, value_at
from theory_sim.studies import tables
from theory_sim.studies.backends import cores, locally, on_dask
from theory_sim.studies.work import BUSY, Task, work_of
from theory_sim.studies.work import do as do_task
from theory_sim.theories.claims import CLAIMS
from theory_sim.theories.theory import claims_of

if TYPE_CHECKING:
    import pandas as pd

Grid = Mapping[str, Sequence[Any]]
"""Keys of the configuration and the values of each; the cells of a grid are all combinations of values."""

_Do = Callable[[Sequence[Task], Callable[[Task], str | None]], Iterator[tuple[Task, str | None]]]
"""Does tasks, and yields each with the reason if it failed."""
MOST_CELLS = 100_000
DESCRIPTION = "sweep.json"
VERDICT = "verdict.json"
"""Of a study: its answer, beside the tables of its sweep."""
_PARTS_HELD = 8
"""Files of rows that are held at the same time while a table is written."""


@dataclass(frozen=True)
class Cell:
    """One point of a grid.

    Attributes:
        values: the values of the configuration at the keys of the sweep.
        config: the configuration.
    """

    values: dict[str, Any]
    config: Config

    def __str__(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.values.items()) or self.config.name


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    Attributes:
        folder: the folder of its tables.
        ids: its cells, by their hash, the column ``cell`` of the tables.
        failed: the reasons of failed cells, by their hash.
    """

    folder: Path
    ids: dict[str, Cell]
    failed: dict[str, str]

    @property
    def keys(self) -> list[str]:
        """The keys of its grids, which are columns of its tables."""
        return list(dict.fromkeys(key for cell in self.ids.values() for key in cell.values))

    def read(self, table: str) -> "pd.DataFrame":
        """One of its tables: ``cells``, ``replicas`` or ``measures``, described in `theory_sim.studies.tables`."""
        import pandas as pd

        return pd.read_parquet(self.folder / f"{table}.parquet")


def parse_axis(text: str) -> tuple[str, list[Any]]:
    """Parse ``KEY=VALUE,VALUE,...``; the values are YAML, lists and label functions included.

    Raises:
        InputError: the text has another form.
    """
    key, equals, values = text.partition("=")
    if not equals or not key.strip() or not values.strip():
        raise InputError(f"--grid {shortened(text)}: expected section.key=value,value,...")
    # A comma inside split(1, 9) separates arguments, not values.
    values = re.sub(r"(?<![\"'\w-])[a-z-]+\([\w\s,]*\)(?![\"'])", lambda name: f'"{name[0]}"', values)
    return key.strip(), parse_values(values, f"--grid {shortened(text)}")


def make_cells(config: Config, grids: Iterable[Grid]) -> list[Cell]:
    """The cells of all grids, in their order; a cell of several grids is listed once.

    Every cell has a value for every key of all grids. For a key that its own grid lacks, it is the configuration's value.

    Raises:
        InputError: a key is unknown, a cell is no valid configuration, or there are too many.
    """
    grids = list(grids)
    keys = list(dict.fromkeys(key for grid in grids for key in grid))
    for key in keys:
        if key == "claims" or key.startswith("claims."):
            raise InputError(f"{key}: bounds of claims are no part of a run, and cannot be swept")
    size = sum(_size(grid) for grid in grids)
    if size > MOST_CELLS:
        raise InputError(f"the grid has {size} cells; {MOST_CELLS} are the most")
    cells: dict[str, Cell] = {}
    for grid in grids:
        for values in itertools.product(*grid.values()):
            point = dict(zip(grid, values, strict=True))
            try:
                checked = config.replace(point)
            except InputError as error:
                where = " ".join(f"{key}={value}" for key, value in point.items())
                raise InputError(f"cell {shortened(where)}: {error}") from None
            cells.setdefault(configuration_hash(checked), Cell({key: value_at(checked, key) for key in keys}, checked))
    return list(cells.values())


def sweep(
    config: Config,
    grids: Iterable[Grid],
    out: str | Path = "results",
    device: str = "auto",
    jobs: int | None = None,
    scheduler: str | None = None,
    on_progress: OnProgress = ignore,
    together: bool = True,
) -> Sweep:
    """Run all unfinished cells, and write the tables; the reasons of failed cells are in `Sweep.failed`.

    Args:
        config: the configuration that all cells derive from.
        grids: see `make_cells`.
        out: folder of all results. With Dask every worker must see it under this path.
        device: see `theory_sim.runtime.devices.choose_device`; with Dask, a device of the workers.
        jobs: number of cells that run at the same time on this machine. None: one per core, or one on a GPU. 0: the cells run
            in this process, one after the other, which is faster for toy cells than starting worker processes.
        scheduler: address of a Dask scheduler; None runs the cells on this machine.
        on_progress: called after every cell or block of cells.
        together: whether cells of one shape are trained side by side (`theory_sim.studies.work`); their numbers are the same.

    Raises:
        InputError: as `make_cells`; or the device, the number of jobs or the scheduler is not available; or `out` is not a
            folder for results; or worker processes do not know an object that a cell uses.

    Warns:
        NoEffectWarning: a setting of samples was changed or is varied that the theory's law does not depend on.
        NotCachedWarning: the source of an object that cells use cannot be read.
        WaitingWarning: only cells are left that other processes run, and the sweep waits for these.
    """
    out = Path(out)
    cells = make_cells(config, grids)
    for theory in {cell.config.theory: cell.config for cell in cells}.values():
        claims_of(theory)  # a wrong one is refused before the work
    warn_without_effect(varied(cells))
    chosen = torch.device(device) if scheduler and re.fullmatch(r"cpu|cuda(:\d+)?", device) else choose_device(device)
    if chosen.type == "cuda" and (jobs or 1) > 1:
        raise InputError(f"--jobs {jobs}: a GPU runs one cell at a time")
    if jobs is None:
        jobs = 1 if chosen.type == "cuda" else cores()
    folder, ids, description = _place(config, cells, out, chosen)
    if hidden := [cell for id_, cell in ids.items() if id_.endswith(NOT_CACHED)]:
        warn_not_cached(hidden[0].config, stacklevel=2)
    outputs.check_ours(folder / name for name in (DESCRIPTION, VERDICT, *(f"{table}.parquet" for table in tables.SCHEMAS)))
    outputs.write_json(folder / DESCRIPTION, description)

    rows, at_once = (folder / "rows").resolve(), cores() if scheduler else jobs
    left = work_of({id_: cell.config for id_, cell in ids.items()}, out, rows, at_once, chosen, together)
    if left.tasks and (scheduler or jobs):
        for cell in {id_: own for task in left.tasks for id_, own in task.cells.items()}.values():
            _check_known_to_workers(cell)
    work = partial(do_task, out=out.resolve(), device=str(chosen), threads=max(1, cores() // max(1, jobs)))
    do: _Do = _here
    if scheduler:
        do = partial(on_dask, scheduler=scheduler)
    elif jobs:
        do = partial(locally, jobs=jobs)
    parts, failed = left.parts, left.failed
    done = len(ids) - sum(len(task.cells) for task in left.tasks)
    for task, reason in _with_second_tries(left.tasks, work, do):
        done += len(task.cells)
        parts |= dict.fromkeys(task.cells, task.part)
        if reason is None and not task.part.exists():
            reason = f"its worker wrote to a folder {out} that this machine does not see"  # noqa: PLW2901
        failed |= task.failed(out) if reason is None else dict.fromkeys(task.cells, reason)
        on_progress(Progress("cells", done, len(ids), f"{len(failed)} failed" if failed else ""))
    keys = {key: [cell.values[key] for cell in cells] for key in description["keys"]}
    with locked(folder):
        for table in tables.SCHEMAS:
            tables.write(folder / f"{table}.parquet", table, keys, _rows(table, ids, parts, failed))
    failed = {id_: failed[id_] for id_ in ids if id_ in failed}
    return Sweep(folder, ids, failed)


def find_sweep(config: Config, grids: Iterable[Grid], out: str | Path = "results", device: str = "auto") -> Sweep | None:
    """A sweep whose tables this version of the code has written, or None; nothing is run. The arguments are those of `sweep`.

    Raises:
        InputError: as `make_cells`; or the device is not available, or `out` is not a folder for results.
    """
    folder, ids, _ = _place(config, make_cells(config, grids), Path(out), choose_device(device))
    if folder.name.endswith(NOT_CACHED) or not all((folder / f"{table}.parquet").exists() for table in tables.SCHEMAS):
        return None
    found = Sweep(folder, ids, {})
    rows = found.read("cells")
    rows = rows[rows.status == "failed"]
    return replace(found, failed=dict(zip(rows.cell, rows.reason, strict=True)))


def _place(
    config: Config, cells: Sequence[Cell], out: Path, device: torch.device
) -> tuple[Path, dict[str, Cell], dict[str, Any]]:
    """The folder of a sweep, its cells by their hash, and its description, whose hash is the name of the folder."""
    ids = {results_folder(cell.config, out, device).name: cell for cell in cells}
    description = {
        "config": config.model_dump(mode="json"),
        "keys": list(cells[0].values) if cells else [],
        "device": device.type,
        "tables": files_digest("theories", "stats", "studies/tables.py"),
        "cells": {id_: cell.values for id_, cell in ids.items()},
    }
    name = configuration_hash(config, description)
    if any(id_.endswith(NOT_CACHED) for id_ in ids):
        name = f"{name}-{uuid.uuid4().hex[:8]}{NOT_CACHED}"
    return out / f"{config.name}-sweep" / name, ids, description


def _check_known_to_workers(config: Config) -> None:
    """Refuse objects that only this process knows: workers import plugins, and nothing else of a user's.

    Raises:
        InputError: the session, or a module that is no plugin of the configuration, has registered an object that a cell uses.
    """
    claims = [(CLAIMS, name) for name in CLAIMS if CLAIMS[name].theory == config.theory]
    for registry, name in [*used_objects(config), (SETUPS, config.theory), *claims]:
        entry = registry.entry(name)
        imported = any(f"{entry.module}.".startswith(f"{plugin}.") for plugin in config.plugins)
        if not entry.is_core and entry.plugin is None and not imported:
            raise InputError(
                f"{registry.named(name)}: worker processes do not know what a session registers; put it into a file"
                " and name that under plugins, or run the cells in this process, with jobs=0"
            )


def _shared(tasks: Sequence[Task], work: Callable[..., str | None], do: _Do) -> Iterator[tuple[Task, str | None]]:
    """Every task with the reason if it failed; those that other processes do come last, when these have done them."""
    busy = []
    for task, reason in do(tasks, partial(work, wait=False)):
        if reason == BUSY:
            busy.append(task)
        else:
            yield task, reason
    if busy:
        message = f"other processes run the last {sum(len(task.cells) for task in busy)} cells of this sweep: waiting for them"
        warnings.warn(message, WaitingWarning, stacklevel=3)
        yield from do(busy, partial(work, wait=True))


def _with_second_tries(tasks: Sequence[Task], work: Callable[..., str | None], do: _Do) -> Iterator[tuple[Task, str | None]]:
    """As `_shared`; the cells of a block that fails as a whole, as when its memory cannot be allocated, are run alone then."""
    again: list[Task] = []
    for task, reason in _shared(tasks, work, do):
        if reason is None or not task.together:
            yield task, reason
        else:
            message = f"{len(task.cells)} cells are run one at a time, since they failed side by side: {reason}"
            warnings.warn(message, BlockWarning, stacklevel=3)
            again += task.alone()
    if again:
        yield from _shared(again, work, do)


def varied(cells: Sequence[Cell]) -> Iterator[Config]:
    """The first cell, and for each key of the grids one in which its value is another."""
    yield from (cell.config for cell in cells[:1])
    for key in dict.fromkeys(key for cell in cells for key in cell.values):
        other = next((cell for cell in cells if cell.values.get(key) != cells[0].values.get(key)), None)
        if other is not None:
            yield other.config


def _here(tasks: Sequence[Task], work: Callable[[Task], str | None]) -> Iterator[tuple[Task, str | None]]:
    """Do the tasks in this process."""
    return ((task, work(task)) for task in tasks)


def _rows(table: str, ids: dict[str, Cell], parts: dict[str, Path], failed: dict[str, str]) -> Iterator[list[tables.Row]]:
    read: dict[Path, Any] = {}
    for id_, cell in ids.items():
        where = {"cell": id_} | cell.values
        if id_ not in failed:
            part = parts[id_]
            if part not in read:
                if len(read) == _PARTS_HELD:
                    del read[next(iter(read))]
                read[part] = json.loads(part.read_text(encoding="utf-8"))
            yield [where | row for row in read[part][id_][table]]
        elif table == "cells":
            yield [where | {"status": "failed", "reason": failed[id_]}]


def _size(grid: Grid) -> int:
    size = 1
    for key, values in grid.items():
        if not values:
            raise InputError(f"{key}: the grid has no values for it")
        if twice := repeated(values):
            raise InputError(f"{key}: the grid has the value {twice[0]} twice")
        size *= len(values)
    return size
