"""What a study leaves for people: what every network said of each image, and the networks themselves.

``predictions.parquet`` has one row for each validation and test image of each network (and readout). Columns:

======================  ==========================================================================================
file                    path of the image; its number where images are in memory
split                   ``test`` or ``validation``
true, predicted         names of the coarse classes
confidence              probability of the predicted class; always 1 with the readout ``argmax_parent``
true_confidence         probability of the true class
seed                    seed of the network
label_function          such as ``cluster(20)``; ``baseline``, or a control such as ``control: width``
mode                    how it was transferred; for networks as they are the readout; ``baseline``, ``control``
pretraining_steps,      steps of each; for baselines and controls all of them, and 0
transfer_steps
======================  ==========================================================================================

``networks.json`` lists the networks, for `load_classifier`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theory_sim.pretraining.datasets.base import ImageData
from theory_sim.pretraining.evaluation import Answers
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.outputs import write_output

SHARED = "_images"
"""Folder, beside those of studies, of what all of them share; no study can have this name."""
PREDICTIONS, NETWORKS = "predictions.parquet", "networks.json"


@dataclass(frozen=True)
class Network:
    """One network of a study.

    Attributes:
        labels: the label function, as the configuration writes it; ``baseline``, or a control such as ``control: width``.
        seed: its seed.
        mode: how it was transferred; ``none``: as it was pretrained; ``baseline``; ``control``.
        steps: of the transfer; of a baseline or control in all.
        cell: its cell.
        classes: names of its outputs; None where they are labels of the label function.
        n_labels: number of outputs, where they are labels.
    """

    labels: str
    seed: int
    mode: str
    steps: int
    cell: str
    classes: Sequence[str] | None
    n_labels: int = 0


@dataclass(frozen=True)
class Predictions:
    """What one network said; see the module's table.

    Attributes:
        label_function: of the network.
        mode: of the transfer, or the readout.
        pretraining_steps: of each.
        transfer_steps: of each.
        seed: of the network.
        answers: by split.
    """

    label_function: str
    mode: str
    pretraining_steps: int
    transfer_steps: int
    seed: int
    answers: Mapping[str, Answers]


def write_predictions(path: Path, target: ImageData, predictions: Iterable[Predictions]) -> None:
    """Write ``predictions.parquet``, one row group for each network and split.

    Args:
        path: the file.
        target: the images.
        predictions: of the networks.
    """
    import pyarrow
    import pyarrow.parquet

    names = pyarrow.array(target.hierarchy.names[: target.hierarchy.tree.n_coarse])
    text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    fields = {"file": pyarrow.string(), "split": text, "true": text, "predicted": text}
    fields |= {"confidence": pyarrow.float32(), "true_confidence": pyarrow.float32(), "seed": pyarrow.int64()}
    fields |= {"label_function": text, "mode": text, "pretraining_steps": pyarrow.int64(), "transfer_steps": pyarrow.int64()}
    schema = pyarrow.schema(list(fields.items()))
    splits = {split: getattr(target, split) for split in ("test", "validation")}
    files = {split: [target.images.name(int(index)) for index in indices] for split, indices in splits.items()}
    true = {split: target.coarse[indices] for split, indices in splits.items()}

    def of_class(numbers: Any) -> Any:
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(numbers.int().numpy()), names)

    def all_the_same(value: str, n: int) -> Any:
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * n, pyarrow.int32()), pyarrow.array([value]))

    def write(part: Path) -> None:
        with pyarrow.parquet.ParquetWriter(part, schema) as file:
            for said in predictions:
                for split, answers in said.answers.items():
                    n = len(answers.correct)
                    columns = [files[split], all_the_same(split, n), of_class(true[split]), of_class(answers.predicted)]
                    columns += [answers.highest.numpy(), answers.confidence.numpy(), [said.seed] * n]
                    columns += [all_the_same(said.label_function, n), all_the_same(said.mode, n)]
                    columns += [[said.pretraining_steps] * n, [said.transfer_steps] * n]
                    file.write_table(pyarrow.table(dict(zip(fields, columns, strict=True)), schema=schema))

    write_output(path, write)


def load_classifier(folder: str | Path, labels: str = "baseline", seed: int = 0, mode: str = "", steps: int | None = None) -> Any:
    """Load a network of a study, on the CPU.

    Args:
        folder: the study's results folder, ``<out>/<name>/<hash>``.
        labels: the label function, as the configuration writes it, ``baseline``, or a control such as ``control: width``.
        seed: the network's seed.
        mode: how it was transferred, such as ``finetune``; ``none``: as it was pretrained. It may be left out where the study
            has one only.
        steps: of the transfer, of a baseline in all. They may be left out where the study has one length only.

    Returns:
        a `theory_sim.pretraining.models.Classifier` in evaluation mode: a `torch.nn.Module` from images (N × 3 × side × side,
        red, green and blue, 0 … 255) to logits. Its attribute `classes` names the outputs (coarse classes; for ``none`` the
        numbers of the labels), and `side` is the side of the images.

    Raises:
        InputError: the folder is not a study's, it has no such network or several, or the weights were not kept.
    """
    from theory_sim.pretraining.cells import WEIGHTS
    from theory_sim.pretraining.config import load_study
    from theory_sim.pretraining.controls import changed, coarse_controls, control_name
    from theory_sim.pretraining.models import Classifier
    from theory_sim.runtime.storage import load_checkpoint

    folder = Path(folder)
    try:
        networks = [Network(**row) for row in json.loads((folder / NETWORKS).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{folder} is not the results folder of an image study: no {NETWORKS} can be read there: {error}"
        ) from None
    found = [network for network in networks if (network.labels, network.seed) == (labels, seed)]
    if not mode and labels == "baseline":
        mode = "baseline"
    found = [of for of in found if mode in ("", of.mode) and steps in (None, of.steps)]
    if not mode and len({of.mode for of in found} - {"none"}) == 1:
        found = [of for of in found if of.mode != "none"]
    if len(found) != 1:
        wanted = f"labels={labels}, seed={seed}" + f", mode={mode}" * bool(mode) + f", steps={steps}" * (steps is not None)
        all_ = found or networks
        choice = "; ".join(f"labels={of.labels}, seed={of.seed}, mode={of.mode}, steps={of.steps}" for of in all_[:20])
        choice += f" and {len(all_) - 20} more" * (len(all_) > 20)
        raise InputError(f"{folder} has {len(found) or 'no'} networks of {wanted}; there are {choice}")
    (network,) = found
    path = folder.resolve().parents[1] / SHARED / "cells" / network.cell / WEIGHTS
    if not path.exists():
        raise InputError(f"{path} is not there: the weights were not kept (keep: weights keeps them), or were deleted since")
    study = load_study(folder / "config.yaml")
    control = next((control for control in coarse_controls(study) if labels == control_name(control)), None)
    classes = network.classes or tuple(map(str, range(network.n_labels)))
    model = Classifier(changed(study, control)[0], len(classes), seed)
    model.load_state_dict(load_checkpoint(path)[0])
    model.classes, model.side = tuple(classes), study.model.side
    return model.eval()
