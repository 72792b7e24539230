"""The panel of a study's comparisons, and the rows of the table that it draws."""

import numpy as np
import pytest
from drawn import assert_inside, bars, of, panels_of, tables_of, written
from matplotlib.colors import same_color

from theory_sim.figures import FIGURES
from theory_sim.figures.common import comparisons
from theory_sim.figures.common.tables import of_part
from theory_sim.figures.gallery.source import SMOKE
from theory_sim.studies.study import load_study

COMPARED = [name for name in FIGURES if any(load_study(study).comparisons for study in FIGURES[name].needs(SMOKE).studies)]


@pytest.mark.parametrize("name", COMPARED)
def test_comparisons_are_the_studys_with_their_answers(name: str, made) -> None:
    tables, table = tables_of(name, made.folder), of(made.tables[name], part="fall")
    numbers = [(v.estimate.value, v.estimate.low, v.estimate.high, v.at_least) for v in tables.answer.verdicts]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    table = table.sort_values(["value", "low", "high", "at_least"])
    np.testing.assert_allclose(table[["value", "low", "high", "at_least"]], [numbers[i] for i in order])
    assert list(table.answer) == [tables.answer.verdicts[i].answer for i in order]
    assert set(table.study_answer) == {tables.answer.answer}
    assert set(table.basis) == {tables.answer.basis}


@pytest.mark.parametrize("name", COMPARED)
def test_each_comparison_is_drawn_with_its_answer(name: str, made) -> None:
    ax, table = panels_of(FIGURES[name], made.tables[name])["falls"], of(made.tables[name], part="fall")
    drawn = bars(ax)
    assert [bar[0].get_xdata()[0] for bar in drawn] == pytest.approx(list(table.value))
    ends = np.array([bar[2][0].get_segments()[0][:, 0] for bar in drawn])
    np.testing.assert_allclose(ends, table[["low", "high"]], atol=1e-12)
    for bar, answer in zip(drawn, table.answer, strict=True):
        assert bar.get_label() == answer
        assert same_color(bar[0].get_markerfacecolor(), "white") == (answer == "undecided")
        assert (bar[0].get_marker() == "X") == (answer == "refuted")
    assert [t for t in written(ax) if t in comparisons.MARKERS] == list(table.answer)
    least = [mark.get_xdata()[0] for mark in ax.get_lines() if mark.get_label() == "at least"]
    assert least == list(table.at_least)
    assert ax.get_title("left") == f"study: {table.study_answer.iloc[0]}"
    assert_inside(ax, [0, *table.value], [bar[0].get_ydata()[0] for bar in drawn])


def test_comparisons_for_each_value_stand_below_their_name_in_its_order(made) -> None:
    rows = of_part(made.tables["hard_share"], "fall")
    texts = [text for text, _ in comparisons.lines(rows)]
    values = ["0", "0.003", "0.01", "0.03", "0.1", "0.3", "1"]
    assert texts == ["coarse labels → subclasses", *(rf"$\rho$ = {value}" for value in values)]


def test_intervals_beyond_all_falls_are_cut_and_undefined_ones_have_none(made) -> None:
    table = made.tables["hierarchy"].copy()
    first, second = table.index[table.part == "fall"][:2]
    table.loc[first, ["value", "low", "high", "answer"]] = [0.2, -4.0, 4.0, "undecided"]
    table.loc[second, ["value", "low", "high", "answer"]] = [np.nan, np.nan, np.nan, "undecided"]
    ax = panels_of(FIGURES["hierarchy"], table)["falls"]
    assert ax.get_xlim() == (-1.05, 1.05)
    assert written(ax)[1] == "undecided"
