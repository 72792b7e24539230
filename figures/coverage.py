"""How often the intervals that the package prints miss the truth, on stored replicas of trained networks."""

from functools import partial
from typing import Any

import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import grouped
from theory_sim.studies.coverage import LEVELS, QUANTITIES, coverage

DRAWS = 200
_LEVELS = LEVELS[:2]
"""The third level is too small for so few intervals: ``theory-sim bench coverage`` measures it."""
_LEAST = 1e-3
"""The height at which shares of 0 are drawn."""
_COLORS = {
    "error": "coarse",
    "share": "coarse",
    "gain": "fine",
    "growth ratio": "common",
    "loss": "noise",
    "mean": "noise",
    "slope": "rare",
}


def needs(config: Config) -> Needs:
    """Nothing: the replicas are stored."""
    return Needs(configuration=False)


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Miss rates.

    Returns:
        The attributes of `theory_sim.studies.coverage.Missed`, and ``missed``.
    """
    found = coverage(DRAWS, levels=_LEVELS)
    return pd.DataFrame({**vars(of), "missed": of.missed} for of in found)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a panel for each level: open markers for all intervals that miss, filled ones for those of them without a note."""
    for place, (level, of_level) in zip(axes, grouped(table, "level", sort=False), strict=True):
        ax = axes[place]
        sizes = sorted(of_level.replicas.unique())
        for number, (_, of) in enumerate(grouped(of_level, ["case", "quantity"], sort=False)):
            kind = of.quantity.iloc[0].partition(":")[0]
            # Side by side, because many have the same share.
            x = [sizes.index(n) + 0.6 * (number % len(QUANTITIES) / (len(QUANTITIES) - 1) - 0.5) for n in of.replicas]
            look: dict[str, Any] = {"color": style.PALETTE[_COLORS[kind]], "linestyle": "none", "markersize": 3}
            ax.plot(x, of.missed.clip(lower=_LEAST), marker="o", markerfacecolor="white", label=f"{kind}, all", **look)
            ax.plot(x, of.unsaid.clip(lower=_LEAST), marker="o", label=f"{kind}, without a note", **look)
        for factor, line in ((1, "solid"), (2, style.DASHED)):
            ax.axhline(factor * float(level), color="0.2", linewidth=0.8, linestyle=line, label=f"{factor} × stated")
        ax.set_yscale("log")
        ax.set_ylim(_LEAST / 1.3, 1)
        ax.set_xticks(range(len(sizes)), [str(n) for n in sizes])
        ax.set_xlabel("replicas R")
        ax.set_title(f"stated: {100 * float(level):g} %")
    axes["level0"].set_ylabel("share that misses")
    _legend(axes["level1"])


def _legend(ax: Any) -> None:
    from matplotlib.lines import Line2D

    dot = partial(Line2D, [], [], linestyle="none", marker="o", markersize=3)
    kinds: dict[str, list[str]] = {}
    for kind, color in _COLORS.items():
        kinds.setdefault(color, []).append(kind)
    entries = {", ".join(names): dot(color=style.PALETTE[color]) for color, names in kinds.items()}
    entries["with or without a note"] = dot(color="0.2", markerfacecolor="white")
    entries["stated"] = Line2D([], [], color="0.2", linewidth=0.8)
    entries["twice the stated"] = Line2D([], [], color="0.2", linewidth=0.8, linestyle=style.DASHED)
    style.legend(ax, entries, ncols=3)


FIGURE = register(
    Figure(
        "coverage",
        "How often the intervals that the package prints miss the truth, on stored replicas of trained networks.",
        caption=(
            "Share of intervals that miss: they do not contain the true value, that of 200 stored replicas. Each interval is made"
            " from R replicas that are drawn from these. A marker is one quantity (an error or the share of failing replicas, a"
            " gain, a growth ratio, a loss or another mean, a slope over replicas; by colour) in one of five cases: the base at"
            " d = 128, less patch noise, fewer neurons, a higher threshold, and the base with a fine model that guesses in a"
            " quarter of its replicas. Open: all intervals that miss. Filled: those of them without a note on a limit of the"
            " interval, such as few replicas, an assumed normal law, values that are mostly equal, or what share of replicas may"
            " fail though no drawn one does. Titles and solid lines: the stated share; dashed: twice the stated share. Each share"
            f" is that of {DRAWS} intervals; shares of 0 are at the lower edge."
        ),
        size=(style.PAGE, 3.2),
        layout={"mosaic": [["level0", "level1"]]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
