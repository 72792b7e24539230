"""The figures of both theorems: losses and errors over training, with the bounds of the claims."""

import textwrap
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.claims import model_and_quantity
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import grouped, rows
from theory_sim.theories.claims import DECISIONS
from theory_sim.theories.theory import evaluate_claims

QUANTITIES = ("training-loss", "easy-error", "hard-error")
"""The quantities of claims that have a curve."""
_SHORT = {"training-loss": "loss", "easy-error": "easy", "hard-error": "hard"}
"""Their names at the line of a bound."""
_LOOKS: dict[str, dict[str, Any]] = {
    "training-loss": {"linestyle": "solid", "marker": "s", "linewidth": 1.5, "markersize": 4.5, "zorder": 3},
    "hard-error": {"linestyle": "solid", "marker": "D", "linewidth": 2, "markersize": 5, "zorder": 4},
    "easy-error": {"linestyle": (0, (4, 1.5)), "marker": "o", "linewidth": 1.5, "markersize": 3.5, "zorder": 5},
}
"""Easy errors are dashed, with smaller markers, and on top, so that both errors can be seen where both are 0."""
_LINEAR_BELOW = 0.01
"""The y axis is linear up to the smallest bound, because errors can be 0."""


def needs(config: Config) -> Needs:
    """One run, of the configuration itself."""
    return Needs([config])


def compute(config: Config, inputs: Inputs, model: str) -> pd.DataFrame:
    """The curves and the claims of one theorem.

    Args:
        config: the configuration.
        inputs: its run.
        model: the model that the theorem is about.

    Returns:
        Columns ``model``, ``part`` (curve or claim), ``quantity``, ``step``, ``value``, ``low``, ``high``, ``range`` (what low
        and high are), and for claims ``side``, ``bound`` and ``decision``.
    """
    (result,) = inputs.runs
    found = list(_curves(model, getattr(result, model), config))
    for claim in evaluate_claims(result):
        of, quantity = model_and_quantity(claim.id)
        if of != model:
            continue
        estimate = claim.estimate
        found.append(
            {
                "model": model,
                "part": "claim",
                "quantity": quantity,
                "step": config.training.steps,
                "value": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "range": f"{config.claims.confidence:.0%} interval, {estimate.method}",
                "side": claim.side,
                "bound": claim.bound,
                "decision": claim.decision,
            }
        )
    return pd.DataFrame(found)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw the curves, the estimates that decide the claims, and their bounds; the title is the verdict."""
    ax = axes["curves"]
    model = table.model.iloc[0]
    claims, curves = table[table.part == "claim"], table[table.part == "curve"]
    for quantity in QUANTITIES:
        look = {key: _LOOKS[quantity][key] for key in ("linestyle", "linewidth", "zorder")}
        style.band(ax, curves[curves.quantity == quantity], "step", _color(model, quantity), label=quantity, **look)
    drawn = claims[claims.quantity.isin(QUANTITIES)]
    for claim in rows(drawn):
        _estimate(ax, claim)
    # Claims with the same bound share its line.
    for (side, bound), same in grouped(drawn, ["side", "bound"]):
        names = ", ".join(_SHORT[quantity] for quantity in same.quantity)
        style.bound(ax, bound, f"{names} {side} {bound:g}")
    _titles(ax, model, claims)
    top = max(1.0, float(table.high[table.quantity.isin(QUANTITIES)].max()))
    style.steps(ax, int(table.step.max()))
    ax.set_yscale("symlog", linthresh=_LINEAR_BELOW, linscale=0.5)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    # Intervals that leave the panel are cut off at its edge.
    ax.set_ylim(-_LINEAR_BELOW / 5, 1.25 * top)
    ax.set_ylabel("training loss (nats), test error")
    _legend(table, ax)


def _curves(model: str, data: xr.Dataset, config: Config) -> Iterator[dict[str, Any]]:
    """Rows of a model's curves: mean, minimum and maximum over replicas."""
    # Readouts that need fitting are not recorded during training; then the curve is that of the first recorded readout.
    readout = config.transfer.readouts[0]
    error = data.curve_error.sel(readout=readout if readout in data.readout.values else data.readout[0])
    series = {"training-loss": data.training_loss.rename(update="step")}
    series |= {f"{kind}-error": error.sel(kind=kind) for kind in ("easy", "hard")}
    for quantity, values in series.items():
        by_step = values.transpose("step", "replica").values.astype(float)
        for step, over in zip(values.step.values, by_step, strict=True):
            yield {
                "model": model,
                "part": "curve",
                "quantity": quantity,
                "step": int(step),
                "value": over.mean(),
                "low": over.min(),
                "high": over.max(),
                "range": f"min–max of {len(over)} replica{'s' * (len(over) > 1)}",
            }


def _color(model: str, quantity: str) -> str:
    """Errors have the same colours for both models, so that they can be compared; the loss has the model's colour."""
    return style.PALETTE[{"easy-error": "common", "hard-error": "rare"}.get(quantity, model)]


def _words(quantity: str) -> str:
    return quantity.replace("-", " ")


def _number(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value:.2g}"


def _estimate(ax: Axes, claim: Any) -> None:
    """Draw the estimate that decides a claim, with its interval."""
    look = _LOOKS[claim.quantity]
    ax.errorbar(
        [claim.step],
        [claim.value],
        [[claim.value - claim.low], [claim.high - claim.value]],
        color=_color(claim.model, claim.quantity),
        marker=look["marker"],
        markersize=look["markersize"],
        markeredgecolor="white",
        markeredgewidth=0.5,
        capsize=2,
        elinewidth=1,
        zorder=look["zorder"] + 3,
        label=f"{claim.quantity} claim",
    )


def _titles(ax: Axes, model: str, claims: pd.DataFrame) -> None:
    """Write the verdict, and below it the claims that have no curve."""
    others = {decision: [_words(q) for q in claims.quantity[claims.decision == decision]] for decision in DECISIONS[1:]}
    held = int((claims.decision == "holds").sum())
    verdict = f"{held} of {len(claims)} claims hold" if held < len(claims) else f"all {held} claims hold"
    other = claims[~claims.quantity.isin(QUANTITIES)]
    numbers = [
        f"{_words(c.quantity).replace('rare', 'rare ÷ common')} {_number(c.value)} ({c.side} {c.bound:.2g})" for c in rows(other)
    ]
    lines = [line for decision, of in others.items() if of for line in textwrap.wrap(f"{decision}: {', '.join(of)}", 50)]
    lines += numbers
    ax.set_title(f"{model.capitalize()} labels: {verdict}", color=style.PALETTE[model], weight="bold", pad=4 + 10 * len(lines))
    ax.annotate("\n".join(lines), (0, 1), (0, 5), "axes fraction", "offset points", fontsize=7, linespacing=1.25)


def _legend(table: pd.DataFrame, ax: Axes) -> None:
    """Explain curves, bands, markers and thin lines."""
    model = table.model.iloc[0]
    entries: dict[str, Artist] = {}
    for quantity in QUANTITIES:
        look = {"color": _color(model, quantity), "linestyle": _LOOKS[quantity]["linestyle"]}
        entries[_words(quantity).replace("error", "test error")] = Line2D([], [], **look)
    ranges, grey = table.groupby("part")["range"].first(), "0.5"
    entries[ranges["curve"]] = Line2D([], [], color=grey, linewidth=6, alpha=0.4)
    entries[f"at the end, {ranges['claim'].split(',')[0]}"] = Line2D([], [], color=grey, marker="o", linestyle="none")
    entries["bound of a claim"] = Line2D([], [], **style.BOUND)
    style.legend(ax, entries, ncols=2)


_CAPTION = (
    "Training on {model} labels, with a readout of the coarse classes: training loss, and error on easy and hard test samples,"
    " against the training step. Lines are means over replicas, bands their minimum and maximum. Markers are the estimates at"
    " the last step that decide the claims, from more samples, with their confidence intervals; dotted lines are the bounds of"
    " the claims. Axes are linear up to step 1 and up to 0.01, logarithmic beyond. Rare ÷ common growth: growth of the response"
    " to a leaf's rare feature, divided by that to its common feature. {more}"
)


def _theorem(model: str, summary: str, more: str) -> Figure:
    return Figure(
        f"theorem_{model}",
        summary,
        caption=_CAPTION.format(model=model, more=more),
        size=(style.COLUMN, 3.4),
        layout={"mosaic": [["curves"]]},
        needs=needs,
        compute=partial(compute, model=model),
        draw=draw,
    )


COARSE = register(
    _theorem(
        "coarse",
        "The first theorem: training on coarse labels leaves hard samples misclassified.",
        more="Weak features of other classes in hard samples can push the error above chance.",
    )
)
FINE = register(
    _theorem(
        "fine",
        "The second theorem: training on fine labels classifies hard samples too.",
        more="Transfer gain: hard error with coarse labels minus that with fine labels.",
    )
)
