"""Files that are whole or absent: written beside their place, then moved there in one step.

Checkpoints are safetensors with their digest in the header, so that a damaged one is recognised.
"""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from theory_sim.runtime.errors import InputError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in place; a reader sees the old file or the new one.

    Raises:
        OSError: it cannot be written, as when no room is left; the error names the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")  # process ids are not unique across machines
    try:
        write(part)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # of writing, not of opening
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def is_part(path: Path) -> bool:
    """Whether a file is one that `write_atomically` has not finished."""
    return re.fullmatch(r"\..+\.[0-9a-f]{8}\.part", path.name) is not None


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; NaN and infinity become null, which every JSON reader takes."""
    write_text(path, as_json(value))


def as_json(value: Any, in_ascii: bool = False) -> str:
    """The text of a JSON file; NaN and infinity become null."""
    return json.dumps(without_nan(value), indent=2, ensure_ascii=in_ascii, allow_nan=False) + "\n"


def without_nan(value: Any) -> Any:
    """The same value with null for every NaN and infinity."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {key: without_nan(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return value


def is_being_written(path: Path) -> bool:
    """Whether an HDF5 (NetCDF) file is open for writing elsewhere; its content then differs from what was written before.

    HDF5 holds a lock on such a file. Where files have no locks, as on Windows, the answer is no.
    """
    try:
        import fcntl

        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_checkpoint(path: Path, tensors: dict[str, Tensor], **values: Any) -> None:
    """Save tensors and JSON values.

    Args:
        path: a .safetensors file.
        tensors: the tensors; they may live on any device.
        values: anything that JSON can say.

    Raises:
        OSError: it cannot be written, as when no room is left.
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    text = json.dumps(values)
    metadata = {"values": text, "digest": _digest(tensors, text)}

    def fill(part: Path) -> None:
        part.touch()
        mode = part.stat().st_mode
        save_file(tensors, part, metadata)
        part.chmod(mode)  # safetensors makes files that only their owner can read, whatever the umask says

    try:
        write_atomically(path, fill)
    except SafetensorError as error:  # what safetensors makes of a full disk
        raise OSError(f"cannot write {path}: {str(error).splitlines()[0]}") from None


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the values of a checkpoint.

    Raises:
        InputError: the file is no checkpoint, or not as it was written.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"damaged checkpoint {path}: {str(error).splitlines()[0]}; delete it to start again") from None
    if metadata.get("digest") != _digest(tensors, metadata.get("values", "")):
        raise InputError(f"damaged checkpoint {path}: its content is not what was written; delete it to start again")
    return tensors, json.loads(metadata["values"])


def _digest(tensors: dict[str, Tensor], text: str) -> str:
    state = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        value = tensors[key]
        state.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        state.update(value.reshape(-1).view(torch.uint8).numpy().data)  # as it is in memory: a copy may not fit
    return state.hexdigest()
