"""Measures of the paper's theory against plain loops over a record, and what a measure must give."""

import numpy as np
import pytest
from made_up_results import CONFIG, LEAVES, PARENT, made_up, record
from scipy import integrate
from scipy import stats as scipy_stats

from theory_sim.config import load_config
from theory_sim.runs.results import Results
from theory_sim.runs.run import run
from theory_sim.runtime.errors import InputError
from theory_sim.theories.estimates import values_of
from theory_sim.theories.label_granularity.claims import growth_by_leaf
from theory_sim.theories.label_granularity.theory import theory
from theory_sim.theories.measures import Measure

BY_ID = {measure.id: measure for measure in theory.measures}
NEURONS = 80
SMALL = ["tree.subclasses=[2,3]", "data.dim=32", "data.patches=12", "data.feature_patches=3", f"network.neurons={NEURONS}"]
SMALL += ["training.batch=32", "training.steps=40", "test.samples=50", "test.curve_samples=10", "replicas=3"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run(load_config(overrides=SMALL), tmp_path_factory.mktemp("results"), "cpu")


def pairs(network):
    """(head, own rare feature, common feature) of each leaf."""
    heads = PARENT if network == "coarse" else np.arange(LEAVES)
    return [(int(heads[leaf]), 2 + leaf, int(PARENT[leaf])) for leaf in range(LEAVES)]


def test_growth_of_lucky_neurons_by_loops(trained):
    data = trained.coarse
    lucky, correlation = data.lucky.values, data.correlation.values
    measured = BY_ID["lucky-growth"].values(trained)
    for r in range(3):
        grown = {"rare": [], "common": []}
        for head, rare, common in sorted(set(pairs("coarse"))):
            for kind, feature in (("rare", rare), ("common", common)):
                for neuron in range(NEURONS):
                    if lucky[r, head, neuron, feature]:
                        grown[kind].append(correlation[r, -1, head, neuron, feature] - correlation[r, 0, head, neuron, feature])
        # Each pair (head, common feature) counts once, though several leaves share it.
        seen = {}
        for head, _, common in pairs("coarse"):
            for neuron in range(NEURONS):
                if lucky[r, head, neuron, common]:
                    seen[head, neuron, common] = (
                        correlation[r, -1, head, neuron, common] - correlation[r, 0, head, neuron, common]
                    )
        assert measured[r] == pytest.approx(2.5 * np.mean(grown["rare"]) / np.mean(list(seen.values())), rel=1e-5)
    rare, common = growth_by_leaf(data, trained.config)
    assert BY_ID["response-growth"].values(trained) == pytest.approx(2.5 * rare.mean(1) / common.mean(1))


@pytest.mark.parametrize("network", ["coarse", "fine"])
def test_lucky_sets_by_loops(trained, network):
    data = trained.records[network]
    firing = data.firing.values
    kept, new = BY_ID[f"{network}-kept"].values(trained), BY_ID[f"{network}-newcomers"].values(trained)
    for r in range(3):
        own = {(head, feature) for head, rare, common in pairs(network) for feature in (rare, common)}
        lucky = {(h, n, f) for h, f in own for n in range(NEURONS) if firing[r, 0, h, n, f]}
        at = [{(h, n, f) for h, f in own for n in range(NEURONS) if firing[r, t, h, n, f]} for t in range(firing.shape[1])]
        assert kept[r] == pytest.approx(min(len(lucky & now) / len(lucky) for now in at))
        assert new[r] == pytest.approx(len(at[-1] - lucky) / len(lucky))


def test_what_errors_are_judged_by(trained):
    assert BY_ID["test-samples"].values(trained).tolist() == [50] * 3
    assert BY_ID["chance"].values(trained).tolist() == [0.5] * 3
    assert BY_ID["threshold"].values(trained).tolist() == [trained.config.threshold] * 3


@pytest.mark.parametrize("network", ["coarse", "fine"])
def test_an_untrained_network_keeps_nothing(trained, network):
    """Its sets are the same at every step, which says nothing of training."""
    data = trained.records[network].copy()
    data["correlation"] = data.correlation.isel(step=[0] * data.sizes["step"]).assign_coords(step=data.step)
    untrained = Results(trained.config, trained.folder, trained.records | {network: data})
    assert np.isnan(BY_ID[f"{network}-kept"].values(untrained)).all()
    assert np.isnan(BY_ID[f"{network}-newcomers"].values(untrained)).all()


def test_leaves_without_a_lucky_neuron(trained):
    lucky = trained.fine.lucky.values
    missed = [sum(not lucky[r, head, :, rare].any() for head, rare, _ in pairs("fine")) for r in range(3)]
    assert BY_ID["uncovered"].values(trained).tolist() == missed
    silent = scipy_stats.norm.cdf(1.6) ** NEURONS
    assert BY_ID["uncovered-predicted"].values(trained) == pytest.approx([1 - (1 - silent) ** LEAVES] * 3)


def test_the_response_to_dominant_noise_is_the_integral_over_its_law(trained):
    at = trained.fine.isel(step=-1)
    sigma = 4 / np.sqrt(32)
    for r in range(3):
        total = 0.0
        for head in range(LEAVES):
            for neuron in range(NEURONS):
                s, b = sigma * float(at.norm[r, head, neuron]), float(at.bias[r, head, neuron])
                total += integrate.quad(lambda x, s=s, b=b: (s * x + b) * scipy_stats.norm.pdf(x), -b / s, 40)[0]
        assert BY_ID["fine-dominant"].values(trained)[r] == pytest.approx(total / LEAVES, rel=1e-5)
    start = trained.fine.isel(step=[0, 0])
    assert BY_ID["fine-dominant-grown"].values(Results(trained.config, trained.folder, {"fine": start})) == pytest.approx(0)


def test_success_asks_for_every_conclusion(trained):
    """Each bound, on each replica's own numbers."""
    easy = {"training_loss": 10, "easy_error": 1, "fine_hard_error": 1, "coarse_rare_growth": 1e6, "fine_rare_growth": 1e-9}
    config = trained.config.replace({f"claims.{key}": value for key, value in (easy | {"coarse_hard_error": 1e-9}).items()})
    hard = {name: 1 - data.test_correct.sel(kind="hard").values[..., 0].mean(1) for name, data in trained.records.items()}
    gains = (hard["fine"] < hard["coarse"]) & (hard["fine"] < 0.5) & (hard["coarse"] >= 1e-9)
    lenient = Results(config, trained.folder, trained.records)
    assert BY_ID["success"].values(lenient).tolist() == gains.tolist()
    assert gains.any()
    # Below the second largest value one replica alone is too high.
    losses = np.max([data.final_loss.values.mean(1) for data in trained.records.values()], axis=0)
    for key, values in (("training_loss", losses), ("fine_hard_error", hard["fine"])):
        bound = float(np.sort(values)[-2]) + 1e-9
        strict = Results(config.replace({f"claims.{key}": bound}), trained.folder, trained.records)
        assert BY_ID["success"].values(strict).tolist() == (gains & (values <= bound)).tolist(), key
    for key, bound in (("coarse_hard_error", 2.0), ("coarse_rare_growth", 1e-9), ("fine_rare_growth", 1e6)):
        strict = config.replace({f"claims.{key}": bound})
        assert not BY_ID["success"].values(Results(strict, trained.folder, trained.records)).any(), key


def test_clusters_have_no_leafs_own_neurons(tmp_path):
    """Before training, a clustering's labels are placeholders: what needs a leaf's own head is not defined."""
    config = CONFIG.replace({"data.training_samples": 64, "labels.fine": "cluster(2)"})
    rare, common = growth_by_leaf(record("cluster(2)", LEAVES), config)
    assert rare.size == common.size == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda results: [1.0, 2.0], r"measure mine .*: expected 3 numbers, one for each replica, got \(2,\)"),
        (lambda results: "three", r"measure mine .*: expected a number for each replica, got str"),
        (lambda results: 1.0, r"expected 3 numbers, one for each replica, got \(\)"),
    ],
)
def test_a_measure_gives_a_number_for_each_replica(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        Measure("mine", "mine", given).values(made_up(tmp_path))
    assert Measure("mine", "mine", lambda results: [1, 2, 3]).values(made_up(tmp_path)).tolist() == [1, 2, 3]


def test_values_are_those_of_labelled_arrays():
    data = record("leaf", LEAVES)
    for at in ({}, {"kind": "hard"}, {"test_readout": "sum_logits", "kind": "easy"}):
        np.testing.assert_array_equal(values_of(data, "test_correct", **at), data.test_correct.sel(at).values)
    with pytest.raises(KeyError):
        values_of(data, "test_correct", kind="neither")
