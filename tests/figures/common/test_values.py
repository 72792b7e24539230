"""Values of settings as text and numbers, their ticks, and the names of keys."""

import json

import numpy as np
import pytest
from drawn import shown_ticks
from matplotlib.figure import Figure

from theory_sim.figures.common import symbols, values


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
    assert values.text(value) == text
    assert values.number(value) == pytest.approx(number, nan_ok=True)


def test_keys_are_named_by_the_papers_symbols() -> None:
    assert symbols.name("data.hard_share") == r"hard share $\rho$"
    assert symbols.equals("tree.coarse", "5") == "$K$ = 5"
    assert symbols.equals("data.label_noise", "0.1") == "label noise = 0.1"
    assert symbols.name("some.key") == "some.key"
    assert [symbols.value(v) for v in (4.0, "0.10", "weak", "True")] == ["4", "0.1", "weak", "yes"]


def test_ticks_that_would_touch_have_no_text() -> None:
    ax = Figure().subplots()
    values.axis(ax, [0.0, 1.0, 2.0, 100.0])
    values.ticks(ax, [0.0, 1.0, 2.0, 100.0], ["0", "first", "second", "100"], 0.7, first=2)
    shown = shown_ticks(ax.get_xticklabels())
    assert shown[2] == "second"
    assert shown[1] == ""
    assert len(shown) == 4
