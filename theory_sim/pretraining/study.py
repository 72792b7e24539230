"""A study: label functions × transfer modes × seeds, against baselines of the same total number of steps.

``<out>/_images/`` holds what all studies share, whatever their names: what is known of images (indexes of folders, lists of
damaged files, streamed data sets), ``labels/`` and ``cells/``. ``<out>/<name>/<hash>/`` is the folder of a configuration:
``config.yaml``, ``environment.json``, ``labels.csv``, ``results.csv`` (see `theory_sim.pretraining.tables`), ``failures.json``,
``predictions.parquet`` and ``networks.json`` (see `theory_sim.pretraining.artefacts`), ``examples.csv`` and ``confusion.csv``
(see `theory_sim.pretraining.examples`). Cells that are finished are read, not computed again.
"""

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from theory_sim.labels.tree import ROOT, LabelTree
from theory_sim.pretraining.artefacts import NETWORKS, PREDICTIONS, SHARED, Network, Predictions, write_predictions
from theory_sim.pretraining.cells import Cells
from theory_sim.pretraining.config import ImageStudy
from theory_sim.pretraining.controls import control_name, with_split_labels
from theory_sim.pretraining.datasets.base import IMAGE_SOURCES, Data, ImageData, load_data, warn_of_absent_classes
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.datasets.splitting import keep_apart
from theory_sim.pretraining.distributed import processes, same_everywhere
from theory_sim.pretraining.embedding import embed, model_version
from theory_sim.pretraining.evaluation import Answers
from theory_sim.pretraining.labelling import (
    Labelling,
    check_before_reading,
    check_labelling,
    labelling,
    load_labelling,
    save_labelling,
)
from theory_sim.pretraining.loading.images import View
from theory_sim.pretraining.loading.kept import ImageMemory
from theory_sim.pretraining.models import Classifier, normalises_over_batches
from theory_sim.pretraining.origin import Sources, pipeline_version, sources_of
from theory_sim.pretraining.overall import Overall
from theory_sim.pretraining.sizes import with_image_size
from theory_sim.pretraining.units import Labellings, units_of
from theory_sim.runtime.errors import BusyError, InputError
from theory_sim.runtime.locks import locked
from theory_sim.runtime.memory import keep_freed_memory
from theory_sim.runtime.outputs import check_ours, write_text
from theory_sim.runtime.plain_yaml import yaml_text
from theory_sim.runtime.progress import OnProgress, ignore
from theory_sim.runtime.provenance import environment
from theory_sim.runtime.settings import repeated
from theory_sim.runtime.storage import as_json, load_checkpoint, save_checkpoint
from theory_sim.runtime.threads import side_by_side, torch_threads

_TABLES = ("confusion.csv", "examples.csv", "labels.csv", "results.csv")
FILES = ("config.yaml", "environment.json", "failures.json", NETWORKS, PREDICTIONS, *_TABLES)
"""Files of a study's folder."""


@dataclass(frozen=True)
class Transferred:
    """One label function, transferred in one way, over the seeds.

    Attributes:
        labels: the label function.
        transfer: the mode, or for networks as they are the readout.
        steps: of transfer.
        answers: of each seed that did not fail, by split.
    """

    labels: Labelling
    transfer: str
    steps: int
    answers: dict[int, dict[str, Answers]]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a study.

    Attributes:
        study: its configuration.
        folder: its results folder.
        labels: the label functions.
        transferred: every label function and transfer.
        baselines: answers of the baselines: total steps → seed → split.
        failures: cells whose training failed, and why.
        damaged: files that list the images that were passed over and why, with the number of images in each.
        unreadable: objects of the user's whose source cannot be read; with any, nothing of the study is cached.
        networks: every network that was trained, for `theory_sim.load_classifier`.
        controls: answers of the controls that are trained on the coarse labels: name and total steps → seed → split.
        notes: why longer trainings did not continue shorter ones.
    """

    study: ImageStudy
    folder: Path
    labels: list[Labelling]
    transferred: list[Transferred]
    baselines: dict[int, dict[int, dict[str, Answers]]]
    failures: dict[str, str]
    damaged: Mapping[Path, int]
    unreadable: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    notes: tuple[str, ...] = ()
    controls: Mapping[tuple[str, int], dict[int, dict[str, Answers]]] = field(default_factory=dict)

    @cached_property
    def results(self) -> pd.DataFrame:
        """All errors and gains; see `theory_sim.pretraining.tables`."""
        from theory_sim.pretraining.tables import results_table

        return results_table(self)


class StudyInterrupt(KeyboardInterrupt):
    """A study was interrupted.

    Attributes:
        outcome: what was finished before.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def run_study(study: ImageStudy, out: str | Path = "results", on_progress: OnProgress = ignore) -> Outcome:
    """Run a study; cells that are finished are read, an interrupted one is resumed.

    Args:
        study: the configuration.
        out: folder of all results.
        on_progress: called with progress: of reading images, and of all training steps together.

    Raises:
        InputError: what the configuration names is absent or does not fit together; a checkpoint is damaged or of another
            configuration.
        StudyInterrupt: it was interrupted while its cells were computed.
        OSError: no room is left, or a folder cannot be written.
    """
    place, kept_data = Path(out) / study.name, Path(out) / SHARED
    if Path(out).exists() and not Path(out).is_dir():
        raise InputError(f"{out} is a file, not a folder for results")
    sources = sources_of(study)
    n_processes = processes().num_processes
    for key, recipe in study.recipes.items():
        with _named(key):
            recipe.check_parts(n_processes)
    _check_network(study)
    alone = same_everywhere(uuid.uuid4().hex) if sources.unreadable else ""
    main = processes().is_main_process
    listed = IMAGE_SOURCES[study.data.source].check(study.data)
    if study.target is not None:
        with _of_target():
            IMAGE_SOURCES[study.target.source].check(study.target)
    if listed is not None:
        check_before_reading(listed, study)
    if main:
        with locked(kept_data):
            loaded = _load(study, kept_data, on_progress)
    processes().wait_for_everyone()  # the other processes then find indexes and streamed images
    data, target = loaded if main else _load(study, kept_data, ignore)
    study = with_split_labels(with_image_size(study, data, target), data)
    sources = sources_of(study)
    _check_views(study, data, target)
    key = _study_key(study, sources, data, target, alone)
    check_ours(place / key / name for name in FILES)
    # The small network's operations are too small to be shared among cores: each core computes a cell of its own.
    small = study.model.name == "convnet" and processes().device.type == "cpu"
    at_once = torch.get_num_threads() if small and n_processes == 1 else 1
    memory, overall = ImageMemory(study.model.side, on_progress, n_processes), Overall(study, on_progress)
    keep_freed_memory()
    with torch_threads(1 if small else None), _cache(kept_data, alone) as cache:
        labellings = _labellings(study, sources, data, cache, memory, on_progress)
        cells = Cells(study, sources, data, target, cache / "cells", overall.within, memory)
        outcome = _cells(cells, overall, labellings, at_once)
    outcome = replace(outcome, folder=place / key, unreadable=sources.unreadable)
    if main:
        _write_folder(outcome, target)
    return outcome


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Put the key of a section before an error."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{key}.{error}") from None


_DATA_KEY = re.compile(rf"^data(?=: )|(?<![\w/.])data(?=\.(?:{'|'.join(Data.model_fields)})\b)")


@contextmanager
def _of_target() -> Iterator[None]:
    """Image sources name the keys of the section ``data``; those of the target are in ``target``."""
    try:
        yield
    except InputError as error:
        raise InputError(_DATA_KEY.sub("target", str(error))) from None


def _check_network(study: ImageStudy) -> None:
    """Load weights from elsewhere before any image is read: they may not be there, or take no images of this size."""
    if study.model.pretrained is None:
        return
    Classifier(study.model, 2, 0)
    if normalises_over_batches(study.model):
        study.check_normalised(study.model.pretrained)


def _check_views(study: ImageStudy, data: ImageData, target: ImageData) -> None:
    """Read one image as each recipe does, before any network is trained: sources may not serve every size or crop."""
    for key, recipe in study.recipes.items():
        # Baselines train on the target by the recipe of pretraining.
        for images in (data, target) if key == "pretraining" else (target,):
            try:
                images.images.batch([int(images.train[0])], View(study.model.side, recipe.crop), [(study.seed, 0)])
            except InputError as error:
                raise InputError(f"{key}.{error}" if str(error).startswith("crop") else str(error)) from None


@contextmanager
def _cache(place: Path, alone: str) -> Iterator[Path]:
    """The folder where label functions and cells are kept; an uncached run has one of its own, deleted in the end."""
    if not alone:
        yield place
        return
    temporary = place / f".uncached-{alone}"
    main = processes().is_main_process
    if main:
        for other in place.glob(".uncached-*"):
            if (other / "labels").exists():  # without them a run may just begin
                with suppress(BusyError), locked(other, wait=False):  # of a process that was killed
                    shutil.rmtree(other)
    try:
        with locked(temporary) if main else nullcontext():
            yield temporary
            processes().wait_for_everyone()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _load(study: ImageStudy, keep: Path, on_progress: OnProgress) -> tuple[ImageData, ImageData]:
    data = load_data(study.data, keep, on_progress)
    if study.target is None:
        return data, data
    with _of_target():
        target = _leaves_as_target(load_data(study.target, keep, on_progress))
    warn_of_absent_classes(target)
    keep_apart(data, target, study.target.damaged_share)
    return data, target


def _leaves_as_target(data: ImageData) -> ImageData:
    """The same images, each leaf a coarse class of its own."""
    leaves = data.hierarchy.tree.leaves
    names = tuple(data.hierarchy.names[node] for node in leaves)
    tree = LabelTree((ROOT,) * len(leaves))
    return replace(data, hierarchy=Hierarchy(tree, names, {(name,): index for index, name in enumerate(names)}))


def _labellings(
    study: ImageStudy, sources: Sources, data: ImageData, place: Path, memory: ImageMemory, on_progress: OnProgress
) -> Labellings:
    """The label functions with their keys; computed once, by the main process."""
    keys, version = {}, model_version(study.labels.embedding)
    for text in study.labels.functions:
        own = study.labels.model_dump(exclude={"functions"}) | {"embedding": version}
        identity = [text, sources.labels[text], own, study.model.side, data.fingerprint, study.target is None]
        identity.append(pipeline_version())
        keys[text] = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    paths = {text: place / "labels" / f"{key}.safetensors" for text, key in keys.items()}
    if processes().is_main_process:
        missing = [text for text, path in paths.items() if not path.exists()]
        for text in missing:  # all before the first is computed
            check_labelling(text, data, study.labels)
        embedding = _Embedding(study, data, place / "labels", memory, on_progress)
        for text, path in paths.items():
            if not path.exists():
                with locked(path.parent):  # also for the embedding
                    if not path.exists():  # made by the process that this one waited for
                        save_labelling(path, labelling(text, data, study.labels, embedding, study.target is None))
    processes().wait_for_everyone()
    found = {text: (keys[text], load_labelling(path)) for text, path in paths.items()}
    for text, (_, labels) in found.items():
        with _named(f"labels.functions: {text}: pretraining"):
            study.pretraining.check_targets(labels.targets.ndim == 2)
    if twice := repeated([labels.name for _, labels in found.values()]):
        raise InputError(f"labels.functions: '{twice[0]}' is given twice")
    return found


class _Embedding:
    """The training images' embeddings, computed when first asked for, and kept."""

    def __init__(self, study: ImageStudy, data: ImageData, folder: Path, memory: ImageMemory, on_progress: OnProgress) -> None:
        self.study, self.data, self.memory, self.on_progress = study, data, memory, on_progress
        identity = [model_version(study.labels.embedding), study.model.side, data.fingerprint, pipeline_version()]
        self.path = folder / f"embedding-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]}.safetensors"

    def __call__(self) -> Float[Tensor, "train dim"]:
        if not self.path.exists():
            indices = self.data.train.tolist()
            size, device = self.study.model.side, processes().device
            # Another model's images are larger than those that are kept.
            images = self.memory(self.data) if self.study.labels.embedding == "pixels" else self.data.images
            rows = embed(self.study.labels.embedding, images, indices, size, device, self.on_progress)
            save_checkpoint(self.path, {"rows": rows})
        return load_checkpoint(self.path)[0]["rows"]


def _cells(cells: Cells, overall: Overall, labellings: Labellings, at_once: int) -> Outcome:
    """All cells, seed by seed, so that an interrupted study has whole comparisons; one that fails does not stop the others."""
    study, data, target = cells.study, cells.data, cells.target
    units = units_of(cells, overall, labellings)

    def outcome() -> Outcome:
        found: dict[tuple[str, str, int], dict[int, dict[str, Answers]]] = {}
        baselines: dict[int, dict[int, dict[str, Answers]]] = {}
        controls: dict[tuple[str, int], dict[int, dict[str, Answers]]] = {}
        failures: dict[str, str] = {}
        networks: list[Network] = []
        for unit in units:
            for total, answers in unit.baselines.items():
                baselines.setdefault(total, {})[unit.seed] = answers
            for control, answers in unit.controls.items():
                controls.setdefault(control, {})[unit.seed] = answers
            for transfer, answers in unit.transferred.items():
                found.setdefault(transfer, {})[unit.seed] = answers
            failures |= unit.failures
            networks += unit.networks
        transferred = [Transferred(labellings[text][1], name, steps, answers) for (text, name, steps), answers in found.items()]
        damaged = {**data.damaged, **target.damaged}
        every = [labels for _, labels in labellings.values()]
        told: dict[str, Any] = {"networks": tuple(networks), "notes": tuple(sorted(cells.notes)), "controls": controls}
        return Outcome(study, cells.folder, every, transferred, baselines, failures, damaged, **told)

    try:
        side_by_side([unit.compute for unit in units], at_once, overall.stop)
    except KeyboardInterrupt:
        raise StudyInterrupt(outcome()) from None
    return outcome()


def predictions_of(outcome: Outcome) -> Iterator[Predictions]:
    """What every network said of the validation and test images."""
    for total, of_seeds in outcome.baselines.items():
        for seed, answers in of_seeds.items():
            yield Predictions("baseline", "baseline", total, 0, seed, answers)
    for (control, total), of_seeds in outcome.controls.items():
        for seed, answers in of_seeds.items():
            yield Predictions(control_name(control), "control", total, 0, seed, answers)
    for found in outcome.transferred:
        for seed, answers in found.answers.items():
            steps = outcome.study.pretraining.steps
            yield Predictions(found.labels.name, found.transfer, steps, found.steps, seed, answers)


def _study_key(study: ImageStudy, sources: Sources, data: ImageData, target: ImageData, alone: str) -> str:
    settings = study.model_dump(mode="json", exclude={"workers", "plugins", "keep"})
    weights = model_version(study.model.pretrained, "model.pretrained") if study.model.pretrained else ""
    identity = [settings, weights, sources.images, sources.labels, data.fingerprint, target.fingerprint, processes().device.type]
    identity += [pipeline_version(), alone]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _write_folder(outcome: Outcome, target: ImageData) -> None:
    from theory_sim.pretraining.examples import confusion_table, examples_table
    from theory_sim.pretraining.tables import labels_table

    folder, study = outcome.folder, outcome.study
    texts = {
        "config.yaml": yaml_text(study.model_dump(mode="json")),
        "environment.json": as_json(environment(processes().device) | {"pipeline": pipeline_version()}),
        "failures.json": as_json(outcome.failures),
        NETWORKS: as_json([asdict(network) for network in outcome.networks]),
        "labels.csv": labels_table(outcome).to_csv(index=False),
        "results.csv": outcome.results.to_csv(index=False),
        "examples.csv": examples_table(outcome, target).to_csv(index=False),
        "confusion.csv": confusion_table(outcome, target).to_csv(index=False),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    write_predictions(folder / PREDICTIONS, target, predictions_of(outcome))
