"""What a study leaves for looking at its images: some easy and hard test images, and which fine classes are taken for which.

``examples.csv`` has a row for each image and network that is shown: ``samples`` (``easy`` or ``hard``), ``file``, ``png`` (the
image as a network sees it, as a PNG file in base64), ``true`` (its coarse class), ``leaf``, ``seed``, ``label_function``,
``predicted`` and ``confidence``. The images are drawn at random among those that the split ``both`` finds easy or hard for the
first seed, where the baseline is compared with the networks that were pretrained on leaves; without such networks, with those of
the first label function. ``confusion.csv`` has the test images of each true and predicted ``leaf``, with their coarse classes, of
networks that were trained on leaves, as they were pretrained, all seeds together; without such networks it has no row.
"""

import base64
import io
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import torch

from theory_sim.pretraining.datasets.base import ImageData
from theory_sim.pretraining.difficulty import split_images
from theory_sim.pretraining.evaluation import Answers
from theory_sim.pretraining.loading.images import View
from theory_sim.pretraining.study import Outcome, Transferred

_EACH = 6
_SHOWN = 5
"""Networks for each image, at most."""
_COLUMNS = ["samples", "file", "png", "true", "leaf", "seed", "label_function", "predicted", "confidence"]


def examples_table(outcome: Outcome, target: ImageData) -> pd.DataFrame:
    """The rows of ``examples.csv``; none where there are too few seeds, or no label function was transferred.

    Args:
        outcome: of the study.
        target: its images.
    """
    rows = []
    found = _compared(outcome)
    if found is not None:
        total = outcome.study.pretraining.steps + found.steps
        baselines = outcome.baselines.get(total, {})
        seeds = [seed for seed in found.answers if seed in baselines]
        first, second = (
            np.array([answers[seed]["test"].correct.numpy() for seed in seeds]) for answers in (baselines, found.answers)
        )
        kinds = split_images("both", first, np.zeros(first.shape), second) if seeds else {}
        shown = {"baseline": baselines, **_shown(outcome, found)}
        names, draw = target.hierarchy.names, np.random.default_rng(0)
        for samples in ("easy", "hard"):
            places = np.flatnonzero(kinds[samples][0]) if kinds else np.empty(0, dtype=int)
            for place in sorted(draw.permutation(places)[:_EACH].tolist()):
                image = int(target.test[place])
                leaf = int(target.leaf[image])
                about: list[Any] = [samples, target.images.name(image), _png(target, image, outcome.study.model.side)]
                about += [names[int(target.coarse[image])], names[target.hierarchy.tree.leaves[leaf]], seeds[0]]
                for label_function, answers in shown.items():
                    if seeds[0] in answers:
                        said: Answers = answers[seeds[0]]["test"]
                        rows.append([*about, label_function, names[int(said.predicted[place])], float(said.highest[place])])
    return pd.DataFrame(rows, columns=_COLUMNS)


def confusion_table(outcome: Outcome, target: ImageData) -> pd.DataFrame:
    """The rows of ``confusion.csv``.

    Args:
        outcome: of the study.
        target: its images.
    """
    counts: Counter[tuple[int, int]] = Counter()
    tree, names = target.hierarchy.tree, target.hierarchy.names
    if outcome.study.target is None:
        true = target.leaf[target.test].tolist()
        for found in outcome.transferred:
            if found.labels.kind == "leaf" and found.transfer == "argmax_parent":
                for answers in found.answers.values():
                    counts.update(zip(true, answers["test"].label.tolist(), strict=True))
    rows = [
        [names[tree.leaves[leaf]] for leaf in pair] + [names[int(tree.coarse_of_leaf[leaf])] for leaf in pair] + [n]
        for pair, n in sorted(counts.items())
    ]
    return pd.DataFrame(rows, columns=["true", "predicted", "true_coarse", "predicted_coarse", "images"])


def _compared(outcome: Outcome) -> Transferred | None:
    """The longest transfer of the networks of leaves, by the first mode."""
    able = [found for found in outcome.transferred if found.steps]
    if not able:
        return None
    kinds = [found.labels.kind for found in able]
    kind = "leaf" if "leaf" in kinds else kinds[0]
    able = [found for found in able if found.labels.kind == kind and found.transfer == able[0].transfer]
    return max(able, key=lambda found: found.steps)


def _shown(outcome: Outcome, like: Transferred) -> dict[str, dict[int, dict[str, Answers]]]:
    """Some label functions, each of another kind, transferred alike: that one first."""
    alike = [of for of in outcome.transferred if (of.transfer, of.steps) == (like.transfer, like.steps)]
    of_kind = {of.labels.kind: of for of in [like, *reversed(alike)]} | {like.labels.kind: like}
    return {of.labels.name: of.answers for of in list(of_kind.values())[: _SHOWN - 1]}


def _png(target: ImageData, image: int, side: int) -> str:
    from PIL import Image

    pixels = target.images.batch([image], View(side))[0].permute(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels.to(torch.uint8).numpy()).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()
