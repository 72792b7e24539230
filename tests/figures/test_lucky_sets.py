"""The figure of lucky sets: counts, noise and thresholds, by plain loops."""

import itertools
import math

import numpy as np
import pytest
from drawn import assert_band, assert_inside, assert_line, bands, group_of, legend, line, panels_of
from matplotlib.colors import same_color

from theory_sim.figures import Inputs, lucky_sets
from theory_sim.figures.common import style

MODELS, QUANTITIES = ("coarse", "fine"), ("firing", "noise", "threshold")
COLORS = {
    "common": "common",
    "own rare": "rare",
    "other": "noise",
    "lucky for common": "common",
    "lucky for own rare": "rare",
    "all others": "noise",
}


def firing(data, step: int) -> np.ndarray:
    """(replica, head, neuron, feature)"""
    return data.correlation.values[:, step] + data.bias.values[:, step, ..., None] > 0


@pytest.mark.parametrize("model", MODELS)
def test_firing_neurons_are_counted(model, table, result) -> None:
    data = getattr(result, model)
    fires = firing(data, -1)
    replicas, heads, neurons, features = map(range, fires.shape)
    for group in ("common", "own rare", "other"):
        (row,) = table[(table.model == model) & (table.group == group) & (table.step == table.step.max())].itertuples()
        pairs = [(h, f) for h, f in itertools.product(heads, features) if group_of(result.config, model, h, f) == group]
        by_replica = [np.mean([sum(fires[r, h, n, f] for n in neurons) for h, f in pairs]) for r in replicas]
        assert (row.value, row.low, row.high) == pytest.approx((np.mean(by_replica), min(by_replica), max(by_replica)))


@pytest.mark.parametrize("model", MODELS)
def test_noise_and_thresholds_are_means_over_neurons(model, table, result) -> None:
    data, config = getattr(result, model), result.config
    sigma = config.data.noise / math.sqrt(config.data.dim)
    seen: dict = {
        group: [[] for _ in range(data.sizes["replica"])] for group in ("lucky for common", "lucky for own rare", "all others")
    }
    fires, norm, bias = firing(data, 0), data.norm.values, data.bias.values
    for r, h, n in np.ndindex(fires.shape[:3]):
        lucky = {group_of(config, model, h, f) for f in np.flatnonzero(fires[r, h, n])}
        numbers = {"noise": sigma * norm[r, :, h, n], "threshold": -bias[r, :, h, n]}
        groups = [f"lucky for {group}" for group in ("common", "own rare") if group in lucky] or ["all others"]
        for group in groups:
            seen[group][r].append({key: value / config.network.init_std for key, value in numbers.items()})
    for quantity, (group, by_replica) in itertools.product(("noise", "threshold"), seen.items()):
        rows = table[(table.model == model) & (table.quantity == quantity) & (table.group == group)]
        means = [np.mean([numbers[quantity] for numbers in kept], 0) for kept in by_replica if kept]
        assert list(rows.step) == list(data.step.values)
        np.testing.assert_allclose(rows.value, np.mean(means, 0), rtol=1e-4)
        np.testing.assert_allclose(rows.low, np.min(means, 0), rtol=1e-4)
        np.testing.assert_allclose(rows.high, np.max(means, 0), rtol=1e-4)


def test_thresholds_start_at_tau(table, result) -> None:
    start = table[(table.quantity == "threshold") & (table.step == 0)]
    np.testing.assert_allclose(start.value, result.config.threshold, rtol=1e-6)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("model", MODELS)
def test_lines_and_bands_are_the_table(model, quantity, table, panels) -> None:
    ax = panels[f"{model} {quantity}"]
    own = table[(table.model == model) & (table.quantity == quantity)]
    for group, band in zip(own.group.unique(), bands(ax), strict=True):
        rows, color = own[own.group == group], style.PALETTE[COLORS[group]]
        assert_line(line(ax, group), rows, "step", color)
        assert_band(band, rows, "step", color)
    assert_inside(ax, own.step, own[["value", "low", "high"]].to_numpy().ravel())


def test_panels_say_what_they_show(panels) -> None:
    for model, quantity in itertools.product(MODELS, QUANTITIES):
        ax = panels[f"{model} {quantity}"]
        assert ax.get_xlabel() == ("training step" if model == "fine" else "")
        assert ax.get_xscale() == "symlog"
        assert quantity.split()[0] in ax.get_ylabel()
        assert ax.get_ylim() == panels[f"coarse {quantity}"].get_ylim(), "both models on one scale"
        if quantity == "firing":
            assert ax.get_title(loc="left") == f"{model} labels"
            assert same_color(ax._left_title.get_color(), style.PALETTE[model])
            assert ax.get_ylim()[0] == 0
    assert legend(panels["coarse firing"]) == [
        "common features",
        "neurons lucky for common",
        "own rare features",
        "neurons lucky for own rare",
        "other features",
        "all other neurons",
    ]


def test_other_numbers_give_another_picture(table) -> None:
    changed = table.copy()
    rows = (table.model == "coarse") & (table.quantity == "threshold") & (table.group == "all others")
    changed.loc[table.index[rows][-1], ["value", "high"]] = 50.0
    ax = panels_of(lucky_sets.FIGURE, changed)["coarse threshold"]
    assert line(ax, "all others").get_ydata()[-1] == 50
    assert ax.get_ylim()[1] > 50


def test_empty_groups_have_no_rows_and_no_lines(result) -> None:
    """Without a lucky neuron all are others."""
    coarse, fine = (data.assign(lucky=data.lucky & False) for data in (result.coarse, result.fine))
    table = lucky_sets.compute(
        result.config, Inputs([type(result)(result.config, result.folder, {"coarse": coarse, "fine": fine})])
    )
    assert set(table.group[table.quantity == "noise"]) == {"all others"}
    assert len(bands(panels_of(lucky_sets.FIGURE, table)["fine noise"])) == 1
