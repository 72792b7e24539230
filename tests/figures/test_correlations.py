"""The figure of correlations: means over plain loops, a line and a band per group of pairs, the prediction dashed."""

import itertools

import numpy as np
import pandas as pd
import pytest
from drawn import assert_band, assert_inside, assert_line, bands, group_of, legend, line, panels_of, written
from matplotlib.colors import same_color

from theory_sim.figures import Inputs, correlations
from theory_sim.figures.common import style
from theory_sim.testing.figures import check_readable
from theory_sim.theories.prediction import predict

MODELS, SOURCES, FEATURES = ("coarse", "fine"), ("simulated", "predicted"), ("common", "own rare", "other")
COLORS = dict(zip(FEATURES, (style.PALETTE[role] for role in ("common", "rare", "noise")), strict=True))
GROUPS = list(itertools.product(FEATURES, ("lucky", "unlucky")))


def rows_of(table: pd.DataFrame, model: str, source: str, features: str, luck: str = "lucky") -> pd.DataFrame:
    return table[(table.model == model) & (table.source == source) & (table.features == features) & (table.luck == luck)]


@pytest.fixture(scope="module")
def predicted(result):
    return {model: predict(result.config, getattr(result, model)) for model in MODELS}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("model", MODELS)
def test_values_are_means_over_pairs_then_replicas(model, source, table, result, predicted) -> None:
    data = getattr(result, model)
    correlation = (data if source == "simulated" else predicted[model]).correlation.values / result.config.network.init_std
    lucky = data.correlation.values[:, 0] + data.bias.values[:, 0, ..., None] > 0
    replicas, heads, neurons, features = map(range, lucky.shape)
    pairs: dict = {group: [[] for _ in replicas] for group in GROUPS}
    for r, h, n, f in itertools.product(replicas, heads, neurons, features):
        luck = "lucky" if lucky[r, h, n, f] else "unlucky"
        pairs[group_of(result.config, model, h, f), luck][r].append(correlation[r, :, h, n, f].astype(float))
    for (group, luck), by_replica in pairs.items():
        curves = [np.mean(curve, 0) for curve in by_replica if curve]
        rows = rows_of(table, model, source, group, luck)
        assert list(rows.step) == list(data.step.values)
        np.testing.assert_allclose(rows.value, np.mean(curves, 0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(rows.low, np.min(curves, 0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(rows.high, np.max(curves, 0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("model", MODELS)
def test_difference_is_relative_to_the_largest_simulated_value(model, features, table) -> None:
    simulated, foretold = (rows_of(table, model, source, features).value.to_numpy() for source in SOURCES)
    expected = max(abs(foretold - simulated)) / max(abs(simulated))
    np.testing.assert_allclose(rows_of(table, model, "predicted", features).difference, expected, rtol=1e-5)
    others = table[(table.source == "simulated") | (table.luck == "unlucky")]
    assert others.difference.isna().all()


@pytest.mark.parametrize("model", MODELS)
def test_lines_and_bands_are_the_table(model, table, panels) -> None:
    ax = panels[model]
    for (features, luck), band in zip(GROUPS, bands(ax), strict=True):
        rows, drawn = rows_of(table, model, "simulated", features, luck), line(ax, f"{luck} {features}")
        assert_line(drawn, rows, "step", COLORS[features])
        assert_band(band, rows, "step", COLORS[features])
        assert (drawn.get_linewidth() > 2) == (luck == "lucky")
        assert drawn.get_linestyle() == "-"


@pytest.mark.parametrize("model", MODELS)
def test_predictions_are_dashed_lines_that_tell_their_difference(model, table, panels) -> None:
    ax = panels[model]
    for features in FEATURES:
        drawn = line(ax, f"predicted {features}")
        assert_line(drawn, rows_of(table, model, "predicted", features), "step", "black")
        assert drawn.get_linestyle() == "--"
    told = {text.get_text(): text for text in ax.texts}
    for features in ("common", "own rare"):
        rows = rows_of(table, model, "predicted", features)
        text = told.pop(f"{rows.difference.iloc[0]:.1%}")
        assert text.xy == (rows.step.max(), rows.value.iloc[-1])
        assert same_color(text.get_color(), COLORS[features])
    assert not told


def test_panels_say_what_they_show(table, panels) -> None:
    for model, ax in panels.items():
        assert ax.get_title(loc="left") == f"{model} labels"
        assert same_color(ax._left_title.get_color(), style.PALETTE[model])
        assert (ax.get_xlabel(), ax.get_xscale()) == ("training step", "symlog")
        drawn = table[(table.source == "simulated") | (table.luck == "lucky")]
        assert_inside(ax, table.step, drawn[["value", "low", "high"]].to_numpy().ravel())
    assert panels["coarse"].get_ylabel() == r"correlation $\langle w, v\rangle\,/\,\sigma_0$"
    assert panels["fine"].get_ylabel() == ""
    assert panels["coarse"].get_ylim() == panels["fine"].get_ylim()
    assert legend(panels["coarse"]) == [
        "common features", "lucky", "own rare features", "unlucky", "other features", "predicted, and its difference"
    ]  # fmt: skip


def test_other_numbers_give_another_picture(table) -> None:
    """Drawing is from the table alone."""
    changed = table.copy()
    changed.loc[rows_of(table, "fine", "simulated", "own rare").index[-1], ["value", "high"]] = 99.0
    changed.loc[rows_of(table, "coarse", "predicted", "common").index, "difference"] = 0.125
    panels = panels_of(correlations.FIGURE, changed)
    assert line(panels["fine"], "lucky own rare").get_ydata()[-1] == 99
    assert panels["fine"].get_ylim()[1] > 99
    assert "12.5%" in written(panels["coarse"])


def test_percentages_can_be_read_where_curves_meet(table) -> None:
    changed = table.copy()
    changed.loc[(table.model == "fine") & (table.step == table.step.max()), ["value", "low", "high"]] = 3.0
    check_readable(correlations.FIGURE, correlations.FIGURE.paint(changed))


def test_groups_without_pairs_are_undefined_and_not_drawn(result) -> None:
    nobody = type(result)(
        result.config,
        result.folder,
        {"coarse": result.coarse.assign(lucky=result.coarse.lucky & False), "fine": result.fine},
    )
    table = correlations.compute(result.config, Inputs([nobody]))
    lucky = (table.model == "coarse") & (table.luck == "lucky")
    assert table[lucky][["value", "low", "high", "difference"]].isna().all(axis=None)
    assert table[~lucky].value.notna().all()
    panels = panels_of(correlations.FIGURE, table)
    assert written(panels["coarse"]) == []
    assert np.isnan(line(panels["coarse"], "lucky common").get_ydata()).all()
    assert len(written(panels["fine"])) == 2
