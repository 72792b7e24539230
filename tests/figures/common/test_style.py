"""How all figures look, and the marks that they share."""

import itertools

import matplotlib
import numpy as np
import pandas as pd
import pytest
from drawn import assert_band, assert_estimates, assert_line, bands, estimates, line
from matplotlib.axes import Axes
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure

from theory_sim.figures.common import style


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame({"x": [0, 1, 4], "value": [1.0, 2.0, 3.0], "low": [0.5, 2.0, 1.0], "high": [1.5, 2.5, 9.0]})


def test_roles_are_told_apart_by_every_eye() -> None:
    """Least CIE 1976 distance of two roles, by Machado, Oliveira & Fernandes' (2009) full-severity simulations."""
    sights = [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

    def lab(color: str, sight: np.ndarray) -> np.ndarray:
        rgb = np.array(to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        t = xyz @ np.clip(np.array(sight) @ linear, 0, 1) / xyz.sum(1)
        f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    pairs = itertools.combinations(style.PALETTE.values(), 2)
    assert min(np.linalg.norm(lab(a, s) - lab(b, s)) for a, b in pairs for s in sights) > 24


@pytest.mark.parametrize("colors", [style.LEVELS, style.SIGNED])
def test_colour_maps_are_free_of_the_roles_hues(colors) -> None:
    """A role that marks a cell is seen: blue and vermilion are far from all shades."""
    shades = colors(np.linspace(0, 1, 101))[:, :3]
    for role in ("common", "rare"):
        assert np.linalg.norm(shades - to_rgb(style.PALETTE[role]), axis=1).min() > 0.25
    assert shades.mean(1).max() > 0.99, "nothing is white"


def test_text_stays_text_in_fonts_that_come_with_matplotlib() -> None:
    assert matplotlib.rcParams["pdf.fonttype"] == 42, "TrueType, not Type 3"
    assert matplotlib.rcParams["font.family"] == ["DejaVu Sans"]
    assert matplotlib.rcParams["mathtext.fontset"] == "dejavusans"
    assert matplotlib.get_backend().lower() == "agg"


def test_bands_reach_from_low_to_high(ax, rows) -> None:
    style.band(ax, rows, "x", "#123456", label="curve", linewidth=3)
    assert_line(line(ax, "curve"), rows, "x", "#123456")
    (band,) = bands(ax)
    assert_band(band, rows, "x", "#123456")
    assert band.get_alpha() < 0.5
    with pytest.raises(AssertionError):
        assert_band(band, rows.assign(value=99.0), "x", "#123456")


def test_bounds_are_thin_lines_with_their_label_outside(ax) -> None:
    style.bound(ax, 0.25, "≤ a quarter")
    drawn = line(ax, "bound")
    assert drawn.get_ydata() == [0.25, 0.25]
    assert same_color(drawn.get_color(), style.PALETTE["bound"])
    (text,) = ax.texts
    assert text.get_text() == "≤ a quarter"
    assert text.get_window_extent().x0 > ax.get_window_extent().x1


def test_estimates_have_bars_where_the_interval_is_defined(ax, rows) -> None:
    style.estimates(ax, rows, "x", "#123456", label="all")
    assert_estimates(estimates(ax)["all"], rows, rows.x, "#123456")
    rows.loc[1, ["low", "high"]] = np.nan
    style.estimates(ax, rows, "x", "#123456", label="some", markersize=9)
    marker, _, (bar,) = estimates(ax)["some"]
    assert marker.get_markersize() == 9
    np.testing.assert_array_equal(marker.get_ydata(), rows.value)
    np.testing.assert_array_equal([segment[:, 1] for segment in bar.get_segments()], [[0.5, 1.5], [2, 2], [1, 9]])


def test_steps_are_logarithmic_from_zero_with_room_at_the_end(ax) -> None:
    style.steps(ax, 200)
    assert (ax.get_xscale(), ax.get_xlabel()) == ("symlog", "training step")
    assert ax.get_xlim()[0] == 0
    assert 200 < ax.get_xlim()[1] < 400
    ax.figure.draw_without_rendering()
    assert [tick.get_text() for tick in ax.get_xticklabels() if tick.get_text()][:3] == ["0", "1", "10"]
    style.steps(ax, 0)
    assert ax.get_xlim()[1] > 0
