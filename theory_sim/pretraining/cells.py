"""The cells of a study: each is computed once and kept in a folder named by the hash of everything its numbers depend on.

``cells/<hash>/`` holds

* ``cell.json``: what it is;
* ``checkpoint.safetensors`` and ``log.jsonl``, while it is computed;
* ``last_checkpoint.safetensors``, where a cell of more steps goes on, if the step size is constant;
* ``weights.safetensors``: of a pretraining; of baselines and transferred networks as
  `theory_sim.pretraining.config.ImageStudy.keep` says;
* ``answers.safetensors``, written last; a pretraining has none.

Of several programs that need a cell one computes it, and the others wait.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from theory_sim.pretraining.config import Control, ImageStudy, Mode, TrainingRecipe
from theory_sim.pretraining.controls import changed, control_name
from theory_sim.pretraining.datasets.base import ImageData
from theory_sim.pretraining.distributed import locked_everywhere, processes, same_everywhere
from theory_sim.pretraining.embedding import model_version
from theory_sim.pretraining.evaluation import Answers, Readout, answer, readouts, softmax
from theory_sim.pretraining.labelling import Labelling, choose
from theory_sim.pretraining.loading.kept import ImageMemory
from theory_sim.pretraining.models import Classifier, bytes_of
from theory_sim.pretraining.origin import Sources, pipeline_version
from theory_sim.pretraining.training import Task, train
from theory_sim.pretraining.training.objective import continues
from theory_sim.runtime.progress import OnProgress, Progress
from theory_sim.runtime.storage import load_checkpoint, save_checkpoint, write_json, write_text

SPLITS = ("test", "validation")
ANSWERS, WEIGHTS = "answers.safetensors", "weights.safetensors"
CHECKPOINT, LAST = "checkpoint.safetensors", "last_checkpoint.safetensors"
_FIELDS = ("correct", "confidence", "predicted", "highest", "label")
_FIELD = {(split, field): f"{split} {field}" for split in SPLITS for field in _FIELDS}
"""Tensors of ``answers.safetensors``: a row for each readout, which the file lists."""
_SMALL = 10 * 2**20
"""Bytes of a network whose weights are kept unless the configuration says otherwise."""
_PART: dict[Mode, str] = {"finetune": "all", "last_block": "last_block", "linear_probe": "head"}


@dataclass(frozen=True)
class ImageCell:
    """One computation of a study.

    Attributes:
        what: its name in messages.
        identity: everything its numbers depend on.
        steps: training steps it takes.
        results: files of its folder that are there once it is finished.
    """

    what: str
    identity: dict[str, Any]
    steps: int
    results: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """Hash of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:16]


def _without_steps(identity: dict[str, Any]) -> Any:
    """An identity but for the number of steps, as JSON has it."""
    recipes = {key: {**identity[key], "steps": None} for key in ("training", "baseline") if key in identity}
    return json.loads(json.dumps(identity | recipes))


def _version(study: ImageStudy) -> dict[str, str]:
    return {"pretrained": model_version(study.model.pretrained, "model.pretrained")} if study.model.pretrained else {}


class Cells:
    """Computes cells, or finds them computed.

    Args:
        study: the configuration.
        sources: digests of a user's code that the study uses.
        data: the images to pretrain on.
        target: the images to transfer to; the same where the study has no other.
        folder: where cells are kept.
        on_progress: called after every step, and as images are evaluated, with the cell's own progress.
        memory: where images are kept that fit there.
    """

    def __init__(
        self,
        study: ImageStudy,
        sources: Sources,
        data: ImageData,
        target: ImageData,
        folder: Path,
        on_progress: OnProgress,
        memory: ImageMemory,
    ) -> None:
        self.study, self.data, self.target, self.folder, self.on_progress = study, data, target, folder, on_progress
        self.memory = memory
        self.notes: list[str] = []
        self.n_coarse = target.hierarchy.tree.n_coarse
        self.coarse_names = target.hierarchy.names[: self.n_coarse]
        self.target_train = target.train
        self._target_images: dict[str, Any] = {}
        if study.target is None and study.labels.total_images is not None:
            draw = np.random.default_rng([study.labels.seed, 1])  # as for label functions: level(1) has the same images
            self.target_train = target.train[choose("the target", target.coarse[target.train], study.labels, draw)]
            self._target_images = {"images": [study.labels.total_images, study.labels.seed]}
        keeps = study.keep == "weights" or (study.keep is None and bytes_of(study.model) <= _SMALL)
        self._results = (ANSWERS, WEIGHTS) if keeps else (ANSWERS,)
        self._common = {
            "model": study.model.model_dump() | _version(study),
            "target": target.fingerprint,
            "device": processes().device.type,
            "code": pipeline_version(),
            "image sources": sources.images,
        }

    def pretraining(self, text: str, labelling_key: str, seed: int) -> ImageCell:
        """Pretrain on a label function."""
        settings = self.study.pretraining
        identity = {"labels": labelling_key, "training": settings.model_dump(), "seed": seed}
        return ImageCell(
            f"{text}, seed {seed}", self._common | {"data": self.data.fingerprint} | identity, settings.steps, (WEIGHTS,)
        )

    def transfer(self, pretraining: ImageCell, mode: Mode, steps: int) -> ImageCell:
        """Adapt a pretrained network to the target."""
        settings = self._transfer_training(steps).model_dump() if mode != "none" else {}
        identity = {"of": pretraining.key, "mode": mode, "training": settings}
        return ImageCell(f"{pretraining.what}, {mode}", identity, steps, (ANSWERS,) if mode == "none" else self._results)

    def baseline(self, steps: int, seed: int, control: Control | None = None) -> ImageCell:
        """Train on the target alone for as many steps in all, as the baseline or as a control."""
        model, recipe = changed(self.study, control)
        settings = recipe.model_copy(update={"steps": steps}).model_dump()
        identity = self._common | {"baseline": settings, "seed": seed} | self._target_images
        if control is not None:
            identity |= {"model": self._common["model"] | model.model_dump(), "control": control}
        what = "baseline" if control is None else control_name(control)
        return ImageCell(f"{what} of {steps} steps, seed {seed}", identity, steps, self._results)

    def finished(self, cell: ImageCell) -> bool:
        """Whether its outcome is in its folder."""
        return all((self.folder / cell.key / name).exists() for name in cell.results)

    def run_pretraining(self, cell: ImageCell, labelling: Labelling, seed: int) -> None:
        """Compute a pretraining cell and keep its weights."""
        with self._unless_finished(cell) as folder:
            if folder is None:
                return
            model = Classifier(self.study.model, labelling.n_classes, seed)
            task = self._task(self.data, self.data.train[labelling.used], labelling.targets[labelling.used])
            model = train(model, task, self.study.pretraining, seed, folder, cell.key, cell.what, self.on_progress)
            self._keep(folder, cell, WEIGHTS, model.state_dict(), key=cell.key)

    def run_transfer(
        self, cell: ImageCell, pretraining: ImageCell, labelling: Labelling, mode: Mode, seed: int
    ) -> dict[str, dict[str, Answers]]:
        """Answers of a transferred network by readout, in alphabetical order, and split."""
        with self._unless_finished(cell) as folder:
            if folder is not None:
                weights, _ = load_checkpoint(self.folder / pretraining.key / WEIGHTS)
                model = Classifier(self.study.model, labelling.n_classes, seed)
                model.load_state_dict(weights)
                read: dict[str, Readout] = {mode: softmax}
                if mode == "none":
                    model.to(processes().device)
                    read = readouts(labelling.parent, self.n_coarse, labelling.targets.ndim == 2)
                else:
                    model.head = Classifier(self.study.model, self.n_coarse, seed).head
                    model.train_only(_PART[mode])
                    settings = self._transfer_training(cell.steps)
                    model = train(model, self._target_task(), settings, seed, folder, cell.key, cell.what, self.on_progress)
                self._keep_answers(folder, cell, model, read)
        return self._answers(cell)

    def run_baseline(self, cell: ImageCell, seed: int, control: Control | None = None) -> dict[str, dict[str, Answers]]:
        """Answers of a baseline or a control, by readout and split."""
        with self._unless_finished(cell) as folder:
            if folder is not None:
                architecture, recipe = changed(self.study, control)
                model = Classifier(architecture, self.n_coarse, seed)
                settings = recipe.model_copy(update={"steps": cell.steps})
                model = train(model, self._target_task(), settings, seed, folder, cell.key, cell.what, self.on_progress)
                self._keep_answers(folder, cell, model, {"baseline": softmax})
        return self._answers(cell)

    def _transfer_training(self, steps: int) -> TrainingRecipe:
        return self.study.transfer.training.model_copy(update={"steps": steps})

    def _task(self, data: ImageData, indices: Int[Tensor, " n"], targets: Tensor) -> Task:
        return Task(self.memory(data), indices, targets, self.study.model.side, self.study.workers)

    def _target_task(self) -> Task:
        return self._task(self.target, self.target_train, self.target.coarse[self.target_train])

    @contextmanager
    def _unless_finished(self, cell: ImageCell) -> Iterator[Path | None]:
        """The folder of a cell to compute, locked; None if it is finished, or another program has finished it meanwhile."""

        def finished() -> bool:  # as the main process finds it: the others may look later
            return bool(same_everywhere("finished" if self.finished(cell) else ""))

        folder = self.folder / cell.key
        if finished():
            yield None
            return
        with locked_everywhere(folder, partial(self.finished, cell)):
            if finished():
                yield None
                return
            if processes().is_main_process:
                write_json(folder / "cell.json", {"what": cell.what} | cell.identity)
                self._begin_where_a_shorter_one_ended(folder, cell)
            processes().wait_for_everyone()
            yield folder

    @staticmethod
    def _recipe(cell: ImageCell) -> TrainingRecipe:
        return TrainingRecipe.model_validate(cell.identity.get("training") or cell.identity.get("baseline") or {"steps": 0})

    def _begin_where_a_shorter_one_ended(self, folder: Path, cell: ImageCell) -> None:
        """Take the last checkpoint of the longest finished cell that differs in a smaller number of steps alone."""
        if (folder / CHECKPOINT).exists() or not cell.steps:
            return
        wanted, recipe = _without_steps(cell.identity), self._recipe(cell)
        shorter: dict[int, Path] = {}
        for path in self.folder.glob("*/cell.json"):
            found = json.loads(path.read_text(encoding="utf-8"))
            what = found.pop("what")
            of = ImageCell(what, found, 0, ())
            steps = self._recipe(of).steps
            if 0 < steps < cell.steps and _without_steps(found) == wanted and (path.parent / WEIGHTS).exists():
                shorter[steps] = path.parent
        able = [steps for steps in shorter if continues(recipe.model_copy(update={"steps": steps}), recipe)]
        able = [steps for steps in able if (shorter[steps] / LAST).exists()]
        if able:
            source = shorter[max(able)]
            tensors, values = load_checkpoint(source / LAST)
            lines = (source / "log.jsonl").read_text(encoding="utf-8").splitlines()
            logged = [
                line for line in lines if json.loads(line)["step"] % recipe.log_every == 0
            ]  # not the shorter one's last step
            write_text(folder / "log.jsonl", "".join(f"{line}\n" for line in logged))
            save_checkpoint(folder / CHECKPOINT, tensors, **values | {"key": cell.key})
        elif shorter and "labels" in cell.identity:
            self.notes.append(
                f"{cell.what}: {cell.steps} steps begin anew after the {max(shorter)} of an earlier run, whose step sizes differ"
                "; with pretraining.schedule=constant and pretraining.warmup=0 a longer run continues a shorter one"
            )

    def _keep_answers(self, folder: Path, cell: ImageCell, model: Classifier, read: dict[str, Readout]) -> None:
        if WEIGHTS in cell.results and processes().is_main_process:
            save_checkpoint(folder / WEIGHTS, model.state_dict(), key=cell.key)
        tensors = {}
        for split in SPLITS:
            indices = getattr(self.target, split)
            truth, on_progress = self.target.coarse[indices], partial(self._evaluated, cell, split, len(indices))
            found = answer(model, self.memory(self.target), indices, truth, self.study.model.side, read, on_progress)
            for field in _FIELDS:
                tensors[_FIELD[split, field]] = torch.stack([getattr(answers, field) for answers in found.values()])
        self._keep(folder, cell, ANSWERS, tensors, readouts=list(read))

    def _evaluated(self, cell: ImageCell, split: str, n: int, done: int) -> None:
        if processes().is_main_process:
            self.on_progress(Progress(cell.what, cell.steps, cell.steps, f"evaluating: {done} of {n} {split} images"))

    def _keep(self, folder: Path, cell: ImageCell, name: str, tensors: dict[str, Tensor], **values: Any) -> None:
        if processes().is_main_process:
            save_checkpoint(folder / name, tensors, **values)
            if WEIGHTS in cell.results and (folder / CHECKPOINT).exists() and self._recipe(cell).schedule == "constant":
                (folder / CHECKPOINT).replace(folder / LAST)
            (folder / CHECKPOINT).unlink(missing_ok=True)
        processes().wait_for_everyone()

    def _answers(self, cell: ImageCell) -> dict[str, dict[str, Answers]]:
        tensors, values = load_checkpoint(self.folder / cell.key / ANSWERS)
        return {
            readout: {split: Answers(**{field: tensors[_FIELD[split, field]][row] for field in _FIELDS}) for split in SPLITS}
            for readout, row in sorted((readout, row) for row, readout in enumerate(values["readouts"]))
        }
