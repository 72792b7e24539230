"""Figures of trends in d and of noise control, from tables of measures that were never run."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn import assert_estimates, estimates, line, panels_of
from scipy import stats

from theory_sim.config import Config
from theory_sim.figures import Inputs, StudyTables, dimension_trends, noise_control
from theory_sim.figures.common import style
from theory_sim.studies.decision import StudyAnswer
from theory_sim.testing.figures import check_readable, check_texts

REPLICAS, DIMS = 5, [32, 64, 128, 256]
RATES = {"fine-margin-deviations": 0.4, "fine-margin-median": -0.1, "fine-margin-low": 0.5, "coarse-hard-error": 0.3}


def inputs(measures: pd.DataFrame, keys: list[str]) -> Inputs:
    answer = StudyAnswer("undecided", "", [], [])
    return Inputs(studies=[StudyTables(Config(), keys, pd.DataFrame(), pd.DataFrame(), measures, answer)])


@pytest.fixture
def in_d() -> pd.DataFrame:
    """Power laws times a factor of each replica, in any order."""
    rows = [
        {"cell": str(d), "data.dim": d, "replica": r}
        | {measure: 0.4 * (d / 128) ** rate * (1 + 0.05 * r) for measure, rate in RATES.items()}
        for d in reversed(DIMS)
        for r in range(REPLICAS)
    ]
    return dimension_trends.compute(Config(), inputs(pd.DataFrame(rows), ["data.dim"]))


@pytest.fixture
def noisy() -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        {"cell": f"{noise} {kappa}", "data.noise": noise, "training.bias_decay": "theory", "bias-decay": kappa, "replica": r}
        | {"coarse-noise-largest": 10 * noise - 0.02 * kappa + 0.1 * r, "fine-noise-largest": 20 * noise - 0.02 * kappa + 0.1 * r}
        for noise in (0.05, 0.1, 0.2)
        for kappa in (0.0, 1.0, 24.9, 62.2, 124.4)
        for r in range(REPLICAS)
    ]
    keys = ["data.noise", "training.bias_decay"]
    return noise_control.compute(Config(), inputs(pd.DataFrame(rows), keys))


def test_rates_are_those_of_the_measures(in_d: pd.DataFrame) -> None:
    for measure, rate in RATES.items():
        own = in_d[in_d.measure == measure]
        assert own[own.part == "slope"].value.item() == pytest.approx(rate)
        points = own[own.part == "measure"]
        assert points["data.dim"].tolist() == DIMS
        for row in points.to_dict("records"):
            values = [0.4 * (row["data.dim"] / 128) ** rate * (1 + 0.05 * r) for r in range(REPLICAS)]
            low, high = stats.t(REPLICAS - 1, np.mean(values), stats.sem(values)).ppf([0.025, 0.975])
            assert [row["value"], row["low"], row["high"]] == pytest.approx([np.mean(values), low, high])


def test_markers_and_power_laws_are_the_table(in_d: pd.DataFrame) -> None:
    axes = panels_of(dimension_trends.FIGURE, in_d)
    for measure, (panel, color, words) in dimension_trends._CURVES.items():
        points = in_d[(in_d.measure == measure) & (in_d.part == "measure")]
        assert_estimates(estimates(axes[panel])[f"{words} estimate"], points, DIMS, style.PALETTE[color])
    fitted = line(axes["error"], "coarse labels: slope 0.30 [0.30, 0.30]")
    np.testing.assert_allclose(fitted.get_ydata()[-1] / fitted.get_ydata()[0], 8**0.3)
    assert set(line(axes["error"], "guessing").get_ydata()) == {0.5}
    check_texts(dimension_trends.FIGURE)
    check_readable(dimension_trends.FIGURE, dimension_trends.FIGURE.paint(in_d))


def test_a_rate_that_is_undefined_is_not_drawn_as_a_number(in_d: pd.DataFrame) -> None:
    changed = in_d.copy()
    changed.loc[(changed.measure == "coarse-hard-error") & (changed.part == "slope"), ["value", "low", "high"]] = np.nan
    axes = panels_of(dimension_trends.FIGURE, changed)
    assert np.isnan(line(axes["error"], "coarse labels: slope nan").get_ydata()).all()


def test_noise_is_that_of_the_measures(noisy: pd.DataFrame) -> None:
    assert len(noisy) == 2 * 3 * 5
    for row in noisy.to_dict("records"):
        values = [
            {"coarse": 10, "fine": 20}[row["model"]] * row["noise"] - 0.02 * row["decay"] + 0.1 * r for r in range(REPLICAS)
        ]
        low, high = stats.t(REPLICAS - 1, np.mean(values), stats.sem(values)).ppf([0.025, 0.975])
        assert [row["value"], row["low"], row["high"]] == pytest.approx([np.mean(values), low, high])
        assert row["fired"] == np.mean([value > 0 for value in values])


def test_markers_of_noise_are_the_table(noisy: pd.DataFrame) -> None:
    axes = panels_of(noise_control.FIGURE, noisy)
    for model, ax in axes.items():
        for noise, color in zip((0.05, 0.1, 0.2), noise_control._COLORS, strict=False):
            own = noisy[(noisy.model == model) & (noisy.noise == noise)]
            label = rf"$\sigma_\zeta\sqrt{{d}}$ = {noise:g} estimate"
            assert_estimates(estimates(ax)[label], own, own.decay.tolist(), style.PALETTE[color])
        assert set(line(ax, "a noise patch fires").get_ydata()) == {0}
        assert set(line(ax, "the theory's bias decay").get_xdata()) == {1}
    check_texts(noise_control.FIGURE)
    check_readable(noise_control.FIGURE, noise_control.FIGURE.paint(noisy))
