"""Speed of the image pipeline, as ratios to minimal programs for the same task, measured in turns in one run.

* the cells of a study of the small network: see `theory_sim.bench.image_cells`;
* the loader, which also crops, resizes and collates, against bare Pillow decoding of the same JPEGs to RGB in as many worker
  processes. With random crops, as in training, the loader decodes a JPEG down to the crop's last row, on average 86 % of the
  rows; with the middle crop of images that are wider than high, as these are, it decodes them whole. No JPEG is decoded at
  half its size here, because no crop is as large as twice the 224 pixels wanted;
* a training step, against a minimal loop with the same `transformers` network on the same device.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from theory_sim.bench.image_cells import bench_cells
from theory_sim.bench.ratios import Ratio, compare, wait_for
from theory_sim.pretraining.config import Architecture, Crop, TrainingRecipe
from theory_sim.pretraining.distributed import processes
from theory_sim.pretraining.loading.batches import Share, batches
from theory_sim.pretraining.loading.images import ArrayImages, FileImages, Images
from theory_sim.pretraining.models import Classifier
from theory_sim.pretraining.training import Task, train
from theory_sim.runtime.threads import torch_threads


def bench(
    images: int = 512,
    side: int = 500,
    workers: int = 2,
    model: str = "",
    rounds: int = 5,
    on_progress: Callable[[str], None] = lambda text: None,
) -> list[Ratio]:
    """Measure all.

    Args:
        images: number of JPEGs, made for this.
        side: their longer side; 500 is ImageNet's.
        workers: processes that read.
        model: network of the training step; by default ResNet-50 on a GPU, ResNet-18 at 64 pixels elsewhere.
        rounds: how often each is measured, in turns.
        on_progress: called with the name of each measurement as it starts.
    """
    gpu = processes().device.type == "cuda"
    name = model or ("resnet50" if gpu else "resnet18")
    size, batch, steps = (224, 128, 30) if gpu else (64, 16, 24)
    # With several threads on a busy CPU the time to wait for a core would dominate.
    with torch_threads(None if gpu else 1), tempfile.TemporaryDirectory() as folder:
        on_progress(f"loader: {images} JPEGs, {workers} workers")
        loaders = _loader(Path(folder), images, side, workers, rounds)
        on_progress(f"training step: {name}, {size} pixels, batch {batch}")
        step = _step(name, size, batch, steps, rounds)
    return [*loaders, step, *([] if gpu else bench_cells(rounds, on_progress))]


class _Decoded(torch.utils.data.Dataset[Any]):
    """Bare decoding, without cropping, resizing, collating or sending images to the main process."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> int:
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            return image.convert("RGB").size[0]


def _loader(folder: Path, n: int, side: int, workers: int, rounds: int) -> list[Ratio]:
    """With random crops and with the middle."""
    import pyarrow

    paths = [str(path) for path in _jpegs(folder, n, side)]
    source = FileImages(pyarrow.array(paths))
    batch = min(64, n)
    steps = _PASSES * n // batch

    def ours(crop: Crop) -> None:
        training = TrainingRecipe(steps=steps, batch=batch, crop=crop, flip=True)
        for _ in batches(source, torch.arange(n), training, 224, 0, Share(), workers=workers):
            pass

    def bare() -> None:
        decoded = _Decoded((paths * _PASSES)[: steps * batch])
        for _ in torch.utils.data.DataLoader(decoded, batch, num_workers=workers, prefetch_factor=4):
            pass

    n_read = steps * batch
    return [
        compare("loader ÷ bare decoding, random crops", n_read, partial(ours, "resized"), bare, rounds, 0.8),
        compare("loader ÷ bare decoding, middle crops: all rows decoded", n_read, partial(ours, "none"), bare, rounds, None),
    ]


_PASSES = 8
"""Passes over the JPEGs in each measurement, so many that the start of the workers costs little, as in training."""


def _jpegs(folder: Path, n: int, side: int) -> list[Path]:
    """Pictures with structure at every scale, so that decoding costs what it costs for photographs."""
    from PIL import Image

    draw = np.random.default_rng(0)
    paths = []
    for number in range(n):
        picture = np.zeros((side * 3 // 4, side, 3))
        for scale in (4, 16, 64, side):
            noise = Image.fromarray(draw.integers(0, 256, (scale * 3 // 4, scale, 3), dtype=np.uint8))
            picture += np.asarray(noise.resize((side, side * 3 // 4), Image.Resampling.BICUBIC), dtype=float) / 4
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(picture.astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def _step(name: str, size: int, batch: int, steps: int, rounds: int) -> Ratio:
    device = processes().device
    pixels = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)
    labels = torch.arange(batch) % 100
    training = TrainingRecipe(
        steps=steps, batch=batch, warmup=0.0, step_size=0.01, flip=True, precision="bf16" if device.type == "cuda" else "float32"
    )
    source: Images = ArrayImages(pixels)
    task = Task(source, torch.arange(batch), labels, size)
    shape = Architecture.model_construct(name=name, image_size=size, width=16)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train(Classifier(shape, 100, 0), task, training, 0, Path(folder), "bench")
        wait_for(device)

    def bare() -> None:
        model: Any = Classifier(shape, 100, 0).to(device)
        if device.type == "cuda":
            model = model.to(memory_format=torch.channels_last)
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
        for _ in range(steps):
            images = pixels.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                logits = model(images)
            functional.cross_entropy(logits.float(), labels.to(device)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        wait_for(device)

    return compare(f"training step ÷ minimal loop, {name} on {device.type}", batch * steps, ours, bare, rounds, 0.95)
