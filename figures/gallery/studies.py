"""Finds the tables of finished studies, of the simulator and on real images."""

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common.figure import StudyTables
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.plain_yaml import read_yaml
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.settings import flat
from theory_sim.runtime.shipped import shipped_configs
from theory_sim.studies.decision import decide_study, measures_table, run_study
from theory_sim.studies.study import load_study

_IMAGE_COLUMNS = {"kind", "transfer", "samples", "classes", "gain", "gain_low", "gain_high", "error", "baseline_error"}
_IMAGE_FILES = ("config.yaml", "examples.csv", "confusion.csv")


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


def image_commands(name: str, out: Path) -> list[str]:
    """The commands that make the tables of a study on real images: one for each size of the training set that is found."""
    try:
        found = image_folders(name, out)
    except NotMadeError:
        return [_image_command(name, out)]
    return [_image_command(name, out, folder) for folder in found.values()]


def image_folders(name: str, out: Path) -> dict[int | None, Path]:
    """The newest results folder of a study on real images for each number of training images per class.

    Returns:
        The folders by their ``data.images_per_class``, the smallest number first; all images, None, come last.

    Raises:
        NotMadeError: there is none.
    """
    tables = sorted((out / name).glob("*/results.csv"), key=lambda path: path.stat().st_mtime)
    if not tables:
        raise NotMadeError(f"there is no {out / name}/…/results.csv; {_image_command(name, out)} makes it")
    newest = {_settings(table.parent / "config.yaml")["data.images_per_class"]: table.parent for table in tables}
    return {number: newest[number] for number in sorted(newest, key=lambda number: number or math.inf)}


def image_table(name: str, out: Path) -> pd.DataFrame:
    """The tables of a study on real images, those of all sizes of the training set together.

    Returns:
        The newest ``results.csv`` of each size, with a column ``images_per_class``: NaN where all images are used.

    Raises:
        NotMadeError: there is none, or one lacks a column or another table that is drawn.
    """
    parts = []
    for number, folder in image_folders(name, out).items():
        table = pd.read_csv(folder / "results.csv")
        absent = [f"column {column}" for column in sorted(_IMAGE_COLUMNS - set(table))]
        absent += [f"file {file}" for file in _IMAGE_FILES if not (folder / file).exists()]
        if absent:
            said = f"is of another version, without the {', '.join(absent)}"
            raise NotMadeError(f"{folder / 'results.csv'} {said}; {_image_command(name, out, folder)} makes it anew")
        parts.append(table.assign(images_per_class=math.nan if number is None else float(number)))
    return pd.concat(parts, ignore_index=True)


def _image_command(name: str, out: Path, folder: Path | None = None) -> str:
    """The command that makes the table of a study on real images; for a folder with the settings that were changed."""
    command = ["theory-sim", "pretrain", f"configs/{name}.yaml"]
    if folder is not None:
        found, shipped = _settings(folder / "config.yaml"), _settings(shipped_configs()[name])
        shipped.pop("data.path", None)  # where the images lie is up to the machine
        for key, value in shipped.items():
            if (own := found.get(key, value)) != value:
                command += ["--set", f"{key}={json.dumps(own)}"]
    return shlex.join(command + (["--out", str(out)] if out != Path("results") else []))


def _settings(file: Path) -> dict[str, Any]:
    """The settings that a file of a study on real images names, by their keys; without a size of the training set it is None."""
    return {"data.images_per_class": None} | (flat(read_yaml(file)) if file.exists() else {})
