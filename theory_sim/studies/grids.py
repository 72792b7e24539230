"""Grids of many small networks whose theory can train them by inner products: a table of test errors beside a published one.

The networks of a grid are not runs: no network is kept, and a cell has no folder. ``<out>/<name>-grid/<hash>/`` holds

* ``rows/<d>.parquet`` — a finished row of the grid, so that an interrupted grid goes on with the next one;
* ``table.parquet`` — all rows: ``dim``, ``signal``, ``reading``, ``run``, ``error`` on test samples, ``training_loss`` in nats;
* ``verdict.json`` — how each reading agrees with the published errors, and the fitted transition.

Every cell has random numbers of its own, so that differences of cells are independent.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from theory_sim.config import Config
from theory_sim.runs.folder import configuration_hash
from theory_sim.runtime import outputs
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.locks import locked
from theory_sim.runtime.progress import OnProgress, Progress, ignore
from theory_sim.runtime.provenance import files_digest
from theory_sim.runtime.settings import Count, Distinct, NonNegative, Section, repeated
from theory_sim.runtime.storage import write_atomically
from theory_sim.runtime.threads import torch_threads
from theory_sim.stats import Estimate
from theory_sim.studies.backends import cores, locally
from theory_sim.theories.benign_overfitting.comparison import (
    PUBLISHED,
    Agreement,
    agreements,
    cell_means,
    common,
    published_errors,
    transition,
)
from theory_sim.theories.benign_overfitting.law import NAME, LawSettings
from theory_sim.theories.benign_overfitting.span import Cell, Reading
from theory_sim.theories.theory import THEORIES

if TYPE_CHECKING:
    import pandas as pd

_ROWS = "rows"
_COLUMNS = ["dim", "signal", "reading", "run", "error", "training_loss"]
_ROUNDING = 1e-6
"""Largest distance of 1000 s from a whole number that is taken for rounding."""
TABLE, VERDICT = "table.parquet", "verdict.json"


_Dim = Annotated[int, Field(ge=1, lt=10**5)]
_Signal = Annotated[float, Field(ge=0, lt=100)]
"""A cell's seed has five decimal digits for each of the two (`GridStudy.cell`)."""


def _in_thousandths(signals: list[float]) -> list[float]:
    """Refuse strengths of the signal whose cells would have one seed."""
    whole = [round(1000 * signal) for signal in signals]
    if any(abs(1000 * signal - each) > _ROUNDING for signal, each in zip(signals, whole, strict=True)):
        raise ValueError("each should be a multiple of 0.001, from which its seed is made")
    if twice := repeated(whole):
        raise ValueError(f"{twice[0] / 1000:g} is given twice")
    return signals


def _of_own_names(readings: list[Reading]) -> list[Reading]:
    """Refuse readings that the table could not tell apart."""
    if twice := repeated([str(reading) for reading in readings]):
        raise ValueError(f"'{twice[0]}' is given twice")
    return readings


class GridStudy(Section):
    """A grid over dimension and strength of the signal, for several readings of the authors' published script."""

    name: str
    question: str
    minutes: NonNegative
    """Expected duration on two CPU cores."""
    dims: Annotated[list[_Dim], Field(min_length=1), Distinct]
    """d of each row of cells."""
    signals: Annotated[list[_Signal], Field(min_length=1), AfterValidator(_in_thousandths)]
    """s = ‖μ‖ of each column of cells, multiples of 0.001."""
    readings: Annotated[list[Reading], Field(min_length=1), AfterValidator(_of_own_names)]
    """Pooling and step size of each reading; all are trained on the same random numbers."""
    runs: Annotated[int, Field(ge=2, le=10**9)] = 10
    """Networks of each cell and reading, each with data and initial weights of its own; at least two, from whose variance the
    standard errors come."""
    test_samples: Count = 1000
    """Test samples of each network."""
    seed: Annotated[int, Field(ge=0, lt=9 * 10**8)] = 0
    """Seed of the grid; each cell derives one from it, d and s."""

    @property
    def config(self) -> Config:
        """The configuration that all cells derive from."""
        return THEORIES[NAME].config({"name": self.name, "replicas": self.runs, "test.samples": self.test_samples})

    def cell(self, config: Config, dim: int, signal: float) -> Config:
        """A cell; its seed is another one in each cell, and does not depend on which others there are.

        Raises:
            InputError: `dim` or `signal` is none that a study may have.
        """
        self.replace({"dims": [dim], "signals": [signal]})
        seed = (self.seed * 10**5 + dim) * 10**5 + round(signal * 1000)
        return config.replace({"data.dim": dim, "law.signal": float(signal), "seed": seed})


BENIGN_OVERFITTING = GridStudy(
    name="benign_overfitting",
    question="Which reading of the script gives the published test errors over dimension and strength of the signal?",
    minutes=8,
    dims=[100 + 10 * t for t in range(100)],
    signals=[round(0.1 * t, 1) for t in range(100)],
    readings=[
        Reading(pooling="mean", step_size=0.1),
        Reading(pooling="sum", step_size=0.1),
        Reading(pooling="mean", step_size=0.03),
    ],
)
"""The grid that Kou, Chen, Chen and Gu published, and three readings of their script."""
GRIDS = {BENIGN_OVERFITTING.name: BENIGN_OVERFITTING}


def small(study: GridStudy) -> GridStudy:
    """The study at a small size, which only tests that it runs."""
    few = {"dims": [100, 300, 500], "signals": [0.0, 1.0, 2.0, 3.0, 5.0, 8.0], "runs": 4, "test_samples": 100}
    return GridStudy.model_validate(study.model_dump() | few)


@dataclass(frozen=True)
class Transition:
    """The fitted border n s⁴ = C d^e of one reading, or of the published errors, with n training samples and s = ‖μ‖.

    Attributes:
        of: the reading, or ``published``.
        exponent: e.
        constant: C.
    """

    of: str
    exponent: Estimate
    constant: float


@dataclass(frozen=True)
class GridAnswer:
    """What a grid came to.

    Attributes:
        folder: of its table.
        agreements: with the published errors, by reading and part of the grid.
        transitions: of each reading, then of the published errors.
    """

    folder: Path
    agreements: list[Agreement]
    transitions: list[Transition]


def run_grid(
    study: GridStudy,
    out: str | Path = "results",
    jobs: int | None = None,
    published: Path = PUBLISHED,
    on_progress: OnProgress = ignore,
) -> GridAnswer:
    """Train and test all cells whose row is not on disk, and compare with a published table.

    Args:
        study: the grid.
        out: folder of all results.
        jobs: rows computed at the same time; None: one per core. 0: in this process.
        published: the table to compare with, see `theory_sim.theories.benign_overfitting.comparison.published_errors`.
        on_progress: called after each row.

    Raises:
        InputError: a file in the folder is not ours or is damaged; the published table cannot be read or has no cell in common.
    """
    import pandas as pd

    other, folder = published_errors(published), grid_folder(study, out)
    common(study.dims, study.signals, other)
    outputs.check_ours(folder / name for name in (TABLE, VERDICT))
    parts = {dim: (folder / _ROWS / f"{dim}.parquet").resolve() for dim in study.dims}
    rows = {dim: _read(part) for dim, part in parts.items() if part.exists()}
    missing = [dim for dim in parts if dim not in rows]
    work = partial(_row, study=study, folder=folder.resolve() / _ROWS)
    jobs = cores() if jobs is None else jobs
    done = locally(missing, work, jobs) if jobs and missing else ((dim, work(dim)) for dim in missing)
    for n, (dim, reason) in enumerate(done, 1 + len(parts) - len(missing)):
        if reason is not None:
            raise InputError(f"{study.name}: d = {dim}: {reason}, most often for want of memory; give fewer --jobs")
        on_progress(Progress("cells", n * len(study.signals), len(parts) * len(study.signals)))
    with locked(folder):
        rows |= {dim: _read(parts[dim]) for dim in missing}
        table = pd.concat([rows[dim] for dim in parts], ignore_index=True)
        outputs.write_output(folder / TABLE, lambda path: table.to_parquet(path, index=False))
        answer = answer_of(study, table, other, folder)
        outputs.write_json(folder / VERDICT, {key: value for key, value in asdict(answer).items() if key != "folder"})
    return answer


def find_grid(study: GridStudy, out: str | Path = "results") -> "pd.DataFrame | None":
    """The table of a finished grid of this version of the code, or None.

    Raises:
        InputError: it is damaged.
    """
    path = grid_folder(study, out) / TABLE
    return _read(path) if path.exists() else None


def grid_folder(study: GridStudy, out: str | Path) -> Path:
    """The folder of a grid, named by all that its numbers depend on."""
    values = study.model_dump(mode="json", exclude={"question", "minutes"})
    code = files_digest("theories/benign_overfitting/span.py", "studies/grids.py")
    return Path(out) / f"{study.name}-grid" / configuration_hash(study.config, {"grid": values, "span": code})


def answer_of(study: GridStudy, table: "pd.DataFrame", published: "pd.DataFrame", folder: Path) -> GridAnswer:
    """The agreements and transitions of a table."""
    config = study.config
    n, p = config.data.training_samples, LawSettings.model_validate(config.law).flip
    maps = {str(reading): cell_means(table, str(reading))[0] for reading in study.readings} | {"published": published}
    fitted = []
    for name, errors in maps.items():
        _, exponent, constant = transition(errors, n, p)
        fitted.append(Transition(name, exponent, constant))
    return GridAnswer(folder, agreements(table, published), fitted)


def _read(path: Path) -> "pd.DataFrame":
    """A table of cells."""
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except PermissionError:
        raise
    except (OSError, ValueError):
        table = pd.DataFrame()
    if list(table.columns) != _COLUMNS:
        raise InputError(f"{path} is damaged; delete it to compute it again")
    return table


def _row(dim: int, study: GridStudy, folder: Path) -> None:
    """All cells of one dimension, written as one file. One thread: a core works on one row."""
    import pandas as pd

    found, config = [], study.config
    with torch_threads(1):
        for signal in study.signals:
            found += _cell(study.cell(config, dim, signal), study.readings)
    table = pd.DataFrame(found, columns=_COLUMNS)
    write_atomically(folder / f"{dim}.parquet", lambda part: table.to_parquet(part, index=False))


def _cell(config: Config, readings: Sequence[Reading]) -> list[tuple[int, float, str, int, float, float]]:
    """The rows of one cell, all readings on the same random numbers."""
    cell = Cell(config)
    trained = [cell.train(reading.pooling, reading.step_size) for reading in readings]
    signal = LawSettings.model_validate(config.law).signal
    return [
        (config.data.dim, signal, str(reading), run, float(error[run]), float(of.loss[run]))
        for reading, of, error in zip(readings, trained, cell.test(trained), strict=True)
        for run in range(config.replicas)
    ]
