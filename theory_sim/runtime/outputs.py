"""Outputs that people name or edit: no file is overwritten that theory_sim did not write, or that was changed since.

Each folder with such outputs has a ledger, ``.theory-sim``: a JSON line with the name and the digest of every file written
there. A line is added before its file is put in place, so that a killed process leaves no file without one.

An output at a symbolic link is written to the link's target, and the link stays. What is no file, such as a folder, a pipe or a
device, is never replaced by one.
"""

import errno
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from theory_sim.runtime.errors import InputError
from theory_sim.runtime.storage import as_json, digest, write_atomically

LEDGER = ".theory-sim"


def check_ours(paths: Iterable[Path]) -> None:
    """Check before work starts that its outputs overwrite nothing of the user's; an empty file is nothing.

    Raises:
        InputError: theory_sim did not write a file that is there, or it was changed since; or what is there is no file.
    """
    ledgers: dict[Path, dict[str, set[str]]] = {}
    for given in paths:
        path = _target(given)
        if given.exists() and not given.is_file():
            what = "a folder" if given.is_dir() else "a pipe, a device or a socket"
            raise InputError(f"{given} is {what}, not a file: choose another place for the output")
        if path.is_file() and path.stat().st_size:
            ledger = ledgers.setdefault(path.parent, _read(path.parent))
            if digest(path) not in ledger[path.name]:
                what = "was changed since theory-sim wrote it" if ledger[path.name] else "was not written by theory-sim"
                raise InputError(f"{path} {what}, and would be overwritten: move it, or choose another place for the output")


def is_ours(path: Path) -> bool:
    """Whether theory_sim wrote a file as an output, and nobody changed it since."""
    return digest(path) in _read(path.parent)[path.name]


def write_output(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in place, as `theory_sim.runtime.storage.write_atomically`.

    Raises:
        InputError: as `check_ours`.
    """
    check_ours([path])  # `write` may take long
    path = _target(path)

    def write_and_note(part: Path) -> None:
        write(part)
        check_ours([path])
        _note(path, digest(part))

    write_atomically(path, write_and_note)


def write_text(path: Path, text: str) -> None:
    """Write a text file; errors are those of `write_output`."""
    write_output(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, NaN and infinity as null; errors are those of `write_output`."""
    write_text(path, as_json(value))


def _target(path: Path) -> Path:
    """The place that a path leads to, through symbolic links; one that leads nowhere is left to the system to refuse."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _read(folder: Path) -> dict[str, set[str]]:
    """The digests of each file that a ledger notes, by its name."""
    found: dict[str, set[str]] = defaultdict(set)
    ledger = folder / LEDGER
    for line in ledger.read_text(encoding="utf-8").splitlines() if ledger.is_file() else ():
        try:
            noted = json.loads(line)
            found[noted["file"]].add(noted["sha256"])
        except (ValueError, LookupError, TypeError):  # the disk was full, or somebody edited it: other lines count
            continue
    return found


def _note(path: Path, sha256: str) -> None:
    """Add a line by one write, which other processes do not interrupt."""
    if sha256 in _read(path.parent)[path.name]:
        return
    line = json.dumps({"file": path.name, "sha256": sha256}) + "\n"
    with open(path.parent / LEDGER, "a+b", buffering=0) as file:
        if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
            line = "\n" + line
        if file.write(line.encode()) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.parent / LEDGER))
