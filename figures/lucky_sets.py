"""The lucky sets over training: neurons that fire for each feature, the noise they see, and their biases."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import grouped
from theory_sim.theories.feature_groups import FEATURES, of_heads

QUANTITIES = ("firing", "noise", "threshold")

_LABELS = {
    "firing": "firing neurons\nper feature",
    "noise": r"noise $\sigma_\zeta\Vert w\Vert\,/\,\sigma_0$",
    "threshold": r"threshold $-b\,/\,\sigma_0$",
}
_NEURONS = {
    "lucky for common": ("common", "solid"),
    "lucky for own rare": ("rare", "solid"),
    "all others": ("noise", (0, (4, 1.5))),
}


def needs(config: Config) -> Needs:
    """One run, of the configuration itself."""
    return Needs([config])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Numbers of firing neurons, spread of the correlation with noise, and thresholds.

    Returns:
        Columns ``model``, ``quantity`` (of `QUANTITIES`), ``group`` (of features, or of neurons), ``step``, ``value``, ``low``,
        ``high`` (over replicas). A group that is empty in all replicas has no rows.
    """
    (result,) = inputs.runs
    rows: list[dict[str, Any]] = []
    for data in (result.coarse, result.fine):
        for (quantity, group), by_replica in _series(data, config):
            rows.extend(
                {
                    "model": data.attrs["model"],
                    "quantity": quantity,
                    "group": group,
                    "step": int(step),
                    "value": over.mean(),
                    "low": over.min(),
                    "high": over.max(),
                }
                for step, over in zip(data.step.values, by_replica.T, strict=True)
            )
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a row of panels per model, with a column per quantity."""
    for (model, quantity), own in grouped(table, ["model", "quantity"], sort=False):
        ax = axes[f"{model} {quantity}"]
        for group, curve in grouped(own, "group", sort=False):
            role, line = _role(group)
            style.band(ax, curve, "step", style.PALETTE[role], linestyle=line, label=group)
        style.steps(ax, int(table.step.max()))
        shown = table[table.quantity == quantity]
        room = 0.06 * float(shown.high.max() - shown.low.min())
        # Both models share the scale.
        ax.set_ylim(0 if quantity == "firing" else float(shown.low.min()) - room, float(shown.high.max()) + room)
        ax.set_ylabel(_LABELS[quantity])
        place = ax.get_subplotspec()
        if place is not None and not place.is_last_row():
            ax.set_xlabel("")
            ax.set_xticklabels([])
        if quantity == "firing":
            ax.set_title(f"{model} labels", color=style.PALETTE[model], weight="bold")
    groups = {f"{features} features": _role(features) for features in FEATURES}
    groups |= {f"neurons {group}" if group != "all others" else "all other neurons": _role(group) for group in _NEURONS}
    # The groups of the left panel and those of the others share their colours; the rows of the legend tell them apart.
    entries = {label: Line2D([], [], color=style.PALETTE[role], linestyle=line) for label, (role, line) in groups.items()}
    style.legend(axes["coarse firing"], entries, ncols=3, by_row=True)


def _series(data: xr.Dataset, config: Config) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """Pairs of (quantity, group) and its values, (replica, step), for the replicas where the group is not empty."""
    members = of_heads(data, config)
    firing = data.firing.transpose("replica", "step", "head", "feature", "neuron").values.sum(-1)
    for features, member in members.items():
        if member.any():
            yield ("firing", features), firing[:, :, member].mean(-1)
    lucky = data.lucky.values
    neurons = {
        f"lucky for {features}": (lucky & members[features][:, None, :]).any(-1) for features in FEATURES if features != "other"
    }
    # (replica, head, neuron)
    neurons["all others"] = ~(neurons["lucky for common"] | neurons["lucky for own rare"])
    unit = config.network.init_std
    noise = config.data.noise / np.sqrt(config.data.dim)
    for quantity, values in (("noise", noise * data.norm.values / unit), ("threshold", -data.bias.values / unit)):
        for group, chosen in neurons.items():
            kept = [value[:, which].mean(1) for value, which in zip(values, chosen, strict=True) if which.any()]
            if kept:
                yield (quantity, group), np.array(kept)


def _role(group: str) -> tuple[str, Any]:
    roles: dict[str, tuple[str, Any]] = {
        "common": ("common", "solid"),
        "own rare": ("rare", "solid"),
        "other": ("noise", "solid"),
    }
    return (roles | _NEURONS)[group]


FIGURE = register(
    Figure(
        "lucky_sets",
        "The lucky sets over training: neurons that fire for each feature, their noise, and their biases.",
        caption=(
            "Lucky sets over training steps, for the coarse (top) and the fine model (bottom). Left: number of neurons of a"
            " head that fire for a pure feature, mean over the features of each group (see the figure of correlations)."
            " Middle: standard deviation of the correlation with a patch's noise, σ_ζ‖w‖. Right: threshold −b. Both are in"
            " units of σ₀ and are shown for neurons lucky for a common feature, for neurons lucky for an own rare feature, and"
            " for all others. Lines are means over replicas, bands their minimum and maximum."
        ),
        size=(style.PAGE, 4.2),
        layout={"mosaic": [[f"{model} {quantity}" for quantity in QUANTITIES] for model in ("coarse", "fine")]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
