"""Margins of test samples: scores of every readout by hand, quantiles, and the record against a loop over samples."""

from typing import Any

import numpy as np
import pytest
import torch

import theory_sim as ts
from theory_sim.runs.evaluate import evaluate_on
from theory_sim.training.engines.base import HeadGroups
from theory_sim.training.evaluation import MARGIN_QUANTILES, quantiles
from theory_sim.training.readouts import Scored, correctness, judge, readouts

READOUTS = ["sum_logits", "sum_probabilities", "argmax_parent", "linear_probe", "finetuning"]
CONFIG = ts.Config().replace(
    {
        "replicas": 2,
        "tree.coarse": 3,
        "tree.subclasses": [2, 1, 3],
        "data.dim": 24,
        "data.patches": 20,
        "network.neurons": 6,
        "training.batch": 16,
        "training.steps": 12,
        "transfer.readouts": READOUTS,
        "transfer.samples": 60,
        "transfer.steps": 2,
        "test.samples": 40,
        "test.curve_samples": 2,
        "record.points": 3,
    }
)
PARENTS = [0, 0, 1, 2, 2, 2]


def scores_of_heads(name: str, heads: np.ndarray) -> list[float]:
    """Scores of the classes, from the heads of one sample."""
    of_class = [[k for k, parent in enumerate(PARENTS) if parent == c] for c in range(3)]
    if name == "sum_logits":
        return [sum(float(heads[k]) for k in own) for own in of_class]
    if name == "argmax_parent":
        return [max(float(heads[k]) for k in own) for own in of_class]
    total = sum(np.exp(float(h)) for h in heads)
    return [sum(np.exp(float(heads[k])) / total for k in own) for own in of_class]


@pytest.fixture(scope="module")
def trained() -> ts.Training:
    with torch.no_grad():
        training = ts.Training(CONFIG)
        for _ in range(12):
            training.step()
    return training


@pytest.mark.parametrize("name", READOUTS[:3])
def test_the_margin_is_the_right_score_minus_the_largest_other(name: str, trained: ts.Training) -> None:
    model, batch = trained.models["fine"], next(iter(trained.test_batches("hard")))
    heads = model.engine.heads(batch)
    right, margin = judge(readouts(trained, model)[name], batch, heads)
    assert sorted({*right.flatten().tolist()}) == [0, 1]
    for r in range(2):
        for b in range(40):
            scores, y = scores_of_heads(name, heads[r, b].double().numpy()), int(batch.coarse[r, b])
            expected = scores[y] - max(s for c, s in enumerate(scores) if c != y)
            assert float(margin[r, b]) == pytest.approx(expected, abs=1e-5)
            assert float(right[r, b]) == (expected > 0)


def test_the_margin_of_every_readout_agrees_with_its_answer(trained: ts.Training) -> None:
    """Also those that are fitted: above 0 where the answer is right."""
    for model in trained.models.values():
        for kind in ("easy", "hard"):
            batch = next(iter(trained.test_batches(kind)))
            heads = model.engine.heads(batch)
            for name, answer in readouts(trained, model).items():
                right, margin = judge(answer, batch, heads)
                np.testing.assert_array_equal(right, correctness(answer(batch, heads), batch.coarse), err_msg=name)
                np.testing.assert_array_equal(right[margin != 0] > 0, margin[margin != 0] > 0, err_msg=name)


def test_the_score_of_a_probe_of_two_classes_is_its_decision_function() -> None:
    training = ts.Training(CONFIG.replace({"tree.coarse": 2, "tree.subclasses": 2}))
    batch = next(iter(training.test_batches("easy")))
    model = training.models["coarse"]
    answer = readouts(training, model)["linear_probe"]
    assert isinstance(answer, Scored)
    scores, (_, margin) = answer.scores(batch, model.engine.heads(batch)), judge(answer, batch, model.engine.heads(batch))
    assert (scores[..., 0] == 0).all()
    sign = 2 * batch.coarse - 1
    np.testing.assert_allclose(margin, sign * scores[..., 1], rtol=1e-5)


def test_a_users_readout_has_the_margin_of_its_probabilities(trained: ts.Training) -> None:
    batch = next(iter(trained.test_batches("easy")))
    given = torch.tensor([0.2, 0.5, 0.3]).expand(2, 40, 3)
    right, margin = judge(lambda batch, heads: given, batch, given)
    for y, (p, m) in enumerate([(0.2, -0.3), (0.5, 0.2), (0.3, -0.2)]):
        assert right[batch.coarse == y].tolist() == pytest.approx([p] * int((batch.coarse == y).sum()))
        assert margin[batch.coarse == y].tolist() == pytest.approx([m] * int((batch.coarse == y).sum()))


@pytest.mark.parametrize("n", [1, 2, 99, 100, 101, 250])
def test_quantiles_are_samples_that_a_share_does_not_exceed(n: int) -> None:
    values = torch.from_numpy(np.random.default_rng(n).standard_normal((2, n, 3)))
    found = quantiles(values)
    assert found.shape == (2, len(MARGIN_QUANTILES), 3)
    for r in range(2):
        for readout in range(3):
            ordered = sorted(values[r, :, readout].tolist())
            for q, value in zip(MARGIN_QUANTILES, found[r, :, readout].tolist(), strict=True):
                assert value == next(v for i, v in enumerate(ordered, 1) if i >= q * n)


def test_the_largest_of_a_group() -> None:
    groups = HeadGroups(torch.tensor([1, 0, 1]), 3)
    assert groups.largest(torch.tensor([[1.0, -2.0, 3.0], [5.0, 0.0, -1.0]])).tolist() == [[-2, 3, -np.inf], [0, 5, -np.inf]]


def test_runs_and_their_evaluations_hold_the_margins(tmp_path: Any, trained: ts.Training) -> None:
    results = ts.run(CONFIG, tmp_path, "cpu")
    tested = evaluate_on(results, CONFIG, "cpu")
    for name, data in results.records.items():
        assert data.test_margin.dims == ("replica", "kind", "margin_quantile", "test_readout")
        np.testing.assert_array_equal(tested.test_margin.sel(model=name), data.test_margin)
        model, margins = trained.models[name], {}
        for kind in ("easy", "hard"):
            (batch,) = trained.test_batches(kind)
            np.testing.assert_array_equal(data.test_class.sel(kind=kind), batch.coarse)
            np.testing.assert_array_equal(tested.test_class.sel(model=name, kind=kind), batch.coarse)
            _, margins[kind] = judge(readouts(trained, model)["sum_logits"], batch, model.engine.heads(batch))
        for r in range(2):
            for kind, margin in margins.items():
                own = data.test_margin.sel(kind=kind, test_readout="sum_logits").isel(replica=r)
                ordered = sorted(margin[r].tolist())
                assert own.values.tolist() == pytest.approx([ordered[0], ordered[0], ordered[3], ordered[19]], rel=1e-5)
