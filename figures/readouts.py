"""Readouts: easy and hard error of each on the same trained models."""

from typing import Any

import numpy as np
import pandas as pd

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import grouped
from theory_sim.runtime.contracts import READOUTS

_LINEAR_BELOW = 0.01


def needs(config: Config) -> Needs:
    """The configuration, tested with every readout."""
    return Needs([config], [(0, config.replace({"name": f"{config.name}-readouts", "transfer.readouts": list(READOUTS)}))])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Errors with intervals.

    Returns:
        Columns ``model``, ``samples`` (easy or hard), ``readout``, ``value``, ``low``, ``high``, ``method``.
    """
    (tested,) = inputs.evaluations
    rows: list[dict[str, Any]] = []
    for model in tested.model.values:
        for kind in tested.kind.values:
            for readout in tested.test_readout.values:
                e = stats.error_rate(tested.test_correct.sel(model=model, kind=kind, test_readout=readout).values)
                rows.append(
                    {
                        "model": str(model),
                        "samples": str(kind),
                        "readout": str(readout),
                    }
                    | interval(e)
                )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a row per readout, with the models side by side."""
    ax = axes["error"]
    readouts = list(table.readout.unique())
    for (model, kind), own in grouped(table, ["model", "samples"]):
        hard = kind == "hard"
        at = np.array([readouts.index(readout) for readout in own.readout]) + (-0.14 if model == "coarse" else 0.14)
        reach = [own.value - own.low, own.high - own.value] if hard else None
        ax.errorbar(
            own.value,
            at,
            xerr=reach,
            color=style.PALETTE[model],
            linestyle="none",
            marker="o",
            markersize=4 if hard else 3,
            markerfacecolor=style.PALETTE[model] if hard else "white",
            capsize=2,
            elinewidth=1,
            zorder=3 if hard else 4,
            label=f"{model} labels, {kind}",
        )
    ax.set_yticks(range(len(readouts)), [readout.replace("_", " ") for readout in readouts])
    ax.set_ylim(len(readouts) - 0.5, -0.5)
    ax.set_xscale("symlog", linthresh=_LINEAR_BELOW, linscale=0.5)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.set_xlim(-_LINEAR_BELOW / 5, 1.1)
    ax.set_xlabel("error on test samples")
    style.legend(ax, style.entries_of(ax), ncols=2)


FIGURE = register(
    Figure(
        "readouts",
        "Readouts: easy and hard error of each on the same trained models.",
        caption=(
            "Error on hard test samples by readout, for the same trained models: logits or probabilities of the heads summed"
            " within each coarse class, the coarse class of the highest head, a linear probe on the frozen features, and"
            " finetuning of all weights on coarse labels. Markers are means over replicas, bars 95 % intervals over"
            " replicas (union of t, Cox's log-normal one, and Clopper–Pearson of all samples); small open markers are the errors"
            " on easy samples. The axis is linear up to 0.01 and logarithmic beyond."
        ),
        size=(style.COLUMN, 2.8),
        layout={"mosaic": [["error"]]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
