"""What figures are drawn from besides runs: tables of finished studies, of the simulator and on real images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from theory_sim.config import Config
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import Progress

# Studies need the extra `sweep`; without it their figures wait, and all others are drawn.
if TYPE_CHECKING:
    from theory_sim.studies.study import StudyAnswer

_IMAGE_COLUMNS = {"kind", "transfer", "samples", "classes", "error", "baseline_error"}


class NotMadeError(InputError):
    """A study has no tables yet, or none of this version; the message names the command that makes them."""


@dataclass(frozen=True)
class StudyTables:
    """A finished study of the simulator.

    Attributes:
        config: what its cells have in common.
        cells: a row per cell and claim, see `theory_sim.studies.tables`.
        replicas: a row per cell, replica, model, kind of test samples and readout, see there.
        answer: what they come to; decided anew, since bounds and comparisons may change when no table does.
    """

    config: Config
    cells: pd.DataFrame
    replicas: pd.DataFrame
    answer: "StudyAnswer"


def find_study(name: str, out: Path, device: str = "auto", smoke: bool = False) -> StudyTables:
    """The tables of a study, looked up by its configuration, its grids and the version of the code.

    Args:
        name: of the study.
        out: folder of all results.
        device: that it was run on, see `theory_sim.runs.run.choose_device`.
        smoke: whether at its small size.

    Raises:
        NotMadeError: there are none.
        InputError: there is no such study, or no package to read tables with.
    """
    from theory_sim.studies.study import decide_study, load_study
    from theory_sim.studies.sweep import find_sweep

    study = load_study(name)
    config = study.configuration(smoke)
    done = find_sweep(config, study.grids_at(smoke), out, device)
    if done is None:
        place = out / f"{config.name}-sweep"
        others = any(place.glob("*/cells.parquet"))
        what = f"the tables in {place} are of another version or size" if others else f"there are no tables in {place}"
        raise NotMadeError(f"{what}; {study_command(name, out, smoke)} makes them")
    return StudyTables(config, done.read("cells"), done.read("replicas"), decide_study(study, done, smoke))


def run_small(name: str, out: Path, device: str, show: Callable[[Progress], None]) -> None:
    """Run a study at its small size, in this process: its cells take less time than processes to start."""
    from theory_sim.studies.study import load_study, run_study

    run_study(load_study(name), True, out, device, jobs=0, on_progress=show)


def study_cells(name: str, smoke: bool) -> list[Config]:
    """The configurations of a study's cells."""
    from theory_sim.studies.study import load_study

    return [cell.config for cell in load_study(name).cells(smoke)]


def study_command(name: str, out: Path, smoke: bool = False) -> str:
    """What makes the tables of a study."""
    return f"theory-sim study {name}" + " --smoke" * smoke + (f" --out {out}" if out != Path("results") else "")


def image_command(name: str, out: Path) -> str:
    """What makes the table of a study on real images."""
    return f"theory-sim pretrain configs/{name}.yaml" + (f" --out {out}" if out != Path("results") else "")


def image_table(name: str, out: Path) -> pd.DataFrame:
    """The newest table of a study on real images.

    Raises:
        NotMadeError: there is none, or it has not the columns that are drawn.
    """
    command = image_command(name, out)
    found = sorted((out / name).glob("*/results.csv"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise NotMadeError(f"there is no {out / name}/…/results.csv; {command} makes it")
    table = pd.read_csv(found[-1])
    if missing := _IMAGE_COLUMNS - set(table):
        absent = ", ".join(sorted(missing))
        raise NotMadeError(f"{found[-1]} is of another version, without the column {absent}; {command} makes it anew")
    return table
