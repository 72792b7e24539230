"""Readouts of a model for the coarse target."""

import pytest
import torch

from theory_sim.config import load_config
from theory_sim.runs.run import run
from theory_sim.runtime.contracts import READOUTS
from theory_sim.runtime.errors import InputError
from theory_sim.training.engines.base import HeadGroups
from theory_sim.training.readouts import QUICK_READOUTS, check_readouts, choose, correctness, quick_readouts, readouts
from theory_sim.training.trainer import Training

ALL = ["sum_logits", "sum_probabilities", "argmax_parent", "linear_probe", "finetuning"]


def test_choose_shares_exact_ties():
    assert choose(torch.tensor([[1.0, 3.0, 2.0], [2.0, 2.0, 1.0], [0.0, 0.0, 0.0]])).tolist() == [
        [0, 1, 0],
        [0.5, 0.5, 0],
        pytest.approx([1 / 3] * 3),
    ]


def test_readouts_by_hand():
    """Four heads, two a class: the sum of logits, of probabilities and the highest head disagree."""
    parent = HeadGroups(torch.tensor([0, 0, 1, 1]), 2)
    heads = torch.tensor([[3.0, -9.0, 2.9, 2.8], [5.0, -9.0, 2.0, 2.0], [1.0, 1.0, 1.0, -3.0]])
    answers = {name: READOUTS[name].fit.of_heads(heads, parent).tolist() for name in QUICK_READOUTS}
    assert answers["sum_logits"] == [[0, 1], [0, 1], [1, 0]]
    assert answers["sum_probabilities"] == [[0, 1], [1, 0], [1, 0]]
    assert answers["argmax_parent"] == [[1, 0], [1, 0], [pytest.approx(2 / 3), pytest.approx(1 / 3)]]


@pytest.fixture(scope="module")
def trained():
    changes = ["tree.subclasses=4", "data.dim=64", "data.patches=20", "network.neurons=40", "training.batch=64", "replicas=2"]
    with torch.no_grad():
        training = Training(load_config(overrides=[*changes, f"transfer.readouts={ALL}", "transfer.samples=400"]))
        for _ in range(150):
            training.step()
    return training


def test_every_readout_of_a_fine_model_answers_hard_samples(trained):
    batch, model = trained.sampler.sample(trained.streams("test hard"), 300, 1.0), trained.models["fine"]
    heads = model.engine.heads(batch)
    for readout, answer in readouts(trained, model).items():
        assert float(correctness(answer(batch, heads), batch.coarse).mean()) > 0.95, readout


def test_no_readout_of_a_coarse_model_answers_hard_samples(trained):
    batch, model = trained.sampler.sample(trained.streams("test hard"), 300, 1.0), trained.models["coarse"]
    heads = model.engine.heads(batch)
    for readout, answer in readouts(trained, model).items():
        assert float(correctness(answer(batch, heads), batch.coarse).mean()) < 0.75, readout


def test_every_readout_answers_easy_samples(trained):
    batch = trained.sampler.sample(trained.streams("test easy"), 300, 0.0)
    for model in trained.models.values():
        heads = model.engine.heads(batch)
        for readout, answer in readouts(trained, model).items():
            given = answer(batch, heads)
            torch.testing.assert_close(given.sum(-1), torch.ones(2, 300))
            assert float(correctness(given, batch.coarse).mean()) > 0.99, (model.name, readout)


def test_for_a_coarse_model_the_quick_readouts_are_one(trained):
    model = trained.models["coarse"]
    batch = trained.sampler.sample(trained.streams("test hard"), 100, 1.0)
    heads = model.engine.heads(batch)
    first, *rest = (answer(batch, heads) for answer in quick_readouts(trained, model).values())
    for other in rest:
        torch.testing.assert_close(first, other)


def test_readouts_leave_the_model_as_it_is(trained):
    model = trained.models["fine"]
    before = {key: value.clone() for key, value in trained.state().items()}
    readouts(trained, model)
    for key, value in trained.state().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("settings", [["transfer.samples=2"], ["data.training_samples=1"]])
def test_a_probe_of_one_class_is_refused_before_training(settings, tmp_path, monkeypatch):
    """Scikit-learn cannot fit one class: that ended the run by a traceback after its training."""
    config = load_config(None, ["transfer.readouts=[sum_logits, linear_probe]", "replicas=5", "test.samples=10", *settings])
    monkeypatch.setattr(Training, "step", lambda training: pytest.fail("trained"))
    with pytest.raises(InputError, match=r"transfer\.samples: the .* samples of the linear probe are of one class in replica \d"):
        run(config, tmp_path)


def test_a_probe_of_two_samples_of_two_classes_is_fitted():
    config = load_config(None, ["transfer.readouts=[linear_probe]", "transfer.samples=2", "replicas=1", "data.dim=32"])
    seeds = (Training(config.replace({"seed": seed})) for seed in range(20))
    fitted = 0
    for training in seeds:
        try:
            check_readouts(training)
        except InputError:
            continue
        readouts(training, training.models["fine"])
        fitted += 1
    assert 0 < fitted < 20


def test_a_linear_probe_needs_two_samples():
    with pytest.raises(InputError, match=r"transfer\.samples: should be greater than or equal to 2, got 1"):
        load_config(None, ["transfer.samples=1"])


def test_a_readout_is_given_once():
    with pytest.raises(InputError, match=r"transfer\.readouts: 'sum_logits' is given twice"):
        load_config(None, ["transfer.readouts=[sum_logits, argmax_parent, sum_logits]"])


@pytest.mark.parametrize("change", ["data.noise=0.4", "target.noise=0.1", "data.training_samples=50", "data.label_noise=0.3"])
def test_the_truth_about_samples_is_that_of_the_samples_with_patches(change):
    """The check before training looks at the labels that the probe is fitted on after it."""
    training = Training(load_config(overrides=["replicas=2", "tree.subclasses=3", "data.dim=16", change]))
    whole, truth = (training.draw_target(training.streams("probe"), 40, latents) for latents in (False, True))
    for name in ("leaf", "labelled_leaf", "coarse", "kind"):
        assert torch.equal(getattr(truth, name), getattr(whole, name))
