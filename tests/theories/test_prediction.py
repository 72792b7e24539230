"""The recursion against exact gradients, and against simulation: value and rate."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.stats import norm

from theory_sim.config import load_config
from theory_sim.data.setup import law_of
from theory_sim.runs.run import run
from theory_sim.runtime.errors import InputError
from theory_sim.theories.prediction import contents_of, predict
from theory_sim.training.trainer import Training

MODELS = ("coarse", "fine")

_SIZE = ["data.dim=24", "data.patches=12", "data.feature_patches=2", "tree.subclasses=3", "network.neurons=10", "replicas=2"]
_QUICK = ["test.samples=10", "test.curve_samples=2", "record.points=6"]
_FAST = ["training.step_size={coarse: 0.1, fine: 0.3}"]


def simulated(tmp_path, *overrides: str):
    config = load_config(overrides=[*_SIZE, *_QUICK, *_FAST, *overrides])
    return config, run(config, tmp_path, "cpu")


@pytest.mark.parametrize("model", MODELS)
def test_without_noise_the_recursion_is_gradient_descent(model):
    """One sample of every leaf, no noise and one strength: its batch gradient is the expected gradient, exactly."""
    options = ["data.noise=0", "data.strength_spread=0", "training.dtype=float64", "training.steps=30", "record.points=30"]
    config = load_config(overrides=[*_SIZE, *_FAST, *options])
    training = Training(config)
    engine, labels = training.models[model].engine, training.models[model].labels
    tree, s = config.label_tree, config.data.feature_patches
    batch = training.draw_batch(training.streams("check"), tree.n_leaves)
    x = torch.zeros_like(batch.x)
    for leaf, node in enumerate(tree.leaves):
        for level, feature in enumerate(tree.ancestors(node)):
            x[:, leaf, level * s : (level + 1) * s, feature] = 1
    predicted = predict(config, start(training, model))
    for step in range(config.training.steps + 1):
        if step in predicted.step:
            at = predicted.sel(step=step)
            correlation = engine.correlation(training.dictionary)
            np.testing.assert_allclose(at.correlation, correlation, atol=1e-12)
            np.testing.assert_allclose(at.bias, engine.parameters.bias, atol=1e-12)
            np.testing.assert_allclose(at.norm, engine.parameters.weight.norm(dim=-1), atol=1e-12)
        report = engine.step(replace(batch, x=x), labels.leaf_label.expand(2, -1))
        np.testing.assert_allclose(predicted.training_loss.sel(update=step), report.loss, atol=1e-12)
    moved = np.abs(predicted.correlation.values[:, -1] - predicted.correlation.values[:, 0]).max()
    assert moved > 0.05


def start(training: Training, model: str):
    """A record that holds the initial state alone."""
    engine = training.models[model].engine
    dims = ("replica", "step", "head", "neuron", "feature")
    values = {"correlation": engine.correlation(training.dictionary), "bias": engine.parameters.bias}
    values["norm"] = engine.parameters.weight.norm(dim=-1)
    labels = {"model": model, "labels": training.models[model].labels.name}
    return xr.Dataset({k: (dims[: v.dim() + 1], v.clone().numpy()[:, None]) for k, v in values.items()}, attrs=labels)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["tree.coarse=3", "data.feature_noise_patches=2", "data.label_noise=0.2"],
        ["data.hard_share=0.4", "hard.common=weak", "hard.noise=1"],
        ["tree.subclasses=[[2, 1], 3]", "labels.fine=mixed(3, 2)"],
        ["data.patch_law=independent", "data.hard_share=0.3"],
    ],
    ids=["default", "feature noise", "weak hard", "deeper tree", "independent patches"],
)
def test_a_step_of_a_huge_batch_is_predicted(tmp_path, options):
    """B = 20000: what is left is the batch's noise, some 3 % (with a quarter and four times the batch: twice and half)."""
    config, results = simulated(tmp_path, "training.batch=20000", "training.steps=1", "record.points=1", "replicas=1", *options)
    for data in (results.coarse, results.fine):
        predicted = predict(config, data)
        step = (data.correlation[:, 1] - data.correlation[:, 0]).values
        expected = (predicted.correlation[:, 1] - predicted.correlation[:, 0]).values
        assert np.mean((step - expected) ** 2) < 0.05**2 * np.mean(expected**2)
        np.testing.assert_allclose(predicted.training_loss[:, 0], data.training_loss[:, 0], rtol=0.01)


@pytest.mark.parametrize(
    ("options", "of_loss"),
    [(["data.noise=0.5"], 0.025), (["data.noise=0.1", "data.strength_spread=0.6"], 0.01)],
    ids=["noise", "strengths"],
)
@pytest.mark.parametrize("model", MODELS)
def test_the_spread_of_logits_within_a_kind_of_sample_is_carried(model, options, of_loss):
    """A step at weights that 30 steps have trained, on 30,000 samples: logits of one leaf's samples differ by their α and ζ.

    The batch's noise is 2 % of the step and 0.3 % of the loss; of the loss with noise 2 % more is left, since normal logits
    do not have the third moments of the sums of rectified numbers that few neurons give. By the logits' means alone the fine
    model's step was off by 10 and 8 %, its loss by 17 and 4 %; without the part of a step that a patch has by moving its own
    sample's p, the step would be off by 12 and 6 %.
    """
    config = load_config(
        overrides=[
            *_SIZE,
            *_FAST,
            *options,
            "training.dtype=float64",
            "training.batch=256",
            "training.steps=1",
            "record.points=1",
        ]
    )
    with torch.no_grad():
        training = Training(config)
        for _ in range(30):
            training.step()
        engine, labels = training.models[model].engine, training.models[model].labels
        before, batch = start(training, model), training.draw_batch(training.streams("check"), 30_000)
        predicted = predict(config, before)
        loss = np.asarray(engine.step(batch, labels.assign(batch)).loss)
    np.testing.assert_allclose(predicted.training_loss[:, 0], loss, rtol=of_loss)
    step = start(training, model).correlation.values[:, 0] - before.correlation.values[:, 0]
    expected = predicted.correlation.values[:, 1] - before.correlation.values[:, 0]
    assert np.sqrt(np.mean((step - expected) ** 2) / np.mean(step**2)) < 0.03


def test_the_difference_falls_with_the_square_root_of_the_batch(tmp_path):
    """Relative difference of the lucky neurons' growth at B = 64 … 4096, each over two replicas: fitted slope near −1/2.

    The slope's error: each difference is a root mean square over some 60 lucky pairs of 2 × 10 × 8, and is uncertain by
    about a tenth; over three octaves of 4 that is ± 0.05 in the slope. A constant error of the closure would flatten it.
    """
    batches, differences = (64, 256, 1024, 4096), []
    for batch in batches:
        config, results = simulated(tmp_path, f"training.batch={batch}", "training.steps=20")
        data = results.coarse
        lucky = data.lucky.values
        end, expected = (d.correlation.values[:, -1][lucky] for d in (data, predict(config, data)))
        grown = expected - data.correlation.values[:, 0][lucky]
        differences.append(np.sqrt(np.mean((end - expected) ** 2) / np.mean(grown**2)))
    assert differences[-1] < 0.03
    slope = np.polyfit(np.log(batches), np.log(differences), 1)[0]
    assert -0.65 < slope < -0.35


def test_random_labels_teach_nothing(tmp_path):
    config, results = simulated(tmp_path, "labels.fine=random(5)", "training.steps=30", "training.batch=16")
    predicted = predict(config, results.fine)
    assert predicted.training_loss.values[:, -1] == pytest.approx([np.log(5)] * 2, rel=0.01)


def test_contents_count_every_patch():
    for options in ([], ["data.hard_share=0.5"], ["data.hard_share=0.5", "data.patch_law=independent", "hard.common=weak"]):
        contents = contents_of(law_of(load_config(overrides=[*_SIZE, *options])), 24)
        assert contents.count.sum(1).tolist() == pytest.approx([12] * len(contents.count))
        assert float(contents.probability.sum()) == pytest.approx(1)
        assert (contents.count >= 0).all()


@pytest.mark.parametrize(("noise", "error"), [(0.0, 0.024), (0.01, 0.01), (0.05, 2e-4), (0.1, 2e-4), (0.5, 2e-4), (2.0, 2e-4)])
def test_nodes_resolve_a_neuron_that_some_strengths_alone_fire(noise, error):
    """E Φ((α − c)/σ) over α for every c, against a fine grid; three nodes at small noise were wrong by up to 0.22.

    So the predicted loss was off by 15 % where one such neuron mattered.
    """
    contents = contents_of(law_of(load_config(overrides=[*_SIZE, f"data.noise={noise}"])), 24)
    low, high, sigma = math.sqrt(0.9), math.sqrt(1.1), noise / math.sqrt(24)
    alpha, weight = (values[contents.feature == 0][0].numpy() for values in (contents.alpha, contents.weight))
    grid = low + (high - low) * (np.arange(20_000) + 0.5) / 20_000
    for threshold in np.linspace(low, high, 101):
        fires = (lambda a, c=threshold: norm.cdf((a - c) / sigma)) if noise else (lambda a, c=threshold: (a > c).astype(float))
        assert abs(fires(alpha) @ weight - fires(grid).mean()) < error


@pytest.mark.parametrize("options", ["network.train_output=true", "data.training_samples=50"])
def test_what_the_recursion_does_not_cover_is_refused(options):
    config = load_config(overrides=[*_SIZE, options])
    with pytest.raises(InputError, match=options.partition("=")[0]):
        predict(config, start(Training(config), "coarse"))
