"""The work of a study in units that do not wait for each other; the cells of one unit start from each other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from theory_sim.pretraining.artefacts import Network
from theory_sim.pretraining.cells import Cells
from theory_sim.pretraining.config import Control
from theory_sim.pretraining.controls import coarse_controls, control_name
from theory_sim.pretraining.evaluation import Answers
from theory_sim.pretraining.labelling import Labelling
from theory_sim.pretraining.overall import MissingError, Overall, transfers

Labellings = dict[str, tuple[str, Labelling]]
"""The label functions with their keys, by their text in the configuration."""


@dataclass(frozen=True)
class Unit:
    """One seed of the baselines, of a control, or of a label function with all its transfers.

    Attributes:
        seed: of all its networks.
        work: computes its cells one after the other, and notes here what they gave.
        baselines: total steps → answers by split.
        controls: name and total steps → answers by split.
        transferred: label function, transfer and its steps → answers by split.
        failures: cells whose training failed, and why.
        networks: that were trained.
    """

    seed: int
    work: Callable[["Unit"], None]
    baselines: dict[int, dict[str, Answers]] = field(default_factory=dict)
    controls: dict[tuple[str, int], dict[str, Answers]] = field(default_factory=dict)
    transferred: dict[tuple[str, str, int], dict[str, Answers]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    networks: list[Network] = field(default_factory=list)

    def compute(self) -> None:
        """Compute its cells."""
        self.work(self)


def units_of(cells: Cells, overall: Overall, labellings: Labellings) -> list[Unit]:
    """The units of a study, seed by seed."""
    study = cells.study
    works: list[Callable[[Unit], None]] = [partial(_coarse, cells, overall, None)]
    works += [partial(_coarse, cells, overall, control) for control in coarse_controls(study)]
    works += [partial(_label_function, cells, overall, text, *labellings[text]) for text in labellings]
    return [Unit(seed, work) for seed in range(study.seed, study.seed + study.seeds) for work in works]


def _coarse(cells: Cells, overall: Overall, control: Control | None, unit: Unit) -> None:
    """A baseline or a control, of every length: a longer one may go on from a shorter one."""
    study, seed = cells.study, unit.seed
    for total in sorted({study.pretraining.steps + steps for _, steps in transfers(study)}):
        cell = cells.baseline(total, seed, control)
        with overall.cell(cell.what, cell.steps, unit.failures):
            answers = cells.run_baseline(cell, seed, control)["baseline"]
            if control is None:
                unit.baselines[total] = answers
                unit.networks.append(Network("baseline", seed, "baseline", total, cell.key, cells.coarse_names))
            else:
                unit.controls[control, total] = answers
                unit.networks.append(Network(control_name(control), seed, "control", total, cell.key, cells.coarse_names))


def _label_function(cells: Cells, overall: Overall, text: str, key: str, labels: Labelling, unit: Unit) -> None:
    """Pretrain on a label function, and transfer in every way."""
    seed = unit.seed
    pretraining = cells.pretraining(text, key, seed)
    with overall.cell(pretraining.what, pretraining.steps, unit.failures):
        cells.run_pretraining(pretraining, labels, seed)
        unit.networks.append(Network(text, seed, "none", 0, pretraining.key, None, labels.n_classes))
    for mode, steps in transfers(cells.study):
        cell = cells.transfer(pretraining, mode, steps)
        with overall.cell(cell.what, steps, unit.failures):
            if pretraining.what in unit.failures:
                raise MissingError(unit.failures[pretraining.what])
            for name, answers in cells.run_transfer(cell, pretraining, labels, mode, seed).items():
                unit.transferred[text, name, steps] = answers
            if mode != "none":
                unit.networks.append(Network(text, seed, mode, steps, cell.key, cells.coarse_names))
