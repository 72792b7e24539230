"""Shared by the tests of the image pipeline."""

import os
from pathlib import Path

import pytest
from image_folders import make_folder

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two coarse classes of two leaves of ten JPEGs."""
    return make_folder(tmp_path / "images")
