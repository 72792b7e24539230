"""Two runs side by side: what differs in settings and environment, and what each came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theory_sim.runs.results import Results
from theory_sim.runtime.display import table_html
from theory_sim.runtime.errors import expect
from theory_sim.studies.shelf import StoredRun, find_run
from theory_sim.theories.claims import ClaimResult

ABSENT = "absent"
"""In place of a setting that a run does not have."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two runs.

    Attributes:
        runs: both.
        settings: the settings that differ, with the value of each run.
        environment: what differs in code, packages and hardware, likewise.
        claims: each claim that one of them decides, with the result of each, or None.
    """

    runs: tuple[StoredRun, StoredRun]
    settings: dict[str, tuple[Any, ...]]
    environment: dict[str, tuple[Any, ...]]
    claims: dict[str, tuple[ClaimResult | None, ClaimResult | None]]

    def rows(self) -> list[dict[str, str]]:
        """A row for each line of a table: what is compared, and its value in both runs."""
        values = {**self.settings, **self.environment}
        lines = [{"": key, "a": str(a), "b": str(b)} for key, (a, b) in values.items()]
        return lines + [{"": id_, "a": _claim(a), "b": _claim(b)} for id_, (a, b) in self.claims.items()]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        pairs = {name: {key: list(pair) for key, pair in getattr(self, name).items()} for name in ("settings", "environment")}
        claims = {id_: [None if one is None else one.as_dict() for one in pair] for id_, pair in self.claims.items()}
        return {"runs": [run.as_dict() for run in self.runs], **pairs, "claims": claims}

    def __repr__(self) -> str:
        a, b = (run.folder for run in self.runs)
        return "\n".join([f"a: {a}", f"b: {b}", *(f"{row['']}: {row['a']} | {row['b']}" for row in self.rows())])

    def _repr_html_(self) -> str:
        return table_html(self.rows())


def compare(a: Results | StoredRun | str | Path, b: Results | StoredRun | str | Path) -> Comparison:
    """Two runs side by side.

    Args:
        a: the results of one, or its folder, or what names it in ``results`` (`theory_sim.studies.shelf.find_run`).
        b: the other.

    Raises:
        InputError: there is no such run.
    """
    first, second = _run(a), _run(b)
    decided = [{} if isinstance(run.claims, str) else {claim.id: claim for claim in run.claims} for run in (first, second)]
    claims = {id_: (decided[0].get(id_), decided[1].get(id_)) for id_ in {**decided[0], **decided[1]}}
    settings = differing([first.settings, second.settings])
    environment = differing([first.environment, second.environment])
    return Comparison((first, second), settings, environment, claims)


def _run(given: Results | str | Path | StoredRun) -> StoredRun:
    if isinstance(given, StoredRun):
        return given
    expect("compare", given, Results, StoredRun, str, Path)
    return find_run(str(given.folder if isinstance(given, Results) else given))


def differing(runs: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """The keys at which settings or environments of runs differ, with the value of each run."""
    keys = dict.fromkeys(key for own in runs for key in own)
    values = {key: tuple(own.get(key, ABSENT) for own in runs) for key in keys}
    return {key: of for key, of in values.items() if any(value != of[0] for value in of)}


def _claim(result: ClaimResult | None) -> str:
    if result is None:
        return "not decided"
    e = result.estimate
    number = f"{e.value:.4g} [{e.low:.4g}, {e.high:.4g}]" if e.value == e.value else "undefined"
    return f"{number} {result.decision}"
