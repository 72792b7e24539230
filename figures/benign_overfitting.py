"""Benign overfitting over dimension and strength of the signal: our test errors beside the published ones."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy import stats

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import grouped, of_part
from theory_sim.studies.grids import BENIGN_OVERFITTING
from theory_sim.theories.benign_overfitting.comparison import (
    agreements,
    cell_means,
    differences,
    published_errors,
    transition,
)
from theory_sim.theories.benign_overfitting.law import LawSettings

_EACH = 2
"""Every second row and column of our grid is drawn."""
_COLORS = ("coarse", "common", "rare")
"""Of the readings, in their order."""
_WIDEST = 4.0
"""Of z in the histogram; larger ones count at its ends."""


def needs(config: Config) -> Needs:
    """The grid; it derives from no configuration of a user."""
    return Needs(grids=[BENIGN_OVERFITTING.name])


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Errors, differences and transitions.

    Returns:
        ``part``: ``ours`` (errors of the reading with the smallest mean difference), ``published``, ``cell`` (``value`` = ours −
        published, and ``z``, for each reading), ``border`` (``signal`` where the error crosses the middle, at each ``dim``) and
        ``fit`` (the fitted line).
    """
    (table,) = inputs.grids
    published, own = published_errors(), BENIGN_OVERFITTING.config
    whole = [each for each in agreements(table, published) if each.part == "all"]
    best = min(whole, key=lambda each: abs(each.difference)).reading
    mean, _, _ = cell_means(table, best)
    parts = [_long(mean.iloc[::_EACH, ::_EACH], "ours", best), _long(published, "published", "published")]
    for each in whole:
        cells = differences(table, published, each.reading)
        drawn = cells[["dim", "signal", "difference", "z"]].rename(columns={"difference": "value"})
        parts.append(drawn.assign(part="cell", reading=each.reading))
    n, p = own.data.training_samples, LawSettings.model_validate(own.law).flip
    for name, errors in ((best, mean), ("published", published)):
        border, exponent, constant = transition(errors, n, p)
        parts.append(border.assign(part="border", reading=name))
        fitted = (constant * border.dim**exponent.value / n) ** 0.25
        parts.append(border.assign(part="fit", reading=name, signal=fitted, value=exponent.value))
    return pd.concat(parts, ignore_index=True)[["part", "reading", "dim", "signal", "value", "z"]]


def _long(errors: pd.DataFrame, part: str, reading: str) -> pd.DataFrame:
    d, s = np.meshgrid(errors.index.astype(float), errors.columns.astype(float), indexing="ij")
    found = {"dim": d.ravel(), "signal": s.ravel(), "value": errors.to_numpy().ravel()}
    return pd.DataFrame(found).assign(part=part, reading=reading)


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw both maps with their borders, the difference of the errors, and the distribution of z."""
    best = str(of_part(table, "ours").reading.iloc[0])
    legend: dict[str, Any] = {}
    for place, reading in (("ours", best), ("published", "published")):
        ax = axes[place]
        mesh = _map(ax, of_part(table, place), style.LEVELS, 0.0, 0.5)
        for part, look in (("border", {"linestyle": "none", "marker": ".", "markersize": 2.5}), ("fit", {"linewidth": 1.2})):
            line = of_part(table, part)
            line = line[line.reading == reading]
            ax.plot(line.signal, line.dim, color=style.PALETTE["rare"], **look)
        fitted = of_part(table, "fit")
        exponent = float(fitted[fitted.reading == reading].value.iloc[0])
        ax.set_title(f"{'ours: ' + reading if place == 'ours' else reading}, e = {exponent:.2f}")
    axes["scale"].figure.colorbar(mesh, cax=axes["scale"], label="test error")
    cells = of_part(table, "cell")
    own = cells[cells.reading == best]
    most = float(own.value.abs().max())
    signed = _map(axes["difference"], own, style.SIGNED, -most, most)
    axes["signed"].figure.colorbar(signed, cax=axes["signed"], label="ours − published")
    axes["difference"].set_title("difference")
    for ax in (axes["ours"], axes["published"], axes["difference"]):
        ax.set_ylabel("dimension d" if ax is not axes["published"] else "")
        ax.set_xlabel("signal ‖μ‖")
    _z(axes["z"], cells)
    for (name, _), color in zip(grouped(cells, "reading", sort=False), _COLORS, strict=True):
        legend[str(name)] = Line2D([], [], color=style.PALETTE[color])
    legend["standard normal"] = Line2D([], [], color="0.2", linestyle=style.DASHED)
    legend["error halfway from 1/2 to p, and fit"] = Line2D([], [], color=style.PALETTE["rare"], marker=".", linewidth=1.2)
    style.legend(axes["scale"], legend, ncols=3)


def _map(ax: Axes, cells: pd.DataFrame, colors: Any, low: float, high: float) -> Any:
    grid = cells.pivot(index="dim", columns="signal", values="value")
    return ax.pcolormesh(grid.columns, grid.index, grid, cmap=colors, vmin=low, vmax=high, shading="nearest", rasterized=True)


def _z(ax: Axes, cells: pd.DataFrame) -> None:
    edges = np.linspace(-_WIDEST, _WIDEST, 17).tolist()
    for (name, own), color in zip(grouped(cells, "reading", sort=False), _COLORS, strict=True):
        values = own.z.clip(-_WIDEST + 1e-9, _WIDEST - 1e-9)
        ax.hist(values, edges, density=True, histtype="step", color=style.PALETTE[color], linewidth=1.2, label=str(name))
    x = np.linspace(-_WIDEST, _WIDEST, 200)
    ax.plot(x, stats.norm.pdf(x), color="0.2", linewidth=1, linestyle=style.DASHED)
    ax.set_xlabel("z of a cell")
    ax.set_ylabel("density")
    ax.set_title("all cells of the published table")


FIGURE = register(
    Figure(
        "benign_overfitting",
        "Benign overfitting over dimension and strength of the signal, beside the published errors.",
        caption=(
            "Test errors of two-layer convolutional ReLU networks on a signal patch and a noise patch, with a tenth of all labels"
            " flipped (Kou, Chen, Chen, Gu, arXiv:2303.04145). Top: ours, by the reading of the authors' script whose mean"
            " difference is smallest, and the published errors (thinned; both are means of 10 runs with 1000 test samples)."
            " Dots: where the error is halfway between guessing, 1/2, and the share p of flipped labels; line: the fit"
            " n‖μ‖⁴ = C d^e, for which the theory has e = 1. Bottom right: their difference. Bottom left: the distribution over"
            " cells of the difference divided by its standard error, for three readings: mean or sum over patches, and the step"
            " size."
        ),
        size=(style.PAGE, 5.4),
        layout={"mosaic": [["ours", "published", "scale"], ["z", "difference", "signed"]], "width_ratios": [20, 20, 1]},
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
