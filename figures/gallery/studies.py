"""Finds the tables of finished studies, of the simulator and on real images."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common.figure import StudyTables
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import Progress
from theory_sim.studies.decision import decide_study, measures_table, run_study
from theory_sim.studies.study import load_study

_IMAGE_COLUMNS = {"kind", "transfer", "samples", "classes", "gain", "gain_low", "gain_high", "error", "baseline_error"}
_IMAGE_FILES = ("examples.csv", "confusion.csv")


class NotMadeError(InputError):
    """A study has no tables yet, or none of this version. The message names the command that makes them."""


def find_study(name: str, out: Path, device: str = "auto", smoke: bool = False) -> StudyTables:
    """Find the tables of a study by its configuration, its grids and the version of the code.

    Args:
        name: of the study.
        out: folder of all results.
        device: the device that it was run on, see `theory_sim.runtime.devices.choose_device`.
        smoke: whether it was run at its small size.

    Raises:
        NotMadeError: there are none.
        InputError: there is no such study, or a package that reads tables is missing.
    """
    # Tables need the extra `sweep`: without it the figures of studies wait, and all others are drawn.
    from theory_sim.studies.sweep import find_sweep

    study = load_study(name)
    config = study.configuration(smoke)
    done = find_sweep(config, study.grids_at(smoke), out, device)
    if done is None:
        place = out / f"{config.name}-sweep"
        others = any(place.glob("*/cells.parquet"))
        what = f"the tables in {place} are of another version or size" if others else f"there are no tables in {place}"
        raise NotMadeError(f"{what}; {study_command(name, out, smoke)} makes them")
    tables = {"cells": done.read("cells"), "replicas": done.read("replicas"), "measures": measures_table(done)}
    return StudyTables(config, done.keys, **tables, answer=decide_study(study, done, smoke))


def grid_table(name: str, out: Path, smoke: bool = False) -> pd.DataFrame:
    """The table of a grid (`theory_sim.studies.grids`).

    Raises:
        NotMadeError: there is none of this version.
    """
    from theory_sim.studies import grids

    study = grids.small(grids.GRIDS[name]) if smoke else grids.GRIDS[name]
    table = grids.find_grid(study, out)
    if table is None:
        raise NotMadeError(f"there is no table in {grids.grid_folder(study, out)}; {study_command(name, out, smoke)} makes it")
    return table


def run_small(name: str, out: Path, device: str, on_progress: Callable[[Progress], None]) -> None:
    """Run a study or grid at its small size, in this process: starting others would take longer than its cells."""
    from theory_sim.studies import grids

    if name in grids.GRIDS:
        grids.run_grid(grids.small(grids.GRIDS[name]), out, jobs=0, on_progress=on_progress)
        return
    run_study(load_study(name), True, out, device, jobs=0, on_progress=on_progress)


def study_cells(name: str, smoke: bool) -> list[Config]:
    """The configurations of a study's cells; of a grid, which has too many, one of them."""
    from theory_sim.studies import grids

    if name in grids.GRIDS:
        return [grids.GRIDS[name].config]
    return [cell.config for cell in load_study(name).cells(smoke)]


def study_command(name: str, out: Path, smoke: bool = False) -> str:
    """The command that makes the tables of a study."""
    return f"theory-sim study {name}" + " --smoke" * smoke + (f" --out {out}" if out != Path("results") else "")


def image_command(name: str, out: Path) -> str:
    """The command that makes the table of a study on real images."""
    return f"theory-sim pretrain configs/{name}.yaml" + (f" --out {out}" if out != Path("results") else "")


def image_folder(name: str, out: Path) -> Path:
    """The newest results folder of a study on real images.

    Raises:
        NotMadeError: there is none.
    """
    found = sorted((out / name).glob("*/results.csv"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise NotMadeError(f"there is no {out / name}/…/results.csv; {image_command(name, out)} makes it")
    return found[-1].parent


def image_table(name: str, out: Path) -> pd.DataFrame:
    """The newest table of a study on real images.

    Raises:
        NotMadeError: there is none, or it lacks a column or another table that is drawn.
    """
    folder = image_folder(name, out)
    table = pd.read_csv(folder / "results.csv")
    absent = [f"column {column}" for column in sorted(_IMAGE_COLUMNS - set(table))]
    absent += [f"file {file}" for file in _IMAGE_FILES if not (folder / file).exists()]
    if absent:
        said = f"is of another version, without the {', '.join(absent)}"
        raise NotMadeError(f"{folder / 'results.csv'} {said}; {image_command(name, out)} makes it anew")
    return table
