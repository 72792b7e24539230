"""Claims: statements of theorems that are decided by numbers, each an estimate with an interval, a bound and a verdict.

A claim *holds* when its whole interval lies on the right side of its bound, and where a test is asked for, its p-value is
small enough. A claim is an object: its theory lists it, or a plugin registers it for a theory that exists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theory_sim.config import Config
from theory_sim.runs.results import Results
from theory_sim.runtime.display import table_html
from theory_sim.runtime.errors import InputError, expect
from theory_sim.runtime.registry import Registry
from theory_sim.runtime.returned import expect_function, expect_number, expect_type, place
from theory_sim.runtime.storage import without_nan
from theory_sim.stats import Estimate

SIDES = ("≤", "≥", ">")


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
        max_p: the largest p-value allowed, where a test decides as well: likewise.
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
                expect_number(f"claim {self.id}: {name}", value)
        if self.side not in SIDES:
            raise InputError(f"claim {self.id}: the side is one of {', '.join(SIDES)}, got '{self.side}'")

    def evaluate(self, results: Results) -> "ClaimResult":
        """Decide it on results.

        Raises:
            InputError: its function gives no `Estimate` of numbers, or its bound is no number.
        """
        estimate = _checked(f"claim {self.id}: estimate ({place(self.estimate)})", self.estimate(results))
        bound, max_p = self.bounds(results.config)
        return ClaimResult(self.id, self.statement, self.theorem, estimate, self.side, bound, max_p, self.source)

    def bounds(self, config: Config) -> tuple[float, float | None]:
        """The bound and the largest p-value allowed at a configuration.

        Raises:
            InputError: one is no number.
        """
        bound = self.bound(config) if callable(self.bound) else self.bound
        max_p = self.max_p(config) if callable(self.max_p) else self.max_p
        most = None if max_p is None else expect_number(f"claim {self.id}: max_p", max_p)
        return expect_number(f"claim {self.id}: bound", bound), most


def _checked(what: str, estimate: Any) -> Estimate:
    """An estimate whose parts are plain numbers; those of NumPy and xarray become such."""
    expect_type(what, estimate, Estimate, meaning=", such as ts.mean(...)")
    value, low, high = (expect_number(f"{what}: {name}", getattr(estimate, name)) for name in ("value", "low", "high"))
    expect_type(f"{what}: method", estimate.method, str)
    p = None if estimate.p is None else expect_number(f"{what}: p", estimate.p)
    return Estimate(value, low, high, estimate.method, p)


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
    def holds(self) -> bool:
        """Whether the whole interval lies on the right side, and the p-value is small enough where one is asked for."""
        e = self.estimate
        if e.value != e.value or not e.low <= e.high:  # undefined, or no interval
            return False
        right = {"≤": e.high <= self.bound, "≥": e.low >= self.bound, ">": e.low > self.bound}[self.side]
        return bool(right and (self.max_p is None or (e.p is not None and e.p < self.max_p)))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: undefined numbers are null."""
        e = self.estimate
        entry: dict[str, Any] = {
            "id": self.id,
            "statement": self.statement,
            "theorem": self.theorem,
            "source": self.source,
            "estimate": e.value,
            "ci": [e.low, e.high],
            "method": e.method,
            "side": self.side,
            "bound": self.bound,
            "holds": self.holds,
        }
        if self.max_p is not None:
            entry |= {"p": e.p, "max_p": self.max_p}
        return {key: without_nan(value) for key, value in entry.items()}

    def row(self) -> dict[str, str]:
        """Its cells in a table of claims."""
        e = self.estimate
        number = f"{e.value:.4g} [{e.low:.4g}, {e.high:.4g}]" if e.value == e.value else f"undefined ({e.method})"
        p = "" if self.max_p is None else f", p = {'undefined' if e.p is None else f'{e.p:.1e}'} (< {self.max_p:g})"
        return {
            "claim": self.id,
            "statement": self.statement,
            "estimate": number,
            "bound": f"{self.side} {self.bound:.4g}{p}",
            "": "holds" if self.holds else "fails",
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
