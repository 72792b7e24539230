"""What a page can be made of: a run, a study or sweep, a study on real images; found by a folder or a name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from theory_sim.runtime.errors import InputError, expect
from theory_sim.studies.shelf import StoredRun, find_run, find_runs

SWEEP_FILES = ("sweep.json", "cells.parquet")
IMAGE_FILES = ("config.yaml", "results.csv", "labels.csv", "failures.json")
"""Files by which the folders of a finished sweep, and of a study on real images, are known."""


@dataclass(frozen=True)
class StoredStudy:
    """A finished study on disk.

    Attributes:
        kind: ``study``, of runs of the simulator, or ``images``.
        folder: its folder.
    """

    kind: Literal["study", "images"]
    folder: Path


def find_reported(named: str, folder: str | Path = "results") -> StoredRun | StoredStudy:
    """What a page is asked for.

    Args:
        named: a folder; the name of a study, of which the newest is taken; or a run, as `theory_sim.studies.shelf.find_run`.
        folder: the folder of all results.

    Raises:
        InputError: there is nothing of this name, or several runs.
    """
    expect("report", named, str)
    here = Path(named)
    if here.is_dir() and (study := _study(here)) is not None:
        return study
    if len(here.parts) == 1:
        found = [study for name in (f"{named}-sweep", named) for study in _newest_first(Path(folder) / name)]
        if found:
            return found[0]
    return find_run(named, folder)


def newest_run(folder: str | Path = "results") -> StoredRun:
    """The newest finished run.

    Raises:
        InputError: there is none.
    """
    found = [run for run in find_runs(folder) if run.finished]
    if not found:
        raise InputError(f"there is no finished run in {folder}; theory-sim verify makes one")
    return found[0]


def _newest_first(place: Path) -> list[StoredStudy]:
    found = [study for folder in place.glob("*/") if (study := _study(folder)) is not None]
    return sorted(found, key=lambda study: study.folder.stat().st_mtime, reverse=True)


def _study(folder: Path) -> StoredStudy | None:
    if all((folder / name).is_file() for name in SWEEP_FILES):
        return StoredStudy("study", folder)
    return StoredStudy("images", folder) if all((folder / name).is_file() for name in IMAGE_FILES) else None
