"""Speed of a study's cells of the small network on a CPU, as ratios to plain PyTorch, measured in turns in one run.

* trainings side by side, as a study computes them, against a plain loop that uses all cores, and against as many plain loops as
  there are cores, each with one thread;
* an epoch over small PNG files, against decoding each once by Pillow and a plain loop over the pixels;
* the evaluation of such images, against the forward passes alone.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.nn import functional

from theory_sim.bench.ratios import Ratio, compare
from theory_sim.pretraining.config import Architecture, TrainingRecipe
from theory_sim.pretraining.evaluation import answer, softmax
from theory_sim.pretraining.loading.images import FileImages, Images, View
from theory_sim.pretraining.loading.kept import decoded
from theory_sim.pretraining.models import Classifier
from theory_sim.pretraining.training import Task, train
from theory_sim.runtime.memory import keep_freed_memory
from theory_sim.runtime.threads import side_by_side, torch_threads

_Pixels = UInt8[Tensor, "n 3 side side"]
_Labels = Int[Tensor, " n"]
_SIDE = 32
_NETWORK = Architecture(name="convnet", width=16, image_size=_SIDE)
_CLASSES, _BATCH = 20, 64
_PNGS = 10_000
_STEPS = 100
"""Of each training side by side: a few seconds."""


def bench_cells(rounds: int, on_progress: Callable[[str], None] = lambda text: None) -> list[Ratio]:
    """Measure all.

    Args:
        rounds: how often each is measured, in turns.
        on_progress: called with the name of each measurement as it starts.
    """
    keep_freed_memory()
    cores = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        on_progress(f"writing {_PNGS} PNGs")
        files = _pngs(Path(folder), _PNGS)
        images, labels = decoded(files, torch.arange(_PNGS), _SIDE), torch.arange(_PNGS) % _CLASSES
        pixels = images.batch(list(range(_PNGS)), View(_SIDE))
        on_progress(f"cells: {cores} at once")
        ratios = _side_by_side(cores, images, pixels, labels, rounds)
        with torch_threads(1):
            on_progress(f"epoch of {_PNGS} PNGs")
            ratios.append(_epoch(files, labels, rounds))
            on_progress(f"evaluation of {_PNGS} images")
            ratios.append(_evaluation(images, pixels, labels, rounds))
    return ratios


def _side_by_side(cores: int, images: Images, pixels: _Pixels, labels: _Labels, rounds: int) -> list[Ratio]:
    def ours() -> None:
        with torch_threads(1):
            side_by_side([partial(_train, images, labels, _STEPS, seed) for seed in range(cores)], cores, lambda: None)

    def of_all_cores() -> None:
        for seed in range(cores):
            _plain(pixels, labels, _STEPS, seed)

    def of_one_each() -> None:
        with torch_threads(1):
            side_by_side([partial(_plain, pixels, labels, _STEPS, seed) for seed in range(cores)], cores, lambda: None)

    n = cores * _STEPS * _BATCH
    return [
        compare(f"cells on {cores} cores ÷ plain loop on all cores", n, ours, of_all_cores, rounds, 0.95),
        compare(f"cells on {cores} cores ÷ a plain loop on each core", n, ours, of_one_each, rounds, 0.95),
    ]


def _epoch(files: FileImages, labels: _Labels, rounds: int) -> Ratio:
    """From files to a trained network, in one thread but for the decoding of ours."""
    from PIL import Image

    steps = len(labels) // _BATCH

    def ours() -> None:
        _train(decoded(files, torch.arange(len(labels)), _SIDE), labels, steps, 0)

    def bare() -> None:
        arrays = []
        for index in range(len(labels)):
            with Image.open(files.path(index)) as image:
                arrays.append(np.array(image.convert("RGB")))
        _plain(torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous(), labels, steps, 0)

    what = f"epoch over {len(labels)} PNGs ÷ decoding them once and a plain loop"
    return compare(what, steps * _BATCH, ours, bare, rounds, 1 / 1.1)


def _evaluation(images: Images, pixels: _Pixels, labels: _Labels, rounds: int) -> Ratio:
    model = Classifier(_NETWORK, _CLASSES, 0).eval()

    def ours() -> None:
        answer(model, images, torch.arange(len(labels)), labels, _SIDE, {"baseline": softmax})

    @torch.no_grad()
    def bare() -> None:
        for batch in pixels.split(256):
            model(batch)

    return compare(f"evaluation of {len(labels)} images ÷ forward passes", len(labels), ours, bare, rounds, 1 / 1.5)


def _train(images: Images, labels: _Labels, steps: int, seed: int) -> None:
    training = TrainingRecipe(steps=steps, batch=_BATCH, step_size=0.01, log_every=10**6)
    with tempfile.TemporaryDirectory() as folder:
        task = Task(images, torch.arange(len(labels)), labels, _SIDE)
        train(Classifier(_NETWORK, _CLASSES, seed), task, training, seed, Path(folder), "bench")


def _plain(pixels: _Pixels, labels: _Labels, steps: int, seed: int) -> None:
    """A loop as PyTorch's tutorials have it, over pixels in memory."""
    model = Classifier(_NETWORK, _CLASSES, seed).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(labels)))
    for chosen in islice(order.split(_BATCH), steps):
        functional.cross_entropy(model(pixels[chosen]), labels[chosen]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _pngs(folder: Path, n: int) -> FileImages:
    """Pictures with structure at several scales."""
    import pyarrow
    from PIL import Image

    draw = np.random.default_rng(0)
    paths = []
    for number in range(n):
        picture = sum(
            np.asarray(
                Image.fromarray(draw.integers(0, 256, (scale, scale, 3), dtype=np.uint8)).resize((_SIDE, _SIDE)), dtype=float
            )
            for scale in (4, 8, _SIDE)
        )
        paths.append(folder / f"{number}.png")
        Image.fromarray((np.asarray(picture) / 3).astype(np.uint8)).save(paths[-1])
    return FileImages(pyarrow.array(map(str, paths)))
