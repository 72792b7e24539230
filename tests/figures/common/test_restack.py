"""Where panels go when they have no room side by side."""

import pytest

from theory_sim.figures.common.restack import restack

ROW = {"mosaic": [["a", "b"]], "sharey": True}
THREE = {"mosaic": [["a", "b", "c"]]}
GRID = {"mosaic": [["a1", "a2", "a3"], ["b1", "b2", "b3"]]}
SCALED = {"mosaic": [["a", "b", "s"], ["c", "d", "t"]], "width_ratios": [20, 20, 1]}
SPANNED = {"mosaic": [["a", "all"], ["b", "all"]]}
WIDE = {"mosaic": [["a", "b"], ["below", "below"]], "height_ratios": [1, 2]}
HOLES = {"mosaic": [["a", "b", "c", "d"], ["e", ".", ".", "."]]}


@pytest.mark.parametrize(
    ("layout", "height", "width", "mosaic"),
    [
        (ROW, 3, 6.75, [["a", "b"]]),
        (ROW, 3, 5.4, [["a", "b"]]),
        (ROW, 3, 5.3, [["a"], ["b"]]),
        (ROW, 3, 12, [["a", "b"]]),
        (THREE, 3, 3.3, [["a"], ["b"], ["c"]]),
        (THREE, 3, 4, [["a", "b"], ["c", "c"]]),
        # Six rows of 2.25 inches are taller than a page, also when they are lowered; three are not.
        (GRID, 4.5, 3.3, [["a1", "b1"], ["a2", "b2"], ["a3", "b3"]]),
        (GRID, 3, 3.3, [["a1"], ["a2"], ["a3"], ["b1"], ["b2"], ["b3"]]),
        # A scale is beside the last of its panels.
        (SCALED, 5, 3.3, [["a", "."], ["b", "s"], ["c", "."], ["d", "t"]]),
        (SPANNED, 5, 3.3, [["a"], ["b"], ["all"]]),
        (WIDE, 5, 3.3, [["a"], ["b"], ["below"]]),
        (HOLES, 3, 4.2, [["a", "b", "c"], ["d", "e", "."]]),
    ],
)
def test_panels_are_put_below_each_other(layout: dict, height: float, width: float, mosaic: list[list[str]]) -> None:
    stack = restack(layout, (6.75, height), width)
    assert stack.layout["mosaic"] == mosaic
    assert stack.layout.get("sharey") == layout.get("sharey")
    assert len(stack.heights) == len(mosaic)


def test_rows_keep_their_heights_and_scales_their_width() -> None:
    assert restack(WIDE, (6.75, 6), 3.3).heights == [2, 2, 4]
    stack = restack(SCALED, (6.75, 5), 3.3)
    main, scale = stack.layout["width_ratios"]
    assert scale / main == pytest.approx(6.75 / 41 / 3.3)


def test_fewer_panels_can_be_asked_for() -> None:
    assert restack(GRID, (6.75, 4.5), 3.3).across == 2
    assert restack(GRID, (6.75, 4.5), 3.3, most=1).layout["mosaic"] == [["a1"], ["a2"], ["a3"], ["b1"], ["b2"], ["b3"]]


def test_panels_know_whose_labels_were_theirs() -> None:
    assert restack(GRID, (6.75, 4.5), 3.3).before["a2"] == ("a1", "b2")
    assert restack(GRID, (6.75, 4.5), 6.75).before == {}, "nothing was moved"
