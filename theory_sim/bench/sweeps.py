"""Speed of a sweep of small cells: trained side by side, against each cell by itself, in one run on this machine.

Seconds of a cell are compared: in a block; one cell after the other in a process that is warm; and one new process for each
cell, which imports the package and compiles nothing new. All write their results; the first two also claims, measures and
tables. The grid varies numbers of the law of samples and of training, at size A of `theory_sim.bench.simulator`.

Of studies those cells are compared that share their shapes, at their own sizes and with fewer steps.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from theory_sim.bench.ratios import seconds
from theory_sim.bench.simulator import SIZES, configuration
from theory_sim.config import Config
from theory_sim.runtime.plain_yaml import yaml_text
from theory_sim.studies.study import load_study
from theory_sim.studies.sweep import make_cells, sweep
from theory_sim.studies.work import plan

BOUND = 10.0
"""Seconds of a cell in a process of its own ÷ seconds of a cell in a block, at least."""
STUDIES = ("granularity", "assumptions", "boundary")
"""Studies some of whose cells share their shapes."""
STUDY_BOUND = 2.0
"""Seconds of a study's cells one after the other ÷ seconds in blocks, at least."""
_NAME = "bench"


@dataclass(frozen=True)
class SweepSpeed:
    """Seconds a cell.

    Attributes:
        cells: number of cells in the block.
        replicas: R of each cell.
        together: in the block.
        alone: one after the other, in the same process.
        process: each in a new process.
    """

    cells: int
    replicas: int
    together: float
    alone: float
    process: float

    @property
    def ratios(self) -> dict[str, float]:
        """How much faster a block is."""
        return {"process ÷ block": self.process / self.together, "alone ÷ block": self.alone / self.together}


def measure(cells: int = 64, replicas: int = 5, few: int = 4, steps: int | None = None) -> SweepSpeed:
    """Measure a block of `cells` cells, and `few` cells by themselves.

    Args:
        cells: in the block.
        replicas: R.
        few: cells that are run by themselves.
        steps: of training; those of the default configuration without it.
    """
    base = configuration(SIZES["A"], replicas).replace({"name": _NAME} | ({} if steps is None else {"training.steps": steps}))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweep(base.replace({"training.steps": 2}), _grid(2), folder / "warm", "cpu", jobs=0)
        together = seconds(lambda: sweep(base, _grid(cells), folder / "block", "cpu", jobs=0))
        alone = seconds(lambda: sweep(base, _grid(few), folder / "alone", "cpu", jobs=0, together=False))
        process = seconds(lambda: _in_processes(base, few, folder))
    return SweepSpeed(cells, replicas, together / cells, alone / few, process / few)


@dataclass(frozen=True)
class StudySpeed:
    """Seconds of those cells of a study that share their shapes.

    Attributes:
        study: its name.
        cells: number of its cells.
        shared: number of these that are in blocks.
        blocks: number of blocks.
        together: in blocks.
        alone: one after the other, in the same process.
    """

    study: str
    cells: int
    shared: int
    blocks: int
    together: float
    alone: float

    @property
    def ratio(self) -> float:
        """How much faster blocks are."""
        return self.alone / self.together


def measure_study(name: str, steps: int = 20, smoke: bool = False) -> StudySpeed:
    """Measure the cells of a study that share their shapes, in blocks and by themselves.

    Args:
        name: of the study.
        steps: of training; cells that vary this number are run alone, and left out.
        smoke: whether at the study's small size.
    """
    study = load_study(name)
    config = study.configuration(smoke).replace({"training.steps": steps})
    cells = dict(enumerate(make_cells(config, study.grids_at(smoke))))
    planned = plan({str(i): cell.config for i, cell in cells.items()}, 1, torch.device("cpu"))
    blocks = [[cells[int(i)] for i in group] for group in planned if len(group) > 1]
    grids = [{key: [value] for key, value in cell.values.items()} for block in blocks for cell in block]
    with tempfile.TemporaryDirectory() as folder:
        few = config.replace({"training.steps": 2})
        for in_blocks in (True, False):  # the first of each imports and compiles
            sweep(few, grids[:2], Path(folder, f"warm {in_blocks}"), "cpu", jobs=0, together=in_blocks)
        together = seconds(lambda: sweep(config, grids, Path(folder, "blocks"), "cpu", jobs=0))
        alone = seconds(lambda: sweep(config, grids, Path(folder, "alone"), "cpu", jobs=0, together=False))
    return StudySpeed(name, len(cells), len(grids), len(blocks), together, alone)


def _grid(cells: int) -> list[dict[str, list[float]]]:
    """Half of the cells vary the noise of samples, the others the step size."""
    half = max(1, cells // 2)
    grids = [{"data.noise": np.linspace(0.2, 0.6, half).tolist()}]
    if cells > half:
        grids.append({"training.step_size.fine": np.linspace(0.05, 0.2, cells - half).tolist()})
    return grids


def _in_processes(base: Config, cells: int, folder: Path) -> None:
    """Each cell by the command that runs one; it decides no claims, so that this is rather too fast."""
    for number, noise in enumerate(np.linspace(0.2, 0.6, cells).tolist()):
        file = folder / f"{number}.yaml"
        file.write_text(yaml_text(base.replace({"data.noise": noise}).model_dump(mode="json")), encoding="utf-8")
        command = [sys.executable, "-m", "theory_sim", "simulate", str(file), "--out", str(folder / "process"), "--device=cpu"]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
