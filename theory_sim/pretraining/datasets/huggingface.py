"""Hugging Face data sets by name, streamed once into nested folders and then read as such.

The images are kept encoded, as they arrive. No code of the data set is run.
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from theory_sim.pretraining.datasets.base import Data, ImageData, OnProgress, image_source
from theory_sim.pretraining.datasets.folders import load_folders
from theory_sim.pretraining.datasets.tree import TREE
from theory_sim.pretraining.hub import quiet_retries
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import Progress


@image_source("huggingface", "a data set of the Hugging Face hub, by name")
def load(data: Data, keep: Path, on_progress: OnProgress) -> ImageData:
    """Stream the splits into folders nested by the label columns, coarsest first, and read these."""
    splits = [split for split in (data.split, data.test_split) if split]
    folders = [stream_to_folder(data, split, keep, on_progress) for split in splits]
    return load_folders(TREE, data, keep, on_progress, folders)


def stream_to_folder(data: Data, split: str, keep: Path, on_progress: OnProgress) -> Path:
    """Stream one split; a complete folder is not streamed again.

    Args:
        data: `path` is the data set's name (or folder), `columns` its labels, coarsest first.
        split: which split.
        keep: the folder to keep it in.
        on_progress: called as images arrive.

    Raises:
        InputError: the data set, the split or a column is not there, or the connection failed.
    """
    key = hashlib.sha256(repr((data.path, split, data.columns, data.image_column)).encode()).hexdigest()[:12]
    folder = keep / f"streamed-{split.replace('/', '_')}-{key}"
    if folder.is_dir():
        return folder
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for done, (place, content) in enumerate(_images(data, split), start=1):
        (part / place).mkdir(parents=True, exist_ok=True)
        (part / place / f"{done:08d}.image").write_bytes(content)
        if done % 100 == 0:
            on_progress(Progress(f"streaming {split}", done, done))
    part.mkdir(parents=True, exist_ok=True)
    part.rename(folder)
    return folder


def _images(data: Data, split: str) -> Iterator[tuple[str, bytes]]:
    """Of each image the folder of its labels, and its encoded bytes."""
    try:
        import datasets

        quiet_retries()
        rows = datasets.load_dataset(data.path, split=split, streaming=True)
        features = rows.features or {}
        for column in (data.image_column, *data.columns):
            if column not in features:
                raise InputError(f"{data.path}: no column '{column}'; it has {', '.join(features) or 'none'}")
        rows = rows.cast_column(data.image_column, datasets.Image(decode=False))
        for row in rows:
            labels = [_label(features[column], row[column], column, data) for column in data.columns]
            image = row[data.image_column] or {}
            content = image.get("bytes")
            if content is None:
                content = Path(image["path"]).read_bytes() if image.get("path") else b""
            yield "/".join(labels), content
    except (InputError, ImportError):
        raise
    except Exception as error:  # a dozen kinds, of several libraries
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise InputError(f"cannot stream the Hugging Face data set '{data.path}', split '{split}': {reason}") from None


def _label(feature: Any, value: Any, column: str, data: Data) -> str:
    if value is None or (isinstance(value, int) and value < 0):
        raise InputError(f"{data.path}: column '{column}' has images without a label; choose a split that has labels")
    name = feature.int2str(value) if hasattr(feature, "int2str") else f"{value:06d}" if isinstance(value, int) else str(value)
    return name.replace("/", "_").replace("\x00", "").lstrip(".") or "_"
