"""Errors against the dimension, with the number of subclasses growing as in the theory."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import grouped

SCALES: dict[float, int | None] = {1 / 4: 10, 1 / 2: 10, 1: None, 2: 3, 4: 3}
"""Dimensions as multiples of the configuration's, and replicas: more where they vary more, fewer where they are expensive."""


_LOOKS: dict[str, dict[str, Any]] = {
    "hard": {"linestyle": "solid"},
    "easy": {"linestyle": style.DASHED, "linewidth": 0.9},
}


def needs(config: Config) -> Needs:
    """One run per dimension; the run at the configuration's own dimension is that of the configuration."""
    runs = []
    for scale, replicas in SCALES.items():
        d = int(config.data.dim * scale)
        k = subclasses(d)
        own = replicas is None and config.tree.subclasses == k
        values = {"name": f"{config.name}-d{d}", "data.dim": d, "tree.subclasses": k}
        runs.append(config if own else config.replace(values | {"replicas": _replicas(config, replicas)}))
    return Needs(runs)


def subclasses(d: int) -> int:
    """The number of subclasses k = ⌊d^0.4⌋, where d^0.4 is the paper's example of a largest k [paper]."""
    return int(d**0.4)


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Errors with intervals.

    Returns:
        Columns ``model``, ``samples`` (easy or hard), ``d``, ``k``, ``coarse classes``, ``value``, ``low``, ``high``, ``method``.
    """
    rows: list[dict[str, Any]] = []
    for result in inputs.runs:
        readout = result.config.transfer.readouts[0]
        for model, data in (("coarse", result.coarse), ("fine", result.fine)):
            for kind in ("easy", "hard"):
                e = stats.error_rate(data.test_correct.sel(kind=kind, test_readout=readout).values)
                rows.append(
                    {
                        "model": model,
                        "samples": kind,
                        "d": result.config.data.dim,
                        "k": result.config.tree.subclasses,
                        "coarse classes": result.config.tree.coarse,
                    }
                    | interval(e)
                )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw both models in one panel."""
    ax = axes["error"]
    dims = table[["d", "k"]].drop_duplicates().sort_values("d")
    labelled: dict[str, Artist] = {}
    for model, own in grouped(table, "model"):
        color = style.PALETTE[model]
        for kind, look in _LOOKS.items():
            points = own[own.samples == kind].sort_values("d")
            if kind == "hard":
                style.estimates(ax, points, "d", color, label=f"{model} {kind} estimate")
            label = f"{model} labels, {kind}"
            (labelled[label],) = ax.plot(points.d, points.value, color=color, label=label, zorder=3, **look)
    guess = 1 - 1 / table["coarse classes"].iloc[0]
    ax.axhline(guess, color=style.PALETTE["noise"], linewidth=0.8, zorder=1, label="guessing")
    ax.annotate("guessing", (dims.d.min(), guess), (0, 3), textcoords="offset points", color=style.PALETTE["noise"], fontsize=7)
    ax.set_xscale("log", base=2)
    ax.set_xticks(dims.d, [f"{d}\n$k$ = {k}" for d, k in dims.itertuples(index=False)])
    ax.minorticks_off()
    ax.set_ylim(-0.03, 1)
    ax.set_xlabel("dimension $d$")
    ax.set_ylabel("error on test samples")
    style.legend(ax, labelled, ncols=2)


def _replicas(config: Config, wanted: int | None) -> int:
    # Small configurations, such as that of --smoke, stay small.
    return config.replicas if wanted is None or config.replicas < 3 else wanted


FIGURE = register(
    Figure(
        "dimension",
        "Errors against the dimension, with the number of subclasses growing as in the theory.",
        caption=(
            "Error on hard test samples after training on coarse and on fine labels, with a readout of the coarse classes,"
            " against the dimension d, with k = ⌊d^0.4⌋ subclasses per coarse class. Markers are means over replicas, bars 95"
            " % intervals over replicas (union of t, Cox's log-normal one, and Clopper–Pearson of all samples). Dashed: error on"
            " easy samples, for both models. Grey: guessing."
        ),
        size=(style.COLUMN, 2.7),
        layout={"mosaic": [["error"]]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
