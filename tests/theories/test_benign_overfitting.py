"""Benign overfitting: the law against its description, the claims in both regimes, and controls that must fail."""

import math

import numpy as np
import pytest
import torch

import theory_sim as ts
from theory_sim import testing
from theory_sim.theories.benign_overfitting import claims
from theory_sim.training.trainer import Training

THEORY = ts.THEORIES["benign-overfitting"]
BENIGN = {"replicas": 30, "test.samples": 400}
HARMFUL = BENIGN | {"law.signal": 1.0}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    out = tmp_path_factory.mktemp("benign")

    def decide(changes):
        return {claim.id: claim for claim in ts.evaluate_claims(ts.run(THEORY.config(changes), out, "cpu"))}

    return decide


@pytest.mark.parametrize("orthogonal", [False, True])
def test_labels_are_as_noisy_as_the_law_says(orthogonal):
    """With orthogonal noise the law samples by a function of its own: its flipped labels were taken for wrong ones."""
    config = THEORY.config({"law.orthogonal": orthogonal, "law.flip": 0.2, "replicas": 2})
    checks = ts.check_data(config, samples=2000, alpha=1e-6)
    testing.require(checks)
    assert any(check.name == "test: label noise" for check in checks)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_samples(orthogonal):
    """±s e_1 in one patch, N(0, σ_p² I) in the other, in random order; labels flipped with probability p, in tests too."""
    config = THEORY.config(
        {"law.orthogonal": orthogonal, "law.noise_std": 2.0, "replicas": 2, "test.samples": 4000, "data.dim": 20}
    )
    training = Training(config)
    batches = list(training.test_batches("test"))
    x = torch.cat([batch.x for batch in batches], 1)
    leaf, coarse = (torch.cat([getattr(batch, name) for batch in batches], 1) for name in ("leaf", "coarse"))
    first = torch.cat([batch.content for batch in batches], 1)[..., 0] == 0
    signal = torch.where(first[..., None], x[:, :, 0], x[:, :, 1])
    noise = torch.where(first[..., None], x[:, :, 1], x[:, :, 0])
    mu = torch.zeros(20)
    mu[0] = 5
    assert torch.equal(signal, (1 - 2.0 * leaf)[..., None] * mu)
    n = leaf.numel()
    for share, p in (((coarse != leaf), 0.1), (first, 0.5), (leaf, 0.5)):
        assert abs(float(share.double().mean()) - p) < 4.5 * math.sqrt(p * (1 - p) / n)
    along = noise[..., 0].double()
    assert float(along.square().mean()) == pytest.approx(0.0 if orthogonal else 4.0, abs=0 if orthogonal else 0.3)
    assert float(noise[..., 1:].double().square().mean()) == pytest.approx(4.0, rel=0.03)
    own = training.next_batch()
    assert own.x.shape == (2, 20, 2, 20)
    labels = training.models["network"].labels_of(own)
    assert torch.equal(labels, own.labelled_leaf)


def test_the_law_keeps_its_contract():
    testing.require(testing.check_law(THEORY.config()))
    assert all(check.passed for check in ts.check_data(THEORY.config({"replicas": 2})))
    testing.require(testing.check_engine("gradient", THEORY.config({"replicas": 2})))


def test_the_benign_regime(decided):
    found = decided(BENIGN | {"replicas": 100})
    assert [found[id_].decision for id_ in ("training-loss", "benign-error", "harmful-error")] == ["holds", "holds", "no result"]
    assert found["benign-error"].bound == pytest.approx(0.1 + math.exp(-20 * 5**4 / (claims.DECAY * 200)) + claims.MARGIN)


def test_the_text_says_what_decides(decided):
    """Of the margin the claim itself; of all constants the documentation, which shows the docstring of the module."""
    claim = decided(BENIGN)["benign-error"]
    assert claim.statement.endswith("+ 0.05, a margin that is ours.")
    assert claim.bound == pytest.approx(0.1 + math.exp(-6.25) + 0.05)
    said = claims.__doc__
    assert f"C₁ = {claims.BENIGN:g}, C₂ = {claims.DECAY:g}, C₃ = {claims.HARMFUL:g}." in said
    assert f"A margin of {claims.MARGIN:g} is added to the upper bound" in said
    assert f"at least p + {claims.GAP:g}" in said
    assert f"``claims.training_loss``, {THEORY.config().claims.training_loss:g} nats" in said


def test_the_harmful_regime(decided):
    found = decided(HARMFUL)
    assert [found[id_].decision for id_ in ("training-loss", "benign-error", "harmful-error")] == ["holds", "no result", "holds"]
    assert found["harmful-error"].bound == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (BENIGN | {"training.steps": 0}, {"training-loss": "refuted", "benign-error": "refuted"}),
        (BENIGN | {"law.reversed_test": True}, {"training-loss": "holds", "benign-error": "refuted"}),
        (BENIGN | {"law.flip": 0.5}, {"benign-error": "no result"}),
        (HARMFUL | {"law.flip": 0.5}, {"harmful-error": "refuted"}),
    ],
    ids=["untrained", "signal on the wrong side", "random labels", "random labels without a signal"],
)
def test_controls_fail(changes, expected, decided):
    found = decided(changes)
    assert {id_: found[id_].decision for id_ in expected} == expected


def test_measures(tmp_path):
    results = ts.run(THEORY.config({"replicas": 5, "test.samples": 50}), tmp_path, "cpu")
    values = {measure.id: measure.values(results) for measure in THEORY.measures}
    assert np.allclose(values["test-error"], results.records["network"].test_error[:, 0, 0])
    assert (values["signal-correlation"] > 0).all()
    assert (values["training-loss"] < 0.05).all()


def test_the_regime_says_on_which_side():
    def line(changes):
        return ts.check_regime(THEORY.config(changes))[0]

    assert line({}).value == pytest.approx(62.5)
    assert [line({"law.signal": s}).inside for s in (5.0, 1.0, 2.5)] == [True, True, False]
    assert "harmful" in line({"law.signal": 1.0}).range
