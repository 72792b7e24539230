"""Differences between the large-batch recursion and simulation against the batch, and their rate."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist

from theory_sim.config import Config
from theory_sim.figures.common import rates, style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import grouped
from theory_sim.runs.results import Results
from theory_sim.theories.prediction import check_covered, predict

QUANTITIES = {"correlation": "correlation of lucky pairs", "loss": "training loss"}

_BATCHES = (1 / 4, 1, 4, 16, 64)
"""Multiples of the configuration's batch."""


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
    batches = [int(config.training.batch * scale) for scale in _BATCHES]
    return Needs([config.replace(base | {"name": f"{config.name}-batch{b}", "training.batch": b}) for b in batches])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Differences and fitted rates.

    Returns:
        Columns ``quantity`` (correlation, loss), ``model``, ``part`` (difference, or slope of its logarithm against that of
        the batch), ``batch``, ``value``, ``low``, ``high``, ``intercept`` (of the fit: log difference at batch 1), ``method``.
    """
    batches = [result.config.training.batch for result in inputs.runs]
    rows: list[dict[str, Any]] = []
    for model in ("coarse", "fine"):
        found = [_differences(result, model) for result in inputs.runs]
        for quantity in QUANTITIES:
            of = np.array([by_quantity[quantity] for by_quantity in found])
            rows.extend(rates.rows("batch", batches, of, "difference", {"quantity": quantity, "model": model}))
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw a panel for each quantity."""
    batches = np.sort(table.batch.dropna().unique())
    for quantity, ax in axes.items():
        own = table[table.quantity == quantity]
        fits: dict[str, Artist] = {}
        for model, of_model in grouped(own, "model"):
            color = style.PALETTE[model]
            style.estimates(ax, of_model[of_model.part == "difference"], "batch", color, label=f"{model} labels")
            fit = rates.line(ax, batches, rates.fit(of_model), color, f"{model} labels: ")
            fits[str(fit.get_label())] = fit
        first = own[(own.part == "difference") & (own.batch == batches[0])].value.max()
        (fits["−1/2"],) = ax.plot(batches, first * (batches / batches[0]) ** -0.5, label="−1/2", **style.BOUND)
        rates.axes(ax, batches)
        ax.set_xlabel("batch $B$")
        ax.set_title(QUANTITIES[quantity])
        ax.legend(list(fits.values()), list(fits), loc="lower left", fontsize=7)
    axes["correlation"].set_ylabel("relative difference")
    shown = table[table.part == "difference"]
    # Leave room for the legend below the points.
    axes["correlation"].set_ylim(0.1 * float(shown.value[shown.value > 0].min()), 2 * float(shown.high.fillna(shown.value).max()))


def _differences(result: Results, model: str) -> dict[str, np.ndarray]:
    """Relative root mean square differences, (replica) each."""
    data = getattr(result, model)
    predicted = predict(result.config, data)
    lucky, start = data.lucky.values, data.correlation.values[:, 0]
    end, expected = data.correlation.values[:, -1], predicted.correlation.values[:, -1]
    loss, expected_loss = data.training_loss.values, predicted.training_loss.values
    return {
        "correlation": np.array(
            [_relative(e[at], p[at], s[at]) for e, p, s, at in zip(end, expected, start, lucky, strict=True)]
        ),
        "loss": np.array([_relative(have, want) for have, want in zip(loss, expected_loss, strict=True)]),
    }


def _relative(value: np.ndarray, expected: np.ndarray, start: np.ndarray | float = 0.0) -> float:
    if not value.size:
        return float("nan")
    return float(np.sqrt(np.mean((value - expected) ** 2) / np.mean((expected - start) ** 2)))


FIGURE = register(
    Figure(
        "prediction",
        "How far the large-batch recursion is from simulation, against the batch: values and rate.",
        caption=(
            "Relative difference between simulation and the large-batch recursion, which uses the initial weights alone,"
            " against the batch. Left: growth of the correlation of each lucky pair of neuron and feature over the whole"
            " training, root mean square over pairs. Right: training loss, root mean square over steps. Both are relative to"
            " the root mean square of the predicted values. Markers are means over replicas with 95 % t intervals. Lines are"
            " power laws with the mean parameters of fits to each replica; the slope is the mean of the fitted slopes with its"
            " 95 % t interval. Dotted: the slope −1/2 of sampling noise, through the first points. The runs have a quarter of"
            " the dimension and of the steps, and a third of the width."
        ),
        size=(style.PAGE, 2.9),
        layout={"mosaic": [list(QUANTITIES)], "sharey": True},
        needs=needs,
        compute=compute,
        draw=draw,
        check=check_covered,
    )
)
