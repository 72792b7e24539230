"""The bench of sweeps, at a toy size."""

import math

from theory_sim.bench.sweeps import measure, measure_study


def test_cells_by_themselves_take_longer_than_in_a_block() -> None:
    speed = measure(cells=6, replicas=2, few=1, steps=3)
    assert (speed.cells, speed.replicas) == (6, 2)
    assert all(math.isfinite(ratio) for ratio in speed.ratios.values())
    assert speed.ratios["process ÷ block"] > 1  # a process imports the package


def test_cells_of_a_study_that_share_shapes_are_compared() -> None:
    speed = measure_study("boundary", steps=2, smoke=True)
    assert (speed.study, speed.cells, speed.shared, speed.blocks) == ("boundary", 6, 6, 1)
    assert speed.ratio > 1  # all are trained on the same samples in the same way, and once in a block
