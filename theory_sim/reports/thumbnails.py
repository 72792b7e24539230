"""Small pictures of test images, easy and hard ones, for the page of a study on real images.

Images and answers are those at hand: nothing is downloaded, and no network is trained or run.
"""

import base64
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.runtime.errors import DataWarning, InputError

if TYPE_CHECKING:
    from theory_sim.pretraining.config import ImageStudy

EACH = 12
"""Pictures of each kind."""
_SIDE = 64
"""Of the pictures of files, in pixels; arrays keep their own size."""


def thumbnails(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Hard and easy test images: for each its class, the share of baselines that classify it correctly, and a picture (PNG).

    Args:
        folder: the study's folder.

    Returns:
        Lists by ``hard`` and ``easy``: those that the fewest and the most baselines classify correctly. Nothing where the images
        or the answers are not at hand.
    """
    from theory_sim.pretraining.config import load_study
    from theory_sim.pretraining.datasets.base import load_data

    try:
        study = load_study(folder / "config.yaml")
    except InputError:  # a plugin is gone
        return {}
    settings = study.data if study.target is None else study.target
    if settings.source == "huggingface":  # it might be downloaded
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            data = load_data(settings, folder.parent / "data")
        except (InputError, OSError):  # the images are gone
            return {}
    answers = list(_answers(folder, study, data.fingerprint))
    if not answers:
        return {}
    right, test = np.mean(answers, 0), data.test.tolist()
    order = np.argsort(right, kind="stable")
    size = (study.model.image_size or _SIDE) if settings.source == "digits" else _SIDE
    chosen = {"hard": order[right[order] < 1][:EACH], "easy": order[::-1][:EACH]}
    names, tree = data.hierarchy.names, data.hierarchy.tree
    return {
        kind: [
            {
                "class": str(names[tree.leaves[int(data.leaf[test[i]])]]),
                "right": float(right[i]),
                "picture": _png(data.images, test[i], size),
            }
            for i in at.tolist()
        ]
        for kind, at in chosen.items()
    }


def _answers(folder: Path, study: "ImageStudy", target: str) -> Iterator[np.ndarray]:
    """Which test images each baseline of the study classifies correctly; `target` identifies the images."""
    from theory_sim.runtime.storage import load_checkpoint

    for path in sorted((folder.parent / "cells").glob("*/cell.json")):
        try:
            cell = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        file, seeds = path.with_name("answers.safetensors"), range(study.seed, study.seed + study.seeds)
        own = cell.get("model") == study.model.model_dump() and cell.get("target") == target and cell.get("seed") in seeds
        if own and "baseline" in cell and _recipe(cell["baseline"]) == _recipe(study.pretraining.model_dump()) and file.is_file():
            yield load_checkpoint(file)[0]["test correct"][0].numpy()


def _recipe(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "steps"}


def _png(images: Any, index: int, size: int) -> str:
    from PIL import Image

    from theory_sim.pretraining.loading.images import View

    pixels = images.batch([index], View(size))[0].permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")
