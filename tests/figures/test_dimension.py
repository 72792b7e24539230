"""The figure of dimensions: errors with the intervals that decide the claims."""

import pandas as pd
import pytest
from drawn import assert_estimates, assert_inside, assert_line, estimates, line, panels_of, shown_ticks
from matplotlib.colors import same_color

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.figures import dimension
from theory_sim.figures.common import style
from theory_sim.testing.figures import check_readable, text_boxes

MODELS, KINDS, DIMS = ("coarse", "fine"), ("easy", "hard"), [16, 32, 64]


def rows_of(table: pd.DataFrame, model: str, kind: str) -> pd.DataFrame:
    return table[(table.model == model) & (table.samples == kind)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_values_and_intervals_are_those_of_the_samples(model, kind, table, made) -> None:
    rows = rows_of(table, model, kind)
    assert list(rows.d) == DIMS
    assert list(rows.k) == [3, 4, 5]
    assert set(rows["coarse classes"]) == {2}
    for row, run in zip(rows.itertuples(), made.runs("dimension"), strict=True):
        assert run.config.data.dim == row.d
        correct = getattr(run, model).test_correct.sel(kind=kind, test_readout="sum_logits").values.astype(float)
        expected = stats.error_rate(correct)
        assert row.value == pytest.approx((1 - correct).mean())
        assert (row.low, row.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
        assert row.method == expected.method


@pytest.mark.parametrize("model", MODELS)
def test_lines_and_bars_are_the_table(model, table, panels) -> None:
    ax, color = panels["error"], style.PALETTE[model]
    for kind, dashes in (("hard", "-"), ("easy", "--")):
        drawn = line(ax, f"{model} labels, {kind}")
        assert_line(drawn, rows_of(table, model, kind), "d", color)
        assert drawn.get_linestyle() == dashes
    assert_estimates(estimates(ax)[f"{model} hard estimate"], rows_of(table, model, "hard"), DIMS, color)


def test_panel_says_what_it_shows(table, panels) -> None:
    ax = panels["error"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert ax.get_xlabel() == "dimension $d$"
    assert ax.get_ylabel().startswith("error")
    assert shown_ticks(ax.get_xticklabels()) == ["16\n$k$ = 3", "32\n$k$ = 4", "64\n$k$ = 5"]
    assert_inside(ax, DIMS, table[["value", "low", "high"]].to_numpy().ravel())
    guess = line(ax, "guessing")
    assert set(guess.get_ydata()) == {0.5}
    assert same_color(guess.get_color(), style.PALETTE["noise"])
    said = [text for text, _ in text_boxes(ax.figure)]
    assert {f"{model} labels, {kind}" for model in MODELS for kind in KINDS} | {"guessing"} < set(said)


def test_other_numbers_give_another_picture(table) -> None:
    changed = table.assign(**{"coarse classes": 4})
    changed.loc[rows_of(table, "fine", "hard").index[0], ["value", "low", "high"]] = 0.9, 0.8, 0.95
    ax = panels_of(dimension.FIGURE, changed)["error"]
    assert_line(line(ax, "fine labels, hard"), rows_of(changed, "fine", "hard"), "d", style.PALETTE["fine"])
    assert_estimates(estimates(ax)["fine hard estimate"], rows_of(changed, "fine", "hard"), DIMS, style.PALETTE["fine"])
    assert set(line(ax, "guessing").get_ydata()) == {0.75}


@pytest.mark.parametrize("last", [(0.9, 0.0), (0.69, 0.49), (0.5, 0.45), (0.02, 0.0), (1.0, 1.0)])
def test_full_size_can_be_read(last, table) -> None:
    """Wherever the curves end."""
    sizes = [(64, 5), (128, 6), (256, 9), (512, 12), (1024, 16)]
    rows = [
        {"model": model, "samples": kind, "d": d, "k": k, "coarse classes": 2, "value": value, "low": value, "high": value}
        for model, end in zip(MODELS, last, strict=True)
        for kind, value in (("easy", 0.0), ("hard", end))
        for d, k in sizes
    ]
    check_readable(dimension.FIGURE, dimension.FIGURE.paint(pd.DataFrame(rows)))


def test_the_default_configuration_is_one_of_the_runs() -> None:
    runs = dimension.needs(Config()).runs
    assert [(run.data.dim, run.tree.subclasses, run.replicas) for run in runs] == [
        (64, 5, 10), (128, 6, 10), (256, 9, 5), (512, 12, 3), (1024, 16, 3)
    ]  # fmt: skip
    assert runs[2] == Config()
