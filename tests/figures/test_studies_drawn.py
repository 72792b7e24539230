"""Figures of studies: the tables hold the studies' errors, and the pictures show the tables."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_estimates, assert_inside, bars, estimates, legend, line, of, panels_of, shown_ticks, tables_of
from matplotlib.colors import same_color

from theory_sim.figures import FIGURES
from theory_sim.figures.common import style, symbols
from theory_sim.figures.common.by_label_function import words
from theory_sim.figures.common.by_setting import places
from theory_sim.figures.common.claims import MODELS

LABELLED = ("hierarchy", "alignment", "deep_tree")
SETTINGS = ("coarse_classes", "long_tail", "hard_share", "output_layer", "finetuning", "shift", "label_noise")


@pytest.mark.parametrize("name", ["granularity", *LABELLED, *SETTINGS])
def test_errors_are_those_of_the_claims(name: str, made) -> None:
    """The deciding readout's errors and intervals are in the study's table of claims too."""
    tables, table = tables_of(name, made.folder), of(made.tables[name], part="error")
    claims = tables.cells[tables.cells.id.isin([f"{m}-{k}-error" for m in ("coarse", "fine") for k in ("easy", "hard")])]
    deciding = table[table.readout == tables.config.transfer.readouts[0]]
    models = deciding.model if "model" in deciding else pd.Series("fine", deciding.index)
    found = set(
        zip(models + "-" + deciding.samples + "-error", *(deciding[c].round(9) for c in ("value", "low", "high")), strict=True)
    )
    known = set(zip(claims.id, *(claims[c].round(9) for c in ("estimate", "low", "high")), strict=True))
    assert found
    assert found <= known


@pytest.mark.parametrize("name", LABELLED)
def test_each_label_function_has_its_line(name: str, made) -> None:
    tables, table = tables_of(name, made.folder), of(made.tables[name], part="error")
    assert set(table.label_function) == set(tables.cells["labels.fine"])
    ax = panels_of(FIGURES[name], made.tables[name])["error"]
    rows = of(table, samples="hard")
    assert list(rows.classes) == sorted(rows.classes)
    assert_estimates(estimates(ax)["hard test samples"], rows, range(len(rows)), style.PALETTE["fine"], flat=True)
    easy = estimates(ax)["easy test samples"]
    np.testing.assert_allclose(easy[0].get_xydata()[:, 0], of(table, samples="easy").value)
    assert easy[2] == (), "no bars"
    texts = [words(row.label_function, int(row.classes)) for row in rows.itertuples()]
    assert shown_ticks(ax.get_yticklabels()) == texts
    assert all(f"{row.label_function}: {row.classes:g}" in text for row, text in zip(rows.itertuples(), texts, strict=True))
    assert_inside(ax, rows[["low", "high"]].to_numpy().ravel(), range(len(rows)))


@pytest.mark.parametrize("name", SETTINGS)
def test_each_key_has_its_panel(name: str, made) -> None:
    table = made.tables[name]
    errors, panels = of(table, part="error"), panels_of(FIGURES[name], table)
    assert panels.keys() == {*errors.turned, "falls"}
    for key, rows in errors.groupby("turned"):
        ax = panels[key]
        assert ax.get_xlabel() == symbols.name(key)
        drawn = {container.get_label(): container for container in bars(ax)}
        for (model, series), own in of(rows, samples="hard").groupby(["model", "series"]):
            own = own.assign(at=places(rows)[own.index]).sort_values("at")  # noqa: PLW2901
            label = f"{model} labels, {'hard' if rows.series.nunique() == 1 else series}"
            assert_estimates(drawn.pop(label), own, own["at"], style.PALETTE[model])
            assert_inside(ax, own["at"], own[["low", "high"]].to_numpy().ravel())
        assert not drawn
        for model in MODELS:
            easy = line(ax, f"{model} labels, easy")
            first = of(rows, samples="easy", model=model, series=errors.series.iloc[0])
            assert sorted(easy.get_ydata()) == sorted(first.value)
            assert same_color(easy.get_color(), style.PALETTE[model])
    assert {"coarse labels", "fine labels", "easy test samples"} < set(legend(panels["falls"]))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("coarse_classes", [2, 5, 10]),
        ("hard_share", [0, 0.003, 0.01, 0.03, 0.1, 0.3, 1]),
        ("finetuning", [0, 10, 30, 100, 300, 1000]),
        ("long_tail", [0, 0.5, 1, 2]),
    ],
)
def test_values_of_a_key_are_the_studys(name: str, values: list[float], made) -> None:
    table = of(made.tables[name], part="error")
    assert sorted(table.place.unique()) == values
    ax = panels_of(FIGURES[name], made.tables[name])[table.turned.iloc[0]]
    assert shown_ticks(ax.get_xticklabels()) == [f"{value:g}" for value in values]
    assert ax.get_xscale() == ("symlog" if name in ("hard_share", "finetuning") else "linear")


def test_readouts_and_unequal_classes_have_lines_of_their_own(made) -> None:
    assert set(of(made.tables["finetuning"], part="error").series) == {"finetuning", "linear_probe", "sum_logits"}
    table = of(made.tables["long_tail"], part="error")
    assert set(table.series) == {"$k$ = 8", "$k$ = [4, 12]"}
    assert set(of(table, series="$k$ = [4, 12]").place) == {0}


def test_a_shifted_key_leaves_the_others_and_shows_its_value_in_training(made) -> None:
    table = made.tables["shift"]
    errors, panels = of(table, part="error"), panels_of(FIGURES["shift"], table)
    for key, training in {"target.noise": 0.5, "target.strength_spread": 0.1, "target.feature_noise_patches": 0}.items():
        own = of(errors, turned=key, model="fine", samples="hard")
        assert len(own) == own.place.nunique()
        assert set(line(panels[key], "as in training").get_xdata()) == {training}


def test_trained_or_frozen_is_no_number(made) -> None:
    table = made.tables["output_layer"]
    ax = panels_of(FIGURES["output_layer"], table)["network.train_output"]
    assert shown_ticks(ax.get_xticklabels()) == ["no", "yes"]
