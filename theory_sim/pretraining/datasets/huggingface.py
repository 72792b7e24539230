"""Hugging Face data sets, by name or as a folder of their Parquet files, streamed once into nested folders and then read as such.

The images are kept encoded, as they arrive. No code of the data set is run. A split that was streamed from the hub is not
looked up again: delete its folder, ``streamed-…`` in ``_images`` of the results, to stream a newer version. A split of a folder
is streamed again where its Parquet files have changed.
"""

import hashlib
import os
import shutil
import unicodedata
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import Any

from theory_sim.pretraining.datasets.base import Data, ImageData, image_source
from theory_sim.pretraining.datasets.folders import load_folders
from theory_sim.pretraining.datasets.tree import TREE
from theory_sim.pretraining.hub import HUB, hub_name, local_folder, quiet_retries
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import OnProgress, Progress


def check(data: Data) -> None:
    """Tell a name of the hub from a folder, and find a folder's files."""
    if data.test_path is not None:
        raise InputError("data.test_path: source huggingface has test_split instead")
    for split in filter(None, (data.split, data.test_split)):
        _parquet_files(data, split)


@image_source("huggingface", "a data set of the Hugging Face hub, by name, or a folder of its Parquet files", check=check)
def load(data: Data, keep: Path, on_progress: OnProgress) -> ImageData:
    """Stream the splits into folders nested by the label columns, coarsest first, and read these."""
    check(data)
    splits = [split for split in (data.split, data.test_split) if split]
    folders = [stream_to_folder(data, split, keep, on_progress) for split in splits]
    return load_folders(TREE, data, keep, on_progress, folders)


def stream_to_folder(data: Data, split: str, keep: Path, on_progress: OnProgress) -> Path:
    """Stream one split; a complete folder is not streamed again. Of several processes one streams, and the others wait.

    Args:
        data: `path` is the data set's name or folder, `columns` its labels, coarsest first.
        split: which split.
        keep: the folder to keep it in.
        on_progress: called as images arrive.

    Raises:
        InputError: the data set, the split or a column is not there, the connection failed, an image has no label, or two labels
            cannot have folders of their own.
    """
    import filelock

    # The number names the rules by which labels become folders: a folder of other rules is not used.
    files = _parquet_files(data, split)
    source = hub_name(data.path or "") if files is None else f"folder {Path(data.path or '').expanduser().resolve()}"
    key = hashlib.sha256(repr((3, source, split, data.columns, data.image_column)).encode()).hexdigest()[:12]
    state = repr([(f"{path}", path.stat().st_size, path.stat().st_mtime_ns) for path in files or ()])
    folder = keep / f"streamed-{split.replace('/', '_')}-{key}"
    keep.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(keep / f".{folder.name}.lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        on_progress(Progress(f"waiting for the process that streams {split}", 0, 1))
        lock.acquire()
    try:
        if folder.is_dir() and (folder / _STATE).read_text(encoding="utf-8") != state:
            shutil.rmtree(folder)
        if not folder.is_dir():
            _stream(data, split, folder, state, on_progress)
    finally:
        lock.release()
    return folder


_KEY = "data.path"
_STATE = ".streamed-from"
"""File of a streamed folder with the state of the Parquet files; empty for a data set of the hub."""


def _parquet_files(data: Data, split: str) -> list[Path] | None:
    """A folder's files of a split: those named ``SPLIT.parquet`` or ``SPLIT-….parquet``, at any depth, or those in a folder
    ``SPLIT``; None for a data set of the hub. The hub's library would guess the splits from words anywhere in the names.

    Raises:
        InputError: see `local_folder`; or the folder has no such files.
    """
    root = local_folder(data.path or "", _KEY)
    if root is None:
        return None
    every = sorted(path.resolve() for path in root.rglob("*.parquet"))
    if not every:
        raise InputError(f"{_KEY}: {root} holds no Parquet files; a folder of images has the source tree, imagenet or inat2021")
    files = [path for path in every if path.stem == split or path.stem.startswith(f"{split}-")]
    files = files or [path for path in every if path.parent.name == split]
    if not files:
        names = ", ".join(path.name for path in every[:3]) + (" …" if every[3:] else "")
        raise InputError(f"{_KEY}: {root} has no Parquet files of the split '{split}', such as {split}-….parquet; it has {names}")
    return files


def _stream(data: Data, split: str, folder: Path, state: str, on_progress: OnProgress) -> None:
    """Stream one split into a folder beside its place and move it there once it is complete."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed: this one holds the lock
    part.mkdir()
    made: set[tuple[str, ...]] = set()
    done = 0
    for done, (labels, content) in enumerate(_images(data, split), start=1):
        for depth in range(1, len(labels) + 1):
            if labels[:depth] not in made:
                _make_class(part, labels[:depth])
                made.add(labels[:depth])
        part.joinpath(*labels, f"{done:08d}{_SUFFIX}").write_bytes(content)
        if done % 100 == 0:
            on_progress(Progress(f"streaming {split} of {data.path}", done, done))
    if (kept := sum(name.endswith(_SUFFIX) for _, _, names in os.walk(part) for name in names)) != done:
        raise InputError(f"{part} has {kept} of the {done} images that were streamed; was it changed by others? Run again")
    (part / _STATE).write_text(state, encoding="utf-8")
    part.rename(folder)


_SUFFIX = ".image"


def _make_class(part: Path, labels: tuple[str, ...]) -> None:
    try:
        part.joinpath(*labels).mkdir()
    except FileExistsError:  # such as Owl and owl where the file system does not tell them apart
        raise InputError(
            f"the label '{'/'.join(labels)}' shares its folder with another one: the file system does not tell their names"
            " apart; give another --out"
        ) from None


def _images(data: Data, split: str) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Of each image the folders of its labels, and its encoded bytes.

    Raises:
        InputError: also where fewer images arrive than the data set says that it has.
    """
    try:
        import datasets

        quiet_retries()
        files = _parquet_files(data, split)
        if files is None:  # with the prefix a folder of this name is never taken for it
            rows = datasets.load_dataset(f"{HUB}datasets/{hub_name(data.path or '')}", split=split, streaming=True)
        else:
            rows = datasets.load_dataset(
                "parquet", data_files={split: [f"{path}" for path in files]}, split=split, streaming=True
            )
        features = rows.features or {}
        for column in (data.image_column, *data.columns):
            if column not in features:
                raise InputError(f"{data.path}: no column '{column}'; it has {', '.join(features) or 'none'}")
        rows = rows.cast_column(data.image_column, datasets.Image(decode=False))
        arrived = 0
        for arrived, row in enumerate(rows, start=1):  # noqa: B007 - how many there were is checked below
            labels = [_label(features[column], row[column], column, data) for column in data.columns]
            image = row[data.image_column] or {}
            content = image.get("bytes")
            if content is None:
                content = Path(image["path"]).read_bytes() if image.get("path") else b""
            yield tuple(labels), content
        expected = getattr((rows.info.splits or {}).get(split), "num_examples", None)
        if expected and arrived != expected:
            raise InputError(f"{data.path}: {arrived} of the {expected} images of split '{split}' arrived; run again")
    except (InputError, ImportError):
        raise
    except Exception as error:  # a dozen kinds, of several libraries
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise InputError(f"cannot stream the Hugging Face data set '{data.path}', split '{split}': {reason}") from None


def _label(feature: Any, value: Any, column: str, data: Data) -> str:
    if value is None or (isinstance(value, int) and value < 0) or (isinstance(value, float) and isnan(value)):
        raise InputError(f"{data.path}: column '{column}' has images without a label; choose a split that has labels")
    name = feature.int2str(value) if hasattr(feature, "int2str") else f"{value:06d}" if isinstance(value, int) else str(value)
    return folder_of_label(name)


def folder_of_label(label: str) -> str:
    """The folder for a label, another one for each: percent signs, slashes, a first dot, and what ends lines are %XX.

    Raises:
        InputError: the folder's name would be longer than file systems allow.
    """

    def escaped(letter: str) -> str:
        return "".join(f"%{byte:02X}" for byte in letter.encode())

    bad = [letter in "%/" or unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in label]
    name = "".join(escaped(letter) if is_bad else letter for letter, is_bad in zip(label, bad, strict=True)) or "%"
    name = escaped(".") + name[1:] if name.startswith(".") else name
    if len(name.encode()) > 255:
        raise InputError(f"the label '{label[:60]}…' is too long for a folder's name; choose another column of labels")
    return name
