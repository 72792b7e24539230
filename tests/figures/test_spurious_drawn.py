"""The figures of spurious features: numbers read off tables that were made up, and off tiny runs."""

import made_up
import numpy as np
import pytest
from drawn import panels_of

import theory_sim as ts
from theory_sim.figures import FIGURES, spurious_features
from theory_sim.figures.common.figure import Inputs
from theory_sim.figures.gallery.source import SMOKE
from theory_sim.figures.gallery.studies import find_study
from theory_sim.studies.study import load_study
from theory_sim.testing.figures import as_drawn
from theory_sim.theories.spurious_features.growth import growth

WAYS = list(spurious_features.WAYS.values())


def test_the_study_is_drawn(tmp_path):
    made_up.write("spurious_features", tmp_path)
    tables = find_study("spurious_features", tmp_path, "cpu")
    table = as_drawn(spurious_features.compute(SMOKE, Inputs(studies=[tables])))
    end = table[table.part == "end"]
    assert list(end.way.unique()) == WAYS
    for (steps, step_size), way in spurious_features.WAYS.items():
        cell = tables.measures[
            (tables.measures["training.steps"] == steps) & np.isclose(tables.measures["training.step_size.network"], step_size)
        ]
        assert len(cell) == 20
        (own,) = end[(end.way == way) & (end.measure == "worst-group-accuracy")].value
        assert own == pytest.approx(cell["worst-group-accuracy"].mean())
    panels = panels_of(FIGURES["spurious_features"], table)
    assert len(panels["falls"].get_lines()) > 4
    assert [text.get_text() for text in panels["growth"].get_xticklabels()] == WAYS


def test_curves_are_those_of_the_runs(tmp_path):
    cells = load_study("spurious_features").cells()
    small = {"replicas": 2, "data.training_samples": 60, "test.samples": 4, "test.curve_samples": 5, "record.points": 4}
    runs = [ts.run(cell.config.replace(small), tmp_path, "cpu") for cell in cells[:2]]
    table = as_drawn(spurious_features.compute_time(SMOKE, Inputs(runs=runs)))
    for results, way in zip(runs, WAYS, strict=False):
        own = table[(table.way == way) & (table.part == "spurious-growth")]
        values = growth(results.records["network"])[..., 1]
        np.testing.assert_allclose(own[["value", "low", "high"]], np.stack([f(values, 0) for f in (np.mean, np.min, np.max)], 1))
        error = table[(table.way == way) & (table.part == "minority")]
        expected = results.records["network"].curve_error.sel(kind="minority").isel(readout=0).mean("replica")
        np.testing.assert_allclose(error.value, expected, rtol=1e-6)
    panels = panels_of(FIGURES["spurious_growth"], table)
    assert panels["growth a"].get_title("left") == WAYS[0]
    (line,) = (line for line in panels["growth b"].get_lines() if line.get_label() == "core feature")
    own = table[(table.way == WAYS[1]) & (table.part == "core-growth")]
    np.testing.assert_allclose(line.get_ydata(), own.value)
