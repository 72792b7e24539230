"""Spurious features: the law against its description, the claims for both ways of training, controls, and the prediction."""

import math
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

import theory_sim as ts
from theory_sim import testing
from theory_sim.theories.spurious_features import claims, growth
from theory_sim.theories.spurious_features.law import BALANCED
from theory_sim.training.trainer import Training

THEORY = ts.THEORIES["spurious-features"]
# Small: fewer samples, and a larger minority, so that its groups are not empty.
SMALL = {"replicas": 5, "data.training_samples": 1000, "law.agreement": 0.95, "test.samples": 300, "test.curve_samples": 1}
ON_BALANCED = SMALL | {
    "data.training_samples": 2000,
    "law.agreement": 0.9,
    "engine.phases": BALANCED,
    "training.steps": 801,
}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    out = tmp_path_factory.mktemp("spurious")

    def decide(changes):
        return {claim.id: claim.decision for claim in ts.evaluate_claims(ts.run(THEORY.config(changes), out, "cpu"))}

    return decide


def test_samples():
    """±β_c v_c, ±β_s v_s and N(0, σ_p² I) in random order; the spurious sign is the class's with probability α in training."""
    config = THEORY.config({"replicas": 2, "data.dim": 20, "data.training_samples": 4000, "law.agreement": 0.9})
    training = Training(config)
    batch = training.next_batch()
    assert batch.x.shape == (2, 4000, 3, 20)
    y = 1 - 2.0 * batch.coarse
    places = {name: batch.content == number for name, number in (("core", 0), ("spurious", 1), ("noise", -2))}
    assert all((place.sum(-1) == 1).all() for place in places.values())
    patch = {name: (batch.x * place[..., None]).sum(2) for name, place in places.items()}
    axes = torch.eye(20)
    torch.testing.assert_close(patch["core"], 0.2 * y[..., None] * axes[0])
    a = torch.where(batch.kind == 0, y, -y)
    torch.testing.assert_close(patch["spurious"], a[..., None] * axes[1])
    assert float(patch["noise"].double().square().mean()) == pytest.approx(1 / 64, rel=0.02)
    for share, p in (((a == y), 0.9), (batch.coarse, 0.5), (places["core"][..., 0], 1 / 3)):
        assert abs(float(share.double().mean()) - p) < 4.5 * math.sqrt(p * (1 - p) / 8000)
    for kind, sign in (("majority", 1), ("minority", -1)):
        tested = next(iter(training.test_batches(kind)))
        spurious = (tested.x * (tested.content == 1)[..., None]).sum(2)[..., 1]
        assert torch.equal(spurious, sign * (1 - 2.0 * tested.coarse))


def test_the_theory_keeps_its_contract(tmp_path):
    config = THEORY.config({"replicas": 2, "training.steps": 3, "data.training_samples": 60, "test.samples": 40})
    testing.require(testing.check_theory(config, ts.run(config, tmp_path, "cpu")))
    testing.require(testing.check_engine("gradient", config))


def test_trained_on_all_samples(decided):
    assert decided(SMALL) == {
        "spurious-first": "holds",
        "loss-falls": "holds",
        "majority-error": "holds",
        "minority-error": "holds",
        "balanced-core-first": "no result",
        "balanced-minority-error": "no result",
    }


def test_trained_on_a_balanced_subset(decided):
    found = decided(ON_BALANCED | {"training.steps": 1200, "engine.phases": [BALANCED[0] | {"steps": 1200}]})
    assert [found.pop(f"balanced-{of}") for of in ("core-first", "minority-error")] == ["holds", "holds"]
    assert set(found.values()) == {"no result"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (SMALL | {"training.steps": 0}, {"loss-falls": "refuted", "majority-error": "refuted", "spurious-first": "no result"}),
        (
            SMALL | {"law.core": 1.0, "law.spurious": 0.2},
            {"spurious-first": "refuted", "majority-error": "holds", "minority-error": "refuted"},
        ),
        (SMALL | {"law.agreement": 0.5, "training.steps": 200}, {"loss-falls": "refuted", "majority-error": "refuted"}),
        (ON_BALANCED | {"law.core": 0.0}, {"balanced-minority-error": "refuted"}),
    ],
    ids=["untrained", "core stronger", "spurious feature without information", "no core feature"],
)
def test_controls_fail(changes, expected, decided):
    found = decided(changes)
    assert {id_: found[id_] for id_ in expected} == expected


def test_measures(tmp_path):
    """Groups counted one by one, and correlations read off the networks."""
    config = THEORY.config(SMALL | {"replicas": 2, "test.samples": 200, "training.steps": 260})
    results = ts.run(config, tmp_path, "cpu")
    values = {measure.id: measure.values(results) for measure in THEORY.measures}
    record = results.records["network"]
    for r in range(2):
        by_group = []
        for kind in ("majority", "minority"):
            of = record.sel(kind=kind).isel(replica=r, test_readout=0)
            pairs = list(zip(of.test_class.values, of.test_correct.values, strict=True))
            for y in (0, 1):
                right = [float(correct) for of_class, correct in pairs if of_class == y]
                assert len(right) > 50
                by_group.append(sum(right) / len(right))
        assert values["worst-group-accuracy"][r] == pytest.approx(min(by_group), abs=1e-6)
        average = 0.95 * values["majority-accuracy"][r] + 0.05 * values["minority-accuracy"][r]
        assert values["average-accuracy"][r] == pytest.approx(average)
        first, last = (
            max(sign * float(w[feature]) for sign, head in ((1, 0), (-1, 1)) for w in record.correlation[r, step, head].values)
            for feature in (1,)
            for step in (0, -1)
        )
        assert values["spurious-growth"][r] == pytest.approx(last - first, abs=1e-6)
    assert (values["training-loss"] < 0.7).all()


def test_the_first_time_is_predicted(tmp_path):
    """The first time is that of the expected gradient but for the scatter of 4,000 samples, with momentum and without."""
    size = {"replicas": 2, "data.training_samples": 4000, "test.samples": 1, "test.curve_samples": 1}
    momentum = {"engine.phases": [{"momentum": 0.9, "step_size": 0.03}]}
    for changes in ({"training.steps": 290}, momentum | {"training.steps": 150}):
        results = ts.run(THEORY.config(size | changes), tmp_path, "cpu")
        assert np.abs(growth.first_time(results) / growth.predicted_first_time(results) - 1).max() < 0.08


def test_the_recursion_is_that_of_a_plain_loop():
    config = THEORY.config({"replicas": 1, "engine.phases": [BALANCED[0] | {"steps": 3}, {"momentum": 0.5}], "training.steps": 7})
    g, b = np.array([[[[0.03]]], [[[0.05]]]]), np.array([[[0.02]]])
    found = growth._followed(config, g, b, np.arange(8))
    core, spurious, bias, velocity = 0.03, 0.05, 0.02, [0.0, 0.0, 0.0]
    for step in range(8):
        expected = max(core - 0.03, spurious - 0.05)
        assert float(found[0, step]) == pytest.approx(expected, rel=1e-12, abs=1e-15)
        agreement, eta, momentum = (0.0, 0.03, 0.9) if step < 3 else (0.96, 0.1, 0.5)
        changes = (
            1.5 * 0.2 * (0.04 * core**2 + bias**2),
            1.5 * agreement * (spurious**2 + bias**2),
            3 * (0.2 * core + agreement * spurious) * bias,
        )
        velocity = [change + (0 if step in (0, 3) else momentum) * v for change, v in zip(changes, velocity, strict=True)]
        core, spurious, bias = (x + eta * v for x, v in zip((core, spurious, bias), velocity, strict=True))


def test_other_networks_have_no_prediction(tmp_path):
    config = THEORY.config(SMALL | {"engine.activation": "relu", "training.steps": 2})
    assert not growth.covered(config)
    assert np.isnan(growth.predicted_first_time(ts.run(config, tmp_path, "cpu"))).all()
    dense = THEORY.config({"training.engine": "dense", "engine": {}})
    assert not growth.covered(dense)
    assert not claims.starts_balanced(dense)


def first_times(beta, kappa, replicas, steps):
    """Steps at which each feature has grown by 0.1, in plain words: both features, 20 neurons for each class, size 0.1."""
    draws, end = np.random.default_rng(1), 0.1 / math.sqrt(50)
    core, spurious, b = draws.uniform(-end, end, (3, replicas, 40))
    rates = [1.5 * 0.1 * k * each for k, each in zip(kappa, beta, strict=True)]
    times, starts = np.full((2, replicas), np.inf), [core.max(1), spurious.max(1)]
    for step in range(steps):
        for feature, g in enumerate((core, spurious)):
            passed = (g.max(1) - starts[feature] >= 0.1) & (times[feature] == np.inf)
            times[feature, passed] = step
        up = [rate * (each**2 * g**2 + b**2) for rate, each, g in zip(rates, beta, (core, spurious), strict=True)]
        b = np.clip(b + 2 * (rates[0] * core + rates[1] * spurious) * b, -1, 1)
        core, spurious = (np.minimum(g + change, 1) for g, change in zip((core, spurious), up, strict=True))
    return times


@pytest.mark.parametrize(("biases", "power"), [(True, 1), (False, 3)])
def test_trained_biases_make_the_time_go_as_one_over_the_strength(biases, power):
    """T ∝ 1/β, and 1/β³ without biases: of small strengths in units of 1/c = 2/(3ηκβ)."""
    start, bias = 0.01, 0.01 * biases
    short, long = (growth.time_alone(beta, start, bias) / beta for beta in (0.2, 0.1))
    assert math.log2(long / short) == pytest.approx(power, rel=0.01)


@pytest.mark.parametrize("bias", [0.013, -0.013, 0.005, 0.0])
def test_the_time_alone_is_that_of_the_closed_forms(bias):
    g = 0.01

    def without_bound(beta):
        return growth.time_alone(beta, g, bias, level=100.0)

    if not bias:
        assert without_bound(0.3) == pytest.approx(1 / (0.3**2 * g), rel=0.003)
        return
    assert without_bound(1.0) == pytest.approx(1 / (g + abs(bias)), rel=0.003)
    square = bias**2 / 2 - g**2
    a = math.sqrt(abs(square))
    assert without_bound(1e-3) == pytest.approx((math.atan(a / g) if square > 0 else math.atanh(a / g)) / (2 * a), rel=0.003)
    for beta in (0.2, 0.7, 1.2):
        assert growth.time_alone(beta, g, g * math.sqrt(2 - beta**2), level=100.0) == pytest.approx(1 / (2 * g), rel=0.003)
    assert growth.time_alone(0.0, g, 0.0) == math.inf


@pytest.mark.parametrize(("core", "spurious", "agreement", "first"), [(0.2, 1, 0.55, 0), (0.2, 1, 0.65, 1), (0.5, 0.8, 0.65, 0)])
def test_the_regime_names_the_feature_that_grows_first(core, spurious, agreement, first):
    """At α = 0.55 the core feature is the first, though β_c³ is 0.08 of (2α − 1) β_s³."""
    config = THEORY.config({"law.core": core, "law.spurious": spurious, "law.agreement": agreement})
    line, recalled = ts.check_regime(config)[:2]
    assert line.inside == bool(first)
    assert recalled.inside
    times = first_times((core, spurious), (1, 2 * agreement - 1), 40, 1700)
    assert (np.isfinite(times).any(0) & (times.argmin(0) == first)).mean() > 0.9
    if first == 0:
        assert line.value > 1.5


def test_the_regime_at_the_ends_of_the_law():
    def lines(changes):
        return {line.assumption: line for line in ts.check_regime(THEORY.config(changes))}

    first, recalled = list(lines({}).values())[:2]
    assert (first.source, recalled.source) == ("ours", "recalled")
    assert recalled.value == pytest.approx(0.2**3 / 0.96)
    assert 0.15 < first.value < 0.2 / 0.96
    assert [next(iter(lines(changes).values())).value for changes in ({"law.agreement": 0.5}, {"law.core": 0.0})] == [math.inf, 0]
    assert [next(iter(lines(changes).values())).inside for changes in ({"law.core": 1.0}, {"law.agreement": 0.2})] == [False] * 2
    # No minority sample, or no majority sample.
    for agreement in (1.0, 0.0):
        certain = lines({"law.agreement": agreement})
        assert certain["noise σ_p/√(n(1−α)/2)"].value == math.inf
        assert certain["samples of the smallest group n(1−α)/2"].value == 0
    # Biases that start at 0 stay there: the order is that of β³ again.
    free = {"engine.init": "normal", "network.threshold": 0.0, "network.init_std": 0.01, "law.agreement": 0.55}
    first, recalled = list(lines(free).values())[:2]
    assert first.inside
    assert first.value == pytest.approx(recalled.value, rel=0.01)
    # Other networks have no line on the first time.
    assert not any(name.startswith("first time") for name in lines({"engine.activation": "relu"}))
    assert all(each.inside for each in ts.check_regime(THEORY.config()))


def test_a_subset_that_lacks_a_group_has_no_result(tmp_path):
    few = ON_BALANCED | {"replicas": 3, "training.steps": 2, "engine.phases": [BALANCED[0] | {"steps": 2}], "test.samples": 4}

    def found(changes):
        results = ts.run(THEORY.config(few | changes), tmp_path, "cpu")
        return {claim.id: claim for claim in ts.evaluate_claims(results)}

    for agreement, signs in ((1.0, ((1, -1), (-1, 1))), (0.0, ((1, 1), (-1, -1)))):
        of = found({"law.agreement": agreement, "data.training_samples": 50})
        for claim in ("balanced-core-first", "balanced-minority-error"):
            assert of[claim].decision == "no result"
            for y, a in signs:
                assert f"no sample with y = {y}, a = {a} in 3 of 3 replicas" in of[claim].estimate.method
    assert "not balanced" not in found({})["balanced-core-first"].estimate.method


def test_groups_without_samples_are_those_of_the_training_set():
    config = THEORY.config({"replicas": 12, "data.training_samples": 30, "law.agreement": 0.9, "data.basis": "rotated"})
    batch = Training(config).next_batch()
    counts = {(y, a): 0 for y in (1, -1) for a in (y, -y)}
    for coarse, kind in zip(batch.coarse.tolist(), batch.kind.tolist(), strict=True):
        own = {(1 - 2 * c, (1 - 2 * c) * (1 - 2 * k)) for c, k in zip(coarse, kind, strict=True)}
        for group in counts:
            counts[group] += group not in own
    expected = [f"no sample with y = {y}, a = {a} in {n} of 12 replicas" for (y, a), n in counts.items() if n]
    assert 0 < len(expected) < 4
    assert claims.groups_without_samples(config) == "; ".join(expected)
    assert claims.groups_without_samples(THEORY.config({"replicas": 2})) == ""


def test_commands_of_the_configuration_can_be_copied():
    path = Path(__file__).parents[2] / "configs" / "spurious_features.yaml"
    commands = [shlex.split(line[1:]) for line in path.read_text().splitlines() if "theory-sim verify" in line]
    plain, balanced = (ts.load_config(path, command[4::2]) for command in commands)
    assert [word for command in commands for word in command[3::2]] == ["--set"] * 2
    assert not claims.starts_balanced(plain)
    assert claims.starts_balanced(balanced)
    assert balanced.training.steps == BALANCED[0]["steps"]
