"""The figure of predictions: relative differences per replica, fitted rates, and the slope −1/2 beside them."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_estimates, assert_inside, estimates, line, panels_of
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
            by_replica["loss"].append(np.linalg.norm(loss - expected_loss) / np.linalg.norm(expected_loss))
        for quantity, values in by_replica.items():
            rows = part(table, quantity, model, "difference")
            assert rows.value[rows.batch == run.config.training.batch].item() == pytest.approx(np.mean(values), rel=1e-4)


def test_markers_and_lines_are_the_table(table, panels) -> None:
    for quantity, ax in panels.items():
        for model in MODELS:
            rows, color = part(table, quantity, model, "difference"), style.PALETTE[model]
            assert_estimates(estimates(ax)[f"{model} labels"], rows, rows.batch, color)
            (fit,) = part(table, quantity, model, "slope").itertuples()
            drawn = line(ax, f"{model} labels: slope {fit.value:.2f} [{fit.low:.2f}, {fit.high:.2f}]")
            np.testing.assert_allclose(np.log(drawn.get_ydata()), fit.intercept + fit.value * np.log(rows.batch))
            assert same_color(drawn.get_color(), color)
            assert_inside(ax, rows.batch, rows.value)


def test_the_rate_of_sampling_noise_is_found_and_drawn() -> None:
    """Differences that are B^−1/2 exactly: the fitted slope is −0.50, along the dotted line."""
    batches = [32, 128, 512]
    rows = [
        row
        for quantity in prediction.QUANTITIES
        for model in MODELS
        for row in prediction.rates.rows(
            "batch",
            batches,
            np.array([[0.5 * b**-0.5, 0.5 * b**-0.5] for b in batches]),
            "difference",
            {"quantity": quantity, "model": model},
        )
    ]
    table = pd.DataFrame(rows)
    slopes = table[table.part == "slope"]
    assert slopes.value.tolist() == pytest.approx([-0.5] * 4)
    assert slopes.intercept.tolist() == pytest.approx([np.log(0.5)] * 4)
    ax = panels_of(prediction.FIGURE, table)["loss"]
    np.testing.assert_allclose(line(ax, "−1/2").get_ydata(), [0.5 * b**-0.5 for b in batches])
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["coarse labels: slope -0.50 [-0.50, -0.50]", "fine labels: slope -0.50 [-0.50, -0.50]", "−1/2"]
    check_readable(prediction.FIGURE, prediction.FIGURE.paint(table))


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
