"""Deleting runs, and what takes room in a folder of results. Nothing is deleted that the package did not write.

A run is deleted as a whole or not at all: a file that the package did not write, or that was changed since, keeps it. Its
manifest goes first, so that a deletion that is killed leaves an unfinished run and no damaged one.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from theory_sim.runs.folder import CELLS
from theory_sim.runtime import outputs
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.locks import LOCK, locked
from theory_sim.runtime.storage import digest, is_part
from theory_sim.studies.shelf import StoredRun, find_runs, folder_bytes

_OWN = ("config.yaml", CELLS, "environment.json", "log.jsonl", "checkpoint.safetensors", LOCK, outputs.LEDGER)
_EVALUATION = re.compile(r"[0-9a-f]{16}\.nc")


@dataclass(frozen=True)
class Room:
    """What a part of a folder of results takes on disk, in bytes.

    Attributes:
        name: the folder of one name, or of one run, below it; ``.`` for what is in the folder itself.
        runs: number of its runs.
        bytes: all of it.
        stale: its runs that the present code would not load.
        unfinished: its runs without a manifest, being made or interrupted.
        other: all that belongs to no run: tables of sweeps, image studies, a user's files.
    """

    name: str
    runs: int
    bytes: int
    stale: int
    unfinished: int
    other: int


def room(folder: Path) -> list[Room]:
    """What each part of a folder takes, the largest first; together they are all of it.

    Args:
        folder: a folder of all results, or that of one name, or of one run.

    Raises:
        InputError: the folder is absent.
    """
    runs = find_runs(folder)
    parts = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    whole_of = {part: folder_bytes(part) for part in parts}
    if any(run.files == folder for run in runs):
        whole_of = {folder: folder_bytes(folder)}
    elif (beside := folder_bytes(folder) - sum(whole_of.values())) > 0:
        whole_of[folder] = beside
    found = []
    for place, whole in whole_of.items():
        own = [run for run in runs if run.files == place or (place != folder and place in run.files.parents)]
        sizes = {run.files: folder_bytes(run.files) for run in own}
        stale = sum(sizes[files] for files in {run.files for run in own if run.stale is not None})
        unfinished = sum(sizes[files] for files in {run.files for run in own if not run.finished})
        name = "." if place == folder else place.name
        found.append(Room(name, len(own), whole, stale, unfinished, whole - sum(sizes.values())))
    return sorted(found, key=lambda each: -each.bytes)


def why_kept(run: StoredRun, chosen: Iterable[StoredRun] = ()) -> str | None:
    """Why a run may not be deleted: what is in its folder that the package did not write as it is now; None: it may.

    Args:
        run: the run.
        chosen: all runs that are to be deleted: cells that are stored together are deleted together.
    """
    if run.files.is_symlink():
        return f"{run.files} is a link"
    if run.in_block and len({one.id for one in (run, *chosen) if one.files == run.files}) < run.together:
        return f"it is stored together with {run.together - 1} other cells of its sweep; name {run.files} to delete them all"
    manifest = run.files / "manifest.json"
    noted = {}
    if manifest.is_file():
        try:
            noted = dict(json.loads(manifest.read_text(encoding="utf-8"))["files"])
        except (ValueError, LookupError, TypeError):
            return f"{manifest} was changed since theory-sim wrote it"
    for path in sorted(run.files.rglob("*")):
        if reason := _not_ours(path, run, noted):
            return f"{path} {reason}"
    return None


def delete_run(run: StoredRun, chosen: Iterable[StoredRun] = ()) -> None:
    """Delete a run's folder, and that of its name if nothing else is in it; of a cell of a block, the block's.

    Args:
        run: the run.
        chosen: as `why_kept`.

    Raises:
        BusyError: another process works on it.
        InputError: its folder holds what the package did not write, or a file that was changed since.
    """
    with locked(run.files, lambda: True, wait=False):
        if (reason := why_kept(run, chosen)) is not None:
            raise InputError(f"{reason}: the run is kept")
        files = [path for path in run.files.rglob("*") if path.is_file() and path != run.files / LOCK]
        for path in sorted(files, key=lambda path: path.name != "manifest.json"):
            path.unlink(missing_ok=True)
    below = sorted((path for path in run.files.rglob("*") if path.is_dir()), reverse=True)
    for folder in (*below, run.files, run.files.parent):
        with suppress(OSError):  # something is in it now
            folder.rmdir()


def _not_ours(path: Path, run: StoredRun, noted: dict[str, str]) -> str | None:
    """Why a path below a run's folder is not the package's."""
    inside, foreign = path.relative_to(run.files), "was not written by theory-sim"
    if path.is_symlink():
        return foreign
    if path.is_dir():
        of_cell = run.in_block and len(inside.parts) == 1  # with its page
        return None if of_cell or inside.name == "evaluations" else foreign
    if str(inside) in noted:
        return None if digest(path) == noted[str(inside)] else "was changed since theory-sim wrote it"
    if inside.parent.name == "evaluations":
        known = _EVALUATION.fullmatch(path.name) or path.name == LOCK
    else:
        known = str(inside) == "manifest.json" or inside.name in (_OWN if not noted else (LOCK, outputs.LEDGER))
        known = known or (not noted and path.name in _records(run))
    return None if known or is_part(path) or outputs.is_ours(path) else foreign


def _records(run: StoredRun) -> Iterator[str]:
    """Names of the files of the networks' records."""
    return (f"{key.removeprefix('labels.')}.nc" for key in run.settings if key.startswith("labels."))
