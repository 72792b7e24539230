"""Times at which lucky neurons have grown and the loss has fallen, observed and predicted, against the theory's rates."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import grouped
from theory_sim.theories.label_granularity.times import KINDS, LEVEL, LOSSES

STUDY = "times"
PANELS = {
    "growth": (r"growth of correlations by $\sigma_0/4$", "rate of growth (per step)"),
    "loss": ("loss at half its start", "rate of a logit (per step)"),
}
_MARKERS = {"coarse": "s", "fine": "o"}


def needs(config: Config) -> Needs:
    """The study of times."""
    return Needs(studies=[STUDY])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Times and rates of every cell.

    Returns:
        Columns ``part`` (growth or loss), ``network``, ``what`` (common, rare or loss), ``rate``, ``value``, ``low``, ``high``
        (observed time, mean over replicas with its interval), ``predicted`` (mean over replicas), ``free`` (for growth, the time
        of a neuron that always grows at the rate) and ``method``.
    """
    (study,) = inputs.studies
    level = LEVEL * study.config.network.init_std
    rows: list[dict[str, Any]] = []
    for part, kinds in (("growth", KINDS), ("loss", LOSSES)):
        for kind in kinds:
            network, what = kind.split("-")
            for _, cell in grouped(study.measures, "cell", sort=False):
                rate = float(cell[f"{kind}-rate"].mean())
                seen, ratio = (cell[f"{kind}-time{of}"].to_numpy(float) for of in ("", "-ratio"))
                found = {"part": part, "network": network, "what": what, "rate": rate, **interval(stats.mean(seen))}
                free = level / rate if part == "growth" else np.nan
                rows.append(found | {"predicted": float((seen * ratio).mean()), "free": free})
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a panel for growth and one for the loss."""
    for part, ax in axes.items():
        own = table[table.part == part]
        for (network, what), rows in grouped(own, ["network", "what"], sort=False):
            color = style.PALETTE[what if part == "growth" else network]
            look = {"marker": _MARKERS[network], "markerfacecolor": "white"}
            label = f"{network}, {what}" if part == "growth" else f"{network} labels"
            style.estimates(ax, rows, "rate", color, label=label, **look)
        known = own.dropna(subset=["predicted"])
        ax.plot(known.rate, known.predicted, "+", color="0.1", markersize=4, markeredgewidth=0.8, label="predicted", zorder=5)
        rates = np.sort(own.rate.unique())
        if part == "growth":
            ax.plot(rates, own.free.iloc[0] * own.rate.iloc[0] / rates, label=r"$\sigma_0/4$ ÷ rate", **style.BOUND)
        else:
            middle = np.exp(np.nanmean(np.log(own.value * own.rate)))
            ax.plot(rates, middle / rates, label="slope −1", **style.BOUND)
        ax.set_xscale("log")
        ax.set_yscale("log")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 3)))
            axis.set_major_formatter("{x:g}")
        ax.minorticks_off()
        title, x = PANELS[part]
        ax.set_title(title)
        ax.set_xlabel(x)
        ax.legend(loc="lower left", fontsize=7, handlelength=1.2)
    axes["growth"].set_ylabel("training step")


FIGURE = register(
    Figure(
        "times",
        "Times at which lucky neurons have grown and the loss has fallen, observed and predicted, against the theory's rates.",
        caption=(
            "Left: the step at which the correlations of lucky neurons with their features have grown by σ₀/4, a quarter of"
            " the initial weights' standard deviation, against the rate of growth before the loss falls. In theory this rate"
            " is proportional to ηs for common features in the coarse model, else to ηs/k. Right: the step at which the"
            " training loss has fallen to half, against the rate at which a logit grows before, proportional to ηs² in the"
            " coarse model and to ηs²/k in the fine one, up to factors near 1 that depend on k and are included. In each cell"
            " one of the step size η, the patches s of a feature and the subclasses k differs from the study's configuration."
            " Markers are means over replicas with 95 % t intervals. Crosses: predicted by the large-batch recursion from the"
            " initial weights. Dotted, left: the time of a neuron that always fires; right: a slope of −1."
        ),
        size=(style.PAGE, 3.0),
        layout={"mosaic": [list(PANELS)]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
