"""One experiment: a configuration becomes a results folder, resumed if it was interrupted, not run again if finished.

``<out>/<name>/<hash>/`` holds

* ``config.yaml`` — the resolved configuration;
* ``environment.json`` — versions, hardware, device;
* ``log.jsonl`` — one line per recorded step;
* ``checkpoint.safetensors`` — the latest state; once finished, the trained weights;
* ``coarse.nc``, ``fine.nc`` — the records of the two models (`theory_sim.training.recording`);
* ``manifest.json`` — written last: the digests of all the others. Without it the run is not finished;
* ``evaluations/<hash>.nc`` — tests of the trained networks on other samples, where `evaluate_on` was asked for them.

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
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.provenance import code_version, environment
from theory_sim.runtime.storage import digest, load_checkpoint, save_checkpoint, write_atomically, write_json, write_text
from theory_sim.runtime.threads import cores_share_blocks
from theory_sim.training.evaluation import KINDS, evaluate
from theory_sim.training.network import Parameters, TwoLayerConvNet, placed
from theory_sim.training.recording import Recorder
from theory_sim.training.trainer import MODELS, ModelName, Training

_FILES = ("config.yaml", "environment.json", "log.jsonl", "checkpoint.safetensors", "coarse.nc", "fine.nc")


@dataclass(frozen=True)
class Results:
    """A finished experiment.

    Attributes:
        config: its configuration.
        folder: where it lies.
        coarse: record of the coarse model; see `theory_sim.training.recording`.
        fine: record of the fine model.
        environment: what it was made with.
    """

    config: Config
    folder: Path
    coarse: xr.Dataset
    fine: xr.Dataset
    environment: dict[str, Any]

    def network(self, model: ModelName, replica: int = 0) -> TwoLayerConvNet:
        """A trained network, as a `torch.nn.Module`; of the engine `lucky` the neurons that training moved."""
        tensors, _ = load_checkpoint(self.folder / "checkpoint.safetensors")
        own = {key.removeprefix(f"{model}/"): value for key, value in tensors.items() if key.startswith(f"{model}/")}
        weight, bias, output = (own[key] for key in ("weight", "bias", "output"))
        if "place" not in own:
            return TwoLayerConvNet.of(Parameters(weight, bias, output), replica)
        here, heads = own["place"][:, 0] == replica, {"coarse": self.coarse, "fine": self.fine}[model].sizes["head"]
        return TwoLayerConvNet.of(placed(weight[here], bias[here], output[here], own["place"][here, 1], heads), 0)


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
    if is_finished(folder):
        return load_results(folder, config)
    with torch.no_grad(), cores_share_blocks():
        _run(config, folder, chosen, progress)
    return load_results(folder, config)


def evaluate_on(
    results: Results,
    config: Config,
    device: str = "auto",
    progress: Callable[[Progress], None] = lambda progress: None,
) -> xr.Dataset:
    """Test the networks of a finished run on samples of another configuration, or with other readouts; kept on disk.

    The test streams are those of the run: two settings are compared on the same random numbers.

    Args:
        results: the finished run.
        config: its laws of samples, `test` and `transfer` are used. All that shapes the networks must be the run's.
        device: see `choose_device`.
        progress: called after every chunk of test samples.

    Returns:
        ``test_correct`` (model, replica, kind, test_sample, test_readout) and ``test_error``, as in
        `theory_sim.training.recording`.

    Raises:
        InputError: the networks do not fit the configuration, or what lies on disk is damaged.
    """
    if (of := _shape(config)) != (have := _shape(results.config)):
        key = next(key for key in of if of[key] != have[key])
        raise InputError(f"networks trained with {key} = {have[key]} cannot be tested with {key} = {of[key]}")
    path = evaluation_path(results.folder, config)
    if not path.exists():
        chosen = choose_device(device)
        tensors, _ = load_checkpoint(results.folder / "checkpoint.safetensors")
        judged, total = 0, len(KINDS) * config.test.samples

        def testing(samples: int) -> None:
            nonlocal judged
            judged += samples
            progress(Progress("testing", judged, total))

        with torch.no_grad(), cores_share_blocks():
            training = Training(config, chosen)
            training.restore_networks(tensors)
            correct = torch.stack(list(evaluate(training, testing).values())).numpy()
        dims = ("model", "replica", "kind", "test_sample", "test_readout")
        dataset = xr.Dataset(
            {"test_correct": (dims, correct), "test_error": ((*dims[:3], dims[4]), 1 - correct.mean(3))},
            coords={"model": list(MODELS), "kind": list(KINDS), "test_readout": list(config.transfer.readouts)},
            attrs={"config": json.dumps(config.model_dump(mode="json"))},
        )
        write_atomically(path, partial(_write_dataset, dataset))
    try:
        return xr.load_dataset(path, engine="netcdf4")
    except (OSError, ValueError, KeyError):
        raise InputError(f"{path} is damaged; delete it to test again") from None


def evaluation_path(folder: Path, config: Config) -> Path:
    """Where `evaluate_on` keeps what it found about a run's networks, below the run's folder."""
    return folder / "evaluations" / f"{_hash({'config': _hashed(config)})}.nc"


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a whole run."""
    return (folder / "manifest.json").exists()


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
    folder = out / config.name / configuration_hash(config, {"device": kind})
    if (folder / "config.yaml").exists():
        _check_same(config, folder)
    return folder


def configuration_hash(config: Config, more: dict[str, Any] | None = None) -> str:
    """What tells a run from others: configuration without claims, code version, and whatever `more` there is."""
    return _hash({"config": _hashed(config), "code": code_version()} | (more or {}))


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
    models = {name: xr.load_dataset(folder / f"{name}.nc", engine="netcdf4") for name in MODELS}
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
        losses = "  ".join(f"{name} loss {float(report.loss.mean()):.4f}" for name, report in reports.items())
        progress(Progress("training", training.steps_done, steps, losses))

    save_checkpoint(checkpoint, training.state() | recorder.state(), log=log)
    _write_log(folder, log)
    judged, total = 0, 2 * config.test.samples

    def testing(samples: int) -> None:
        nonlocal judged
        judged += samples
        progress(Progress("testing", judged, total))

    for name, dataset in recorder.finish(testing).items():
        write_atomically(folder / f"{name}.nc", partial(_write_dataset, dataset))
    for left_behind in folder.glob(".*"):  # half-written files of runs that were killed
        left_behind.unlink(missing_ok=True)
    write_json(folder / "manifest.json", {"files": {name: digest(folder / name) for name in _FILES}})


def _write_dataset(dataset: xr.Dataset, path: Path) -> None:
    dataset.to_netcdf(path, engine="netcdf4", encoding={v: {"zlib": True, "complevel": 1} for v in dataset.data_vars})


def _note(log: list[dict[str, Any]], recorder: Recorder) -> bool:
    line = recorder.record_step()
    if line is not None:
        log.append(line)
    return line is not None


def _write_log(folder: Path, log: list[dict[str, Any]]) -> None:
    write_text(folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in log))


def _hash(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _hashed(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"claims"})


def _shape(config: Config) -> dict[str, Any]:
    """All that networks must share to be each other's: their sizes, features, labels and seeds."""
    keys = {"data.dim": config.data.dim, "data.basis": config.data.basis, "training.dtype": config.training.dtype}
    return {key: getattr(config, key) for key in ("replicas", "seed", "seeds", "tree", "labels", "network")} | keys


def _stored_config(folder: Path) -> Config:
    return load_config(folder / "config.yaml")


def _check_same(config: Config, folder: Path) -> Config:
    stored = _hashed(_stored_config(folder))
    if stored != _hashed(config):
        raise InputError(f"{folder} holds the results of another configuration than its hash says; choose another --out")
    return config
