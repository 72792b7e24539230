"""What the strength tests share: small jobs of each command, forks that do them, and what a job came to.

A job runs in a fork of a program that has imported everything, so that a process that is killed costs no start.
"""

import hashlib
import importlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from theory_sim import cli
from theory_sim.config import load_config
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.storage import load_checkpoint
from theory_sim.studies.decision import run_study
from theory_sim.studies.study import load_study
from theory_sim.studies.sweep import sweep

sys.path.append(str(Path(__file__).parents[1]))

from image_folders import make_folder
from tiny import TINY

STUDY = """
question: Do more neurons help?
minutes: 1
config:
  replicas: 2
  tree: {subclasses: 3}
  data: {dim: 32, patches: 12, feature_patches: 3}
  training: {batch: 16, steps: 30, checkpoint_every: 3}
  transfer: {readouts: [sum_logits]}
  test: {samples: 50, curve_samples: 20}
smoke: {}
grids: [{network.neurons: [4, 8, 12]}]
comparisons:
  - {name: more, before: {where: {network.neurons: 4}}, after: {where: {network.neurons: 12}}}
"""
IMAGES = """
name: images
seeds: 1
controls: []
data: {source: tree, path: FOLDER, test_share: 0.3, validation_share: 0.2}
labels: {functions: [level(1), leaf]}
model: {width: 4, image_size: 8}
pretraining: {steps: 12, batch: 8, step_size: 0.05, log_every: 1, checkpoint_every: 3}
transfer: {modes: [finetune, none], steps: [6], training: {batch: 8, log_every: 1, checkpoint_every: 2}}
"""
FIGURES = ("data_model", "correlations")


@dataclass(frozen=True)
class Job:
    """A command at a small size, from a folder of inputs to a folder of results."""

    name: str
    run: Callable[[Path, Path], None]


def write_inputs(inputs: Path) -> None:
    """The configurations, and a folder of images."""
    inputs.mkdir(parents=True, exist_ok=True)
    (inputs / "tiny.yaml").write_text(TINY)
    (inputs / "neurons.yaml").write_text(STUDY)
    (inputs / "images.yaml").write_text(IMAGES.replace("FOLDER", str(make_folder(inputs / "images"))))


def _command(*arguments: object) -> None:
    sys.argv = ["theory-sim", *map(str, arguments)]
    cli.main()


def _sweep(inputs: Path, out: Path) -> None:
    with _as_a_command():
        sweep(load_config(inputs / "tiny.yaml"), [{"seed": [0, 1, 2, 3]}], out, "cpu", jobs=0)


def _study(inputs: Path, out: Path) -> None:
    with _as_a_command():
        run_study(load_study(inputs / "neurons.yaml"), False, out, "cpu", jobs=0)


@contextmanager
def _as_a_command() -> Iterator[None]:
    """Errors as the program prints them; the commands themselves would start workers, which takes longer than these jobs."""
    try:
        yield
    except (InputError, OSError) as error:
        print(f"error: {error}")
        raise SystemExit(2) from None


def _figures(inputs: Path, out: Path) -> None:
    config, results, pictures = inputs / "tiny.yaml", out / "results", out / "pictures"
    _command("figures", *FIGURES, "--config", config, "--results", results, "--out", pictures, "--device=cpu")


JOBS = (
    Job("simulate", lambda inputs, out: _command("simulate", inputs / "tiny.yaml", "--out", out, "--device=cpu")),
    Job("sweep", _sweep),
    Job("study", _study),
    Job("pretrain", lambda inputs, out: _command("pretrain", inputs / "images.yaml", "--out", out)),
    Job("figures", _figures),
)


def import_all() -> None:
    """Import what the jobs do, before the forks; nothing is computed, since threads do not survive a fork."""
    gallery = [f"theory_sim.figures.gallery.{name}" for name in ("compare", "drawing", "making", "page")]
    images = [f"theory_sim.pretraining.{name}" for name in ("report", "study", "tables")]
    for module in ("accelerate", "pandas", *gallery, *images):
        importlib.import_module(module)
    torch.set_num_threads(1)
    xr.backends.list_engines()


def start(job: Job, inputs: Path, out: Path, log: Path) -> BaseProcess:
    """Start a job in a fork, as the leader of its own process group; what it prints is appended to a file."""

    def child() -> None:
        os.setpgid(0, 0)
        with open(log, "ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        job.run(inputs, out)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """SIGKILL to a job and all of its processes."""
    try:
        os.killpg(process.pid or 0, signal.SIGKILL)
    except ProcessLookupError:  # it has ended, or has not yet made its group
        process.kill()
    process.join()


def finish(job: Job, inputs: Path, out: Path, log: Path, seconds: float = 300) -> float:
    """Do a job to its end; returns its seconds.

    Raises:
        RuntimeError: it failed, or took too long.
    """
    begun = time.perf_counter()
    process = start(job, inputs, out, log)
    process.join(seconds)
    if process.exitcode not in (0, None):
        raise RuntimeError(f"{job.name} ended with {process.exitcode}:\n{log.read_text()[-3000:]}")
    if process.exitcode is None:
        kill(process)
        raise RuntimeError(f"{job.name} did not end within {seconds} s:\n{log.read_text()[-3000:]}")
    return time.perf_counter() - begun


def numbers(out: Path) -> dict[str, Any]:
    """All that a job came to, by file, bit for bit: of records and manifests the values; speeds and hidden files are left out."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".nc":
            with xr.open_dataset(path, engine="netcdf4") as data:
                found[name] = {str(key): (value.dims, _bits(value.values)) for key, value in data.variables.items()}
        elif path.suffix == ".safetensors":  # its header is in any order
            tensors, values = load_checkpoint(path)
            found[name] = values, {key: (value.shape, _bits(value.numpy())) for key, value in tensors.items()}
        elif path.name == "manifest.json":  # digests of files that hold the same in another order
            found[name] = sorted(path.read_text().count(f"{other.name}") for other in path.parent.iterdir())
        elif path.name == "log.jsonl" and "cells" in path.parts:
            found[name] = [line.partition(', "images_per_second"')[0] for line in path.read_text().splitlines()]
        else:
            here = str(out).encode()  # a page of figures names the folder of its results
            found[name] = hashlib.sha256(path.read_bytes().replace(here, b"OUT")).hexdigest()
    return found


def _bits(values: Any) -> Any:
    return values.tolist() if values.dtype.kind in "OUT" else hashlib.sha256(values.tobytes()).hexdigest()


def finished(out: Path) -> dict[Path, int]:
    """The files that say that something is finished, and when they were written."""
    marks = ("manifest.json", "answers.safetensors", "weights.safetensors")
    return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name in marks}
