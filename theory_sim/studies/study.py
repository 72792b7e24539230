"""Studies: sweeps that ask a question, and say what their numbers answer.

A study is a YAML file of ``configs/studies``; `Study` lists its keys. Its answer comes from *comparisons*: how much an error
falls from one model to another, paired by replica (both see the same samples). With m comparisons in a study, each interval
has the confidence 1 − α/m (Bonferroni: all of them cover together with 1 − α), each p-value is Holm's, and a comparison is

* **confirmed** where the whole interval lies above ``at_least``, the smallest fall that would matter, and p < α;
* **not confirmed** where the whole interval lies below it;
* **undecided** elsewhere, or where a cell failed.

A study is confirmed when all of its comparisons are, and not confirmed when one is not. α = 1 − ``claims.confidence``.

A *one-factor* study turns one key of its configuration in each grid and asks where each claim breaks
(`theory_sim.studies.sensitivity`).
It is confirmed when every claim holds in every cell, and not confirmed when one fails; with n claims decided in all, their
intervals have the confidence 1 − α/n. All of this is ours.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from theory_sim.config import Config, Readout
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.settings import Positive, Section, read_yaml
from theory_sim.runtime.storage import write_json
from theory_sim.stats import Estimate, holm, paired_gain, undefined
from theory_sim.studies.sensitivity import Factor, factors
from theory_sim.theories import claims
from theory_sim.training.trainer import ModelName

if TYPE_CHECKING:
    import pandas as pd

    from theory_sim.studies.sweep import Cell, Sweep

_PACKAGE = Path(__file__).parent.parent
FOLDERS = (_PACKAGE / "study_files", _PACKAGE.parent / "configs" / "studies")
"""Where study files lie: in an installed package, and in a checkout."""

Answer = Literal["confirmed", "not confirmed", "undecided"]


class Side(Section):
    """One of two models that are compared."""

    model: ModelName = "fine"
    readout: Readout | None = None
    """Of the configured ones; the first without it."""
    where: Annotated[dict[str, Any], Field(default_factory=dict)]
    """What its cell holds at keys of the grids; together with `Comparison.for_each` it names one cell."""


class Comparison(Section):
    """An error that should fall from `before` to `after`."""

    name: str
    before: Side
    after: Side
    kind: Literal["easy", "hard"] = "hard"
    """Of test samples."""
    for_each: str | None = None
    """A key of the grids: one comparison for each of its values but null."""
    at_least: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The smallest fall that would matter."""


class Study(Section):
    """A question, a sweep, and what decides."""

    name: str
    question: str
    minutes: Positive
    """Expected at full size, on two CPU cores."""
    config: dict[str, Any]
    """What it changes in the default configuration; sections as in a configuration file."""
    smoke: dict[str, Any]
    """What it changes further to be small."""
    grids: Annotated[list[dict[str, Annotated[list[Any], Field(min_length=1)]]], Field(min_length=1)]
    """See `theory_sim.studies.sweep.make_cells`."""
    smoke_grids: list[dict[str, list[Any]]] | None = None
    """Those at the small size, where they are others."""
    comparisons: Annotated[list[Comparison], Field(default_factory=list)]
    one_factor: bool = False
    """Whether it asks where each claim breaks, instead of comparing."""

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "Study":
        if bool(self.comparisons) == self.one_factor:
            raise ValueError("a study has comparisons, or one_factor: true")
        return self

    def configuration(self, smoke: bool = False) -> Config:
        """What the cells have in common. The readout that comes first decides."""
        config = Config().replace({"name": self.name}).replace(_flat(self.config))
        config = config.replace(_flat(self.smoke)) if smoke else config
        if not self.one_factor:
            return config
        from theory_sim.studies.sweep import make_cells

        decisions = len(claims.IDS) * len(make_cells(config, self.grids_at(smoke)))
        return config.replace({"claims.confidence": 1 - (1 - config.claims.confidence) / decisions})

    def cells(self, smoke: bool = False) -> "list[Cell]":
        """Its cells."""
        from theory_sim.studies.sweep import make_cells

        return make_cells(self.configuration(smoke), self.grids_at(smoke))

    def grids_at(self, smoke: bool) -> list[dict[str, list[Any]]]:
        """The grids at one of the two sizes."""
        return self.smoke_grids if smoke and self.smoke_grids else self.grids


@dataclass(frozen=True)
class Verdict:
    """A comparison, decided.

    Attributes:
        comparison: name of the comparison.
        key: the key of the grids whose values each have a decision of their own; None: there is one decision.
        value: its value.
        estimate: by how much the error falls, with its simultaneous interval and its own p-value.
        p_holm: the p-value adjusted for all comparisons of the study; None where there is no number.
        at_least: the smallest fall that would matter.
        answer: what follows.
    """

    comparison: str
    key: str | None
    value: Any
    estimate: Estimate
    p_holm: float | None
    at_least: float
    answer: Answer

    @property
    def name(self) -> str:
        """The name of the comparison, with the key and its value if there are any: ``coarse → fine, data.noise=0.5``."""
        return self.comparison if self.key is None else f"{self.comparison}, {self.key}={self.value}"


@dataclass(frozen=True)
class StudyAnswer:
    """What a study came to.

    Attributes:
        answer: of the whole study.
        basis: number of comparisons and how it was corrected for.
        verdicts: of its comparisons.
        factors: of a one-factor study, and where claims break.
    """

    answer: Answer
    basis: str
    verdicts: list[Verdict]
    factors: list[Factor]


def study_files() -> list[Path]:
    """The files of all studies that ship with the package."""
    return sorted({path.name: path for folder in FOLDERS for path in folder.glob("*.yaml")}.values())


def all_studies() -> list[Study]:
    """All studies that ship with the package."""
    return [load_study(path) for path in study_files()]


def load_study(name: str | Path) -> Study:
    """A study by its name, or from a YAML file.

    Raises:
        InputError: there is none, or the file is no study.
    """
    known = {path.stem: path for path in study_files()}
    path = known.get(str(name), Path(name))
    if path.suffix != ".yaml":
        raise InputError(f"no study '{name}'; there are {', '.join(known)}, or give a .yaml file")
    try:
        return Study.model_validate({"name": path.stem} | read_yaml(path))
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def run_study(
    study: Study,
    smoke: bool = False,
    out: str | Path = "results",
    device: str = "auto",
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> "tuple[Sweep, StudyAnswer]":
    """Run a study's sweep and decide; ``verdict.json`` is written beside the sweep's tables.

    Args:
        study: the study.
        smoke: at a small size, which only shows that it works.
        out: as `theory_sim.studies.sweep.sweep`, and so are the others.
        device: ″
        jobs: ″
        scheduler: ″
        progress: ″

    Raises:
        InputError: as `theory_sim.studies.sweep.sweep`; or a comparison names no cell.
    """
    from theory_sim.studies.sweep import sweep

    config = study.configuration(smoke)
    list(_pairs(study, study.cells(smoke)))  # find out before the work, not after it
    done = sweep(config, study.grids_at(smoke), out, device, jobs, scheduler, progress)
    answer = decide_study(study, done, smoke)
    about = {"study": study.name, "question": study.question, "smoke": smoke}
    verdicts = [{"name": verdict.name} | asdict(verdict) for verdict in answer.verdicts]
    write_json(done.folder / "verdict.json", about | asdict(answer) | {"verdicts": verdicts})
    return done, answer


def decide_study(study: Study, done: "Sweep", smoke: bool = False) -> StudyAnswer:
    """What the numbers of a study's sweep answer."""
    config = study.configuration(smoke)
    if study.one_factor:
        return _decide_factors(factors(config, study.grids_at(smoke), done.ids, done.read("cells")), len(done.ids), config)
    ids = {id(cell): id_ for id_, cell in done.ids.items()}
    replicas, default = done.read("replicas"), config.transfer.readouts[0]
    pairs = list(_pairs(study, list(done.ids.values())))
    alpha = 1 - config.claims.confidence
    estimates = []
    for comparison, _, before, after in pairs:
        first = _correct(replicas, ids[id(before)], comparison.before, comparison.kind, default)
        second = _correct(replicas, ids[id(after)], comparison.after, comparison.kind, default)
        if not len(first) or not len(second):
            estimates.append(undefined("a cell failed"))
            continue
        # Shares in single precision: falls that are the same must be equal, or a t test would take the rest for a spread.
        gain = np.round(second - first, 6)
        estimates.append(paired_gain(np.zeros_like(gain), gain, 1 - alpha / len(pairs)))
    p = holm([1.0 if e.p is None else e.p for e in estimates])
    verdicts = [
        Verdict(
            comparison.name,
            comparison.for_each,
            value,
            estimate,
            p_holm=None if estimate.p is None else float(adjusted),
            at_least=comparison.at_least,
            answer=_answer(estimate, float(adjusted), comparison.at_least, alpha),
        )
        for (comparison, value, _, _), estimate, adjusted in zip(pairs, estimates, p, strict=True)
    ]
    answers = {verdict.answer for verdict in verdicts}
    overall: Answer = "confirmed" if answers == {"confirmed"} else "not confirmed" if "not confirmed" in answers else "undecided"
    many = f"{len(pairs)} comparison{'s' * (len(pairs) > 1)}, {config.replicas} replicas"
    basis = f"{many}: p by Holm, {config.claims.confidence:.0%} intervals by Bonferroni"
    return StudyAnswer(overall, basis, verdicts, [])


def _decide_factors(found: list[Factor], cells: int, config: Config) -> StudyAnswer:
    states = {state for factor in found for at in factor.states.values() for state in at}
    answer: Answer = "confirmed" if states == {"holds"} else "not confirmed" if "fails" in states else "undecided"
    broken = sum(any(factor.fails(claim) for claim in factor.states) for factor in found)
    what = f"{broken} of {len(found)} factors break a claim"
    basis = f"{what}; {len(claims.IDS)} claims in {cells} cells, {config.replicas} replicas: intervals by Bonferroni"
    return StudyAnswer(answer, basis, [], found)


def _answer(e: Estimate, p: float, at_least: float, alpha: float) -> Answer:
    if e.low > at_least and p < alpha:
        return "confirmed"
    return "not confirmed" if e.high < at_least else "undecided"


def _correct(replicas: "pd.DataFrame", cell: str, side: Side, kind: str, readout: Readout) -> np.ndarray:
    """Share of right answers, (replica, 1)."""
    own = replicas[(replicas.cell == cell) & (replicas.model == side.model) & (replicas.kind == kind)]
    own = own[own.readout == (side.readout or readout)]
    error: np.ndarray = own.sort_values("replica").error.to_numpy(dtype=float)
    return 1 - error[:, None]


def _pairs(study: Study, cells: "list[Cell]") -> "Iterator[tuple[Comparison, Any, Cell, Cell]]":
    """Every comparison with the value that it is for, None where it is for none, and the cells of its two sides."""
    for comparison in study.comparisons:
        key = comparison.for_each
        if key is None:
            yield comparison, None, _only(cells, comparison.before.where), _only(cells, comparison.after.where)
            continue
        for value in dict.fromkeys(cell.values.get(key) for cell in cells):
            if value is None:  # no value of its own: the cells of grids that turn another key
                continue
            at = {key: value}
            before, after = _only(cells, comparison.before.where | at), _only(cells, comparison.after.where | at)
            yield comparison, value, before, after


def _only(cells: "list[Cell]", where: Mapping[str, Any]) -> "Cell":
    found = [cell for cell in cells if all(cell.values.get(key) == value for key, value in where.items())]
    if len(found) != 1:
        raise InputError(f"a comparison's {dict(where)} names {len(found)} cells of the study, not one")
    return found[0]


def _flat(sections: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested sections as ``section.key``."""
    flat: dict[str, Any] = {}
    for key, value in sections.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return flat
