"""How often the intervals that the package prints miss, measured on stored replicas.

R replicas are drawn from the stored ones of a case, many times. The truth is the mean over all stored replicas of the case (for
a growth ratio, the ratio of the means). An interval *misses* if it does not contain the truth. It has a *note*
(`theory_sim.stats.Estimate.notes`) if it is known to be limited: by few replicas, by an assumed normal law, or by failures that
none of the drawn replicas shows. Intervals of a quantity pass if those without a note miss at most twice as often as stated.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from theory_sim import stats
from theory_sim.stats import Estimate
from theory_sim.studies.replicas import STORED

LEVELS = (0.05, 0.0025, 0.05 / 783)
"""Error probabilities: of one claim, of the comparisons of a study, and of the decisions of the one-at-a-time study."""
REPLICAS = (2, 3, 5, 10, 20)
FAILING = 0.25
"""Share of replicas whose fine model guesses, in the constructed case."""
_CHANCE = 0.5

Rows = dict[str, np.ndarray]
"""Columns of the table of replicas."""


@dataclass(frozen=True)
class Quantity:
    """A quantity that is estimated.

    Attributes:
        name: its name.
        truth: its value for a population of replicas.
        estimate: its estimate from some replicas, at a confidence.
    """

    name: str
    truth: Callable[[Rows], float]
    estimate: Callable[[Rows, float], Estimate]


def _error(column: str) -> Quantity:
    return Quantity(
        f"error: {column.replace('_', ' ')}",
        lambda all_: float(all_[column].mean()),
        lambda rows, confidence: stats.error_of_rates(rows[column], int(rows["samples"][0]), confidence),
    )


def _gain() -> Quantity:
    return Quantity(
        "gain: hard",
        lambda all_: float((all_["coarse_hard"] - all_["fine_hard"]).mean()),
        lambda rows, confidence: stats.gain_of_rates(rows["coarse_hard"], rows["fine_hard"], int(rows["samples"][0]), confidence),
    )


def _growth(model: str) -> Quantity:
    above, below = f"{model}_rare", f"{model}_common"
    return Quantity(
        f"growth ratio: {model}",
        lambda all_: float(all_[above].mean() / all_[below].mean()),
        lambda rows, confidence: stats.ratio(rows[above], rows[below], confidence),
    )


def _loss(model: str) -> Quantity:
    column = f"{model}_loss"
    return Quantity(
        f"loss: {model}",
        lambda all_: float(all_[column].mean()),
        lambda rows, confidence: stats.positive_mean(rows[column], confidence),
    )


QUANTITIES = (
    *map(_error, ("coarse_easy", "coarse_hard", "fine_easy", "fine_hard")),
    _gain(),
    *map(_growth, ("coarse", "fine")),
    *map(_loss, ("coarse", "fine")),
)


@dataclass(frozen=True)
class Missed:
    """How often the intervals of one quantity miss.

    Attributes:
        case: the population.
        quantity: the quantity.
        replicas: R.
        level: error probability that the intervals state, 1 − confidence.
        draws: number of intervals.
        above: share of intervals that are wholly above the truth.
        below: share of intervals that are wholly below the truth.
        unsaid: share of intervals that miss and have no note.
    """

    case: str
    quantity: str
    replicas: int
    level: float
    draws: int
    above: float
    below: float
    unsaid: float

    @property
    def missed(self) -> float:
        """Share of intervals that do not contain the truth."""
        return self.above + self.below

    @property
    def right(self) -> bool:
        """Whether intervals without a note miss at most twice as often as stated; a binomial test at 0.001 may refute it."""
        count = round(self.unsaid * self.draws)
        return float(scipy_stats.binom.sf(count - 1, self.draws, min(1.0, 2 * self.level))) > 1e-3


def populations() -> dict[str, Rows]:
    """The stored replicas by case, and a constructed case: in a quarter of the base's replicas the fine model guesses."""
    table = pd.read_csv(STORED, encoding="utf-8").set_index("case").astype(float)
    stored = {str(case): rows.reset_index(drop=True) for case, rows in table.groupby("case", sort=False)}
    failing = stored["base"].copy()
    failing.loc[: round(FAILING * len(failing)) - 1, ["fine_hard", "fine_easy"]] = _CHANCE
    return {
        case: {str(name): rows[name].to_numpy() for name in rows}
        for case, rows in (stored | {"a quarter fails": failing}).items()
    }


def coverage(
    draws: int = 1000,
    replicas: Sequence[int] = REPLICAS,
    levels: Sequence[float] = LEVELS,
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda text: None,
) -> Iterator[Missed]:
    """Miss rates of all quantities in all cases.

    Args:
        draws: intervals of each kind.
        replicas: numbers of replicas that an interval is made from.
        levels: error probabilities, 1 − confidence.
        seed: of the draws.
        on_progress: called with the name of each case.
    """
    for case, all_ in populations().items():
        on_progress(case)
        for n in replicas:
            rng = np.random.default_rng([seed, n])
            chosen = rng.integers(len(all_["samples"]), size=(draws, n))
            drawn = [{name: values[rows] for name, values in all_.items()} for rows in chosen]
            for quantity in QUANTITIES:
                truth = quantity.truth(all_)
                for level in levels:
                    yield _missed(case, quantity, n, level, truth, [quantity.estimate(rows, 1 - level) for rows in drawn])


def _missed(case: str, quantity: Quantity, n: int, level: float, truth: float, made: Sequence[Estimate]) -> Missed:
    above = np.array([e.low > truth for e in made])
    below = np.array([e.high < truth for e in made])
    silent = np.array([not e.notes for e in made])
    unsaid = float(((above | below) & silent).mean())
    return Missed(case, quantity.name, n, level, len(made), float(above.mean()), float(below.mean()), unsaid)
