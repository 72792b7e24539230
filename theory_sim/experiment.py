"""One experiment: a configuration becomes a results folder, resumed if it was interrupted, not run again if finished.

``<out>/<name>/<hash>/`` holds

* ``config.yaml`` — the resolved configuration;
* ``environment.json`` — versions, hardware, device;
* ``log.jsonl`` — one line per recorded step;
* ``checkpoint.safetensors`` — the latest state; once finished, the trained weights;
* ``coarse.nc``, ``fine.nc`` — the records of the two models (`theory_sim.recording`);
* ``manifest.json`` — written last: the digests of all the others. Without it the run is not finished.

The hash covers the configuration except `claims` (bounds change no number), the kind of device, and the code version.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import xarray as xr
import yaml

from theory_sim.config import Config, load_config
from theory_sim.errors import InputError
from theory_sim.network import Parameters, TwoLayerConvNet
from theory_sim.parallel import cores_share_blocks
from theory_sim.provenance import code_version, environment
from theory_sim.recording import Recorder
from theory_sim.storage import digest, load_checkpoint, save_checkpoint, write_atomically, write_json, write_text
from theory_sim.training import MODELS, ModelName, Training

_FILES = ("config.yaml", "environment.json", "log.jsonl", "checkpoint.safetensors", "coarse.nc", "fine.nc")


@dataclass(frozen=True)
class Progress:
    """What a run tells whoever waits for it.

    Attributes:
        stage: ``training`` or ``testing``.
        done: steps or test samples so far.
        total: of how many.
        loss: the models' present training losses, meaned over replicas; empty while testing.
    """

    stage: str
    done: int
    total: int
    loss: dict[ModelName, float]


@dataclass(frozen=True)
class Results:
    """A finished experiment.

    Attributes:
        config: its configuration.
        folder: where it lies.
        coarse: record of the coarse model; see `theory_sim.recording`.
        fine: record of the fine model.
        environment: what it was made with.
    """

    config: Config
    folder: Path
    coarse: xr.Dataset
    fine: xr.Dataset
    environment: dict[str, Any]

    def network(self, model: ModelName, replica: int = 0) -> TwoLayerConvNet:
        """A trained network, as a `torch.nn.Module`."""
        tensors, _ = load_checkpoint(self.folder / "checkpoint.safetensors")
        parameters = Parameters(*(tensors[f"{model}/{key}"] for key in ("weight", "bias", "output")))
        return TwoLayerConvNet.of(parameters, replica)


def choose_device(device: str) -> torch.device:
    """``auto`` (CUDA where there is a usable device), ``cpu``, ``cuda`` or ``cuda:i``.

    Raises:
        InputError: no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        chosen = torch.device("meta")
    if chosen.type not in ("cpu", "cuda") or (chosen.type == "cpu" and chosen.index):
        raise InputError(f"unknown device '{device}': auto, cpu, cuda or cuda:i")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(f"device '{device}' is not there: this machine has {torch.cuda.device_count()} usable CUDA devices")
    return chosen


def run(
    config: Config,
    out: str | Path = "results",
    device: str = "auto",
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Results:
    """Run an experiment, or take up an interrupted one, or load a finished one.

    Args:
        config: the configuration.
        out: folder of all results.
        device: see `choose_device`.
        progress: called after every step and every chunk of test samples.

    Raises:
        InputError: the device is absent, or what lies in the results folder is damaged or of another configuration.
        DivergedError: training met a NaN or an infinity.
    """
    chosen = choose_device(device)
    folder = results_folder(config, out, chosen)
    if (folder / "manifest.json").exists():
        return load_results(folder, config)
    with torch.no_grad(), cores_share_blocks():
        _run(config, folder, chosen, progress)
    return load_results(folder, config)


def results_folder(config: Config, out: str | Path = "results", device: torch.device | str = "cpu") -> Path:
    """Where the results of a configuration lie, run or not.

    Raises:
        InputError: `out` is no folder to keep results in, or the place is taken by another configuration.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, not a folder for results")
    if any((out / name).exists() for name in ("manifest.json", "checkpoint.safetensors", "config.yaml")):
        raise InputError(f"{out} holds the results of one configuration; --out takes the folder above its name and hash")
    kind = torch.device(device).type
    key = json.dumps({"config": _hashed(config), "device": kind, "code": code_version()}, sort_keys=True)
    folder = out / config.name / hashlib.sha256(key.encode()).hexdigest()[:16]
    if (folder / "config.yaml").exists():
        _check_same(config, folder)
    return folder


def load_results(folder: str | Path, config: Config | None = None) -> Results:
    """Read a finished results folder.

    Args:
        folder: the folder that holds ``manifest.json``.
        config: what its configuration must be (its claims may differ); None takes what is stored.

    Raises:
        InputError: the run is not finished, a file is absent or damaged, or the configuration is another one.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        for name, expected in manifest["files"].items():
            if digest(folder / name) != expected:
                raise InputError(f"{folder / name} is not as it was written; delete the folder to run again")
        env = json.loads((folder / "environment.json").read_text())
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no finished run: {Path(error.filename).name} is missing") from None
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder / 'manifest.json'} is damaged; delete the folder to run again") from None
    config = _stored_config(folder) if config is None else _check_same(config, folder)
    models = {name: xr.load_dataset(folder / f"{name}.nc", engine="h5netcdf") for name in MODELS}
    return Results(config, folder, models["coarse"], models["fine"], env)


def _run(config: Config, folder: Path, device: torch.device, progress: Callable[[Progress], None]) -> None:
    training = Training(config, device)
    recorder = Recorder(training)
    checkpoint = folder / "checkpoint.safetensors"
    log: list[dict[str, Any]] = []
    if checkpoint.exists():
        tensors, values = load_checkpoint(checkpoint)
        log = values["log"]
        training.restore(tensors)
        recorder.restore(tensors)
    else:
        _note(log, recorder)
    write_text(folder / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
    write_json(folder / "environment.json", environment(device))

    steps = config.training.steps
    while training.steps_done < steps:
        reports = training.step()
        recorder.losses(reports)
        if _note(log, recorder):
            _write_log(folder, log)
        if training.steps_done % config.training.checkpoint_every == 0 and training.steps_done < steps:  # the last: below
            save_checkpoint(checkpoint, training.state() | recorder.state(), log=log)
        progress(Progress("training", training.steps_done, steps, {n: float(r.loss.mean()) for n, r in reports.items()}))

    save_checkpoint(checkpoint, training.state() | recorder.state(), log=log)
    _write_log(folder, log)
    judged, total = 0, 2 * config.test.samples

    def testing(samples: int) -> None:
        nonlocal judged
        judged += samples
        progress(Progress("testing", judged, total, {}))

    for name, dataset in recorder.finish(testing).items():
        write_atomically(folder / f"{name}.nc", partial(_write_dataset, dataset))
    for left_behind in folder.glob(".*"):  # half-written files of runs that were killed
        left_behind.unlink(missing_ok=True)
    write_json(folder / "manifest.json", {"files": {name: digest(folder / name) for name in _FILES}})


def _write_dataset(dataset: xr.Dataset, path: Path) -> None:
    dataset.to_netcdf(path, engine="h5netcdf", encoding={v: {"zlib": True, "complevel": 1} for v in dataset.data_vars})


def _note(log: list[dict[str, Any]], recorder: Recorder) -> bool:
    line = recorder.look()
    if line is not None:
        log.append(line)
    return line is not None


def _write_log(folder: Path, log: list[dict[str, Any]]) -> None:
    write_text(folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in log))


def _hashed(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"claims"})


def _stored_config(folder: Path) -> Config:
    return load_config(folder / "config.yaml")


def _check_same(config: Config, folder: Path) -> Config:
    stored = _hashed(_stored_config(folder))
    if stored != _hashed(config):
        raise InputError(f"{folder} holds the results of another configuration than its hash says; choose another --out")
    return config
