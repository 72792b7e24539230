"""The figure of growth ratios: t intervals, power laws fitted per replica, and the bound 1/k."""

import numpy as np
import pandas as pd
import pytest
from drawn import (
    assert_estimates,
    assert_inside,
    estimates,
    legend,
    line,
    panels_of,
    shown_ticks,
    written,
)
from matplotlib.colors import same_color
from scipy import stats

from theory_sim.config import Config
from theory_sim.figures import Inputs, rare_growth
from theory_sim.figures.common import style
from theory_sim.testing.figures import as_drawn, check_readable
from theory_sim.theories.label_granularity.claims import growth_by_leaf

MODELS, KS = ("coarse", "fine"), [2, 4]


@pytest.fixture(scope="module")
def ratios(made) -> dict[str, np.ndarray]:
    """Growth ratio of each model: (replica, k)."""
    found: dict[str, list[list[float]]] = {model: [] for model in MODELS}
    for run in made.runs("rare_growth"):
        for model in MODELS:
            rare, common = growth_by_leaf(getattr(run, model), run.config)
            found[model].append([sum(r) / sum(c) for r, c in zip(rare, common, strict=True)])
    return {model: np.array(ratio).T for model, ratio in found.items()}


def part(table: pd.DataFrame, model: str, name: str) -> pd.DataFrame:
    return table[(table.model == model) & (table.part == name)]


def assert_t_interval(row, values: np.ndarray) -> None:
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    assert (row.value, row.low, row.high) == pytest.approx((values.mean(), low, high), rel=1e-5)
    assert row.method == f"t, {len(values)} replicas"


@pytest.mark.parametrize("model", MODELS)
def test_values_are_the_growth_of_responses(model, table, ratios) -> None:
    rows = part(table, model, "ratio")
    assert list(rows.k) == KS
    for row, by_replica in zip(rows.itertuples(), ratios[model].T, strict=True):
        assert_t_interval(row, by_replica)


@pytest.mark.parametrize("model", MODELS)
def test_slopes_are_least_squares_per_replica(model, table, ratios) -> None:
    x, y = np.log(KS) - np.mean(np.log(KS)), np.log(np.maximum(ratios[model], 1e-12))
    slopes = (y @ x) / (x @ x)
    (row,) = part(table, model, "slope").itertuples()
    assert_t_interval(row, slopes)
    assert row.intercept == pytest.approx(np.mean(y.mean(1) - slopes * np.mean(np.log(KS))), rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_markers_and_lines_are_the_table(model, table, panels) -> None:
    ax, color = panels["ratio"], style.PALETTE[model]
    rows = part(table, model, "ratio")
    assert_estimates(estimates(ax)[f"{model} labels"], rows, rows.k, color)
    (fit,) = part(table, model, "slope").itertuples()
    drawn = line(ax, f"slope {fit.value:.2f} [{fit.low:.2f}, {fit.high:.2f}]")
    assert list(drawn.get_xdata()) == KS
    np.testing.assert_allclose(np.log(drawn.get_ydata()), fit.intercept + fit.value * np.log(KS))
    assert same_color(drawn.get_color(), color)


def test_panel_says_what_it_shows(table, panels) -> None:
    ax = panels["ratio"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "subclasses per coarse class $k$"
    assert ax.get_ylabel() == "rare ÷ common growth of response"
    assert shown_ticks(ax.get_xticklabels()) == ["2", "4"]
    bound = line(ax, "1/k")
    np.testing.assert_array_equal(bound.get_ydata(), [0.5, 0.25])
    assert same_color(bound.get_color(), style.PALETTE["bound"])
    assert written(ax) == ["$1/k$"]
    shown = table[table.part == "ratio"]
    assert_inside(ax, KS, [*shown.value, *shown.high, *bound.get_ydata()])
    entries = legend(ax)
    assert entries[:2] == ["coarse labels", "fine labels"]
    assert all(text.startswith("slope ") for text in entries[2:])
    assert len(entries) == 4


def test_other_numbers_give_another_picture(table) -> None:
    changed = table.copy()
    row = part(table, "coarse", "ratio").index[0]
    changed.loc[row, ["value", "low", "high"]] = 30.0, 20.0, 40.0
    changed.loc[part(table, "fine", "slope").index, ["value", "low", "high"]] = -1.5, -1.75, -1.25
    ax = panels_of(rare_growth.FIGURE, changed)["ratio"]
    assert_estimates(estimates(ax)["coarse labels"], part(changed, "coarse", "ratio"), KS, style.PALETTE["coarse"])
    assert "slope -1.50 [-1.75, -1.25]" in legend(ax)
    assert ax.get_ylim()[1] > 40


def test_numbers_of_subclasses_fill_at_most_a_third_of_the_dimensions() -> None:
    runs = rare_growth.needs(Config()).runs
    assert [run.tree.subclasses for run in runs] == [2, 4, 8, 16, 32]
    assert {run.replicas for run in runs} == {3}
    assert [run.tree.subclasses for run in rare_growth.needs(Config().replace({"data.dim": 64})).runs] == [2, 4, 8]


def test_full_size_can_be_read(table) -> None:
    ks = [2, 4, 8, 16, 32]
    rows = [{"part": "ratio", "k": k, "value": 0.4 / k, "low": 0.3 / k, "high": 0.5 / k} for k in ks]
    rows.append({"part": "slope", "value": -1.0, "low": -1.25, "high": -0.75, "intercept": np.log(0.4)})
    full = pd.DataFrame([{"model": model} | row for model in MODELS for row in rows])
    figure = rare_growth.FIGURE.paint(full)
    check_readable(rare_growth.FIGURE, figure)
    assert shown_ticks(figure.axes[0].get_xticklabels()) == [str(k) for k in ks]


def test_responses_that_shrink_are_drawn(table) -> None:
    """A ratio below 0 has no place on a logarithmic axis; the others keep theirs."""
    changed = table.copy()
    row = part(table, "coarse", "ratio").index[0]
    changed.loc[row, ["value", "low", "high"]] = -0.1, -0.3, 0.1
    ax = panels_of(rare_growth.FIGURE, changed)["ratio"]
    shown = changed[(changed.part == "ratio") & (changed.value > 0)]
    assert_inside(ax, shown.k, shown.value)
    assert ax.get_ylim()[0] > 0


def test_one_replica_has_no_interval(made) -> None:
    runs = [
        type(run)(run.config.replace({"replicas": 1}), run.folder, {n: data.isel(replica=[0]) for n, data in run.records.items()})
        for run in made.runs("rare_growth")
    ]
    table = as_drawn(rare_growth.compute(made.config, Inputs(runs)))
    assert table.low.isna().all()
    ax = panels_of(rare_growth.FIGURE, table)["ratio"]
    assert_inside(ax, KS, table.value[table.part == "ratio"])
    assert not any("nan" in text for text in legend(ax))
