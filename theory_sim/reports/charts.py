"""What the curves of a page show, as plain values: each chart is a list of series with their bands.

A series is a mean over replicas; its band reaches from the smallest to the largest replica.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from theory_sim.runs.results import Results
from theory_sim.runtime.errors import InputError
from theory_sim.theories.feature_groups import FEATURES, of_heads

MOST_POINTS = 200
"""Points of a curve at most; of longer ones about as many are drawn, at equal ratios of steps."""
_LINES = {"easy": "dash", "common": "solid", "own rare": "dash", "other": "dot"}


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
        name: its name in the legend.
        color: index of its colour in the page's palette.
        dash: ``solid``, ``dash`` or ``dot``.
        x: places.
        y: values; None where there is none.
        low: lower end of the band; empty: it has none.
        high: upper end.
    """

    name: str
    color: int
    dash: str
    x: list[float]
    y: list[float | None]
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)


@dataclass(frozen=True)
class Chart:
    """A chart with its caption.

    Attributes:
        id: unique in the page.
        title: what it shows.
        caption: what its lines and bands are, as sentences.
        x: title of the x axis.
        y: title of the y axis, with its unit.
        log_x: whether x is logarithmic from 1 up, linear below.
        series: the curves.
        log_y: whether y is logarithmic.
        markers: whether points are marked, with their bands as bars.
        ticks: labels of x, where it is no number.
        y_range: ends of the y axis; None: those of the curves.
    """

    id: str
    title: str
    caption: str
    x: str
    y: str
    series: list[Series]
    log_x: bool = True
    log_y: bool = False
    markers: bool = False
    ticks: list[str] = field(default_factory=list)
    y_range: tuple[float, float] | None = None


def run_charts(results: Results) -> list[Chart]:
    """The curves of one run."""
    return side_by_side({"": results})


def side_by_side(runs: Mapping[str, Results]) -> list[Chart]:
    """The curves of runs in the same charts; each pair of run and network has its own colour.

    Args:
        runs: the runs by the name that the page gives them.
    """
    pairs = {f"{label} {network}".strip(): data for label, run in runs.items() for network, data in run.records.items()}
    colors = {name: index for index, name in enumerate(pairs)}
    configs = {f"{label} {network}".strip(): run.config for label, run in runs.items() for network in run.records}
    over = "Lines are means over replicas; bands reach from the smallest to the largest replica."
    step = "training step"

    def chart(id_: str, title: str, caption: str, y: str, series: Iterator[Series], log_y: bool = False) -> Chart:
        return Chart(id_, title, f"{caption} {over}", step, y, list(series), log_y=log_y)

    losses = (_over(name, colors[name], "solid", d["update"].values, d.training_loss.values) for name, d in pairs.items())
    errors = (
        _over(f"{name}, {kind}", colors[name], _LINES.get(str(kind), "solid"), data.step.values, _errors(data, str(kind)))
        for name, data in pairs.items()
        for kind in data.kind.values
    )
    firing, response = [], []
    for name, data in pairs.items():
        try:
            groups = of_heads(data, configs[name])
        except InputError:  # a label function that is gone
            groups = {"all": np.ones((data.sizes["head"], data.sizes["feature"]), bool)}
        counts = data.firing.values.sum(3)  # (replica, step, head, feature)
        for group in (group for group in groups if groups[group].any()):
            label, where = f"{name}, {group}", groups[group]
            look = (label, colors[name], _LINES.get(group, "solid"), data.step.values)
            firing.append(_over(*look, counts[:, :, where].mean(2)))
            response.append(_over(*look, data.response.values[:, :, where].mean(2)))
    means = f"Features of a head: {', '.join(FEATURES[:2])} ones, which are those of its labels, and all others."
    return [
        chart("loss", "Training loss", "Cross-entropy before each update.", "cross-entropy, nats", losses, log_y=True),
        chart("errors", "Test error during training", "Error on a few test samples of each kind.", "error", errors),
        chart("firing", "Firing neurons", f"Neurons of a head that a pure feature fires. {means}", "neurons", iter(firing)),
        chart("response", "Responses to features", f"Response Σ a·ReLU(⟨w, v⟩ + b). {means}", "response", iter(response)),
    ]


def table(chart: Chart) -> dict[str, Any]:
    """The numbers of a chart for a table below it: at most about a dozen rows, a column for each series."""
    places = sorted({x for series in chart.series for x in series.x})
    if not chart.ticks:
        places = [places[i] for i in _chosen(len(places), 12)]
    rows = []
    for place in places:
        cells = [dict(zip(series.x, series.y, strict=True)).get(place) for series in chart.series]
        label = chart.ticks[int(place)] if chart.ticks else f"{place:.0f}"
        rows.append([label, *("" if cell is None else f"{cell:.4g}" for cell in cells)])
    return {"columns": [chart.x, *(series.name for series in chart.series)], "rows": rows}


def _errors(data: xr.Dataset, kind: str) -> np.ndarray:
    errors: np.ndarray = data.curve_error.sel(kind=kind).isel(readout=0).values
    return errors


def _over(name: str, color: int, dash: str, x: np.ndarray, values: np.ndarray) -> Series:
    """A series of values (replica, place)."""
    kept = _chosen(len(x), MOST_POINTS)
    at = values[:, kept].astype(float)
    mean, low, high = at.mean(0), at.min(0), at.max(0)
    band = (plain(low), plain(high)) if len(values) > 1 else ([], [])
    return Series(name, color, dash, [float(x[i]) for i in kept], plain(mean), *band)


def plain(values: np.ndarray) -> list[float | None]:
    """Numbers of five digits, as JSON has them."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]


def _chosen(n: int, most: int) -> list[int]:
    """Indices of at most about `most` of n places, at equal ratios; first and last are among them."""
    if n <= most:
        return list(range(n))
    return [i - 1 for i in sorted({round(float(place)) for place in np.geomspace(1, n, most)})]
