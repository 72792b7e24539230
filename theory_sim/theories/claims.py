"""Claims: statements of theorems that are tested numerically, each with an estimate, its interval, a bound and a decision.

A claim *holds* when its whole interval is on the right side of its bound and, where a p-value is asked for, this is small enough.
It is *refuted* when its whole interval is on the wrong side, has *no result* where the estimate is undefined, and is *undecided*
otherwise. A claim is an object: its theory lists it, or a plugin registers it for an existing theory.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from theory_sim.config import Config
from theory_sim.runs.results import Results
from theory_sim.runtime.display import table_html
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.registry import Registry
from theory_sim.runtime.returned import expect_function, expect_number, expect_type, place
from theory_sim.runtime.storage import without_nan
from theory_sim.stats import Estimate

SIDES = ("≤", "≥", ">")
Decision = Literal["holds", "refuted", "undecided", "no result"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)


@dataclass(frozen=True)
class Claim:
    """The contract of a claim.

    Attributes:
        id: its name, such as ``coarse-hard-error``.
        statement: what it says, as a full sentence.
        theorem: the theorem that it belongs to.
        estimate: from results to the number, its interval and method.
        side: ``≤``, ``≥`` or ``>``: where the whole interval must lie.
        bound: the threshold that the interval is compared with: a number, or a function of the configuration.
        max_p: where a test decides as well, the p-value must be below this: likewise a number or a function.
        source: who states it: ``paper``, ``recalled`` or ``ours``.
        theory: name of the theory that a registered claim is added to; a theory's own claims need none.
    """

    id: str
    statement: str
    theorem: str
    estimate: Callable[[Results], Estimate]
    side: str
    bound: float | Callable[[Config], float]
    max_p: float | Callable[[Config], float] | None = None
    source: str = "ours"
    theory: str | None = None

    def __post_init__(self) -> None:
        expect("claim: id", self.id, str)
        if not callable(self.estimate):
            raise InputError(f"claim {self.id}: estimate is a function of the results, not {type(self.estimate).__name__}")
        expect_function(f"claim {self.id}: estimate", self.estimate, "results")
        for name in ("bound", "max_p"):
            value = getattr(self, name)
            if callable(value):
                expect_function(f"claim {self.id}: {name}", value, "config")
            elif value is not None or name == "bound":
                checked_bound(f"claim {self.id}: {name}", value)
        if self.side not in SIDES:
            raise InputError(f"claim {self.id}: the side is one of {', '.join(SIDES)}, got '{self.side}'")

    def evaluate(self, results: Results) -> "ClaimResult":
        """Decide the claim on results.

        Raises:
            InputError: its function gives no `Estimate` of numbers, or its bound is no number.
        """
        estimate = checked_estimate(f"claim {self.id}: estimate ({place(self.estimate)})", self.estimate(results))
        bound, max_p = self.bounds(results.config)
        return ClaimResult(self.id, self.statement, self.theorem, estimate, self.side, bound, max_p, self.source)

    def bounds(self, config: Config) -> tuple[float, float | None]:
        """The bound and the largest p-value allowed at a configuration.

        Raises:
            InputError: one is no number.
        """
        bound = self.bound(config) if callable(self.bound) else self.bound
        max_p = self.max_p(config) if callable(self.max_p) else self.max_p
        most = None if max_p is None else checked_bound(f"claim {self.id}: max_p", max_p)
        return checked_bound(f"claim {self.id}: bound", bound), most


def checked_bound(what: str, bound: Any) -> float:
    """A bound as a plain number.

    Raises:
        InputError: it is none, or NaN, with which nothing can be compared.
    """
    number = expect_number(what, bound)
    if math.isnan(number):
        raise InputError(f"{what}: expected a number, got nan")
    return number


def checked_estimate(what: str, estimate: Any) -> Estimate:
    """An estimate whose parts are plain numbers; those of NumPy and xarray become such.

    Raises:
        InputError: it is none; its value is infinite or outside its interval, or its p-value outside [0, 1].
    """
    expect_type(what, estimate, Estimate, meaning=", such as ts.mean(...)")
    value, low, high = (expect_number(f"{what}: {name}", getattr(estimate, name)) for name in ("value", "low", "high"))
    expect_type(f"{what}: method", estimate.method, str)
    expect_type(f"{what}: notes", estimate.notes, tuple)
    for note in estimate.notes:
        expect_type(f"{what}: notes: an entry", note, str)
    p = None if estimate.p is None else expect_number(f"{what}: p", estimate.p)
    if p is not None and not 0 <= p <= 1:
        raise InputError(f"{what}: p: should be in [0, 1], got {p:g}")
    if value in (math.inf, -math.inf) or value < low or value > high:
        raise InputError(f"{what}: the value {value:g} is not a number in its interval [{low:g}, {high:g}]")
    return Estimate(value, low, high, estimate.method, p, estimate.notes)


@dataclass(frozen=True, repr=False)
class ClaimResult:
    """One claim, decided.

    Attributes:
        id: of the claim.
        statement: what it says.
        theorem: the theorem that it belongs to.
        estimate: the number, its interval and method.
        side: ``≤``, ``≥`` or ``>``: where the interval must lie.
        bound: the threshold that the interval is compared with.
        max_p: the largest p-value allowed, for claims that a test decides as well.
        source: who states it.
    """

    id: str
    statement: str
    theorem: str
    estimate: Estimate
    side: str
    bound: float
    max_p: float | None = None
    source: str = "ours"

    @property
    def decision(self) -> Decision:
        """``holds``, ``refuted``, ``undecided`` or ``no result``."""
        e = self.estimate
        if e.value != e.value or not e.low <= e.high:  # undefined, or no interval
            return "no result"
        right, wrong = {
            "≤": (e.high <= self.bound, e.low > self.bound),
            "≥": (e.low >= self.bound, e.high < self.bound),
            ">": (e.low > self.bound, e.high <= self.bound),
        }[self.side]
        if wrong:
            return "refuted"
        return "holds" if right and (self.max_p is None or (e.p is not None and e.p < self.max_p)) else "undecided"

    @property
    def holds(self) -> bool:
        """Whether the whole interval is on the right side, and the p-value is small enough where one is asked for."""
        return self.decision == "holds"

    def as_dict(self) -> dict[str, Any]:
        """For JSON: undefined numbers are null."""
        e = self.estimate
        entry: dict[str, Any] = {
            "id": self.id,
            "statement": self.statement,
            "theorem": self.theorem,
            "source": self.source,
            **e.as_dict(),
            "side": self.side,
            "bound": self.bound,
            "decision": self.decision,
            "holds": self.holds,
        }
        if self.max_p is not None:
            entry |= {"p": e.p, "max_p": self.max_p}
        return {key: without_nan(value) for key, value in entry.items()}

    def row(self) -> dict[str, str]:
        """The cells of its row in a table of claims."""
        e = self.estimate
        number = f"{e.value:.4g} [{e.low:.4g}, {e.high:.4g}]" if e.value == e.value else f"undefined ({e.method})"
        p = "" if self.max_p is None else f", p = {'undefined' if e.p is None else f'{e.p:.1e}'} (< {self.max_p:g})"
        return {
            "claim": self.id,
            "statement": self.statement,
            "estimate": "; ".join([number, *e.notes]),
            "bound": f"{self.side} {self.bound:.4g}{p}",
            "": self.decision,
        }

    def __str__(self) -> str:
        cells = self.row()
        return f"{self.id}: {cells['estimate']} {cells['bound']}: {cells['']}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return table_html([self.row()])


CLAIMS: Registry[Claim] = Registry("claim")
"""Claims that plugins add to theories, by id."""


def register_claim(claim: Claim) -> Claim:
    """Add a claim to the theory that it names.

    Raises:
        InputError: it names none, or its id is taken.
    """
    expect("register_claim", claim, Claim)
    if claim.theory is None:
        raise InputError(f"claim {claim.id}: name the theory that it is added to, such as theory='label-granularity'")
    return CLAIMS.add(claim.id, claim)
