"""Noise control: the largest pre-activation on noise patches in training, against the bias decay."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures.common import comparisons, style
from theory_sim.figures.common.claims import MODELS
from theory_sim.figures.common.figure import Figure, Inputs, Panels, register
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import grouped

_COLORS = ("noise", "common", "rare", "fine", "coarse")
"""Colours of the levels of noise, in increasing order."""


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """The largest pre-activation on noise for each level of noise and bias decay.

    Returns:
        Columns ``model``, ``noise`` (σ_ζ√d), ``decay`` (κ ln⁵ d), ``value``, ``low``, ``high``, ``method``, and ``fired``: the
        share of replicas in which noise fires a neuron.
    """
    (tables,) = inputs.studies
    rows: list[dict[str, Any]] = []
    for (noise, decay), own in grouped(tables.measures, ["data.noise", "bias-decay"]):
        for model in MODELS:
            largest = own[f"{model}-noise-largest"].dropna().to_numpy(float)
            where = {"model": model, "noise": float(noise), "decay": float(decay), "fired": float((largest > 0).mean())}
            rows.append(where | interval(stats.mean(largest)) | {"value": float(largest.mean())})
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw one panel for each model, with a line for each level of noise."""
    entries: dict[str, Artist] = {}
    for model, of_model in grouped(table, "model", sort=False):
        ax = axes[model]
        for (noise, own), color in zip(grouped(of_model, "noise"), _COLORS, strict=False):
            curve, label = own.sort_values("decay"), rf"$\sigma_\zeta\sqrt{{d}}$ = {noise:g}"
            (entries[label],) = ax.plot(curve.decay, curve.value, color=style.PALETTE[color], linewidth=1, label=label, zorder=3)
            style.estimates(ax, curve, "decay", style.PALETTE[color], label=f"{label} estimate", clip_on=False)
        entries["a noise patch fires"] = ax.axhline(0, label="a noise patch fires", **style.BOUND)
        theory: dict[str, Any] = {"color": style.PALETTE["noise"], "linewidth": 0.8, "linestyle": style.DASHED, "zorder": 1}
        entries["the theory's bias decay"] = ax.axvline(1, label="the theory's bias decay", **theory)
        ax.set_xscale("symlog", linthresh=1, linscale=0.4)
        ax.set_xlim(0, 1.3 * float(table.decay.max()))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
        ax.set_xlabel(r"bias decay $\kappa\,\ln^5 d$")
        ax.set_title(f"{model} labels", color=style.PALETTE[model], weight="bold")
        style.label_left(ax)
    axes["coarse"].set_ylabel(r"largest $(\langle w, \zeta\rangle + b)\,/\,\sigma_0$")
    style.legend(axes["coarse"], entries, ncols=3)


FIGURE = register(
    Figure(
        "noise_control",
        "Noise control: the largest pre-activation on noise patches in training, against the bias decay.",
        caption=(
            "Largest pre-activation ⟨w, ζ⟩ + b over all recorded steps, all neurons and the patches of noise alone in a batch of"
            " fresh samples, in units of σ_0, against the bias decay κ in units of the theory's 1/ln⁵ d (dashed). Above the"
            " dotted line a noise patch fires a neuron. Colours: norm σ_ζ√d of the noise; all are at most 1/ln d. Left: coarse"
            " model; right: fine model. Markers are means over replicas, bars 95 % intervals (Student's t). The horizontal axis"
            " is linear up to 1 and logarithmic beyond."
        ),
        size=(style.PAGE, 2.7),
        layout={"mosaic": [["coarse", "fine"]], "sharey": True},
        needs=comparisons.needs("noise_control"),
        compute=compute,
        draw=draw,
    )
)
