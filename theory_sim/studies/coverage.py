"""How often the intervals that the package prints miss, measured on stored replicas.

R replicas are drawn from the stored ones of a case, many times. The truth is the value over all stored replicas of the case:
their mean, for a growth ratio the ratio of the means, for a slope the slope. An interval *misses* if it does not contain the
truth. It has a *note* (`theory_sim.stats.Estimate.limits`) if it is known to be limited: by few replicas, by an assumed normal
law, or by failures that none of the drawn replicas shows; a note about the p-value does not count. Intervals of a quantity pass
if the share of them that miss *and* have no note is at most twice the stated one. Where every interval has a note, none can be
judged: `by_level` counts the kinds that can, and names the one that misses most often with the notes counted.
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
_BOUND = 0.05
"""Error on hard samples above which a fine model counts as failed."""

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


def _share() -> Quantity:
    return Quantity(
        f"share: fine hard above {_BOUND:g}",
        lambda all_: float((all_["fine_hard"] > _BOUND).mean()),
        lambda rows, confidence: stats.proportion(float((rows["fine_hard"] > _BOUND).sum()), len(rows["fine_hard"]), confidence),
    )


def _over_guessing() -> Quantity:
    return Quantity(
        "gain: fine hard over guessing",
        lambda all_: float(_CHANCE - all_["fine_hard"].mean()),
        lambda rows, confidence: stats.gain_over_of_rates(_CHANCE, rows["fine_hard"], int(rows["samples"][0]), confidence),
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


def _mean_log_loss(model: str) -> Quantity:
    column = f"{model}_loss"
    return Quantity(
        f"mean: log {model} loss",
        lambda all_: float(np.log(all_[column]).mean()),
        lambda rows, confidence: stats.mean(np.log(rows[column]), confidence),
    )


def _mean_of_errors() -> Quantity:
    return Quantity(
        "mean: fine hard",
        lambda all_: float(all_["fine_hard"].mean()),
        lambda rows, confidence: stats.positive_mean(rows["fine_hard"], confidence),
    )


def _slope(x: str, y: str) -> Quantity:
    return Quantity(
        f"slope: {y} on {x}".replace("_", " "),
        lambda all_: float(np.polyfit(all_[x], all_[y], 1)[0]),
        lambda rows, confidence: stats.slope(rows[x], rows[y], confidence),
    )


QUANTITIES = (
    *map(_error, ("coarse_easy", "coarse_hard", "fine_easy", "fine_hard")),
    _share(),
    _gain(),
    _over_guessing(),
    *map(_growth, ("coarse", "fine")),
    *map(_loss, ("coarse", "fine")),
    *map(_mean_log_loss, ("coarse", "fine")),
    _mean_of_errors(),
    _slope("coarse_loss", "coarse_hard"),
    _slope("fine_loss", "fine_hard"),
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
        noted: share of intervals that have a note, or no number.
    """

    case: str
    quantity: str
    replicas: int
    level: float
    draws: int
    above: float
    below: float
    unsaid: float
    noted: float

    @property
    def missed(self) -> float:
        """Share of intervals that do not contain the truth."""
        return self.above + self.below

    @property
    def judged(self) -> bool:
        """Whether some interval has no note: else none of them can be wrong."""
        return self.noted < 1

    @property
    def right(self) -> bool:
        """Whether at most twice the stated share misses and has no note; a binomial test at 0.001 may refute it."""
        count = round(self.unsaid * self.draws)
        return float(scipy_stats.binom.sf(count - 1, self.draws, min(1.0, 2 * self.level))) > 1e-3


@dataclass(frozen=True)
class AtLevel:
    """The kinds of intervals of one error probability.

    Attributes:
        level: error probability that the intervals state.
        kinds: number of kinds: of a quantity, in a case, from R replicas.
        judged: number of them of which some intervals have no note.
        wrong: number of them of which more than twice the stated share misses and has no note.
        worst: the kind that misses most often, notes counted, among those of `theory_sim.stats.FEW` replicas or more.
    """

    level: float
    kinds: int
    judged: int
    wrong: int
    worst: Missed | None


def by_level(found: Sequence[Missed]) -> list[AtLevel]:
    """For each error probability: how many kinds can be judged, how many are wrong, and which misses most often."""
    levels = []
    for level in dict.fromkeys(of.level for of in found):
        own = [of for of in found if of.level == level]
        enough = [of for of in own if of.replicas >= stats.FEW]
        worst = max(enough, key=lambda of: of.missed, default=None)
        levels.append(AtLevel(level, len(own), sum(of.judged for of in own), sum(not of.right for of in own), worst))
    return levels


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
    noted = np.array([bool(e.limits) or e.value != e.value for e in made])
    unsaid = float(((above | below) & ~noted).mean())
    return Missed(case, quantity.name, n, level, len(made), float(above.mean()), float(below.mean()), unsaid, float(noted.mean()))
