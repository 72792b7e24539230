"""The figure of predictions: differences for each replica, the rate of correlations, and the terms of the loss's difference."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_estimates, assert_inside, bands, estimates, legend, line, panels_of
from matplotlib.colors import same_color

from theory_sim.config import Config
from theory_sim.figures import FIGURES, prediction
from theory_sim.figures.common import style
from theory_sim.figures.gallery.making import tables
from theory_sim.figures.gallery.source import SMOKE, Source
from theory_sim.runtime.errors import InputError
from theory_sim.testing.figures import check_readable
from theory_sim.theories import prediction as recursion

MODELS = ("coarse", "fine")


def part(table: pd.DataFrame, quantity: str, model: str, name: str) -> pd.DataFrame:
    return table[(table.quantity == quantity) & (table.model == model) & (table.part == name)]


@pytest.mark.parametrize("model", MODELS)
def test_values_are_relative_differences_from_the_recursion(model, table, made) -> None:
    for run in made.runs("prediction"):
        data = getattr(run, model)
        predicted = recursion.predict(run.config, data)
        by_replica: dict[str, list[float]] = {"correlation": [], "loss": []}
        for r in range(run.config.replicas):
            pairs = [
                (data.correlation[r, :, head, neuron, feature].values, predicted.correlation[r, :, head, neuron, feature].values)
                for head, neuron, feature in np.argwhere(data.lucky[r].values)
            ]
            off = sum((simulated[-1] - expected[-1]) ** 2 for simulated, expected in pairs)
            by_replica["correlation"].append(np.sqrt(off / sum((e[-1] - s[0]) ** 2 for s, e in pairs)))
            loss, expected_loss = data.training_loss[r].values, predicted.training_loss[r].values
            by_replica["loss"].append(sum(loss - expected_loss) / sum(expected_loss))
        for quantity, values in by_replica.items():
            rows = part(table, quantity, model, "difference")
            at = rows.batch == run.config.training.batch
            assert rows.value[at].item() == pytest.approx(np.mean(values), rel=1e-4, abs=1e-7)
        each = part(table, "loss", model, "replica")
        np.testing.assert_allclose(each.value[each.batch == run.config.training.batch], by_replica["loss"], rtol=1e-4, atol=1e-7)


def test_correlations_and_their_power_laws_are_the_table(table, panels) -> None:
    ax = panels["correlation"]
    for model in MODELS:
        rows, color = part(table, "correlation", model, "difference"), style.PALETTE[model]
        assert_estimates(estimates(ax)[f"{model} labels"], rows, rows.batch, color)
        (fit,) = part(table, "correlation", model, "slope").itertuples()
        drawn = line(ax, f"{model} labels: slope {fit.value:.2f} [{fit.low:.2f}, {fit.high:.2f}]")
        np.testing.assert_allclose(np.log(drawn.get_ydata()), fit.intercept + fit.value * np.log(rows.batch))
        assert same_color(drawn.get_color(), color)
        assert_inside(ax, rows.batch, rows.value)


def test_losses_and_their_terms_are_the_table(table, panels) -> None:
    """All times √B: a marker for each mean, a line for bias and floor, a band of one standard deviation."""
    ax = panels["loss"]
    for model, band in zip(MODELS, bands(ax), strict=True):
        color = style.PALETTE[model]
        rows = part(table, "loss", model, "difference")
        root = np.sqrt(rows.batch)
        scaled = rows.assign(value=rows.value * root, low=rows.low * root, high=rows.high * root)
        assert_estimates(estimates(ax)[f"{model} labels"], scaled, rows.batch, color)
        assert_inside(ax, rows.batch, scaled.value)
        (bias,), (floor,), (spread,) = (
            part(table, "loss", model, name).to_dict("records") for name in ("bias", "floor", "sampling")
        )
        texts = (f"{term['value']:.2g} [{term['low']:.2g}, {term['high']:.2g}]" for term in (bias, floor, spread))
        text = "{} labels: bias {} / B,  floor {},  spread {} / √B".format(model, *texts)
        assert text in legend(ax)
        drawn = line(ax, text)
        x = drawn.get_xdata()
        middle = bias["value"] / np.sqrt(x) + floor["value"] * np.sqrt(x)
        np.testing.assert_allclose(drawn.get_ydata(), middle)
        outline = band.get_paths()[0].vertices[:, 1]
        assert outline.max() == pytest.approx(max(middle) + spread["value"])
        assert outline.min() == pytest.approx(min(middle) - spread["value"])
        assert same_color(drawn.get_color(), color)


def test_the_rate_of_sampling_noise_is_found_and_drawn() -> None:
    """Differences that are B^−1/2 exactly: the fitted slope is −0.50, along the dotted line."""
    batches = [32, 128, 512]
    values = np.array([[0.5 * b**-0.5, 0.5 * b**-0.5] for b in batches])
    rows = [
        row
        for model in MODELS
        for row in [
            *prediction.rates.rows("batch", batches, values, "difference", {"quantity": "correlation", "model": model}),
            *({"quantity": "loss", "model": model} | term for term in prediction.terms(batches, values * [1, -1])),
        ]
    ]
    table = pd.DataFrame(rows)
    slopes = table[table.part == "slope"]
    assert slopes.value.tolist() == pytest.approx([-0.5] * 2)
    assert slopes.intercept.tolist() == pytest.approx([np.log(0.5)] * 2)
    ax = panels_of(prediction.FIGURE, table)["correlation"]
    np.testing.assert_allclose(line(ax, "−1/2").get_ydata(), [0.5 * b**-0.5 for b in batches])
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["coarse labels: slope -0.50 [-0.50, -0.50]", "fine labels: slope -0.50 [-0.50, -0.50]", "−1/2"]
    check_readable(prediction.FIGURE, prediction.FIGURE.paint(table))


def test_each_term_of_a_difference_is_found() -> None:
    """Floor 0.004, bias 2/B and noise 0.1/√B, which a single power law mixes: 95 % intervals over 200 tables of 5 replicas.

    Each term's interval covers it in 190 ± 3.1 of them; 4.5 standard deviations.
    """
    batches, rng = np.array([32, 128, 512, 2048, 8192]), np.random.default_rng(0)
    truth = {"floor": 0.004, "bias": 2, "sampling": 0.1}
    found = dict.fromkeys(truth, 0)
    for _ in range(200):
        noise = rng.standard_normal((5, 5)) * truth["sampling"] / np.sqrt(batches)[:, None]
        difference = truth["floor"] + truth["bias"] / batches[:, None] + noise
        rows = pd.DataFrame(prediction.terms(batches.tolist(), difference))
        assert rows[rows.part == "replica"].shape[0] == 25
        for term, value in truth.items():
            (row,) = rows[rows.part == term].to_dict("records")
            found[term] += row["low"] <= value <= row["high"]
    assert all(190 - 14 <= hits <= 200 for hits in found.values()), found


def test_batches_reach_from_a_quarter_to_8192() -> None:
    runs = prediction.needs(Config()).runs
    assert [run.training.batch for run in runs] == [32, 128, 512, 2048, 8192]
    assert {(run.data.dim, run.tree.subclasses, run.replicas) for run in runs} == {(64, 5, 5)}


@pytest.mark.parametrize("name", ["prediction", "correlations"])
@pytest.mark.parametrize("uncovered", [{"network.train_output": True}, {"data.training_samples": 64}])
def test_what_the_recursion_does_not_cover_is_refused_before_a_run(name, uncovered, tmp_path) -> None:
    """It was refused when all runs had been made."""
    with pytest.raises(InputError, match=f"prediction: {next(iter(uncovered))} is not covered"):
        next(tables([FIGURES[name]], Source(SMOKE.replace(uncovered), tmp_path, "cpu", smoke=True)))
    assert list(tmp_path.iterdir()) == []
