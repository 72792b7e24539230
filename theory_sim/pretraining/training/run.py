"""One run: its state, its steps, and its checkpoints."""

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from theory_sim.pretraining.config import TrainingRecipe
from theory_sim.pretraining.distributed import processes, with_global_batch_norm
from theory_sim.pretraining.loading.batches import ImageBatch, Share, batches
from theory_sim.pretraining.loading.images import Images
from theory_sim.pretraining.models import Classifier
from theory_sim.pretraining.training.log import Log
from theory_sim.pretraining.training.objective import loss_of, make_optimizer, step_size, swap_neighbours
from theory_sim.runtime.errors import DivergedError, InputError
from theory_sim.runtime.progress import OnProgress, Progress, ignore
from theory_sim.runtime.storage import load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class Task:
    """Images and the labels to learn.

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


def train(
    model: Classifier,
    task: Task,
    training: TrainingRecipe,
    seed: int,
    folder: Path,
    key: str,
    stage: str = "training",
    on_progress: OnProgress = ignore,
) -> Classifier:
    """Train a network, or go on where an earlier call was stopped.

    Args:
        model: at its beginning, what is to learn chosen by `Classifier.train_only`; it is changed.
        task: images and labels.
        training: the settings.
        seed: of the order of images, crops, flips and mixup.
        folder: for ``checkpoint.safetensors`` and ``log.jsonl``, one line per logged step. With a constant step size the last
            checkpoint is that of the last step, from which a longer run can go on.
        key: what the checkpoint must belong to.
        stage: what progress reports call it.
        on_progress: called after every step.

    Returns:
        the trained network, in evaluation mode: the exponential average where there is one.

    Raises:
        InputError: the checkpoint is damaged or of another configuration; the batch cannot be shared by the processes.
        DivergedError: the loss is no longer finite.
    """
    run = _Run(model, task, training, seed, folder, key)
    run.restore()
    log = Log(folder, run.steps_done, processes().is_main_process)
    with log:
        for _ in run.steps():
            done = run.steps_done
            # A longer run goes on from the end: it notes no loss there, unless this is a step to log.
            last = done == training.steps and training.schedule == "constant"
            if last and done % training.log_every:
                run.save()
            if done % training.log_every == 0 or done == training.steps:
                log.note(done, run.mean_loss(), step_size(training, done - 1), run.images_done)
                if not math.isfinite(log.loss):
                    raise DivergedError(f"{stage}: the loss is {log.loss} at step {done}; a smaller step_size may help")
            if (last and not done % training.log_every) or (done % training.checkpoint_every == 0 and done < training.steps):
                run.save()
            if processes().is_main_process:
                on_progress(Progress(stage, done, training.steps, log.said))
    return run.finish()


class _Run:
    """The state of a run: network, optimizer, average, and how far it is."""

    def __init__(self, model: Classifier, task: Task, training: TrainingRecipe, seed: int, folder: Path, key: str) -> None:
        accelerator = processes()
        self.task, self.training, self.seed, self.folder, self.key = task, training, seed, folder, key
        self.share = Share(accelerator.process_index, accelerator.num_processes, training.accumulate)
        training.check_parts(accelerator.num_processes)
        self.parts = self.share.parts(training.batch)
        training.check_targets(task.targets.ndim == 2)
        self.device = accelerator.device
        self.model: Classifier = model.to(self.device)
        self.shared = accelerator.num_processes > 1
        if self.shared:
            with_global_batch_norm(self.model, self.device)
        if self.device.type == "cuda":
            self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.train()
        learning: list[Any] = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(learning, training)
        self.average = [p.detach().clone() for p in learning] if training.average else []
        self.update_average = get_ema_multi_avg_fn(training.average)
        self.learning = learning
        self.wrapped: nn.Module = accelerator.prepare_model(self.model) if self.shared else self.model
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
                more = number < len(self.parts)  # gradients are summed over the processes once, with the last part
                with processes().no_sync(self.wrapped) if self.shared and more else nullcontext():
                    part_loss = self._loss(next(source), part) / len(self.parts)
                    part_loss.backward()  # type: ignore[no-untyped-call]
                loss += part_loss.detach()
            if training.clip_norm is not None:
                nn.utils.clip_grad_norm_(self.learning, training.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            if self.average:
                self.update_average(self.average, self.learning, None)
            self.steps_done += 1
            self.images_done += training.batch
            self.loss_sum += loss
            self.loss_steps += 1
            yield

    def _loss(self, batch: ImageBatch, part: range) -> Tensor:
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
        tensors: dict[tuple[str | int, ...], Tensor] = {
            **{("model", name): value for name, value in self.model.state_dict().items()},
            **{("average", place): value for place, value in enumerate(self.average)},
            **{
                ("optimizer", parameter, name): value
                for parameter, state in self.optimizer.state_dict()["state"].items()
                for name, value in state.items()
                if isinstance(value, Tensor)
            },
        }
        self.loss_sum = _mean_over_processes(self.loss_sum)
        tensors["loss_sum",] = self.loss_sum
        if processes().is_main_process:
            numbered = {f"{number}": value for number, value in enumerate(tensors.values())}
            values = {"key": self.key, "step": self.steps_done, "loss_steps": self.loss_steps}
            save_checkpoint(self._checkpoint, numbered, names=list(tensors), **values)
        processes().wait_for_everyone()

    def restore(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self._checkpoint.exists():
            return
        numbered, values = load_checkpoint(self._checkpoint)
        if values.get("key") != self.key:
            raise InputError(f"{self._checkpoint} is the checkpoint of another configuration; delete it to start again")
        model: dict[str, Tensor] = {}
        average: dict[int, Tensor] = {}
        optimizer: dict[int, dict[str, Tensor]] = {}
        for number, (kind, *name) in enumerate(values["names"]):
            value = numbered[f"{number}"]
            if kind == "model":
                model[name[0]] = value
            elif kind == "average":
                average[name[0]] = value
            elif kind == "optimizer":
                optimizer.setdefault(name[0], {})[name[1]] = value
            else:
                self.loss_sum = value.to(self.device)
        self.model.load_state_dict(model)
        self.optimizer.load_state_dict({"state": optimizer, "param_groups": self.optimizer.state_dict()["param_groups"]})
        for place, value in average.items():
            self.average[place].copy_(value)
        self.steps_done, self.loss_steps = values["step"], values["loss_steps"]

    def finish(self) -> Classifier:
        """The trained network."""
        with torch.no_grad():
            for parameter, average in zip(self.learning, self.average, strict=False):
                parameter.copy_(average)
        if self.shared:
            processes().free_memory()  # else the accelerator keeps every network that it wrapped
        self.model.eval()
        return self.model

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"


def _mean_over_processes(value: Tensor) -> Tensor:
    mean: Tensor = processes().reduce(value, "mean") if processes().num_processes > 1 else value.clone()
    return mean
