"""Where the theorems hold: errors over two planes of assumptions, with the theory's regime and the predicted border."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from theory_sim.config import Config
from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure, Inputs, Needs, Panels, register
from theory_sim.figures.common.tables import grouped
from theory_sim.theories.label_granularity.boundary import margins_of
from theory_sim.theories.theory import check_regime

QUANTITIES = ("coarse", "fine", "gain")

FEATURE_NOISE = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Multiples of the configuration's strengths."""
DOMINANT_NOISE = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Multiples of the configuration's norm."""
SHARES = (0.0, 0.01, 0.03, 0.1, 0.3)
"""Shares of hard samples in training."""
SUBCLASSES = (0, 0.5, 1, 2)
"""Multiples of ⌊d^0.4⌋, but at least one subclass."""
_TEST_SAMPLES = 250
_REPLICAS = 3
_AXES = {
    "noise": (r"dominant noise $\sigma_*\sqrt{d}$", r"feature noise, mean $\alpha_\dagger$"),
    "share": (r"share $\rho$ of hard samples in training", "subclasses $k$"),
}
_BORDER: dict[str, Any] = {
    "color": style.PALETTE["bound"],
    "linewidth": 1.6,
    "solid_capstyle": "projecting",
}
_HALF_WIDTH = 1.4
"""Of the contour where the recursion predicts an error of ½, in the colour of rare features."""
_TITLES = {"coarse": "coarse model: hard error", "fine": "fine model: hard error", "gain": "gain: coarse − fine"}


def needs(config: Config) -> Needs:
    """The configuration, tested with many laws of hard samples, and one run for each number of subclasses and share."""
    return Needs([config, *_trained(config)], [(0, other) for other in _tested(config)])


def _tested(config: Config) -> list[Config]:
    low, high = config.hard.feature_noise
    samples = min(_TEST_SAMPLES, config.test.samples)
    return [
        config.replace(
            {
                "name": f"{config.name}-noise",
                "hard.feature_noise": [low * feature, high * feature],
                "hard.noise": config.hard.noise * dominant,
                "test.samples": samples,
            }
        )
        for feature, dominant in product(
            FEATURE_NOISE if high else (1.0,),  # all multiples of 0 are the same
            DOMINANT_NOISE if config.hard.noise else (1.0,),
        )
    ]


def _trained(config: Config) -> list[Config]:
    d = config.data.dim // 2
    base = {
        "data.dim": d,
        "replicas": min(config.replicas, _REPLICAS),
        "training.batch": config.batch // 2,
        "test.samples": min(2 * _TEST_SAMPLES, config.test.samples),
        "test.curve_samples": 1,
        "record.points": 2,
    }
    largest = int(d**0.4)
    return [
        config.replace(base | {"name": f"{config.name}-k{k}-share{share:g}", "tree.subclasses": k, "data.hard_share": share})
        for k, share in product(dict.fromkeys(max(1, int(largest * scale)) for scale in SUBCLASSES), SHARES)
    ]


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    """Hard errors and gain in every cell.

    Returns:
        Columns ``plane`` (noise or share), ``x``, ``y`` (the axes' values), ``quantity`` (coarse, fine, gain; and, where the
        recursion covers the cell, coarse predicted and fine predicted), ``value``, ``replicas`` and ``inside`` (whether the cell
        meets the assumptions that some cells meet and others do not).
    """
    readout = config.transfer.readouts[0]

    def rows(plane: str, cells: Sequence[Config], hard: Sequence[Mapping[str, np.ndarray]]) -> Iterator[dict[str, Any]]:
        for cell, inside, errors in zip(cells, _inside(cells), hard, strict=True):
            x, y = _place(plane, cell)
            gain = errors["coarse"] - errors["fine"]
            for quantity, value in [*errors.items(), ("gain", gain)]:
                yield {
                    "plane": plane,
                    "x": x,
                    "y": y,
                    "quantity": quantity,
                    "value": float(value.mean()),
                    "replicas": len(value),
                    "inside": inside,
                }

    def error(data: xr.Dataset) -> np.ndarray:
        by_replica: np.ndarray = data.test_error.sel(kind="hard", test_readout=readout).values
        return by_replica

    noise = [{model: error(tested.sel(model=model)) for model in ("coarse", "fine")} for tested in inputs.evaluations]
    share = [{"coarse": error(result.coarse), "fine": error(result.fine)} for result in inputs.runs[1:]]
    for model in ("coarse", "fine"):
        if margins := margins_of(inputs.runs[0], model):
            for cell, errors in zip(_tested(config), noise, strict=True):
                errors[f"{model} predicted"] = margins.hard_error(cell)
    return pd.DataFrame([*rows("noise", _tested(config), noise), *rows("share", _trained(config), share)])


def draw(table: pd.DataFrame, axes: Panels) -> None:
    """Draw six maps with one scale; each cell shows its number."""
    # A gain can be negative, and is far below 0 only where the fine model alone fails.
    norm = Normalize(min(0.0, float(table.value.min())), 1.0)
    legend: dict[str, style.Mark] = {"border of the theory's regime": Line2D([], [], **_BORDER)}
    for (plane, quantity), cells in grouped(table[table.quantity.isin(QUANTITIES)], ["plane", "quantity"]):
        ax = axes[f"{plane} {quantity}"]
        grid = cells.pivot(index="y", columns="x", values="value")
        mesh = ax.pcolormesh(grid.to_numpy(), cmap=style.LEVELS, norm=norm, edgecolors="white", linewidth=0.5)
        for (row, column), value in np.ndenumerate(grid.to_numpy()):
            ink = "white" if norm(value) > 0.5 else "black"
            ax.text(column + 0.5, row + 0.5, f"{round(value, 2) + 0.0:.2f}", ha="center", va="center", fontsize=6, color=ink)
        inside = cells.pivot(index="y", columns="x", values="inside").to_numpy(bool)
        for xs, ys in _border(inside):
            # With a white line below it, which is seen on black cells.
            ax.plot(xs, ys, clip_on=False, zorder=5, **_BORDER | {"color": "white", "linewidth": 3.2})
            ax.plot(xs, ys, label="regime", clip_on=False, zorder=6, **_BORDER)
        predicted = table[(table["plane"] == plane) & (table.quantity == f"{quantity} predicted")]
        if not predicted.empty:
            _half(ax, predicted.pivot(index="y", columns="x", values="value").to_numpy())
            legend["predicted error of 1/2"] = Line2D([], [], color=style.PALETTE["rare"], linewidth=_HALF_WIDTH)
        ax.set_xticks(np.arange(grid.shape[1]) + 0.5, [f"{x:g}" for x in grid.columns])
        ax.set_yticks(np.arange(grid.shape[0]) + 0.5, [f"{y:g}" for y in grid.index])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        _label(ax, plane, quantity)
    axes["scale"].figure.colorbar(mesh, cax=axes["scale"], label="hard error, gain")
    style.legend(axes["scale"], legend, ncols=2)


def _label(ax: Axes, plane: str, quantity: str) -> None:
    """Label a map. Those of a row share the axis of y, and the middle one has the label of x for all; where the maps of a plane
    are below each other, they share the axis of x, and the middle one has the label of y.
    """
    x, y = _AXES[plane]
    place = ax.get_subplotspec()
    rows = len(_AXES) if place is None else place.get_gridspec().nrows
    side_by_side, one_column = rows == len(_AXES), rows > len(QUANTITIES)
    ax.set_title(_TITLES[quantity] if plane == "noise" or one_column else "", color=style.PALETTE.get(quantity, "black"))
    ax.set_xlabel(x if quantity == ("fine" if side_by_side else "gain") else "")
    ax.set_ylabel(y if quantity == ("coarse" if side_by_side else "fine") else "")
    if side_by_side and quantity != "coarse":
        ax.set_yticklabels([])
    if not side_by_side and quantity != "gain":
        ax.set_xticklabels([])


def _half(ax: Axes, error: np.ndarray) -> None:
    """Draw the line where the error is ½, linear between the centres of cells; none where it is not crossed."""
    if min(error.shape) > 1 and error.min() < 0.5 < error.max():
        rows, columns = error.shape
        look: dict[str, Any] = {"colors": style.PALETTE["rare"], "linewidths": _HALF_WIDTH, "zorder": 2.5}  # below the numbers
        ax.contour(np.arange(columns) + 0.5, np.arange(rows) + 0.5, error, levels=[0.5], **look)


def _place(plane: str, cell: Config) -> tuple[float, float]:
    """A cell's x and y."""
    if plane == "noise":
        return cell.hard.noise, round(sum(cell.hard.feature_noise) / 2, 6)
    return cell.data.hard_share, float(cell.label_tree.n_leaves / cell.label_tree.n_coarse)


def _inside(cells: Sequence[Config]) -> list[bool]:
    """For each cell, whether it meets all assumptions that some cells meet and others do not."""
    checked = [check_regime(cell) for cell in cells]
    varying = [len({line.inside for line in lines}) > 1 for lines in zip(*checked, strict=True)]
    return [all(line.inside for line, varies in zip(lines, varying, strict=True) if varies) for lines in checked]


def _border(inside: np.ndarray) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Edges between cells inside and cells outside or beyond the map: x and y of both ends."""
    padded = np.pad(inside, 1)
    for (row, upper), (_, lower) in pairwise(enumerate(padded)):
        for column in np.flatnonzero(upper != lower).tolist():
            yield (column - 1, column), (row, row)
    for (x, left), (_, right) in pairwise(enumerate(padded.T)):
        for row in np.flatnonzero(left != right).tolist():
            yield (x, x), (row - 1, row)


FIGURE = register(
    Figure(
        "phase",
        "Where the theorems hold: errors over two planes of assumptions, with the theory's regime and the predicted border.",
        caption=(
            "Hard error of the coarse model, hard error of the fine model, and their difference, the gain; means over"
            " replicas. Top: against the strengths of feature noise and of dominant noise in hard test samples, with the same"
            " trained models in all cells. Bottom: against the number k of subclasses and the share ρ of hard samples in"
            " training, with models trained in each cell at half the dimension and batch. The line surrounds the cells in the"
            " theory's regime (theory-sim regime), judged by the assumptions that some cells of the plane meet and others do"
            " not. The coloured line in the top row: the hard error of 1/2 that the large-batch recursion predicts from the"
            " initial weights alone, by linear interpolation between the centres of cells."
        ),
        size=(style.PAGE, 4.7),
        layout={
            "mosaic": [[f"{plane} {quantity}" for quantity in QUANTITIES] + ["scale"] for plane in ("noise", "share")],
            "width_ratios": [20, 20, 20, 1],
        },
        needs=needs,
        compute=compute,
        draw=draw,
    )
)
