"""The figures of both theorems: curves are the results, markers the claims, thin lines their bounds."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_band, assert_inside, assert_line, bands, estimates, legend, line, panels_of, written
from matplotlib.axes import Axes
from matplotlib.colors import same_color

from theory_sim.figures import FIGURES, Inputs, theorems
from theory_sim.figures.common import style
from theory_sim.theories.theory import evaluate_claims

MODELS, KINDS = ("coarse", "fine"), ("easy", "hard")


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def table(model: str, made) -> pd.DataFrame:
    return made.tables[f"theorem_{model}"]


@pytest.fixture(scope="module")
def axes(made) -> dict[str, Axes]:
    return {model: panels_of(FIGURES[f"theorem_{model}"], made.tables[f"theorem_{model}"])["curves"] for model in MODELS}


@pytest.fixture
def ax(model: str, axes: dict[str, Axes]) -> Axes:
    return axes[model]


def curve(table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    return table[(table.part == "curve") & (table.quantity == quantity)]


def color_of(model: str, quantity: str) -> str:
    role = {"training-loss": model, "easy-error": "common", "hard-error": "rare"}[quantity]
    return style.PALETTE[role]


def own_claims(result, model: str) -> dict:
    """The claim on both models belongs to the fine one."""
    return {
        c.id.removeprefix(f"{model}-"): c
        for c in evaluate_claims(result)
        if c.id.startswith(model) or (model == "fine" and c.id == "transfer-gain")
    }


def test_curves_are_the_results(model, table, result) -> None:
    data = getattr(result, model)
    assert set(table.model) == {model}
    loss = curve(table, "training-loss")
    np.testing.assert_array_equal(loss.step, data["update"])
    np.testing.assert_allclose(loss.value, data.training_loss.values.astype(float).mean(0), rtol=1e-14)
    for kind in KINDS:
        errors = data.curve_error.sel(kind=kind, readout="sum_logits").values.astype(float)
        drawn = curve(table, f"{kind}-error")
        np.testing.assert_array_equal(drawn.step, data.step)
        np.testing.assert_allclose(drawn.value, errors.mean(0), rtol=1e-14)
        np.testing.assert_allclose(drawn.low, errors.min(0), rtol=1e-14)
        np.testing.assert_allclose(drawn.high, errors.max(0), rtol=1e-14)
    assert set(loss.range) == {"min–max of 2 replicas"}


def test_claims_are_those_decided(model, table, result) -> None:
    rows, claims = table[table.part == "claim"].set_index("quantity"), own_claims(result, model)
    assert list(rows.index) == list(claims)
    for quantity, claim in claims.items():
        row, e = rows.loc[quantity], claim.estimate
        assert (row.value, row.low, row.high, row.bound) == pytest.approx((e.value, e.low, e.high, claim.bound), nan_ok=True)
        assert (row.side, row.decision) == (claim.side, claim.decision)
        assert row.range == f"95% interval, {e.method}"
        assert row.step == result.config.training.steps


@pytest.mark.parametrize("quantity", theorems.QUANTITIES)
def test_lines_and_bands_are_the_table(model, quantity, table, ax) -> None:
    rows, color = curve(table, quantity), color_of(model, quantity)
    assert_line(line(ax, quantity), rows, "step", color)
    assert_band(bands(ax)[theorems.QUANTITIES.index(quantity)], rows, "step", color)
    assert len(bands(ax)) == len(theorems.QUANTITIES)


def test_estimates_and_bounds_are_the_claims(model, table, ax) -> None:
    claims = table[(table.part == "claim") & table.quantity.isin(theorems.QUANTITIES)].set_index("quantity")
    drawn = {label.removesuffix(" claim"): container for label, container in estimates(ax).items()}
    assert drawn.keys() == set(theorems.QUANTITIES)
    for quantity, (marker, _, (bar,)) in drawn.items():
        claim = claims.loc[quantity]
        assert marker.get_xydata().tolist() == [[claim.step, claim.value]]
        assert bar.get_segments()[0][:, 1] == pytest.approx([claim.low, claim.high])
        assert same_color(marker.get_color(), color_of(model, quantity))
    thin = {drawn.get_ydata()[0]: drawn for drawn in ax.get_lines() if drawn.get_label() == "bound"}
    assert thin.keys() == set(claims.bound)
    assert all(same_color(drawn.get_color(), style.PALETTE["bound"]) for drawn in thin.values())


def test_panels_say_what_they_show(axes, result) -> None:
    for model, ax in axes.items():
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("training step", "training loss (nats), test error")
        assert ax.get_xscale() == ax.get_yscale() == "symlog"
        assert set(legend(ax)) == {
            "training loss",
            "easy test error",
            "hard test error",
            "min–max of 2 replicas",
            "at the end, 95% interval",
            "bound of a claim",
        }
        claims = own_claims(result, model)
        held = sum(c.holds for c in claims.values())
        assert held < len(claims)
        assert ax.get_title(loc="left") == f"{model.capitalize()} labels: {held} of {len(claims)} claims hold"
        assert same_color(ax._left_title.get_color(), style.PALETTE[model])
    assert {"hard ≥ 0.5", "loss ≤ 0.05", "easy ≤ 0.01"} < set(written(axes["coarse"]))
    assert {"loss, hard ≤ 0.05", "easy ≤ 0.01"} < set(written(axes["fine"]))
    assert any("\ntransfer gain " in text for text in written(axes["fine"]))


def test_curves_lie_inside_the_panel(table, ax) -> None:
    rows = table[table.part == "curve"]
    assert_inside(ax, rows.step, rows[["low", "high"]].to_numpy().ravel())
    assert ax.get_ylim()[0] < 0 == ax.get_xlim()[0]


def test_titles_tell_which_claims_fail(made) -> None:
    table = made.tables["theorem_coarse"].copy()
    claims = table.part == "claim"
    table.loc[claims, "decision"] = "holds"
    title, *texts = _titles(table)
    assert title == "Coarse labels: all 4 claims hold"
    assert not any("undecided" in text or "refuted" in text for text in texts)

    table.loc[claims & (table.quantity == "hard-error"), "decision"] = "undecided"
    growth = claims & (table.quantity == "rare-growth")
    table.loc[growth, "decision"] = "no result"
    table.loc[growth, ["value", "low", "high"]] = np.nan
    title, *texts = _titles(table)
    assert title == "Coarse labels: 2 of 4 claims hold"
    assert any("undecided: hard error\nno result: rare growth\nrare ÷ common growth undefined (≤ 0.25)" in text for text in texts)


def _titles(table: pd.DataFrame) -> list[str]:
    ax = panels_of(FIGURES["theorem_coarse"], table)["curves"]
    return [ax.get_title(loc="left"), *written(ax)]


def test_other_numbers_give_another_picture(model, table) -> None:
    """Drawing is from the table alone: changed numbers move their line, their marker and their bound."""
    changed = table.copy()
    changed.loc[curve(table, "hard-error").index[-1], "value"] = 0.123
    claim = (table.part == "claim") & (table.quantity == "hard-error")
    changed.loc[claim, ["value", "low", "high", "bound"]] = 0.3, 0.2, 0.4, 0.35
    ax = panels_of(FIGURES[f"theorem_{model}"], changed)["curves"]
    assert line(ax, "hard-error").get_ydata()[-1] == 0.123
    assert estimates(ax)["hard-error claim"][0].get_ydata()[0] == 0.3
    assert 0.35 in [drawn.get_ydata()[0] for drawn in ax.get_lines() if drawn.get_label() == "bound"]


def test_one_replica_has_no_width(result, model) -> None:
    data = {name: each.isel(replica=[0]) for name, each in result.records.items()}
    one = type(result)(result.config.replace({"replicas": 1}), result.folder, data)
    table = theorems.compute(one.config, Inputs([one]), model)
    curves = table[table.part == "curve"]
    assert (curves.low == curves.value).all()
    assert (curves.value == curves.high).all()
    assert set(curves["range"]) == {"min–max of 1 replica"}
