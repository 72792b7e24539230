"""One run: a configuration becomes a results folder, resumed if it was interrupted, not run again if finished."""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from theory_sim.config import Config
from theory_sim.data.setup import warn_without_effect
from theory_sim.runs.folder import NOT_CACHED, is_finished, own_folder, results_folder, user_sources, warn_not_cached
from theory_sim.runs.results import Results, load_results
from theory_sim.runtime import plugins
from theory_sim.runtime.devices import choose_device
from theory_sim.runtime.errors import expect
from theory_sim.runtime.locks import locked
from theory_sim.runtime.plain_yaml import yaml_text
from theory_sim.runtime.progress import OnProgress, Progress, shown_by_default
from theory_sim.runtime.provenance import environment
from theory_sim.runtime.storage import digest, load_checkpoint, save_checkpoint, write_atomically, write_json, write_text
from theory_sim.runtime.threads import cores_share_blocks
from theory_sim.training.readouts import check_readouts
from theory_sim.training.recording import Record, Recorder, check_record
from theory_sim.training.trainer import Training
from theory_sim.training.trials import try_out

_LITTLE_ROOM = 1 << 20
"""HDF5 asks for less at once, bytes."""


def run(
    config: Config,
    out: str | Path = "results",
    device: str = "auto",
    on_progress: OnProgress | None = None,
    record: Mapping[str, Record] | None = None,
    wait: bool = True,
) -> Results:
    """Run an experiment, or take up an interrupted one, or load a finished one.

    While another process runs the same configuration, this one waits, and then loads its results.

    Args:
        config: the configuration.
        out: folder of all results.
        device: see `theory_sim.runtime.devices.choose_device`.
        on_progress: called after every step and every chunk of test samples; without it a notebook shows a bar.
        record: further quantities to record, by name: functions of the `Training` between two steps that return a number, an
            array whose first axis is the replicas, or a mapping of these by network. Their source is part of the hash.
        wait: whether to wait for another process that runs the same configuration.

    Warns:
        NoEffectWarning: a setting of samples was changed that the theory's law does not depend on.
        NotCachedWarning: the source of one of the user's objects cannot be read, so that no later run can load this one.
        WaitingWarning: another process runs the same configuration; this one waits for it.

    Raises:
        BusyError: another process runs the same configuration, and `wait` is false.
        InputError: the device is absent, a name in `record` is taken, or files in the results folder are damaged or of
            another configuration.
        DivergedError: training met a NaN or an infinity.
    """
    expect("run", config, Config)
    plugins.load(config.plugins)
    warn_without_effect([config])
    check_record(record or {})
    chosen = choose_device(device)
    folder = results_folder(config, out, chosen, record)
    if folder.name.endswith(NOT_CACHED):
        warn_not_cached(config, record, stacklevel=2)
        folder = own_folder(folder)
    finished = partial(is_finished, folder)
    if not finished():
        with locked(folder, finished, wait), torch.no_grad(), cores_share_blocks():
            if not finished():  # by the process that this one waited for
                _run(config, folder, chosen, shown_by_default(on_progress), record or {})
    return load_results(folder, config)


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset as compressed NetCDF.

    Raises:
        OSError: it cannot be written, as when no room is left.
    """
    try:
        dataset.to_netcdf(path, engine="netcdf4", encoding={v: {"zlib": True, "complevel": 1} for v in dataset.data_vars})
    except RuntimeError as error:  # HDF5 hides the reason
        full = shutil.disk_usage(path.parent).free < _LITTLE_ROOM
        raise OSError(f"cannot write {path}: {'No space left on device' if full else error}") from None


def _run(config: Config, folder: Path, device: torch.device, on_progress: OnProgress, record: Mapping[str, Record]) -> None:
    training = Training(config, device)
    check_readouts(training)
    recorder = Recorder(training, record)
    checkpoint = folder / "checkpoint.safetensors"
    log: list[dict[str, Any]] = []
    if checkpoint.exists():
        tensors, values = load_checkpoint(checkpoint)
        log = values["log"]
        training.restore(tensors)
        recorder.restore(tensors)
    else:
        try_out(training)
        _note(log, recorder)
    write_text(folder / "config.yaml", yaml_text(config.model_dump(mode="json")))
    sources = user_sources(config, record)
    write_json(folder / "environment.json", environment(device) | ({"sources": sources} if sources else {}))

    steps = config.training.steps
    while training.steps_done < steps:
        reports = training.step()
        recorder.losses(reports)
        if _note(log, recorder):
            _write_log(folder, log)
        if training.steps_done % config.training.checkpoint_every == 0 and training.steps_done < steps:  # the last: below
            save_checkpoint(checkpoint, training.state() | recorder.state(), log=log)
        losses = "  ".join(f"{name} loss {float(report.loss.mean()):.4f}" for name, report in reports.items())
        on_progress(Progress("training", training.steps_done, steps, losses))

    save_checkpoint(checkpoint, training.state() | recorder.state(), log=log)
    _write_log(folder, log)
    judged = testing(on_progress, len(training.kinds) * config.test.samples)
    for name, dataset in recorder.finish(judged).items():
        write_atomically(folder / f"{name}.nc", partial(write_dataset, dataset))
    files = ["config.yaml", "environment.json", "log.jsonl", "checkpoint.safetensors", *(f"{n}.nc" for n in config.networks)]
    write_json(folder / "manifest.json", {"files": {name: digest(folder / name) for name in files}})


def testing(on_progress: OnProgress, total: int) -> Callable[[int], None]:
    """Reports how many of the test samples are judged; called with the number since its last call."""
    judged = 0

    def report(samples: int) -> None:
        nonlocal judged
        judged += samples
        on_progress(Progress("testing", judged, total))

    return report


def _note(log: list[dict[str, Any]], recorder: Recorder) -> bool:
    line = recorder.record_step()
    if line is not None:
        log.append(line)
    return line is not None


def _write_log(folder: Path, log: list[dict[str, Any]]) -> None:
    write_text(folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in log))
