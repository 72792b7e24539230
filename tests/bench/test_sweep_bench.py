"""The bench of sweeps, at a toy size."""

import math

from theory_sim.bench.sweeps import measure, measure_study


def test_cells_by_themselves_are_compared_with_a_block() -> None:
    speed = measure(cells=6, replicas=2, few=1, steps=3)
    assert (speed.cells, speed.replicas) == (6, 2)
    assert all(math.isfinite(ratio) and ratio > 0 for ratio in speed.ratios.values())


def test_cells_of_a_study_that_share_shapes_are_compared() -> None:
    speed = measure_study("boundary", steps=2, smoke=True)
    assert (speed.study, speed.cells, speed.shared, speed.blocks) == ("boundary", 6, 6, 1)
    assert math.isfinite(speed.ratio)
    assert speed.ratio > 0
