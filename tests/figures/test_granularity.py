"""The figure of granularity: a curve per training set, and a marker per kind of labels."""

import numpy as np
from drawn import assert_inside, bars, estimates, legend, line, of, panels_of

from theory_sim.figures import granularity


def test_each_training_set_has_a_curve_and_each_kind_its_marker(made) -> None:
    table = made.tables["granularity"]
    panels = panels_of(granularity.FIGURE, table)
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
                assert drawn[0].get_marker() == granularity.MARKERS[kind]
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
