"""Beyond the assumptions: hard errors with many subclasses, and with few training samples."""

from typing import Any

import numpy as np
import pandas as pd

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import grouped, of_part
from theory_sim.theories.label_granularity.tightness import READINGS, SMALL, needed

STUDIES = ["many_subclasses", "sample_complexity"]
_MARKERS = ("o", "s", "D", "^", "v")
_DASHES = {"sums": "dotted", "argmax": "solid"}
_READ = {"sums": "sums", "argmax": "arg max"}
"""Name of each readout in the figure."""
_LINEAR_BELOW = 0.01


def needs(config: Config) -> Needs:
    """Both studies."""
    return Needs(studies=STUDIES)


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Hard errors of every cell, and the numbers of samples that are needed.

    Returns:
        Columns ``part`` (subclasses or samples: hard errors of the first and second study; needed: n*, from which on the error
        of a replica is small), ``model``, ``reading`` (readout: sums of logits; argmax, the coarse class of the highest logit),
        ``k``, ``n`` (training samples; undefined for fresh ones), ``largest`` (d^0.4, the paper's example of a largest k),
        ``value``, ``low``, ``high``, ``method``.
    """
    rows: list[dict[str, Any]] = []
    fine = {reading: f"fine-hard-error-{reading}" for reading in READINGS}
    for part, study in zip(("subclasses", "samples"), inputs.studies, strict=True):
        for _, cell in grouped(study.measures, "cell", sort=False):
            first = cell.iloc[0]
            n = float(first["data.training_samples"]) if part == "samples" else np.nan
            at = {"part": part, "k": float(first["tree.subclasses"]), "n": n, "largest": study.config.data.dim**0.4}
            curves = [("fine", reading, measure) for reading, measure in fine.items()]
            curves += [("coarse", "sums", "coarse-hard-error")] if part == "subclasses" else []
            for model, reading, measure in curves:
                e = stats.error_of_rates(cell[measure].to_numpy(float), max(1, round(first["test-samples"])))
                rows.append(at | {"model": model, "reading": reading} | interval(e))
    for k, of_k in grouped(inputs.studies[1].measures, "tree.subclasses"):
        for reading, measure in fine.items():
            numbers = [
                needed(own["data.training_samples"].to_numpy(float), own[measure].to_numpy(float))
                for _, own in grouped(of_k, "replica")
            ]
            rows.append({"part": "needed", "model": "fine", "reading": reading, "k": float(k)} | interval(stats.mean(numbers)))
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw both models against k, and the fine one against n for each k."""
    ax, many = axes["subclasses"], of_part(table, "subclasses")
    for (model, reading), own in grouped(many, ["model", "reading"]):
        look = {"linestyle": _DASHES[reading], "linewidth": 1, "label": f"{model}, {_READ[reading]}"}
        style.estimates(ax, own.sort_values("k"), "k", style.PALETTE[model], **look)
    ax.axvline(many.largest.iloc[0], label="$d^{0.4}$", color=style.PALETTE["noise"], linewidth=0.8, zorder=1)
    ks = np.sort(many.k.unique())
    ax.set_xscale("log", base=2)
    ax.set_xticks(ks, [f"{k:g}" for k in ks])
    ax.set_xlabel("subclasses per coarse class $k$")
    ax.set_ylabel("hard test error")
    style.bound(ax, 0.5, "1/2")

    ax, few = axes["samples"], of_part(table, "samples")
    stars = of_part(table, "needed").set_index(["k", "reading"]).value
    colors = dict(zip(np.sort(few.k.unique()), np.linspace(0.65, 0.0, few.k.nunique()), strict=True))
    for (k, of_k), marker in zip(grouped(few, "k"), _MARKERS, strict=False):
        for reading, own in grouped(of_k, "reading"):
            star = f", $n^*$ = {stars[k, reading]:.0f}" if np.isfinite(stars[k, reading]) else ""
            label = f"$k$ = {k:g}, {_READ[reading]}{star}"
            look = {"marker": marker, "linestyle": _DASHES[reading], "linewidth": 1, "label": label}
            style.estimates(ax, own.sort_values("n"), "n", str(colors[k]), **look)
    ns = np.sort(few.n.unique())
    ax.set_xscale("log", base=2)
    ax.set_xticks(ns, [f"{n:g}" for n in ns])
    ax.set_xlabel("training samples $n$")
    style.bound(ax, SMALL, f"{SMALL:g}")
    entries = style.entries_of(axes["subclasses"]) | style.entries_of(ax)
    entries.pop("bound")
    style.legend(ax, entries, ncols=3)
    for panel in axes.values():
        panel.set_yscale("symlog", linthresh=_LINEAR_BELOW, linscale=0.4)
        panel.yaxis.set_major_formatter("{x:g}")
        panel.minorticks_off()
        panel.set_ylim(-_LINEAR_BELOW / 4, 1.3)


FIGURE = register(
    Figure(
        "tightness",
        "Beyond the assumptions: hard errors with many subclasses, and with few training samples.",
        caption=(
            "Left: hard error of both models against the number k of subclasses per coarse class, up to the largest k with"
            " K(1 + k) ≤ d, with a fine step size ∝ k. The readouts are summed logits (dotted) and, for the fine model, also the"
            " coarse class of the highest logit (arg max, solid). Grey vertical line: d^0.4, the paper's example of a largest k."
            " Right: hard error of the fine model by both readouts, trained on n fixed samples, for several k; n* is the number"
            " of samples from which on the error of a replica is at most 0.05, mean over replicas. Horizontal lines: the bounds"
            " 1/2 and 0.05. Intervals are 95 % over replicas (union of t, Cox's log-normal one, and Clopper–Pearson of all"
            " samples). The vertical axes are linear up to 0.01 and logarithmic beyond."
        ),
        size=(style.PAGE, 3.6),
        layout={"mosaic": [["subclasses", "samples"]]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
