"""Studies: each asks a question, runs a sweep, and answers the question by a statistical decision.

A study is a YAML file in ``configs/studies``; `Study` lists its keys. Its answer follows from *comparisons*: how much an error
falls from one model to another, paired by replica (both see the same samples). With m comparisons in a study, each interval
has the confidence 1 − α/m (Bonferroni: all of them cover together with 1 − α), each p-value is Holm's, and a comparison is

* **confirmed** if the whole interval is above ``at_least``, the smallest fall that would matter, and p < α;
* **not confirmed** if the whole interval is below it;
* **undecided** otherwise, and if a cell failed.

A study is confirmed if all of its comparisons are, and not confirmed if one is not. α = 1 − ``claims.confidence``.

A *one-at-a-time* study varies one setting of its configuration in each grid and asks at which values each claim fails
(`theory_sim.studies.sensitivity`). It is confirmed if every claim holds in every cell, and not confirmed if one fails; with n
decided claims in total, their intervals have the confidence 1 − α/n. All of this is ours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

import numpy as np
from pydantic import Field, ValidationError, model_validator

from theory_sim.config import Config
from theory_sim.data.setup import law_of
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.outputs import write_json
from theory_sim.runtime.plain_yaml import read_yaml
from theory_sim.runtime.plugins import with_plugins
from theory_sim.runtime.progress import Progress
from theory_sim.runtime.settings import Positive, Section, checked, repeated
from theory_sim.stats import Estimate, holm, paired_gain, undefined
from theory_sim.studies.sensitivity import Sensitivity, sensitivities
from theory_sim.theories.theory import claims_of

if TYPE_CHECKING:
    import pandas as pd

    from theory_sim.studies.sweep import Cell, Sweep

_PACKAGE = Path(__file__).parent.parent
FOLDERS = (_PACKAGE / "study_files", _PACKAGE.parent / "configs" / "studies")
"""The folders of study files: in an installed package, and in a checkout."""

Answer = Literal["confirmed", "not confirmed", "undecided"]
Key = TypeVar("Key")


class Side(Section):
    """One of two models that are compared."""

    model: str = "fine"
    readout: str | None = None
    """Of the configured ones; the first without it."""
    where: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Values of its cell at keys of the grids; together with `Comparison.for_each` they identify one cell."""


class Comparison(Section):
    """An error that should fall from `before` to `after`."""

    name: str
    before: Side
    after: Side
    kind: str = "hard"
    """Of test samples."""
    for_each: str | None = None
    """A key of the grids: there is one comparison for each of its values except null."""
    at_least: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """The smallest fall that would matter."""


@dataclass(frozen=True)
class Pair(Generic[Key]):
    """The two cells of a comparison, for one value of its `Comparison.for_each`.

    Attributes:
        comparison: the comparison.
        value: the value of its key `Comparison.for_each`; None if it has none.
        before: key of the cell of its first side.
        after: key of the cell of its second side.
    """

    comparison: Comparison
    value: Any
    before: Key
    after: Key

    @property
    def name(self) -> str:
        """The name of the comparison, with the value."""
        key = self.comparison.for_each
        return self.comparison.name if key is None else f"{self.comparison.name}, {key}={self.value}"


class Study(Section):
    """A question, a sweep, and the rule of its decision."""

    name: str
    question: str
    minutes: Positive
    """Expected duration at full size, on two CPU cores."""
    config: dict[str, Any]
    """Values that differ from the default configuration; sections as in a configuration file."""
    smoke: dict[str, Any]
    """Values that differ further at the small size."""
    grids: Annotated[list[dict[str, Annotated[list[Any], Field(min_length=1)]]], Field(min_length=1)]
    """See `theory_sim.studies.sweep.make_cells`."""
    smoke_grids: list[dict[str, list[Any]]] | None = None
    """Other grids for the small size; None: the same."""
    comparisons: Annotated[list[Comparison], Field(default_factory=list)]
    one_at_a_time: bool = False
    """Whether it asks at which values of each setting the claims fail, instead of comparing."""

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "Study":
        if bool(self.comparisons) == self.one_at_a_time:
            raise ValueError("a study has comparisons, or one_at_a_time: true")
        # Where each value of a key has a verdict of its own, its name has the key too.
        if twice := repeated([(comparison.name, comparison.for_each) for comparison in self.comparisons]):
            raise ValueError(f"two comparisons have the name '{twice[0][0]}'")
        return self

    def configuration(self, smoke: bool = False) -> Config:
        """The configuration that all cells derive from. Its first readout is that of sides that name none."""
        # A theory's own defaults come first: its networks may be others than those of the default configuration.
        first = {key: self.config[key] for key in ("theory", "plugins") if key in self.config}
        config = checked(Config, first | {"name": self.name}).replace(_flat(self.config))
        config = config.replace(_flat(self.smoke)) if smoke else config
        if not self.one_at_a_time:
            return config
        from theory_sim.studies.sweep import make_cells

        decisions = len(claims_of(config)) * len(make_cells(config, self.grids_at(smoke)))
        return config.replace({"claims.confidence": 1 - (1 - config.claims.confidence) / decisions})

    def cells(self, smoke: bool = False) -> "list[Cell]":
        """The cells of its sweep."""
        from theory_sim.studies.sweep import make_cells

        return make_cells(self.configuration(smoke), self.grids_at(smoke))

    def pairs(self, cells: "Mapping[Key, Cell]") -> list[Pair[Key]]:
        """The pairs of cells that its comparisons compare.

        Args:
            cells: the cells of its sweep, by any key.

        Raises:
            InputError: a side of a comparison identifies no cell, or several, or a network, readout or kind of sample that
                its cell has not.
        """
        found = [pair for comparison in self.comparisons for pair in _pairs(comparison, cells)]
        for pair in found:
            _check_sides(pair, cells)
        return found

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
    """The answer of a study.

    Attributes:
        answer: the answer to its question.
        basis: the number of comparisons, and the corrections for it.
        verdicts: the decided comparisons.
        sensitivities: of a one-at-a-time study, the states of the claims for each varied setting.
    """

    answer: Answer
    basis: str
    verdicts: list[Verdict]
    sensitivities: list[Sensitivity]


def study_files() -> list[Path]:
    """The files of all studies that ship with the package."""
    return sorted({path.name: path for folder in FOLDERS for path in folder.glob("*.yaml")}.values())


def all_studies() -> list[Study]:
    """All studies that ship with the package."""
    return [load_study(path) for path in study_files()]


def load_study(name: str | Path, plugins: Sequence[str] = ()) -> Study:
    """A study by its name, or from a YAML file.

    Args:
        name: of a study that ships with the package, or a file; plugins that its configuration names are relative to it.
        plugins: further plugins, relative to the working directory.

    Raises:
        InputError: there is no such study, or the file is not a valid study.
    """
    known = {path.stem: path for path in study_files()}
    path = known.get(str(name), Path(name))
    if path.suffix != ".yaml":
        raise InputError(f"no study '{name}'; there are {', '.join(known)}, or give a .yaml file")
    try:
        tree = {"name": path.stem} | read_yaml(path)
        if isinstance(tree.get("config"), dict):
            with_plugins(path, plugins)(tree["config"])
        return Study.model_validate(tree)
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
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> "tuple[Sweep, StudyAnswer]":
    """Run the sweep of a study and decide; the answer is also written to ``verdict.json`` in the folder of the sweep.

    Args:
        study: the study.
        smoke: whether to run it at its small size, which only tests that it runs.
        out: see `theory_sim.studies.sweep.sweep`, also for the following arguments.
        device: ″
        jobs: ″
        scheduler: ″
        on_progress: ″

    Raises:
        InputError: as `theory_sim.studies.sweep.sweep` and `Study.pairs`.
    """
    from theory_sim.studies.sweep import VERDICT, sweep

    config = study.configuration(smoke)
    study.pairs(dict(enumerate(study.cells(smoke))))  # a wrong comparison is an error before the cells are run
    done = sweep(config, study.grids_at(smoke), out, device, jobs, scheduler, on_progress)
    answer = decide_study(study, done, smoke)
    about = {"study": study.name, "question": study.question, "smoke": smoke}
    verdicts = [{"name": verdict.name} | asdict(verdict) for verdict in answer.verdicts]
    write_json(done.folder / VERDICT, about | asdict(answer) | {"verdicts": verdicts})
    return done, answer


def decide_study(study: Study, done: "Sweep", smoke: bool = False) -> StudyAnswer:
    """The answer of a study, from the tables of its sweep.

    Raises:
        InputError: as `Study.pairs`.
    """
    config = study.configuration(smoke)
    if study.one_at_a_time:
        return _decide_sensitivities(sensitivities(config, study.grids_at(smoke), done), len(done.ids), config)
    replicas, default = done.read("replicas"), config.transfer.readouts[0]
    pairs = study.pairs(done.ids)
    alpha = 1 - config.claims.confidence
    estimates = []
    for pair in pairs:
        kind = pair.comparison.kind
        first = _correct(replicas, pair.before, pair.comparison.before, kind, default)
        second = _correct(replicas, pair.after, pair.comparison.after, kind, default)
        if not len(first) or not len(second):
            estimates.append(undefined("a cell failed"))
            continue
        # Errors are in single precision: without rounding, a t test would take the rounding of equal falls for variation.
        gain = np.round(second - first, 6)
        estimates.append(paired_gain(np.zeros_like(gain), gain, 1 - alpha / len(pairs)))
    p = holm([1.0 if e.p is None else e.p for e in estimates])
    at_least = [pair.comparison.at_least for pair in pairs]
    verdicts = [
        Verdict(
            pair.comparison.name,
            pair.comparison.for_each,
            pair.value,
            e,
            p_holm=None if e.p is None else float(adjusted),
            at_least=least,
            answer=_answer(e, float(adjusted), least, alpha),
        )
        for pair, e, adjusted, least in zip(pairs, estimates, p, at_least, strict=True)
    ]
    answers = {verdict.answer for verdict in verdicts}
    overall: Answer = "confirmed" if answers == {"confirmed"} else "not confirmed" if "not confirmed" in answers else "undecided"
    many = f"{len(pairs)} comparison{'s' * (len(pairs) > 1)}, {config.replicas} replicas"
    basis = f"{many}: p by Holm, {config.claims.confidence:.0%} intervals by Bonferroni"
    return StudyAnswer(overall, basis, verdicts, [])


def _decide_sensitivities(found: Sequence[Sensitivity], cells: int, config: Config) -> StudyAnswer:
    states = {state for of in found for at in of.states.values() for state in at}
    answer: Answer = "confirmed" if states == {"holds"} else "not confirmed" if "fails" in states else "undecided"
    failing, absent = (sum(of.any_claim(state) for of in found) for state in ("fails", "no result"))
    what = f"some tested value makes a claim fail for {failing} of {len(found)} settings"
    what += f", and gives no result for {absent}" if absent else ""
    basis = f"{what}; {len(claims_of(config))} claims in {cells} cells, {config.replicas} replicas: intervals by Bonferroni"
    return StudyAnswer(answer, basis, [], list(found))


def _answer(e: Estimate, p: float, at_least: float, alpha: float) -> Answer:
    if e.low > at_least and p < alpha:
        return "confirmed"
    return "not confirmed" if e.high < at_least else "undecided"


def _correct(replicas: "pd.DataFrame", cell: str, side: Side, kind: str, readout: str) -> np.ndarray:
    """Share of right answers, (replica, 1)."""
    own = replicas[(replicas.cell == cell) & (replicas.model == side.model) & (replicas.kind == kind)]
    own = own[own.readout == (side.readout or readout)]
    error: np.ndarray = own.sort_values("replica").error.to_numpy(dtype=float)
    return 1 - error[:, None]


def _check_sides(pair: "Pair[Key]", cells: "Mapping[Key, Cell]") -> None:
    """Refuse a comparison of what its cells do not have."""
    comparison = pair.comparison
    for side, key in ((comparison.before, pair.before), (comparison.after, pair.after)):
        config = cells[key].config
        there = {
            "network": (side.model, config.networks),
            "readout": (side.readout or config.transfer.readouts[0], config.transfer.readouts),
            "kind of sample": (comparison.kind, tuple(law_of(config).kinds)),
        }
        for what, (name, known) in there.items():
            if name not in known:
                raise InputError(f"comparison '{comparison.name}': there is no {what} '{name}'; there are {', '.join(known)}")


def _pairs(comparison: Comparison, cells: "Mapping[Key, Cell]") -> Iterator[Pair[Key]]:
    """The pairs of one comparison: one for each value of its key, if it has one."""
    before, after, key = comparison.before.where, comparison.after.where, comparison.for_each
    if key is None:
        yield Pair(comparison, None, _only(cells, before), _only(cells, after))
        return
    values: list[Any] = []
    for cell in cells.values():
        value = cell.values.get(key)
        if value is not None and value not in values:  # None: a cell of grids that vary another key
            values.append(value)
            yield Pair(comparison, value, _only(cells, before | {key: value}), _only(cells, after | {key: value}))
    if not values:
        raise InputError(f"comparison '{comparison.name}': for_each: the grids have no values for {key}")


def _only(cells: "Mapping[Key, Cell]", where: Mapping[str, Any]) -> Key:
    found = [id_ for id_, cell in cells.items() if all(cell.values.get(key) == value for key, value in where.items())]
    if len(found) != 1:
        raise InputError(f"a comparison's {dict(where)} identifies {len(found)} cells of the study, not one")
    return found[0]


def _flat(sections: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The values of nested sections, by keys such as ``data.dim``."""
    flat: dict[str, Any] = {}
    for key, value in sections.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return flat
