"""Differences between the large-batch recursion and simulation against the batch: the rate of decay, and the terms of a fit."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.stats import chi2

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures.common import rates, style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.groups import interval
from theory_sim.figures.common.tables import grouped, of_part
from theory_sim.figures.common.tables import rows as rows_of
from theory_sim.runs.results import Results
from theory_sim.theories.prediction import check_covered, predict

QUANTITIES = {"correlation": "correlation of lucky pairs", "loss": "training loss"}

_BATCHES = (1 / 4, 1, 4, 16, 64)
"""Multiples of the configuration's batch."""
_CONFIDENCE = 0.95


def needs(config: Config) -> Needs:
    """One run for each batch, with k = ⌊d^0.4⌋."""
    d = config.data.dim // 4
    base = {
        "data.dim": d,
        "tree.subclasses": max(2, int(d**0.4)),
        "network.neurons": max(min(config.neurons, 20), config.neurons // 3),
        "training.steps": config.training.steps // 4,
        "test.samples": 10,
        "test.curve_samples": 1,
    }
    batches = [int(config.batch * scale) for scale in _BATCHES]
    return Needs([config.replace(base | {"name": f"{config.name}-batch{b}", "training.batch": b}) for b in batches])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Differences, fitted rates and fitted terms.

    Returns:
        Columns ``quantity`` (correlation, loss), ``model``, ``part``, ``batch``, ``value``, ``low``, ``high``, ``intercept``,
        ``method``. Parts of ``correlation``: difference (root mean square over pairs) and slope of its logarithm against that of
        the batch, with the ``intercept``, the log difference at batch 1. Parts of ``loss``: replica (mean of simulated minus
        predicted over steps, for each replica), difference (their mean), and the terms that `terms` fits.
    """
    batches = [result.config.batch for result in inputs.runs]
    rows: list[dict[str, Any]] = []
    for model in ("coarse", "fine"):
        found = [_differences(result, model) for result in inputs.runs]
        correlation, loss = (np.array([of[quantity] for of in found]) for quantity in QUANTITIES)
        where = {"quantity": "correlation", "model": model}
        rows.extend(rates.rows("batch", batches, correlation, "difference", where))
        rows.extend({"quantity": "loss", "model": model} | row for row in terms(batches, loss))
    return pd.DataFrame(rows)


def terms(batches: Sequence[int], difference: np.ndarray) -> Iterator[dict[str, Any]]:
    """Fit of a difference against the batch B: floor + bias/B + sampling/√B · N(0, 1).

    Floor and bias are fitted to each replica by least squares with the weights B, since the variances are ∝ 1/B, and averaged
    with t intervals. The standard deviation `sampling` is that of the residuals, with its χ² interval.

    Args:
        batches: B.
        difference: (batch, replica).

    Yields:
        ``part``, ``batch``, ``value``, ``low``, ``high``, ``method``: replica, difference; bias, floor, sampling.
    """
    root = np.sqrt(np.array(batches, float))
    for batch, by_replica in zip(batches, difference, strict=True):
        yield from ({"part": "replica", "batch": batch, "value": value} for value in by_replica)
        yield {"part": "difference", "batch": batch} | interval(stats.mean(by_replica)) | {"value": by_replica.mean()}
    design = np.stack([1 / root**2, np.ones_like(root)], 1) * root[:, None]
    weighted = difference * root[:, None]
    fitted, *_ = np.linalg.lstsq(design, weighted)
    for part, by_replica in zip(("bias", "floor"), fitted, strict=True):
        yield {"part": part, "batch": np.nan} | interval(stats.mean(by_replica)) | {"value": by_replica.mean()}
    squares, freedom = float(((weighted - design @ fitted) ** 2).sum()), (len(batches) - 2) * difference.shape[1]
    low, high = (float(np.sqrt(squares / chi2.isf(tail, freedom))) for tail in ((1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2))
    found = {"value": float(np.sqrt(squares / freedom)), "low": low, "high": high}
    yield {"part": "sampling", "batch": np.nan} | found | {"method": f"χ², {freedom} degrees of freedom"}


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a panel for each quantity."""
    batches = np.sort(table.batch.dropna().unique())
    for quantity, ax in axes.items():
        (_draw_rate if quantity == "correlation" else _draw_terms)(ax, table[table.quantity == quantity], batches)
        ax.set_xlabel("batch $B$")
        ax.set_title(QUANTITIES[quantity])
    axes["correlation"].set_ylabel("relative difference")
    axes["loss"].set_ylabel(r"relative difference $\times \sqrt{B}$")


def _draw_rate(ax: Axes, table: pd.DataFrame, batches: np.ndarray) -> None:
    """Differences with the fitted power law of each model, and the slope −1/2."""
    entries: dict[str, Line2D] = {}
    shown = of_part(table, "difference")
    for model, of_model in grouped(table, "model"):
        color = style.PALETTE[model]
        style.estimates(ax, of_part(of_model, "difference"), "batch", color, label=f"{model} labels")
        fit = rates.line(ax, batches, rates.fit(of_model), color, f"{model} labels: ")
        entries[str(fit.get_label())] = fit
    first = shown[shown.batch == batches[0]].value.max()
    (entries["−1/2"],) = ax.plot(batches, first * (batches / batches[0]) ** -0.5, label="−1/2", **style.BOUND)
    rates.axes(ax, batches)
    # Leave room for the legend below the points.
    ax.set_ylim(0.1 * float(shown.value[shown.value > 0].min()), 2 * float(shown.high.fillna(shown.value).max()))
    ax.legend(list(entries.values()), list(entries), loc="lower left", fontsize=7)


def _draw_terms(ax: Axes, table: pd.DataFrame, batches: np.ndarray) -> None:
    """Signed differences times √B, and the fitted terms: a line, and a band of one standard deviation of a replica."""
    entries: dict[str, Line2D] = {}
    x = np.geomspace(batches[0], batches[-1], 200)
    for model, of_model in grouped(table, "model"):
        color = style.PALETTE[model]
        term = {row.part: row for row in rows_of(of_model) if row.part in ("bias", "floor", "sampling")}
        middle, spread = term["bias"].value / np.sqrt(x) + term["floor"].value * np.sqrt(x), term["sampling"].value
        ax.fill_between(x, middle - spread, middle + spread, color=color, alpha=0.15, linewidth=0)
        each, mean = of_part(of_model, "replica"), of_part(of_model, "difference")
        ax.plot(each.batch, each.value * np.sqrt(each.batch), ".", color=color, markersize=3, alpha=0.6)
        scaled = mean.assign(**{column: mean[column] * np.sqrt(mean.batch) for column in ("value", "low", "high")})
        style.estimates(ax, scaled, "batch", color, label=f"{model} labels")
        told = {part: _told(row) for part, row in term.items()}
        text = f"{model} labels: bias {told['bias']} / B,  floor {told['floor']},  spread {told['sampling']} / √B"
        (entries[text],) = ax.plot(x, middle, color=color, linewidth=1, label=text, zorder=2)
    ax.axhline(0, zorder=1, **style.BOUND)
    ax.set_xscale("log", base=2)
    ax.set_xticks(batches, [f"{batch:g}" for batch in batches])
    ax.minorticks_off()
    style.legend(ax, entries, ncols=1)


def _told(row: Any) -> str:
    """A term with its interval, where there is one."""
    return f"{row.value:.2g}" + (f" [{row.low:.2g}, {row.high:.2g}]" if np.isfinite(row.low) else "")


def _differences(result: Results, model: str) -> dict[str, np.ndarray]:
    """Relative differences of each replica: root mean square over lucky pairs, and mean of the loss's over steps."""
    data = getattr(result, model)
    predicted = predict(result.config, data)
    lucky, start = data.lucky.values, data.correlation.values[:, 0]
    end, expected = data.correlation.values[:, -1], predicted.correlation.values[:, -1]
    loss, expected_loss = data.training_loss.values, predicted.training_loss.values
    return {
        "correlation": np.array(
            [_relative(e[at], p[at], s[at]) for e, p, s, at in zip(end, expected, start, lucky, strict=True)]
        ),
        "loss": (loss - expected_loss).mean(1) / expected_loss.mean(1),
    }


def _relative(value: np.ndarray, expected: np.ndarray, start: np.ndarray) -> float:
    if not value.size:
        return float("nan")
    return float(np.sqrt(np.mean((value - expected) ** 2) / np.mean((expected - start) ** 2)))


FIGURE = register(
    Figure(
        "prediction",
        "Difference between the large-batch recursion and simulation, against the batch: its rate, and a fit of its terms.",
        caption=(
            "Relative difference between simulation and the large-batch recursion, which uses the initial weights alone,"
            " against the batch B. Left: growth of the correlation of each lucky pair of neuron and feature over the whole"
            " training, root mean square over pairs, relative to the root mean square of the predicted growth. Lines are power"
            " laws with the mean parameters of fits to each replica; the slope is the mean of the fitted slopes with its 95 % t"
            " interval. Dotted: the slope −1/2 of sampling noise, through the first points. Right: training loss, simulated"
            " minus predicted, mean over steps, relative to the mean of the predicted loss, times √B. In these units sampling"
            " noise has a constant spread, a bias ∝ 1/B decreases with B, and a floor that does not depend on B increases. Dots"
            " are replicas. Lines are the fitted sum of bias and floor; bands are one fitted standard deviation of a replica wide"
            " on each side. The legend states each term of the difference with its 95 % interval. Markers are means over replicas"
            " with 95 % t intervals. The runs have a quarter of the dimension and of the steps, and a third of the width."
        ),
        size=(style.PAGE, 3.2),
        layout={"mosaic": [list(QUANTITIES)]},
        needs=needs,
        compute=compute,
        draw=draw,
        check=check_covered,
    )
)
