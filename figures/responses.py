"""Responses of the trained models to each pure feature: own heads and the heads of other classes."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import grouped
from theory_sim.labels.functions import label_function

_HEADS: dict[str, dict[str, Any]] = {"own": {"marker": "o"}, "other": {"marker": "o", "markerfacecolor": "white"}}


def needs(config: Config) -> Needs:
    """One run, of the configuration itself."""
    return Needs([config])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Final responses.

    Returns:
        One row per model, feature and kind of heads (own, other): columns ``model``, ``feature`` (name, in the order of the
        tree's branches), ``level`` (1: common), ``heads``, ``value``, ``low``, ``high`` (over replicas).
    """
    (result,) = inputs.runs
    tree = config.label_tree
    rows = []
    for data in (result.coarse, result.fine):
        labels = label_function(data.attrs["labels"], tree, config.data.training_samples)
        final = data.response.isel(step=-1).values.astype(float)
        for feature in sorted(range(tree.n_nodes), key=tree.ancestors):
            below = [i for i, leaf in enumerate(tree.leaves) if feature in tree.ancestors(leaf)]
            own = np.zeros(labels.n_classes, bool)
            own[labels.leaf_label[below].numpy()] = True
            for heads, which in (("own", own), ("other", ~own)):
                if which.any():
                    by_replica = final[:, which, feature].mean(1)
                    rows.append(
                        {
                            "model": data.attrs["model"],
                            "feature": tree.names[feature],
                            "level": len(tree.ancestors(feature)),
                            "heads": heads,
                            "value": by_replica.mean(),
                            "low": by_replica.min(),
                            "high": by_replica.max(),
                        }
                    )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw one panel per model, with the features in the order of the tree."""
    features = list(table.feature.unique())
    common_features = set(table.feature[table.level == 1])
    for model, ax in axes.items():
        own = table[table.model == model]
        for (heads, common), group in grouped(own, ["heads", own.level == 1]):
            color = style.PALETTE["common" if common else "rare"]
            ax.errorbar(
                [features.index(feature) for feature in group.feature],
                group.value,
                [group.value - group.low, group.high - group.value],
                color=color,
                linestyle="none",
                markersize=4 if heads == "own" else 3,
                elinewidth=0.8,
                zorder=4 if heads == "own" else 3,
                label=f"{heads} {'common' if common else 'rare'}",
                **_HEADS[heads],
            )
        for at, feature in enumerate(features):
            if at and feature in common_features:
                ax.axvline(at - 0.5, color="0.85", linewidth=0.6, zorder=1)
        many = len(features) > 12
        ax.set_xticks(range(len(features)), [f"$v_{{{f}}}$" for f in features], rotation=90 if many else 0, fontsize=6.5)
        ax.set_xlim(-0.7, len(features) - 0.3)
        ax.set_ylim(-0.04 * float(table.high.max()), 1.06 * float(table.high.max()))
        ax.set_title(f"{model} labels", color=style.PALETTE[model], weight="bold")
        ax.set_xlabel("feature")
        style.label_left(ax)
    axes["coarse"].set_ylabel("response at the end")
    entries = {
        "common feature": Line2D([], [], color=style.PALETTE["common"], marker="o", markersize=4, linestyle="none"),
        "rare feature": Line2D([], [], color=style.PALETTE["rare"], marker="o", markersize=4, linestyle="none"),
        "own heads": Line2D([], [], color="0.3", markersize=4, linestyle="none", **_HEADS["own"]),
        "other heads": Line2D([], [], color="0.3", markersize=3, linestyle="none", **_HEADS["other"]),
    }
    style.legend(axes["coarse"], entries, ncols=len(entries))


FIGURE = register(
    Figure(
        "responses",
        "Responses of the trained models to each pure feature: own heads and the heads of other classes.",
        caption=(
            "Response Σ_r a ReLU(⟨w, v⟩ + b) to each pure feature v at the end of training, for the coarse (left) and the"
            " fine model (right). Filled: mean over the heads that learn from samples with the feature (for a rare feature of"
            " the fine model this is the head of its leaf). Open: mean over all other heads. Markers are means over replicas,"
            " bars their minimum and maximum."
        ),
        size=(style.PAGE, 2.7),
        layout={"mosaic": [["coarse", "fine"]], "sharey": True},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
