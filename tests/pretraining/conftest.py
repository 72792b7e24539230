"""Shared by the tests of the image pipeline."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from image_folders import make_folder

from theory_sim.pretraining import cells

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two coarse classes of two leaves of ten JPEGs."""
    return make_folder(tmp_path / "images")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, BaseException], Callable]:
    """Let the training of networks whose whole name matches a pattern raise an error; returns the right training."""

    def fail(pattern: str, error: BaseException) -> Callable:
        honest = cells.train

        def train(*arguments):
            if re.fullmatch(pattern, arguments[6]):
                raise error
            return honest(*arguments)

        monkeypatch.setattr(cells, "train", train)
        return honest

    return fail


@pytest.fixture
def settings(folder: Path) -> list[str]:
    """A study that takes seconds."""
    training = "steps=6, batch=8, step_size=0.05, log_every=1"
    return [
        "name=tiny",
        "seeds=2",
        "controls=[]",
        f"data={{source: tree, path: {folder}, test_share: 0.3, validation_share: 0.2}}",
        "labels.functions=[level(1), leaf]",
        "model={width: 4, image_size: 8}",
        "pretraining={" + training.replace("=", ": ") + "}",
        "transfer={modes: [finetune, none], steps: [2], training: {batch: 8, log_every: 1}}",
    ]
