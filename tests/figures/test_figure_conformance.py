"""The checks of `theory_sim.testing.figures`: a figure that breaks one rule fails that rule, by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from theory_sim.config import Config
from theory_sim.figures import Figure, Inputs, Needs, Panels
from theory_sim.figures.common import style
from theory_sim.testing.figures import check_figure


def draw(table: pd.DataFrame, axes: Panels) -> None:
    style.estimates(axes["left"], table, "x", "black")
    axes["right"].plot(table.x, table.value)


def compute(config: Config, inputs: Inputs) -> pd.DataFrame:
    return pd.DataFrame({"x": [0, 1], "value": [0.1, 0.2], "low": [0.0, 0.1], "high": [0.2, 0.3]})


SOUND = Figure(
    "sound",
    "A figure that keeps the contract.",
    caption="Two points with their intervals at the left, and a line through them at the right; the numbers are made up.",
    size=(style.PAGE, 2.5),
    layout={"mosaic": [["left", "right"]]},
    needs=lambda config: Needs(),
    compute=compute,
    draw=draw,
)


def computed(**columns: Any) -> Callable[[Config, Inputs], pd.DataFrame]:
    return lambda config, inputs: compute(config, inputs).assign(**columns)


def also(more: Callable[[pd.DataFrame, Panels], object]) -> Callable[[pd.DataFrame, Panels], None]:
    """Draws, and does something that it must not do."""

    def both(table: pd.DataFrame, axes: Panels) -> None:
        draw(table, axes)
        more(table, axes)

    return both


def random_line(table: pd.DataFrame, axes: Panels) -> None:
    axes["right"].axhline(0.1 + 0.01 * next(_numbers))


def far_away(table: pd.DataFrame, axes: Panels) -> None:
    axes["left"].text(9, 9, "far").set_in_layout(False)


_numbers = iter(range(100))


def test_a_sound_figure_passes(tmp_path: Path) -> None:
    check_figure(SOUND, tmp_path)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ({"name": "Of Two Words"}, "the name is a lower-case letter"),
        ({"summary": "no full stop"}, "the summary is one line"),
        ({"caption": "Too short."}, "more than 100 letters"),
        ({"caption": SOUND.caption + " {more}."}, "without braces"),
        ({"needs": lambda config: Needs(evaluations=[(0, config)])}, "each evaluation names one of the runs"),
        ({"needs": lambda config: Needs(image_studies=[str(next(_numbers))])}, "the same for the same configuration"),
        ({"compute": lambda config, inputs: pd.DataFrame()}, "returns a table with rows"),
        ({"compute": computed(of=[[1], [2]])}, "survives its CSV file"),
        ({"compute": computed(high=0.15)}, "values are inside their intervals"),
        ({"compute": computed(low=float("nan"))}, "some rows have a value with an interval"),
        ({"size": (5.0, 2.5)}, "the width is"),
        ({"size": (style.PAGE, 12.0)}, "the height is below"),
        ({"draw": also(lambda table, axes: table.insert(0, "new", 1))}, "leaves the table as it is"),
        ({"draw": also(lambda table, axes: axes["left"].figure.add_axes((0, 0, 1, 1)))}, "draw uses the panels of the layout"),
        ({"layout": {"mosaic": [["left", "right", "third"]]}}, "every panel shows something; nothing is in third"),
        ({"draw": also(lambda table, axes: axes["left"].text(0.5, 0.1, "small", fontsize=4))}, "texts have 6 points or more"),
        ({"draw": also(far_away)}, "texts are on the page: ['far']"),
        ({"draw": also(lambda table, axes: [axes["left"].text(0.5, 0.1, t) for t in "ab"])}, "texts do not overlap"),
        ({"draw": also(random_line)}, "the same table gives the same pdf file"),
    ],
)
def test_each_fault_is_named(fault: dict[str, Any], rule: str, tmp_path: Path) -> None:
    figure = replace(SOUND, **fault)
    with pytest.raises(AssertionError) as error:
        check_figure(figure, tmp_path)
    assert str(error.value).startswith(f"figure {figure.name}: ")
    assert rule in str(error.value)
