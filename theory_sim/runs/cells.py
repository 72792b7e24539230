"""A block: several cells of a sweep, trained side by side and stored together.

``<out>/<name>-cells/<hash>/`` holds

* ``cells.json`` — the configuration of each cell, by the hash that names its folder when it is run alone;
* ``environment.json``, ``checkpoint.safetensors`` — as of a run (`theory_sim.runs.folder`), for all cells;
* ``<network>.nc`` — the record of each network, the replicas of all cells one after the other, without failed cells;
* ``manifest.json`` — written last: the digests of all the others, and the reasons of failed cells.

`theory_sim.runs.results.load_results` reads a cell where it would be if it had been run alone, at ``<out>/<name>/<its hash>``.
"""

import json
from collections.abc import Container, Mapping
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path

import torch
import xarray as xr

from theory_sim.config import Config
from theory_sim.runs.folder import CELLS, blocks_folder, hash_of, is_finished, user_sources
from theory_sim.runs.results import Cells, load_cells
from theory_sim.runs.run import write_dataset
from theory_sim.runtime.errors import DivergedError, InputError
from theory_sim.runtime.locks import locked
from theory_sim.runtime.provenance import environment
from theory_sim.runtime.storage import digest, load_checkpoint, save_checkpoint, write_atomically, write_json
from theory_sim.runtime.threads import cores_share_blocks
from theory_sim.training.cells import CellsTraining
from theory_sim.training.readouts import check_readouts
from theory_sim.training.recording import Recorder


def cells_folder(cells: Mapping[str, Config], out: Path) -> Path:
    """Where a block is, run or not: its name is made from its cells'."""
    name = next(iter(cells.values())).name
    return blocks_folder(out, name) / hash_of({"cells": list(cells)})


def failed_in(folder: Path, cells: Container[str]) -> dict[str, str]:
    """Which of some cells failed in a finished block, and the reasons as a sweep reports them.

    Raises:
        InputError: the block's manifest is damaged.
    """
    try:
        reasons = dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["failed"])
    except (ValueError, LookupError, TypeError):
        raise InputError(f"{folder / 'manifest.json'} is damaged; delete the folder to run again") from None
    return {id_: f"{DivergedError.__name__}: {reason}" for id_, reason in reasons.items() if id_ in cells}


def run_cells(cells: Mapping[str, Config], out: Path, device: torch.device, wait: bool = True) -> Cells:
    """Run a block, or take up an interrupted one, or load a finished one.

    Args:
        cells: configurations of one shape (`theory_sim.training.shapes`), by their hash.
        out: folder of all results.
        device: where.
        wait: whether to wait for another process that runs the same block.

    Raises:
        BusyError: another process runs the same block, and `wait` is false.
        InputError: a readout cannot be fitted, or files in the folder are damaged.
    """
    folder = cells_folder(cells, out)
    finished = partial(is_finished, folder)
    if not finished():
        with locked(folder, finished, wait), torch.no_grad(), cores_share_blocks():
            if not finished():
                return _run(cells, folder, device)
    return load_cells(folder)


def _run(cells: Mapping[str, Config], folder: Path, device: torch.device) -> Cells:
    ids, configs = list(cells), list(cells.values())
    training = CellsTraining(configs, device)
    check_readouts(training)
    recorder = Recorder(training)
    checkpoint = folder / "checkpoint.safetensors"
    if checkpoint.exists():
        tensors, values = load_checkpoint(checkpoint)
        training.restore(tensors)
        recorder.restore(tensors)
        training.failed = {ids.index(id_): reason for id_, reason in values["failed"].items()}
    else:
        recorder.record_step()
    write_json(folder / CELLS, {id_: config.model_dump(mode="json") for id_, config in cells.items()})
    env = environment(device) | ({"sources": sources} if (sources := user_sources(configs[0])) else {})
    write_json(folder / "environment.json", env)

    def save() -> dict[str, str]:
        failed = {ids[cell]: reason for cell, reason in sorted(training.failed.items())}
        places = {name: training.places(name) for name in training.models}
        save_checkpoint(checkpoint, training.state() | recorder.state(), failed=failed, cells=ids, networks=places)
        return failed

    steps, every = training.config.training.steps, training.config.training.checkpoint_every
    while training.steps_done < steps:
        recorder.losses(training.step())
        recorder.record_step()
        if training.steps_done % every == 0 and training.steps_done < steps:
            save()
    failed = save()
    done = [cell for cell, id_ in enumerate(ids) if id_ not in failed]
    records = {}
    for name, data in recorder.finish().items() if done else ():
        aligned = json.dumps([asdict(training.alignments(name)[cell]) for cell in done])
        records[name] = _without_failed(data, training, done).assign_attrs(config="null", alignment=aligned)
        write_atomically(folder / f"{name}.nc", partial(write_dataset, records[name]))
    files = [CELLS, "environment.json", "checkpoint.safetensors", *(f"{name}.nc" for name in records)]
    write_json(folder / "manifest.json", {"files": {name: digest(folder / name) for name in files}, "failed": failed})
    return Cells(folder, dict(cells), failed, records, env)


def _without_failed(data: xr.Dataset, training: CellsTraining, done: list[int]) -> xr.Dataset:
    rows = list(chain.from_iterable(range(*training.rows(cell).indices(len(data.replica))) for cell in done))
    return data if len(rows) == len(data.replica) else data.isel(replica=rows)
