"""The figure of readouts: the same networks, read in five ways."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_estimates, assert_inside, estimates, legend, panels_of, shown_ticks
from matplotlib.colors import same_color

import theory_sim as ts
from theory_sim import stats
from theory_sim.figures import readouts
from theory_sim.figures.common import style
from theory_sim.runtime.contracts import READOUTS as ALL_READOUTS

MODELS, KINDS, READOUTS = ("coarse", "fine"), ("easy", "hard"), list(ALL_READOUTS)


def rows_of(table: pd.DataFrame, model: str, kind: str) -> pd.DataFrame:
    return table[(table.model == model) & (table.samples == kind)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_values_and_intervals_are_those_of_the_evaluation(model, kind, table, tiny, result) -> None:
    ((_, config),) = readouts.needs(tiny.config).evaluations
    tested = ts.evaluate_on(result, config, "cpu").sel(model=model, kind=kind)
    rows = rows_of(table, model, kind)
    assert list(rows.readout) == READOUTS
    for row in rows.itertuples():
        e = stats.error_rate(tested.test_correct.sel(test_readout=row.readout).values)
        assert row.value == pytest.approx(float(tested.test_error.sel(test_readout=row.readout).mean()), abs=1e-6)
        assert (row.value, row.low, row.high, row.method) == (
            *(pytest.approx(x, abs=1e-12) for x in (e.value, e.low, e.high)),
            e.method,
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_readouts_of_the_run_itself_are_found_again(model, kind, table, result) -> None:
    """The same networks on the same test samples."""
    rows = rows_of(table, model, kind).set_index("readout")
    errors = getattr(result, model).test_error.sel(kind=kind).mean("replica")
    assert {str(name) for name in errors.test_readout.values} == {"sum_logits", "sum_probabilities", "argmax_parent"}
    for name in errors.test_readout.values:
        assert rows.value[str(name)] == pytest.approx(float(errors.sel(test_readout=name)), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_markers_are_the_table(model, kind, table, panels) -> None:
    drawn, rows = estimates(panels["error"])[f"{model} labels, {kind}"], rows_of(table, model, kind)
    rung = np.arange(len(READOUTS)) + (-0.14 if model == "coarse" else 0.14)
    if kind == "hard":
        assert_estimates(drawn, rows, rung, style.PALETTE[model], flat=True)
    else:
        np.testing.assert_allclose(drawn[0].get_xydata(), np.stack([rows.value, rung], 1))
        assert drawn[2] == (), "no bars"
        assert same_color(drawn[0].get_markerfacecolor(), "white")
        assert same_color(drawn[0].get_markeredgecolor(), style.PALETTE[model])


def test_panel_says_what_it_shows(table, panels) -> None:
    ax = panels["error"]
    assert ax.get_xscale() == "symlog"
    assert ax.get_xlabel() == "error on test samples"
    assert shown_ticks(ax.get_yticklabels()) == [name.replace("_", " ") for name in READOUTS]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first readout on top"
    assert_inside(ax, table[["value", "low", "high"]].to_numpy().ravel(), range(len(READOUTS)))
    assert set(legend(ax)) == {f"{model} labels, {kind}" for model in MODELS for kind in KINDS}


def test_other_numbers_give_another_picture(table) -> None:
    changed = table.copy()
    changed.loc[rows_of(table, "fine", "hard").index[1], ["value", "low", "high"]] = 0.625, 0.5, 0.75
    rows = rows_of(changed, "fine", "hard")
    drawn = estimates(panels_of(readouts.FIGURE, changed)["error"])["fine labels, hard"]
    assert_estimates(drawn, rows, np.arange(len(READOUTS)) + 0.14, style.PALETTE["fine"], flat=True)
