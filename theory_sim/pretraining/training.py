"""Training of one network: warm-up and cosine, accumulation, bf16, mixup, exponential average; resumed to the same numbers.

Nothing random hangs on anything but the seed and the step: a run that was killed goes on from its last checkpoint as if
nothing had happened, and the same global batch is computed by one process or by many.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from theory_sim.pretraining.config import Training
from theory_sim.pretraining.distributed import processes, with_global_batch_norm
from theory_sim.pretraining.hierarchies import multi_hot
from theory_sim.pretraining.images import Images
from theory_sim.pretraining.loading import Batch, Share, batches
from theory_sim.pretraining.models import Classifier
from theory_sim.runtime.errors import DivergedError, InputError
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.storage import load_checkpoint, save_checkpoint, write_text


@dataclass(frozen=True)
class Task:
    """What is learned.

    Attributes:
        images: where images are read.
        indices: the training images.
        targets: label of each; rows of labels padded with −1 where an image has several, which are then learned by a
            sigmoid cross-entropy, summed over the labels.
        image_size: side of the images that the network is fed.
        workers: processes that read images.
    """

    images: Images
    indices: Int[Tensor, " n"]
    targets: Int[Tensor, " n"] | Int[Tensor, "n most"]
    image_size: int
    workers: int = 0


def step_size(training: Training, step: int) -> float:
    """η at a step: linear from 0 over the warm-up, then η (1 + cos πt) / 2 down to 0."""
    warmup = round(training.warmup * training.steps)
    if step < warmup:
        return training.step_size * (step + 1) / warmup
    done = (step - warmup) / max(1, training.steps - warmup)
    return training.step_size * (1 + math.cos(math.pi * done)) / 2


def train(
    model: Classifier,
    task: Task,
    training: Training,
    seed: int,
    folder: Path,
    key: str,
    stage: str = "training",
    show: Callable[[Progress], None] = lambda progress: None,
) -> Classifier:
    """Train a network, or go on where an earlier call was stopped.

    Args:
        model: at its beginning, what is to learn chosen by `Classifier.train_only`; it is changed.
        task: images and labels.
        training: the settings.
        seed: of the order of images, crops, flips and mixup.
        folder: for ``checkpoint.safetensors`` and ``log.jsonl``, one line per logged step.
        key: what the checkpoint must belong to.
        stage: what progress reports call it.
        show: called after every step.

    Returns:
        the trained network, in evaluation mode: the exponential average where there is one.

    Raises:
        InputError: the checkpoint is damaged or of another configuration; the batch cannot be shared by the processes.
        DivergedError: the loss is no longer finite.
    """
    run = _Run(model, task, training, seed, folder, key)
    run.restore()
    log = _Log(folder, run.steps_done, processes().is_main_process)
    with log:
        for _ in run.steps():
            done = run.steps_done
            if done % training.log_every == 0 or done == training.steps:
                log.note(done, run.mean_loss(), step_size(training, done - 1), run.images_done)
                if not math.isfinite(log.loss):
                    raise DivergedError(f"{stage}: the loss is {log.loss} at step {done}; a smaller step_size may help")
            if done % training.checkpoint_every == 0 and done < training.steps:
                run.save()
            if processes().is_main_process:
                show(Progress(stage, done, training.steps, log.said))
    return run.finish()


class _Run:
    """The state of a run: network, optimizer, average, and how far it is."""

    def __init__(self, model: Classifier, task: Task, training: Training, seed: int, folder: Path, key: str) -> None:
        accelerator = processes()
        self.task, self.training, self.seed, self.folder, self.key = task, training, seed, folder, key
        self.share = Share(accelerator.process_index, accelerator.num_processes, training.accumulate)
        self.parts = self.share.parts(training.batch)
        if training.mixup and len(self.parts[0]) % 2:
            raise InputError(f"batch: mixup needs an even number of images in each part, got {len(self.parts[0])}")
        if training.label_smoothing and task.targets.ndim == 2:
            raise InputError("label_smoothing: images with several labels have no smoothed ones")
        self.device = accelerator.device
        self.model: Classifier = model.to(self.device)
        if accelerator.num_processes > 1:
            with_global_batch_norm(self.model, self.device)
        if self.device.type == "cuda":
            self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.train()
        learning: list[Any] = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = _optimizer(learning, training)
        self.average = [p.detach().clone() for p in learning] if training.average else []
        self.learning = learning
        self.wrapped: nn.Module = accelerator.prepare_model(self.model) if accelerator.num_processes > 1 else self.model
        self.targets = task.targets
        self.steps_done = 0
        self.images_done = 0
        self.loss_sum = torch.zeros((), device=self.device)
        self.loss_steps = 0

    def steps(self) -> Iterator[None]:
        """Do the remaining steps, yielding after each."""
        training = self.training
        pin = self.device.type == "cuda"
        source = batches(
            self.task.images,
            self.task.indices,
            training,
            self.task.image_size,
            self.seed,
            self.share,
            self.steps_done,
            self.task.workers,
            pin,
        )
        while self.steps_done < training.steps:
            for group in self.optimizer.param_groups:
                group["lr"] = step_size(training, self.steps_done)
            loss = torch.zeros((), device=self.device)
            for number, part in enumerate(self.parts, start=1):
                quiet = number < len(self.parts) and self.wrapped is not self.model
                with processes().no_sync(self.wrapped) if quiet else nullcontext():
                    part_loss = self._loss(next(source), part) / len(self.parts)
                    part_loss.backward()  # type: ignore[no-untyped-call]
                loss += part_loss.detach()
            if training.clip_norm is not None:
                nn.utils.clip_grad_norm_(self.learning, training.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            if self.average:
                torch._foreach_lerp_(self.average, self.learning, 1 - training.average)
            self.steps_done += 1
            self.images_done += training.batch
            self.loss_sum += loss
            self.loss_steps += 1
            yield

    def _loss(self, batch: Batch, part: range) -> Tensor:
        training = self.training
        images = batch.images.to(self.device, non_blocking=True)
        targets = self.targets[batch.places].to(self.device, non_blocking=True)
        if training.flip:
            images = torch.where(batch.flip.to(self.device)[:, None, None, None], images.flip(-1), images)
        share: Tensor | None = None
        if training.mixup:
            # Neighbours are mixed, both by the same share: no image of another process is needed.
            draw = np.random.default_rng([self.seed, self.steps_done, 3])
            shares = draw.beta(training.mixup, training.mixup, training.batch // 2).repeat(2)[part.start : part.stop]
            share = torch.from_numpy(shares).float().to(self.device)
            mixed = share[:, None, None, None]
            images = mixed * images.float() + (1 - mixed) * swap_neighbours(images).float()
        if self.device.type == "cuda":
            images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=training.precision == "bf16"):
            logits = self.wrapped(images)
        return loss_of(logits.float(), targets, share, training.label_smoothing)

    def mean_loss(self) -> float:
        """Mean training loss since it was last asked for, over all processes."""
        total = _mean_over_processes(self.loss_sum) / max(1, self.loss_steps)
        self.loss_sum.zero_()
        self.loss_steps = 0
        return float(total)

    def save(self) -> None:
        """Write a checkpoint; the main process does it, the others wait."""
        tensors = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average/{place}": value for place, value in enumerate(self.average)}
        for parameter, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{parameter}/{name}": value for name, value in state.items() if isinstance(value, Tensor)}
        self.loss_sum = _mean_over_processes(self.loss_sum)
        tensors["loss_sum"] = self.loss_sum
        if processes().is_main_process:
            save_checkpoint(self._checkpoint, tensors, key=self.key, step=self.steps_done, loss_steps=self.loss_steps)
        processes().wait_for_everyone()

    def restore(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self._checkpoint.exists():
            return
        tensors, values = load_checkpoint(self._checkpoint)
        if values.get("key") != self.key:
            raise InputError(f"{self._checkpoint} is the checkpoint of another configuration; delete it to start again")
        self.model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model/")})
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer/"):
                _, place, field = name.split("/")
                state.setdefault(int(place), {})[field] = value
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
        for number, value in enumerate(self.average):
            value.copy_(tensors[f"average/{number}"])
        self.loss_sum = tensors["loss_sum"].to(self.device)
        self.steps_done, self.loss_steps = values["step"], values["loss_steps"]

    def finish(self) -> Classifier:
        """The trained network."""
        with torch.no_grad():
            for parameter, average in zip(self.learning, self.average, strict=False):
                parameter.copy_(average)
        if self.wrapped is not self.model:
            processes().free_memory()  # else the accelerator keeps every network that it wrapped
        self.model.eval()
        return self.model

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"


def loss_of(
    logits: Float[Tensor, "n label"],
    targets: Int[Tensor, " n"] | Int[Tensor, "n most"],
    share: Float[Tensor, " n"] | None = None,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean loss: softmax cross-entropy, or with rows of labels sigmoid cross-entropy summed over the labels.

    Args:
        logits: the network's.
        targets: one label, or a row of labels padded with −1.
        share: of mixup, λ: the target is λ times the own and 1 − λ times the neighbour's.
        smoothing: of the labels.
    """
    if targets.ndim == 2:
        hot = multi_hot(targets, logits.shape[1]).float()
        if share is not None:
            hot = share[:, None] * hot + (1 - share[:, None]) * swap_neighbours(hot)
        return functional.binary_cross_entropy_with_logits(logits, hot, reduction="sum") / len(logits)
    if share is None:
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    own, other = (
        functional.cross_entropy(logits, y, label_smoothing=smoothing, reduction="none")
        for y in (targets, swap_neighbours(targets))
    )
    return (share * own + (1 - share) * other).mean()


def swap_neighbours(x: Tensor) -> Tensor:
    """Rows 1, 0, 3, 2, …"""
    return x.view(len(x) // 2, 2, *x.shape[1:]).flip(1).reshape(x.shape)


def _optimizer(parameters: list[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    """Weight decay on matrices and filters only."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=training.step_size)
    return torch.optim.SGD(groups, lr=training.step_size, momentum=training.momentum, nesterov=training.momentum > 0)


def _mean_over_processes(value: Tensor) -> Tensor:
    mean: Tensor = processes().reduce(value, "mean") if processes().num_processes > 1 else value.clone()
    return mean


class _Log:
    """``log.jsonl``: one line per logged step; lines behind the checkpoint that a run goes on from are dropped."""

    def __init__(self, folder: Path, steps_done: int, writes: bool) -> None:
        self.path, self.writes = folder / "log.jsonl", writes
        self.loss = math.nan
        self.said = ""
        self._before: tuple[float, int] = (time.monotonic(), 0)
        if writes:
            lines = self.path.read_text().splitlines() if self.path.exists() else []
            kept = [line for line in lines if _step_of(line) <= steps_done]
            write_text(self.path, "".join(line + "\n" for line in kept))

    def __enter__(self) -> "_Log":
        self._file: Any = open(self.path, "a", encoding="utf-8") if self.writes else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def note(self, step: int, loss: float, size: float, images: int) -> None:
        now = time.monotonic()
        speed = (images - self._before[1]) / max(1e-9, now - self._before[0])
        self._before = (now, images)
        self.loss, self.said = loss, f"loss {loss:.4f}  {speed:.0f} images/s"
        if self._file is not None:
            line = {
                "step": step,
                "loss": loss if math.isfinite(loss) else None,
                "step_size": size,
                "images_per_second": round(speed, 1),
            }
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # the last line of a run that was killed while writing it
        return math.inf
