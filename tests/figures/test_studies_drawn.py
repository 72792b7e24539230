"""Figures of studies: tables say what the studies' tables say, and pictures show the tables."""

import json
from pathlib import Path

import made_up
import numpy as np
import pandas as pd
import pytest
from drawn import assert_estimates, assert_inside, estimates, legend, line, panels_of, read_back, shown_ticks, written
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.container import ErrorbarContainer

from theory_sim.config import Config
from theory_sim.figures import against, assumptions, granularity, inputs, labelled, study, style, symbols
from theory_sim.figures.gallery import GALLERY

LABELLED = ("hierarchy", "alignment", "deep_tree")
AGAINST = ("coarse_classes", "long_tail", "hard_share", "output_layer", "finetuning", "shift", "label_noise")
COMPARED = ("granularity", *LABELLED, *AGAINST)


@pytest.fixture(scope="module")
def source(made) -> Path:
    return made.folder


def tables_of(name: str, source: Path) -> inputs.StudyTables:
    return inputs.find_study(name, source, "cpu")


def of(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def bars(ax: Axes) -> list[ErrorbarContainer]:
    return [c for c in ax.containers if isinstance(c, ErrorbarContainer)]


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPARED)
def test_errors_are_those_of_the_claims(name: str, made, source: Path) -> None:
    """The deciding readout's errors and intervals are in the study's table of claims too."""
    tables, table = tables_of(name, source), of(made.tables[name], part="error")
    claims = tables.cells[tables.cells.quantity.isin([f"{m}-{k}-error" for m in ("coarse", "fine") for k in ("easy", "hard")])]
    deciding = table[table.readout == tables.config.transfer.readouts[0]]
    models = deciding.model if "model" in deciding else pd.Series("fine", deciding.index)
    found = set(
        zip(models + "-" + deciding.samples + "-error", *(deciding[c].round(9) for c in ("value", "low", "high")), strict=True)
    )
    known = set(zip(claims.quantity, *(claims[c].round(9) for c in ("value", "low", "high")), strict=True))
    assert found
    assert found <= known


@pytest.mark.parametrize("name", LABELLED)
def test_each_label_function_has_its_line(name: str, made, source: Path) -> None:
    tables, table = tables_of(name, source), of(made.tables[name], part="error")
    assert set(table.label_function) == set(tables.cells["labels.fine"])
    ax = panels_of(GALLERY[name], made.tables[name])["error"]
    rows = of(table, samples="hard")
    assert list(rows.classes) == sorted(rows.classes)
    assert_estimates(estimates(ax)["hard test samples"], rows, range(len(rows)), style.PALETTE["fine"], flat=True)
    easy = estimates(ax)["easy test samples"]
    np.testing.assert_allclose(easy[0].get_xydata()[:, 0], of(table, samples="easy").value)
    assert easy[2] == (), "no bars"
    texts = [labelled.words(row.label_function, int(row.classes)) for row in rows.itertuples()]
    assert shown_ticks(ax.get_yticklabels()) == texts
    assert all(f"{row.label_function}: {row.classes:g}" in text for row, text in zip(rows.itertuples(), texts, strict=True))
    assert_inside(ax, rows[["low", "high"]].to_numpy().ravel(), range(len(rows)))


@pytest.mark.parametrize("name", AGAINST)
def test_each_key_has_its_panel(name: str, made) -> None:
    table = made.tables[name]
    errors, panels = of(table, part="error"), panels_of(GALLERY[name], table)
    assert panels.keys() == {*errors.turned, "falls"}
    for key, rows in errors.groupby("turned"):
        ax = panels[key]
        assert ax.get_xlabel() == symbols.name(key)
        drawn = {container.get_label(): container for container in bars(ax)}
        for (model, series), own in of(rows, samples="hard").groupby(["model", "series"]):
            own = own.assign(at=against._places(rows)[own.index]).sort_values("at")  # noqa: PLW2901
            label = f"{model} labels, {'hard' if rows.series.nunique() == 1 else series}"
            assert_estimates(drawn.pop(label), own, own["at"], style.PALETTE[model])
            assert_inside(ax, own["at"], own[["low", "high"]].to_numpy().ravel())
        assert not drawn
        for model in against.MODELS:
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
    ax = panels_of(GALLERY[name], made.tables[name])[table.turned.iloc[0]]
    assert shown_ticks(ax.get_xticklabels()) == [f"{value:g}" for value in values]
    assert ax.get_xscale() == ("symlog" if name in ("hard_share", "finetuning") else "linear")


def test_readouts_and_unequal_classes_have_lines_of_their_own(made) -> None:
    assert set(of(made.tables["finetuning"], part="error").series) == {"finetuning", "linear_probe", "sum_logits"}
    table = of(made.tables["long_tail"], part="error")
    assert set(table.series) == {"$k$ = 8", "$k$ = [4, 12]"}
    assert set(of(table, series="$k$ = [4, 12]").place) == {0}


def test_a_shifted_key_leaves_the_others_and_shows_its_value_in_training(made) -> None:
    table = made.tables["shift"]
    errors, panels = of(table, part="error"), panels_of(GALLERY["shift"], table)
    for key, training in {"target.noise": 0.5, "target.strength_spread": 0.1, "target.feature_noise_patches": 0}.items():
        own = of(errors, turned=key, model="fine", samples="hard")
        assert len(own) == own.place.nunique()
        assert set(line(panels[key], "as in training").get_xdata()) == {training}


def test_trained_or_frozen_is_no_number(made) -> None:
    table = made.tables["output_layer"]
    ax = panels_of(GALLERY["output_layer"], table)["network.train_output"]
    assert shown_ticks(ax.get_xticklabels()) == ["no", "yes"]


# --- granularity ------------------------------------------------------------------------------------------------------


def test_each_training_set_has_a_curve_and_each_kind_its_marker(made) -> None:
    table = made.tables["granularity"]
    panels = panels_of(granularity, table)
    for samples in ("hard", "easy"):
        ax, own = panels[samples], of(table, part="error", samples=samples)
        for n, rows in own.groupby("training_samples"):
            curve = line(ax, f"n = {n:g}")
            np.testing.assert_array_equal(curve.get_ydata(), rows.value)
            # Moved apart by less than a tenth, so that none is taken for another number of classes.
            assert np.abs(np.log(curve.get_xdata() / rows.classes)).max() < 0.1
            for kind, of_kind in rows.groupby("kind"):
                drawn = estimates(ax)[f"n = {n:g}, {kind}"]
                np.testing.assert_allclose(drawn[0].get_xydata()[:, 1], of_kind.value)
                ends = np.array(drawn[2][0].get_segments())[:, :, 1]
                np.testing.assert_allclose(ends, of_kind[["low", "high"]])
                assert drawn[0].get_marker() == granularity._MARKERS[kind]
        assert set(line(ax, "true subclasses").get_xdata()) == {16}
        assert_inside(ax, own.classes, own[["low", "high"]].to_numpy().ravel())
        assert ax.get_xscale() == "log"
    assert len({bar[0].get_color() for bar in bars(panels["hard"])}) == 3
    assert {"$n$ = 64", "$n$ = 512", "true subclasses", "a label per sample"} < set(legend(panels["hard"]))


def test_granularity_goes_from_coarse_classes_to_sample_ids(made) -> None:
    own = of(made.tables["granularity"], part="error", samples="hard", training_samples=64)
    assert dict(zip(own.label_function, own.classes, strict=True)) == {
        "level(1)": 2, "aligned(2)": 4, "aligned(4)": 8, "leaf": 16, "split(2, 2)": 32, "sample-id": 64
    }  # fmt: skip


# --- comparisons ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPARED)
def test_comparisons_are_the_studys_with_their_answers(name: str, made, source: Path) -> None:
    tables, table = tables_of(name, source), of(made.tables[name], part="fall")
    numbers = [(v.estimate.value, v.estimate.low, v.estimate.high, v.at_least) for v in tables.answer.verdicts]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    table = table.sort_values(["value", "low", "high", "at_least"])
    np.testing.assert_allclose(table[["value", "low", "high", "at_least"]], [numbers[i] for i in order])
    assert list(table.answer) == [tables.answer.verdicts[i].answer for i in order]
    assert set(table.study_answer) == {tables.answer.answer}
    assert set(table.basis) == {tables.answer.basis}


@pytest.mark.parametrize("name", COMPARED)
def test_each_comparison_is_drawn_with_its_answer(name: str, made) -> None:
    ax, table = panels_of(GALLERY[name], made.tables[name])["falls"], of(made.tables[name], part="fall")
    drawn = bars(ax)
    assert [bar[0].get_xdata()[0] for bar in drawn] == pytest.approx(list(table.value))
    ends = np.array([bar[2][0].get_segments()[0][:, 0] for bar in drawn])
    np.testing.assert_allclose(ends, table[["low", "high"]], atol=1e-12)
    for bar, answer in zip(drawn, table.answer, strict=True):
        assert bar.get_label() == answer
        assert same_color(bar[0].get_markerfacecolor(), "white") == (answer == "undecided")
        assert (bar[0].get_marker() == "X") == (answer == "not confirmed")
    assert [t for t in written(ax) if t in study._MARKERS] == list(table.answer)
    least = [mark.get_xdata()[0] for mark in ax.get_lines() if mark.get_label() == "at least"]
    assert least == list(table.at_least)
    assert ax.get_title("left") == f"study: {table.study_answer.iloc[0]}"
    assert_inside(ax, [0, *table.value], [bar[0].get_ydata()[0] for bar in drawn])


def test_comparisons_for_each_value_stand_below_their_name_in_its_order(made) -> None:
    rows = study.of_part(made.tables["hard_share"], "fall")
    texts = [text for text, _ in study.lines(rows)]
    values = ["0", "0.003", "0.01", "0.03", "0.1", "0.3", "1"]
    assert texts == ["coarse labels → subclasses", *(rf"$\rho$ = {value}" for value in values)]


def test_intervals_beyond_all_falls_are_cut_and_undefined_ones_have_none(made) -> None:
    table = made.tables["hierarchy"].copy()
    first, second = table.index[table.part == "fall"][:2]
    table.loc[first, ["value", "low", "high", "answer"]] = [0.2, -4.0, 4.0, "undecided"]
    table.loc[second, ["value", "low", "high", "answer"]] = [np.nan, np.nan, np.nan, "undecided"]
    ax = panels_of(GALLERY["hierarchy"], table)["falls"]
    assert ax.get_xlim() == (-1.05, 1.05)
    assert written(ax)[1] == "undecided"


# --- one factor -------------------------------------------------------------------------------------------------------


def test_every_parameter_has_a_panel_with_its_values(made, source: Path) -> None:
    tables, table = tables_of("assumptions", source), made.tables["assumptions"]
    grids = {factor.key: factor.values for factor in tables.answer.sensitivities}
    assert list(panels_of(assumptions, table)) == list(dict.fromkeys(table.key))
    assert set(table.key) == set(grids)
    for key, values in grids.items():
        own = of(table, key=key, model="coarse")
        taken = own.word.where(own.word.notna(), own.place.map("{:g}".format))
        run = {study.text(value) for value in values}
        assert run <= set(taken)
        assert len(taken) - len(run) in (0, 1), "and the base, where it was run"


def test_states_are_the_studys(made, source: Path) -> None:
    """The study decides by itself where each claim fails; the figure takes it from the table of cells."""
    tables, table = tables_of("assumptions", source), made.tables["assumptions"]
    for factor in tables.answer.sensitivities:
        for number, value in enumerate(factor.values):
            for model in assumptions.MODELS:
                own = of(table, key=factor.key, model=model)
                name = own.word.where(own.word.notna(), own.place.map("{:g}".format))
                (row,) = own[name == study.text(value)].itertuples()
                states = {c: at[number] for c, at in factor.states.items() if c.startswith("coarse") == (model == "coarse")}
                assert set(row.failing.replace("none", "").split()) == {c for c, state in states.items() if state == "fails"}
                assert set(row.open.replace("none", "").split()) == {c for c, state in states.items() if state == "undecided"}
                order = ("holds", "undecided", "fails")
                assert row.state == max(states.values(), key=order.index)


def test_errors_and_marks_of_a_parameter_are_drawn(made) -> None:
    table = made.tables["assumptions"]
    panels = panels_of(assumptions, table)
    assert {panels[key].get_xscale() for key in ("data.dim", "training.batch")} == {"log"}
    assert {panels[key].get_xscale() for key in ("hard.noise", "data.noise")} == {"symlog"}
    for key, rows in table.groupby("key"):
        ax, placed = panels[key], assumptions._placed(rows)
        assert ax.get_title("left") == symbols.name(key)
        assert set(line(ax, "base").get_xdata()) == set(placed.base_at)
        for model in assumptions.MODELS:
            own = placed[placed.model == model]
            assert_estimates(estimates(ax)[model], own, own.x, style.PALETTE[model])
            assert_inside(ax, [*own.x, *own.base_at], [*own.low, *own.high, assumptions._STRIP[model]])
            marks = {m.get_label(): list(m.get_xdata()) for m in ax.get_lines() if m.get_label().startswith(f"{model} ")}
            assert marks == {f"{model} {state}": list(r.x) for state, r in own.groupby("state")}
    words = panels["hard.common"]
    assert shown_ticks(words.get_xticklabels()) == ["missing", "weak"]


def test_a_cell_without_results_has_no_mark(tmp_path: Path) -> None:
    made_up.write("assumptions", tmp_path, failed=1)
    table = read_back(assumptions.compute(Config(), [], [tables_of("assumptions", tmp_path)]))
    (gone,) = of(table, state="no result", model="fine").itertuples()
    assert (gone.key, gone.method) == ("training.steps", "it met a NaN")
    assert np.isnan(gone.value)
    ax = panels_of(assumptions, table)[gone.key]
    assert gone.place not in [x for mark in ax.get_lines() if mark.get_label().startswith("fine ") for x in mark.get_xdata()]


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        (0.5, "0.5", 0.5),
        ("0.5", "0.5", 0.5),
        (4, "4", 4),
        ([0.2, 0.4], "[0.2, 0.4]", 0.3),
        (json.dumps([0.2, 0.4]), "[0.2, 0.4]", 0.3),
        ([[3, 3], 2], "[[3, 3], 2]", np.nan),
        (None, "null", np.nan),
        ("null", "null", np.nan),
        (np.True_, "yes", np.nan),
        (False, "no", np.nan),
        ("missing", "missing", np.nan),
    ],
)
def test_values_of_grids_have_one_form(value: object, text: str, number: float) -> None:
    assert study.text(value) == text
    assert study.number(value) == pytest.approx(number, nan_ok=True)


def test_keys_are_named_by_the_papers_symbols() -> None:
    assert symbols.name("data.hard_share") == r"hard share $\rho$"
    assert symbols.equals("tree.coarse", "5") == "$K$ = 5"
    assert symbols.equals("data.label_noise", "0.1") == "label noise = 0.1"
    assert symbols.name("some.key") == "some.key"
    assert [symbols.value(v) for v in (4.0, "0.10", "weak", "True")] == ["4", "0.1", "weak", "yes"]


def test_ticks_that_would_touch_have_no_text() -> None:
    ax = panels_of(GALLERY["hierarchy"], read_back(_crowded()))["error"]
    study.axis(ax, [0.0, 1.0, 2.0, 100.0])
    study.ticks(ax, [0.0, 1.0, 2.0, 100.0], ["0", "first", "second", "100"], 0.7, first=2)
    shown = shown_ticks(ax.get_xticklabels())
    assert shown[2] == "second"
    assert shown[1] == ""
    assert len(shown) == 4


def _crowded() -> pd.DataFrame:
    row = {"part": "error", "label_function": "leaf", "classes": 4, "samples": "hard", "value": 0.1, "low": 0, "high": 0.2}
    fall = {"part": "fall", "comparison": "a → b", "key": np.nan, "value": 0.1, "low": 0, "high": 0.2, "at_least": 0.05}
    return pd.DataFrame([row, row | {"samples": "easy"}, fall | {"answer": "undecided", "study_answer": "undecided"}])
