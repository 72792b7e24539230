"""Correlations of neurons with features over training: lucky and unlucky neurons, and the prediction."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.groups import over_replicas
from theory_sim.figures.common.tables import grouped
from theory_sim.theories.feature_groups import FEATURES, of_heads
from theory_sim.theories.prediction import check_covered, predict


def needs(config: Config) -> Needs:
    """One run, of the configuration itself."""
    return Needs([config])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Mean correlations of each group of pairs.

    Returns:
        Columns ``model``, ``source`` (simulated or predicted), ``features`` (of `FEATURES`), ``luck`` (lucky or unlucky),
        ``step``, ``value``, ``low``, ``high`` (over replicas), in units of σ₀, and for predictions of lucky pairs
        ``difference``: the largest difference from the simulated curve, relative to its largest value.
    """
    (result,) = inputs.runs
    rows: list[dict[str, Any]] = []
    for data in (result.coarse, result.fine):
        rows.extend(_rows(data, predict(config, data), config))
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw one panel per model, and one legend for both."""
    for model, ax in axes.items():
        own = table[table.model == model]
        for (features, luck), group in grouped(own[own.source == "simulated"], ["features", "luck"], sort=False):
            width = 2.2 if luck == "lucky" else 0.7
            style.band(ax, group, "step", _color(features), linewidth=width, label=f"{luck} {features}", zorder=3)
        ends: dict[str, Any] = {}
        for (features, luck), group in grouped(own[own.source == "predicted"], ["features", "luck"], sort=False):
            if luck != "lucky":
                continue
            label = f"predicted {features}"
            ax.plot(group.step, group.value, color="black", linewidth=0.9, linestyle=(0, (3, 2)), zorder=5, label=label)
            if np.isfinite(group.difference).all() and features != "other":
                ends[features] = group.iloc[-1]
        # Move the texts apart where the curves meet.
        meet = len(ends) > 1 and np.ptp([row.value for row in ends.values()]) < 0.07 * np.ptp(table[["low", "high"]].stack())
        for (features, row), up in zip(sorted(ends.items(), key=lambda item: item[1].value), (-5, 5), strict=False):
            at, by = (row.step, row.value), (3, up if meet else 0)
            text = f"{row.difference:.1%}"
            ax.annotate(text, at, by, textcoords="offset points", va="center", fontsize=7, color=_color(features))
        style.steps(ax, int(table.step.max()))
        ax.set_title(f"{model} labels", color=style.PALETTE[model], weight="bold")
        ax.axhline(0, color="0.8", linewidth=0.6, zorder=1)
        style.label_left(ax)
    axes["coarse"].set_ylabel(r"correlation $\langle w, v\rangle\,/\,\sigma_0$")
    entries = {f"{features} features": Line2D([], [], color=_color(features), linewidth=2.2) for features in FEATURES}
    entries |= {luck: Line2D([], [], color="0.3", linewidth=width) for luck, width in (("lucky", 2.2), ("unlucky", 0.7))}
    entries["predicted, and its difference"] = Line2D([], [], color="black", linewidth=0.9, linestyle=(0, (3, 2)))
    style.legend(axes["coarse"], entries, ncols=3, by_row=True)


def _rows(data: xr.Dataset, predicted: xr.Dataset, config: Config) -> Iterator[dict[str, Any]]:
    unit = config.network.init_std
    simulated = data.correlation.values / unit
    recursion = predicted.correlation.values / unit
    lucky = data.lucky.values
    for features, member in of_heads(data, config).items():
        for luck, wanted in (("lucky", lucky), ("unlucky", ~lucky)):
            # (replica, head, neuron, feature)
            pairs = wanted & member[None, :, None, :]
            curves = {"simulated": over_replicas(simulated, pairs), "predicted": over_replicas(recursion, pairs)}
            there, mean = ({source: curve[i] for source, curve in curves.items()} for i in (0, 1))
            top = np.abs(mean["simulated"]).max() if there["simulated"].size else np.nan
            difference = np.abs(mean["predicted"] - mean["simulated"]).max() / top if top else np.nan
            for source in curves:
                for step, value, over in zip(data.step.values, mean[source], there[source].T, strict=True):
                    yield {
                        "model": data.attrs["model"],
                        "source": source,
                        "features": features,
                        "luck": luck,
                        "step": int(step),
                        "value": value,
                        "low": over.min(initial=np.inf) if over.size else np.nan,
                        "high": over.max(initial=-np.inf) if over.size else np.nan,
                        "difference": difference if source == "predicted" and luck == "lucky" else np.nan,
                    }


def _color(features: str) -> str:
    return style.PALETTE[{"common": "common", "own rare": "rare", "other": "noise"}[features]]


FIGURE = register(
    Figure(
        "correlations",
        "Correlations of neurons with features over training: lucky and unlucky neurons, and the prediction.",
        caption=(
            "Correlation ⟨w, v⟩ of neurons with features, in units of σ₀, against the training step, for the coarse (left)"
            " and the fine model (right). A head's common features are those of its coarse class; its own rare features are"
            " those of the leaves labelled with it; all others are other features. Thick lines: lucky pairs (v alone fires the"
            " neuron at initialisation); thin lines: all other pairs. Lines are means over pairs and replicas, bands the"
            " replicas' minimum and maximum. Dashed: the large-batch recursion, which uses the initial weights and no samples;"
            " the percentage is its largest difference from the mean of the simulated lucky pairs, relative to the largest"
            " simulated value."
        ),
        size=(style.PAGE, 3.0),
        layout={"mosaic": [["coarse", "fine"]], "sharey": True},
        needs=needs,
        compute=compute,
        draw=draw,
        check=check_covered,
    )
)
