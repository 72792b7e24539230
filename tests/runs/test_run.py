"""Results folders: interrupted runs, finished runs, damaged files.

Run as a program, ``python tests/runs/test_run.py CONFIG FOLDER``, it makes the interrupted runs below FOLDER; so the
imports are paid once, and the program that is killed is a fork without pytest.
"""

import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

from theory_sim import cli
from theory_sim.config import Config, load_config
from theory_sim.runs.folder import results_folder
from theory_sim.runs.results import load_results
from theory_sim.runs.run import run
from theory_sim.runtime import storage
from theory_sim.runtime.errors import DivergedError, InputError
from theory_sim.runtime.locks import LOCK
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.storage import load_checkpoint, save_checkpoint, write_atomically, write_json
from theory_sim.theories.theory import evaluate_claims
from theory_sim.training.trainer import Training, log_spaced_steps

MODELS = ("coarse", "fine")

INTERRUPTS = 10
FILES = {
    "config.yaml",
    "environment.json",
    "log.jsonl",
    "checkpoint.safetensors",
    "coarse.nc",
    "fine.nc",
    "manifest.json",
}


# The interrupted runs.


def simulate(config: Path, out: Path) -> None:
    torch.set_num_threads(1)
    sys.argv = ["theory-sim", "simulate", str(config), "--out", str(out), "--device", "cpu"]
    cli.main()


def begin(config: Path, out: Path) -> BaseProcess:
    """Start the program in a fork and wait until it trains."""
    process = multiprocessing.get_context("fork").Process(target=simulate, args=(config, out))
    process.start()
    wait_for(process, out, "config.yaml")
    return process


def wait_for(process: BaseProcess, out: Path, name: str) -> None:
    while not any(out.glob(f"*/*/{name}")):
        if not process.is_alive() and not any(out.glob(f"*/*/{name}")):
            raise RuntimeError(f"the run ended without {name}")
        time.sleep(0.001)


def interrupt(config: Path, out: Path, wait: float) -> None:
    """Kill a run that has trained for `wait` seconds; where it is finished by then, another one after half the time."""
    process = begin(config, out)
    process.join(wait)
    process.kill()
    process.join()
    if any(out.glob("*/*/manifest.json")):
        shutil.rmtree(out)
        interrupt(config, out, wait / 2)
    elif process.exitcode != -signal.SIGKILL:
        raise RuntimeError(f"the run ended with {process.exitcode}")


def make_runs(config: Path, folder: Path) -> None:
    """One whole run, and for each interrupt a copy of what it left and the run resumed from it."""
    xr.backends.list_engines()  # imports them before the forks
    process = begin(config, folder / "whole")
    begun = time.perf_counter()
    wait_for(process, folder / "whole", "manifest.json")
    duration = time.perf_counter() - begun
    process.join()
    moments = random.Random(0)
    for i in range(INTERRUPTS):
        out = folder / f"resumed-{i}"
        # Training is the first tenth of a run of this size: early moments are denser.
        interrupt(config, out, duration * ((i + moments.random()) / INTERRUPTS) ** 3)
        shutil.copytree(out, folder / f"killed-{i}")
        process = begin(config, out)
        wait_for(process, out, "manifest.json")
        process.kill()  # what it would print takes half a second
        process.join()


# What is compared.


def only(out: Path) -> Path:
    """The results folder below a folder of results that holds one."""
    (folder,) = out.glob("*/*")
    return folder


def bits(values: np.ndarray) -> Any:
    """Equal where every bit is."""
    return values.tolist() if values.dtype.kind in "OUT" else (values.dtype, values.shape, values.tobytes())


def variables(path: Path) -> dict[str, Any]:
    """Every variable and coordinate of a record."""
    found = {str(name): bits(variable.values) for name, variable in xr.load_dataset(path, engine="netcdf4").variables.items()}
    assert {"correlation", "training_loss", "test_error", "step", "feature_name"} <= found.keys()
    return found


def tensor_bits(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {key: bits(tensor.numpy()) for key, tensor in tensors.items()}


def numbers(folder: Path) -> dict[str, Any]:
    """All that a finished run came to."""
    tensors, values = load_checkpoint(folder / "checkpoint.safetensors")
    return {
        "log": (folder / "log.jsonl").read_bytes(),
        "values": values,
        "tensors": tensor_bits(tensors),
        **{name: variables(folder / f"{name}.nc") for name in MODELS},
    }


# Interrupted runs.


def test_killed_runs_resume_to_the_same_numbers(config_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, __file__, str(config_file), str(tmp_path)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert made.returncode == 0, made.stderr
    expected = numbers(only(tmp_path / "whole"))
    steps = load_config(config_file).training.steps
    reached = []
    for i in range(INTERRUPTS):
        reached.append(assert_whole(only(tmp_path / f"killed-{i}"), only(tmp_path / "whole"), expected))
        resumed = only(tmp_path / f"resumed-{i}")
        assert numbers(resumed) == expected
        assert {path.name for path in resumed.iterdir() if not path.name.startswith(".")} == FILES
    assert any(0 < step < steps for step in reached), f"no run was killed half-way: {reached}"


def assert_whole(killed: Path, whole: Path, expected: dict[str, Any]) -> int:
    """Every file that a killed run left is whole, though the run is not; returns the step of its checkpoint."""
    with pytest.raises(InputError, match=r"holds no finished run: manifest\.json is missing"):
        load_results(killed)
    assert (killed / "config.yaml").read_bytes() == (whole / "config.yaml").read_bytes()
    for name in MODELS:
        if (killed / f"{name}.nc").exists():
            assert variables(killed / f"{name}.nc") == expected[name]
    if (killed / "log.jsonl").exists():
        lines = (killed / "log.jsonl").read_bytes()
        assert lines.endswith(b"\n")
        assert expected["log"].startswith(lines)
    if not (killed / "checkpoint.safetensors").exists():
        return 0
    tensors, values = load_checkpoint(killed / "checkpoint.safetensors")
    assert values["log"] == expected["values"]["log"][: len(values["log"])]
    return int(tensors["steps_done"])


class StoppedError(Exception):
    """Raised to leave a run unfinished."""


def stop_at(stage: str, done: int) -> Any:
    def progress(report: Progress) -> None:
        if (report.stage, report.done) == (stage, done):
            raise StoppedError

    return progress


@pytest.fixture
def config(config_file: Path) -> Config:
    return load_config(config_file)


def test_interrupted_run_goes_on_from_its_last_checkpoint(config: Config, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "other"
    with pytest.raises(StoppedError):
        run(config, out, "cpu", stop_at("training", 20))
    tensors, _ = load_checkpoint(only(out) / "checkpoint.safetensors")
    assert int(tensors["steps_done"]) == 18
    # What a kill in the middle of a write leaves is ignored.
    for name in FILES:
        (only(out) / f".{name}.{os.getpid()}.part").write_bytes(b"half a fi")
        (only(out) / f".{name}.1.part").write_bytes((finished / name).read_bytes()[:100])
    seen: list[Progress] = []
    results = run(config, out, "cpu", seen.append)
    assert numbers(results.folder) == numbers(finished)
    assert [(p.done, p.total) for p in seen if p.stage == "training"] == [(step, 40) for step in range(19, 41)]
    assert [(p.done, p.total) for p in seen if p.stage == "testing"] == [(50, 100), (100, 100)]


def crash_in_the_middle(monkeypatch: pytest.MonkeyPatch, owner: Any, writer: str, of: int) -> None:
    """Let the `of`-th call of a function that writes a file stop half-way."""
    write, calls = getattr(owner, writer), itertools.count(1)

    def half_write(value: Any, path: Path, *rest: Any) -> None:
        write(value, path, *rest)
        if next(calls) == of:
            os.truncate(path, path.stat().st_size // 2)
            raise StoppedError

    monkeypatch.setattr(owner, writer, half_write)


def test_crash_in_the_middle_of_a_checkpoint(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash_in_the_middle(monkeypatch, storage, "save_file", 3)
    with pytest.raises(StoppedError):
        run(config, tmp_path, "cpu")
    tensors, _ = load_checkpoint(only(tmp_path) / "checkpoint.safetensors")
    assert int(tensors["steps_done"]) == 6


def test_crash_in_the_middle_of_a_record(config: Config, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = variables(finished / "coarse.nc")
    for name in ("manifest.json", "coarse.nc", "fine.nc"):
        (finished / name).unlink()
    crash_in_the_middle(monkeypatch, sys.modules["theory_sim.runs.run"], "write_dataset", 2)
    with pytest.raises(StoppedError):
        run(config, tmp_path / "results", "cpu")
    assert {path.name for path in finished.iterdir()} == FILES - {"fine.nc", "manifest.json"} | {LOCK}
    assert variables(finished / "coarse.nc") == expected


def test_damaged_checkpoint_is_refused(config: Config, finished: Path, tmp_path: Path) -> None:
    (finished / "manifest.json").unlink()
    checkpoint = finished / "checkpoint.safetensors"
    whole = checkpoint.read_bytes()
    places = random.Random(0)
    for _ in range(20):
        checkpoint.write_bytes(whole[: places.randrange(len(whole))])
        with pytest.raises(InputError, match="damaged checkpoint"):
            run(config, tmp_path / "results", "cpu")
    for _ in range(20):
        damaged = bytearray(whole)
        damaged[places.randrange(len(whole))] ^= 1 << places.randrange(8)
        checkpoint.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged checkpoint"):
            run(config, tmp_path / "results", "cpu")


# Finished runs.


def test_finished_run_is_not_run_again(config: Config, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(self: Training) -> None:
        raise AssertionError("it trains again")

    before = {path.name: path.stat().st_mtime_ns for path in finished.iterdir()}
    monkeypatch.setattr(Training, "step", trained)
    results = run(config, tmp_path / "results", "cpu")
    assert results.folder == finished
    assert {path.name: path.stat().st_mtime_ns for path in finished.iterdir()} == before
    with pytest.raises(AssertionError, match="it trains again"):
        run(config, tmp_path / "elsewhere", "cpu")


def test_results_hold_what_was_written(config: Config, finished: Path) -> None:
    results = load_results(finished)
    assert results.config == config
    assert {path.name for path in finished.iterdir()} == FILES
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest == {"files": {name: storage.digest(finished / name) for name in FILES - {"manifest.json"}}}
    assert results.environment == json.loads((finished / "environment.json").read_text())
    steps = log_spaced_steps(config.training.steps, config.record.points)
    log = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == steps
    for data, name in ((results.coarse, "coarse"), (results.fine, "fine")):
        assert data.attrs["model"] == name
        assert data.step.values.tolist() == steps
        assert data.sizes["update"] == config.training.steps + 1
        last = data.training_loss.isel(update=config.training.steps - 1)
        assert log[-1][name]["training_loss"] == pytest.approx(float(last.mean()))
        easy = data.curve_error.sel(kind="easy", readout="sum_logits").mean("replica").values
        assert [line[name]["easy_error"] for line in log] == pytest.approx(easy.tolist())


def test_each_configuration_has_its_folder(config_file: Path, tmp_path: Path) -> None:
    changes = [
        ["name=other"],
        ["seed=3"],
        ["seeds.data=3"],
        ["replicas=3"],
        ["tree.subclasses=4"],
        ["labels.fine=level(1)"],
        ["data.noise=0.4"],
        ["hard.noise=3.0"],
        ["network.neurons=9"],
        ["training.steps=41"],
        ["training.dtype=float64"],
        ["training.step_size.fine=0.1"],
        ["transfer.readouts=[argmax_parent]"],
        ["test.samples=51"],
        ["record.points=7"],
    ]
    folders = [results_folder(load_config(config_file, change), tmp_path) for change in [[], *changes]]
    folders.append(results_folder(load_config(config_file), tmp_path, "cuda"))
    folders.append(results_folder(load_config(config_file), tmp_path / "elsewhere"))
    assert len(set(folders)) == len(changes) + 3
    assert folders[0].parent == tmp_path / "tiny"
    assert folders[0] == results_folder(load_config(config_file), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_code_version_has_its_folder(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = results_folder(config, tmp_path)
    monkeypatch.setattr("theory_sim.runs.folder.code_version", lambda: "0.0.0+another")
    assert results_folder(config, tmp_path) != before


def test_other_bounds_take_the_same_results(config_file: Path, finished: Path, tmp_path: Path) -> None:
    changed = load_config(config_file, ["claims.easy_error=0.125"])
    results = run(changed, tmp_path / "results", "cpu", stop_at("training", 1))
    assert results.folder == finished
    assert results.config == changed
    easy = evaluate_claims(results)[1]
    assert (easy.id, easy.bound, easy.holds) == ("coarse-easy-error", 0.125, True)
    assert load_results(finished).config == load_config(config_file)


def test_trained_networks(config: Config, finished: Path) -> None:
    results, training = load_results(finished), Training(config)
    batch = training.next_batch()
    initial = {name: training.models[name].engine.logits(batch) for name in MODELS}
    training.restore(load_checkpoint(finished / "checkpoint.safetensors")[0])
    for name in MODELS:
        logits = training.models[name].engine.logits(batch)
        assert not torch.allclose(logits, initial[name], atol=0.1)
        for replica in range(config.replicas):
            network = results.network(name, replica)
            assert isinstance(network, torch.nn.Module)
            torch.testing.assert_close(network(batch.x[replica]).detach(), logits[replica])


def test_unfinished_folders_hold_no_results(config: Config, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"holds no finished run: manifest\.json is missing"):
            load_results(folder)
    with pytest.raises(StoppedError):
        run(config, tmp_path, "cpu", stop_at("training", 4))
    assert (only(tmp_path) / "checkpoint.safetensors").exists()
    with pytest.raises(InputError, match=r"holds no finished run: manifest\.json is missing"):
        load_results(only(tmp_path))


def test_results_of_another_configuration_are_refused(config_file: Path, finished: Path) -> None:
    with pytest.raises(InputError, match="holds the results of another configuration"):
        load_results(finished, load_config(config_file, ["seed=3"]))


# Training that goes wrong.


@pytest.mark.parametrize("model", MODELS)
def test_infinite_update_stops_the_run(config_file: Path, tmp_path: Path, model: str) -> None:
    config = load_config(config_file, [f"training.step_size.{model}=1e30"])
    message = f"step 1: the weight update of the {model} model is inf in replica 0; a smaller training.step_size.{model} may"
    for _ in range(2):
        with pytest.raises(DivergedError, match=message):
            run(config, tmp_path, "cpu")
    assert {path.name for path in only(tmp_path).iterdir()} == {"config.yaml", "environment.json", LOCK}


@pytest.mark.parametrize("threshold", [0, 3], ids=["many fire", "few fire"])
@pytest.mark.parametrize("model", MODELS)
def test_nan_loss_names_its_step_and_replica(config_file: Path, model: str, threshold: int) -> None:
    """A single NaN among the weights reaches the loss, however the firing pairs are kept."""
    training = Training(load_config(config_file, [f"network.threshold={threshold}"]))
    for _ in range(2):
        training.step()
    training.models[model].engine.parameters.weight[1, 0, 0, 5] = float("nan")
    with pytest.raises(DivergedError, match=f"step 3: the training loss of the {model} model is nan in replica 1; a smaller"):
        training.step()


# Storage.


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "below" / "file.txt"

    def fail_half_way(part: Path) -> None:
        part.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail_half_way)
    assert list(path.parent.iterdir()) == []

    write_atomically(path, lambda part: part.write_text("first"))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail_half_way)
    assert path.read_text() == "first"

    def look(part: Path) -> None:
        part.write_text("second")
        assert path.read_text() == "first"

    write_atomically(path, look)
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_json_has_no_nan(tmp_path: Path) -> None:
    write_json(
        tmp_path / "x.json", {"a": [1, 1.5, float("nan")], "b": (float("inf"), -float("inf"), None), "c": np.float64("nan")}
    )
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1, 1.5, None], "b": [None, None, None], "c": None}


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    tensors = {
        "bool": torch.tensor([[True, False], [False, True]]),
        "uint8": torch.arange(256, dtype=torch.uint8),
        "int32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
        "int64": torch.tensor([-(2**63), 2**63 - 1]),
        "scalar": torch.tensor(7),
        "float16": torch.tensor([1.5, -0.0, 6e-8], dtype=torch.float16),
        "bfloat16": torch.tensor([1.5, 3e38], dtype=torch.bfloat16),
        "float32": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        "float64": torch.tensor([[1 / 3, 5e-324]], dtype=torch.float64),
        "empty": torch.zeros(0),
        "empty rows": torch.zeros(3, 0, 2, dtype=torch.float64),
        "empty bool": torch.zeros(0, dtype=torch.bool),
        "transposed": torch.arange(6.0).view(2, 3).T,
        "needs grad": torch.ones(2, requires_grad=True),
    }
    values = {"log": [{"step": 3, "loss": 0.1, "note": "ΔΣ\n"}], "nothing": None}
    save_checkpoint(tmp_path / "x.safetensors", tensors, **values)
    loaded, loaded_values = load_checkpoint(tmp_path / "x.safetensors")
    assert loaded_values == values
    assert loaded.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert (loaded[key].dtype, loaded[key].shape) == (tensor.dtype, tensor.shape)
        raw = [t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (loaded[key], tensor)]
        assert torch.equal(*raw), key


def test_file_without_digest_is_no_checkpoint(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(3)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="its content is not what was written"):
        load_checkpoint(tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="damaged checkpoint"):
        load_checkpoint(tmp_path / "absent.safetensors")


if __name__ == "__main__":
    make_runs(*map(Path, sys.argv[1:]))
