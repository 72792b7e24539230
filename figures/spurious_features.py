"""Spurious features: correlations and errors over time, and accuracies at the end, for four ways of training."""

from typing import Any

import pandas as pd

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures.common import comparisons, style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import grouped, of_part
from theory_sim.studies.study import load_study
from theory_sim.theories.spurious_features.growth import growth
from theory_sim.theories.spurious_features.law import NETWORK

STUDY = "spurious_features"
WAYS = {
    (401, 0.1): "all samples",
    (401, 0.03): "all samples, momentum",
    (801, 0.03): "balanced subset",
    (1202, 0.1): "balanced subset,\nthen all samples",
}
"""Words for a way of training, by its number of steps and its step size."""
_MEASURES = {
    "average-accuracy": ("accuracy", "coarse", "average accuracy"),
    "worst-group-accuracy": ("accuracy", "fine", "accuracy of the worst group"),
    "core-growth": ("growth", "common", "core feature"),
    "spurious-growth": ("growth", "rare", "spurious feature"),
}
"""Panel, colour and words of each measure."""
_FEATURES = ("core-growth", "spurious-growth")
_ERRORS = {"majority": "coarse", "minority": "fine"}
_PLACES = "abcd"


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Accuracies and growth at the end of each way of training, and the study's comparisons.

    Returns:
        Columns ``part`` (``end``, or ``fall``), ``way``, ``measure``, ``value``, ``low``, ``high``, ``method``; and those of
        `theory_sim.figures.common.comparisons.comparisons`.
    """
    (tables,) = inputs.studies
    found: list[dict[str, Any]] = []
    for where, own in grouped(tables.measures, ["training.steps", "training.step_size.network"], sort=False):
        for measure in _MEASURES:
            values = own[measure].dropna().to_numpy(float)
            found.append({"part": "end", "way": WAYS[_way(*where)], "measure": measure} | interval(stats.mean(values)))
    return comparisons.with_comparisons(pd.DataFrame(found), tables)


def _way(steps: Any, step_size: Any) -> tuple[int, float]:
    return int(steps), round(float(step_size), 6)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw accuracies, growth, and one line for each comparison."""
    end, ways = of_part(table, "end"), list(WAYS.values())
    for number, (measure, (panel, color, words)) in enumerate(_MEASURES.items()):
        ax, own = axes[panel], end[end.measure == measure]
        places = own.assign(at=[ways.index(way) + 0.2 * (number % 2) - 0.1 for way in own.way])
        style.estimates(ax, places, "at", style.PALETTE[color], label=words)
    for ax, title in ((axes["accuracy"], "accuracy"), (axes["growth"], "growth of correlations")):
        ax.set_xticks(range(len(ways)), ways, rotation=60, ha="right", fontsize=7)
        ax.set_xlim(-0.5, len(ways) - 0.5)
        ax.set_title(title)
    axes["accuracy"].set_ylim(-0.04, 1.04)
    comparisons.draw_comparisons(table, axes["falls"])
    style.legend(axes["growth"], style.entries_of(axes["accuracy"]) | style.entries_of(axes["growth"]), ncols=2)


def needs_runs(config: Config) -> Needs:
    """The runs of the study's cells at full size. The configuration is not used."""
    return Needs([cell.config for cell in load_study(STUDY).cells()])


def compute_time(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Growth of both features and errors of both kinds of samples at the recorded steps.

    Returns:
        Columns ``way``, ``part`` (``core-growth``, ``spurious-growth``, ``majority`` or ``minority``), ``step``, ``value`` (mean
        over replicas), ``low``, ``high`` (smallest and largest of the replicas).
    """
    found = []
    for results in inputs.runs:
        training = results.config.training
        data, way = results.records[NETWORK], WAYS[_way(training.steps, training.step_size[NETWORK])]
        curves = {part: growth(data)[..., feature] for feature, part in enumerate(_FEATURES)}
        curves |= {kind: data.curve_error.sel(kind=kind).isel(readout=0).values for kind in _ERRORS}
        for part, values in curves.items():
            columns = {"step": data.step.values, "value": values.mean(0), "low": values.min(0), "high": values.max(0)}
            found.append(pd.DataFrame(columns | {"way": way, "part": part}))
    return pd.concat(found, ignore_index=True)[["way", "part", "step", "value", "low", "high"]]


def draw_time(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a column of two panels for each way of training."""
    for place, (way, own) in zip(_PLACES, grouped(table, "way", sort=False), strict=False):
        top, below = axes[f"growth {place}"], axes[f"error {place}"]
        for part, ax, color, words in (
            *((part, top, _MEASURES[part][1], _MEASURES[part][2]) for part in _FEATURES),
            *((kind, below, color, f"error, {kind}") for kind, color in _ERRORS.items()),
        ):
            style.band(ax, own[own.part == part], "step", style.PALETTE[color], label=words)
        top.set_title(way)
        below.set_ylim(-0.04, 1.04)
        for ax in (top, below):
            ax.set_xlim(0, float(own.step.max()))
        below.set_xlabel("training step")
    axes["growth a"].set_ylabel(r"growth of max $s_c\langle w, v\rangle$")
    axes["error a"].set_ylabel("error on test samples")
    top, below = axes["growth a"], axes["error a"]
    style.legend(top, style.entries_of(top) | style.entries_of(below), ncols=4)


_TRAINED = (
    "A sample has a weak core feature (0.2) with the sign of the class, a spurious one (1) that has this sign with probability"
    " 0.98, and a noise patch (Deng, Yang, Mirzasoleiman, Gu, arXiv:2306.04949); cubic activation, gradient descent on the whole"
    " set of 10,000 samples with step size 0.1; with momentum 0.9 and step size 0.03; with this momentum on a subset that has as"
    " many samples of each of the four groups (class, sign of the spurious feature) as the smallest group; and on all samples"
    " (step size 0.1) after this subset."
)
_GROWTH = "growth: rise of the largest correlation of a neuron with a feature, in the direction of its class."

FIGURE = register(
    Figure(
        STUDY,
        "Spurious features: accuracies and correlations at the end, for four ways of training.",
        caption=(
            f"{_TRAINED} Left: accuracy on samples of the training law, and of the worst group. Middle: {_GROWTH} Markers are"
            f" means over replicas, bars 95 % intervals (Student's t). {comparisons.COMPARISONS.format(where='Right')}"
        ),
        size=(style.PAGE, 3.6),
        layout={"mosaic": [["accuracy", "growth", "falls"]]},
        needs=comparisons.needs(STUDY),
        compute=compute,
        draw=draw,
    )
)

OVER_TIME = register(
    Figure(
        "spurious_growth",
        "Spurious features: correlations and errors over time, for four ways of training.",
        caption=(
            f"{_TRAINED} Top: {_GROWTH} Bottom: error on test samples of the majority, whose spurious feature has the sign of the"
            " class, and of the minority. Lines are means over 20 replicas, bands reach from the smallest to the largest replica."
        ),
        size=(style.PAGE, 3.6),
        layout={"mosaic": [[f"{row} {place}" for place in _PLACES] for row in ("growth", "error")]},
        needs=needs_runs,
        compute=compute_time,
        draw=draw_time,
        cost="4 minutes on two cores and 1 GB",
    )
)
"""Drawn from the study's runs, which the study keeps."""
