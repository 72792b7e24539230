"""Running studies, and the rules by which they are decided. The rules are ours.

A study of *comparisons* (`theory_sim.studies.study`) estimates by how much an error falls from one model to another, paired by
replica: both models are tested on the same samples. With m comparisons in a study, each interval has the confidence 1 − α/m
(Bonferroni: the intervals jointly cover with probability 1 − α), each p-value is Holm's, and the answer of a comparison is

* **confirmed** if the whole interval is above ``at_least``, the smallest fall that would matter, and p < α;
* **refuted** if the whole interval is below ``at_least``;
* **no result** if a cell failed;
* **undecided** otherwise.

A study is confirmed if all of its comparisons are confirmed, and refuted if one is refuted; otherwise it has no result if one
comparison has none, and else it is undecided. α = 1 − ``claims.confidence``. With many comparisons the intervals and p-values
depend on the far tails of a normal law, which a few replicas cannot test: `StudyAnswer.basis` says so.

A *one-at-a-time* study varies one setting of its configuration in each grid and asks at which values each claim is refuted
(`theory_sim.studies.sensitivity`). It is confirmed if every claim holds in every cell, and refuted if a claim is refuted in a
cell. With n decisions in all cells together, the intervals have the confidence 1 − α/n.

A study of *trends* decides statements about all of its cells together (`theory_sim.theories.trends`), by the rule for claims.
With m trends, the intervals have the confidence 1 − α/m. It is confirmed if all trends hold, and refuted if one is refuted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from theory_sim.config import Config
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.outputs import write_json
from theory_sim.runtime.progress import OnProgress, ignore
from theory_sim.stats import Estimate, gain_of_rates, holm, undefined
from theory_sim.studies.sensitivity import Sensitivity, sensitivities
from theory_sim.studies.study import Side, Study
from theory_sim.theories.claims import ClaimResult
from theory_sim.theories.theory import claims_of, theory_of
from theory_sim.theories.trends import by_id

if TYPE_CHECKING:
    import pandas as pd

    from theory_sim.studies.sweep import Sweep

Answer = Literal["confirmed", "refuted", "undecided", "no result"]


@dataclass(frozen=True)
class Verdict:
    """A comparison, decided.

    Attributes:
        comparison: name of the comparison.
        key: the key of the grids whose values each have a decision of their own; None: there is one decision.
        value: the value of this key.
        estimate: by how much the error falls, with its simultaneous interval and its own p-value.
        p_holm: the p-value adjusted for all comparisons of the study; None without a number, or with fewer than five replicas.
        at_least: the smallest fall that would matter.
        answer: the answer of the comparison.
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

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the names that claims and trends have."""
        own = {key: value for key, value in asdict(self).items() if key != "estimate"}
        return {"id": self.name} | own | self.estimate.as_dict() | {"p": self.estimate.p}


@dataclass(frozen=True)
class StudyAnswer:
    """The answer of a study.

    Attributes:
        answer: the answer to its question.
        basis: the number of decisions, and the corrections for it.
        verdicts: the decided comparisons.
        trends: the decided trends.
        sensitivities: of a one-at-a-time study, the states of the claims for each varied setting.
    """

    answer: Answer
    basis: str
    verdicts: list[Verdict]
    sensitivities: list[Sensitivity]
    trends: list[ClaimResult] = field(default_factory=list)


def run_study(
    study: Study,
    smoke: bool = False,
    out: str | Path = "results",
    device: str = "auto",
    jobs: int | None = None,
    scheduler: str | None = None,
    on_progress: OnProgress = ignore,
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
        InputError: as `theory_sim.studies.sweep.sweep` and `Study.pairs`; or a trend is unknown, or reads a key that is in
            none of the grids.
    """
    from theory_sim.studies.sweep import VERDICT, sweep

    config = study.configuration(smoke)
    study.pairs(dict(enumerate(study.cells(smoke))))  # a wrong comparison or trend is an error before the cells are run
    varied = {key for grid in study.grids_at(smoke) for key in grid}
    for id_ in study.trends:
        if absent := [key for key in by_id(theory_of(config).trends, id_).keys if key not in varied]:
            raise InputError(f"study '{study.name}': the trend {id_} reads {absent[0]}, which is in none of the grids")
    done = sweep(config, study.grids_at(smoke), out, device, jobs, scheduler, on_progress)
    answer = decide_study(study, done, smoke)
    about = {"study": study.name, "question": study.question, "smoke": smoke}
    verdicts = [verdict.as_dict() for verdict in answer.verdicts]
    trends = [trend.as_dict() for trend in answer.trends]
    write_json(done.folder / VERDICT, about | asdict(answer) | {"verdicts": verdicts, "trends": trends})
    return done, answer


def decide_study(study: Study, done: "Sweep", smoke: bool = False) -> StudyAnswer:
    """The answer of a study, from the tables of its sweep.

    Raises:
        InputError: as `Study.pairs`.
    """
    config = study.configuration(smoke)
    if study.one_at_a_time:
        return _decide_sensitivities(sensitivities(config, study.grids_at(smoke), done), len(done.ids), config)
    if study.trends:
        return _decide_trends(study, config, done)
    replicas, default = done.read("replicas"), config.transfer.readouts[0]
    pairs = study.pairs(done.ids)
    alpha = 1 - config.claims.confidence
    estimates = []
    for pair in pairs:
        kind = pair.comparison.kind
        first = _errors(replicas, pair.before, pair.comparison.before, kind, default)
        second = _errors(replicas, pair.after, pair.comparison.after, kind, default)
        if not len(first) or not len(second):
            estimates.append(undefined("a cell failed"))
            continue
        estimates.append(gain_of_rates(first, second, config.test.samples, 1 - alpha / len(pairs)))
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
    overall = _overall({verdict.answer for verdict in verdicts})
    many = f"{len(pairs)} comparison{'s' * (len(pairs) > 1)}, {config.replicas} replicas"
    basis = f"{many}: p by Holm, {config.claims.confidence:.0%} intervals by Bonferroni, under normality"
    return StudyAnswer(overall, basis, verdicts, [])


def _decide_sensitivities(found: Sequence[Sensitivity], cells: int, config: Config) -> StudyAnswer:
    states = {state for of in found for at in of.states.values() for state in at}
    refuted, absent = (sum(of.any_claim(state) for of in found) for state in ("refuted", "no result"))
    what = f"some tested value refutes a claim for {refuted} of {len(found)} settings"
    what += f", and gives no result for {absent}" if absent else ""
    many = f"{len(claims_of(config))} claims in {cells} cells, {config.replicas} replicas"
    basis = f"{what}; {many}: intervals by Bonferroni, under normality"
    return StudyAnswer(_overall({"confirmed" if state == "holds" else state for state in states}), basis, [], list(found))


def _decide_trends(study: Study, config: Config, done: "Sweep") -> StudyAnswer:
    confidence = 1 - (1 - config.claims.confidence) / len(study.trends)
    trends = [by_id(theory_of(config).trends, id_) for id_ in study.trends]
    failed = ""
    if done.failed:
        failed = f", {len(done.failed)} of {len(done.ids)} cells failed"
        decided = [trend.without_result("a cell failed") for trend in trends]  # a trend is about all cells
    else:
        table = measures_table(done)
        decided = [trend.decide(table, confidence) for trend in trends]
    many = f"{len(decided)} trend{'s' * (len(decided) > 1)} over {len(done.ids)} cells{failed}, {config.replicas} replicas"
    answers: set[Answer] = {"confirmed" if trend.decision == "holds" else trend.decision for trend in decided}
    basis = f"{many}: {config.claims.confidence:.0%} intervals by Bonferroni"
    return StudyAnswer(_overall(answers), basis, [], [], decided)


def measures_table(done: "Sweep") -> "pd.DataFrame":
    """The measures of all finished cells: a row for each cell and replica, a column for each key of the grids and measure."""
    long = done.read("measures")
    wide = long.pivot(index=["cell", "replica"], columns="measure", values="value").reset_index().rename_axis(columns=None)
    keys = long[["cell", *done.keys]].drop_duplicates("cell")
    return keys.merge(wide, on="cell", sort=False)


def _answer(e: Estimate, p: float, at_least: float, alpha: float) -> Answer:
    if e.value != e.value:
        return "no result"
    if e.low > at_least and p < alpha:
        return "confirmed"
    return "refuted" if e.high < at_least else "undecided"


def _overall(answers: set[Answer]) -> Answer:
    """The answer of a study, from those of its parts."""
    if answers == {"confirmed"}:
        return "confirmed"
    order: tuple[Answer, ...] = ("refuted", "no result", "undecided")
    return next((answer for answer in order if answer in answers), "undecided")


def _errors(replicas: "pd.DataFrame", cell: str, side: Side, kind: str, readout: str) -> np.ndarray:
    """The error of each replica."""
    own = replicas[(replicas.cell == cell) & (replicas.model == side.model) & (replicas.kind == kind)]
    own = own[own.readout == (side.readout or readout)]
    errors: np.ndarray = own.sort_values("replica").error.to_numpy(dtype=float)
    return errors
