"""Claims of made-up records: their estimates by hand, their verdicts at the edges, and what they write."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from made_up_results import CONFIG, LEAVES, PARENT, made_up, record
from scipy import stats as scipy_stats

from theory_sim import stats
from theory_sim.runs.results import Results
from theory_sim.runtime.errors import InputError
from theory_sim.stats import Estimate
from theory_sim.theories.claims import CLAIMS as ADDED
from theory_sim.theories.claims import SIDES, Claim, ClaimResult, register_claim
from theory_sim.theories.label_granularity.claims import CLAIMS, growth_by_leaf
from theory_sim.theories.theory import evaluate_claims


@pytest.fixture
def results(tmp_path):
    return made_up(tmp_path)


def t_interval(values, confidence=0.95):
    interval = scipy_stats.ttest_1samp(values, 0).confidence_interval(confidence)
    return pytest.approx((np.mean(values), interval.low, interval.high))


def numbers(estimate):
    return estimate.value, estimate.low, estimate.high


def test_each_claim_reads_its_own_network_kind_and_bound(results):
    decided = {claim.id: claim for claim in evaluate_claims(results)}
    bounds = CONFIG.claims
    assert {key: (claim.side, claim.bound, claim.max_p) for key, claim in decided.items()} == {
        "coarse-training-loss": ("≤", bounds.training_loss, None),
        "coarse-easy-error": ("≤", bounds.easy_error, None),
        "coarse-hard-error": ("≥", 0.5, None),  # guessing among two classes
        "coarse-rare-growth": ("≤", 2 / 5, None),
        "fine-training-loss": ("≤", bounds.training_loss, None),
        "fine-easy-error": ("≤", bounds.easy_error, None),
        "fine-hard-error": ("≤", bounds.fine_hard_error, None),
        "fine-rare-growth": ("≥", bounds.fine_rare_growth, None),
        "transfer-gain": (">", 0, bounds.transfer_gain_p),
    }
    for name, data in results.records.items():
        assert decided[f"{name}-training-loss"].estimate == stats.positive_mean(data.final_loss.values.mean(1))
        for kind in ("easy", "hard"):
            error = float(data.test_error.sel(kind=kind, test_readout="sum_logits").mean())
            assert decided[f"{name}-{kind}-error"].estimate.value == pytest.approx(error)
    gain = decided["transfer-gain"].estimate
    correct = [data.test_correct.sel(kind="hard", test_readout="sum_logits").values for data in results.records.values()]
    over = {"coarse": stats.paired_gain(*correct), "guessing": stats.gain_over(0.5, correct[1])}
    shown = over["coarse" if over["guessing"].low > 0 else "guessing"]
    assert numbers(gain) == numbers(shown)
    assert (gain.p, gain.notes[-1]) == (None, stats.NO_P)  # three replicas


def test_the_p_value_of_a_gain_is_the_larger_one(tmp_path):
    config = CONFIG.replace({"replicas": 5})
    records = {"coarse": record("level(1)", 2, replicas=5), "fine": record("leaf", LEAVES, replicas=5)}
    results = Results(config, tmp_path, records)
    hard, correct = (
        [data[name].sel(kind="hard", test_readout="sum_logits").values for data in records.values()]
        for name in ("test_error", "test_correct")
    )
    (gain,) = (claim.estimate for claim in evaluate_claims(results) if claim.id == "transfer-gain")
    assert gain.p == max(stats.paired_gain(*correct).p, stats.gain_over(0.5, correct[1]).p)
    assert gain.p >= scipy_stats.ttest_rel(*hard, alternative="greater").pvalue
    assert gain.notes[-1] == stats.P_NORMAL


@pytest.mark.parametrize(
    ("classes", "error", "decision"),
    [(10, 0.85, "refuted"), (10, 0.9, "undecided"), (10, 0.95, "holds"), (2, 0.5, "undecided"), (2, 0.6, "holds")],
)
def test_failing_on_hard_samples_is_no_better_than_guessing(results, classes, error, decision):
    samples = 4000
    data = results.coarse.isel(test_sample=np.arange(samples) % 40).copy(deep=True)
    data["test_correct"] = xr.zeros_like(data.test_correct) + xr.DataArray(
        np.arange(samples) >= error * samples, dims="test_sample"
    )
    config = CONFIG.replace({"tree.coarse": classes, "tree.subclasses": 2})
    claim = next(claim for claim in CLAIMS if claim.id == "coarse-hard-error")
    decided = claim.evaluate(Results(config, results.folder, {"coarse": data}))
    assert decided.bound == 1 - 1 / classes
    assert decided.decision == decision, decided


def test_a_bound_that_is_a_number_is_taken(results):
    config = CONFIG.replace({"claims.coarse_rare_growth": 0.3, "claims.coarse_hard_error": 0.25})
    decided = {claim.id: claim for claim in evaluate_claims(Results(config, results.folder, results.records))}
    assert decided["coarse-rare-growth"].bound == 0.3
    assert decided["coarse-hard-error"].bound == 0.25


@pytest.mark.parametrize(("name", "own"), [("coarse", PARENT), ("fine", np.arange(LEAVES))])
def test_growth_is_the_ratio_of_means_over_leaves(results, name, own):
    """By hand: leaf c of coarse class y, at its own head, from the first to the last recorded step."""
    response = results.records[name].response.values
    rare, common = growth_by_leaf(results.records[name], CONFIG)
    assert rare.shape == common.shape == (3, LEAVES)
    for r in range(3):
        for leaf in range(LEAVES):
            at = response[r, :, own[leaf]]
            assert rare[r, leaf] == pytest.approx(at[2, 2 + leaf] - at[0, 2 + leaf])
            assert common[r, leaf] == pytest.approx(at[2, PARENT[leaf]] - at[0, PARENT[leaf]])
    growth = next(claim for claim in CLAIMS if claim.id == f"{name}-rare-growth").estimate(results)
    assert growth == stats.ratio(rare.mean(1), common.mean(1))


def test_growth_is_undefined_only_where_the_mean_did_not_grow(results):
    claim = next(claim for claim in CLAIMS if claim.id == "coarse-rare-growth")
    data = results.coarse.copy(deep=True)
    # One replica that shrinks is a replica like others.
    data.response[1, -1, :, :2] = data.response[1, 0, :, :2] - 0.1
    assert math.isfinite(claim.estimate(Results(CONFIG, results.folder, {"coarse": data})).value)
    data.response[:, -1, :, :2] = data.response[:, 0, :, :2]
    undefined = claim.evaluate(Results(CONFIG, results.folder, {"coarse": data}))
    assert math.isnan(undefined.estimate.value)
    assert undefined.decision == "no result"
    assert undefined.estimate.method == "the response to common features did not grow"


def test_growth_of_one_replica_is_that_of_its_leaves(tmp_path):
    config = CONFIG.replace({"replicas": 1})
    results = Results(config, tmp_path, {"fine": record("leaf", LEAVES, replicas=1)})
    rare, common = growth_by_leaf(results.fine, config)
    growth = next(claim for claim in CLAIMS if claim.id == "fine-rare-growth").estimate(results)
    assert growth.value == pytest.approx(rare.mean() / common.mean())
    assert growth.low < growth.value < growth.high
    assert growth.method == "Fieller, 5 leaves"
    assert growth.notes == (stats.ONE_REPLICA,)
    loss = next(claim for claim in CLAIMS if claim.id == "fine-training-loss").estimate(results)
    assert loss.value == pytest.approx(float(results.fine.final_loss.mean()))
    assert loss.method.endswith("bootstrap, 16 samples")


def test_clusters_are_no_leafs_own(results):
    """Before training, a clustering's labels are placeholders: no head is a leaf's."""
    config = CONFIG.replace({"data.training_samples": 64, "labels.fine": "cluster(2)"})
    rare, common = growth_by_leaf(record("cluster(2)", LEAVES), config)
    assert rare.shape == common.shape == (3, 0)
    growth = next(claim for claim in CLAIMS if claim.id == "fine-rare-growth")
    assert not growth.evaluate(Results(config, results.folder, {"fine": record("cluster(2)", LEAVES)})).holds


def result(estimate, side="≤", bound=0.5, max_p=None):
    return ClaimResult("id", "It is so.", "Theorem", estimate, side, bound, max_p, "paper")


@pytest.mark.parametrize("side", SIDES)
def test_an_undefined_estimate_holds_on_no_side(side):
    for value, low, high in ((math.nan, 0.5, 0.5), (0.5, math.nan, 0.5), (0.5, 0.5, math.nan), (0.5, 0.6, 0.4)):
        assert result(Estimate(value, low, high, "by hand"), side, 0.5 if side != ">" else 0.1).decision == "no result"


@pytest.mark.parametrize(("side", "bound", "holds"), [("≤", 0.4, True), ("≤", 0.39, False), ("≥", 0.2, True), ("≥", 0.21, False)])
def test_the_whole_interval_decides_and_an_end_on_the_bound_is_on_the_right_side(side, bound, holds):
    assert result(Estimate(0.3, 0.2, 0.4, "by hand"), side, bound).holds is holds


@pytest.mark.parametrize(
    ("side", "low", "high", "decision"),
    [
        ("≤", 0.1, 0.3, "holds"),
        ("≤", 0.2, 0.4, "undecided"),
        ("≤", 0.31, 0.4, "refuted"),
        ("≥", 0.3, 0.4, "holds"),
        ("≥", 0.2, 0.3, "undecided"),
        ("≥", 0.1, 0.29, "refuted"),
        (">", 0.3, 0.4, "undecided"),
        (">", 0.1, 0.3, "refuted"),
        ("≥", 0.3, math.inf, "holds"),
        ("≤", -math.inf, math.inf, "undecided"),
    ],
)
def test_undecided_is_not_refuted(side, low, high, decision):
    assert result(Estimate(0.3, low, high, "by hand"), side, 0.3).decision == decision


@pytest.mark.parametrize(("p", "holds"), [(None, False), (0.01, False), (0.00999, True), (0.0, True), (math.nan, False)])
def test_a_p_value_must_be_below_its_limit(p, holds):
    assert result(Estimate(0.3, 0.2, 0.4, "by hand", p), ">", 0.1, 0.01).holds is holds


def test_an_interval_that_ends_on_the_bound_is_not_above_it():
    estimate = Estimate(0.3, 0.2, 0.4, "by hand", 0.0)
    assert not result(estimate, ">", 0.2, 0.01).holds
    assert result(estimate, ">", 0.19, 0.01).holds


def test_what_a_decided_claim_writes():
    claim = result(Estimate(0.31234567, 0.2, 0.4, "by hand", 1e-4), ">", 0.1, 0.01)
    assert claim.as_dict() == {
        "id": "id",
        "statement": "It is so.",
        "theorem": "Theorem",
        "source": "paper",
        "estimate": 0.31234567,
        "low": 0.2,
        "high": 0.4,
        "method": "by hand",
        "notes": [],
        "side": ">",
        "bound": 0.1,
        "decision": "holds",
        "holds": True,
        "p": 1e-4,
        "max_p": 0.01,
    }
    assert str(claim) == repr(claim) == "id: 0.3123 [0.2, 0.4] > 0.1, p = 1.0e-04 (< 0.01): holds"
    assert "0.3123 [0.2, 0.4]" in claim._repr_html_()
    without = result(Estimate(math.nan, math.nan, math.nan, "too few values"))
    written = json.loads(json.dumps(without.as_dict(), allow_nan=False))
    assert [written[name] for name in ("estimate", "low", "high")] == [None] * 3
    assert "p" not in without.as_dict()
    assert str(without) == "id: undefined (too few values) ≤ 0.5: no result"
    assert "0.3 [0.2, 0.4]; few seeds" in str(result(Estimate(0.3, 0.2, 0.4, "by hand", notes=("few seeds",))))
    assert "p = undefined (< 0.01): undecided" in str(result(Estimate(0.3, 0.2, 0.4, "by hand"), ">", 0.1, 0.01))


def test_a_decided_claim_cannot_be_changed():
    for of in (result(Estimate(0.3, 0.2, 0.4, "by hand")), CLAIMS[0]):
        with pytest.raises(AttributeError):
            of.bound = 1.0


def test_a_claim_is_checked_when_it_is_made(results):
    def estimate(results: Results) -> Estimate:
        return Estimate(0.3, 0.2, 0.4, "by hand", 0.005)

    with pytest.raises(InputError, match=r"claim x: the side is one of ≤, ≥, >, got '<'"):
        Claim("x", "x", "x", estimate, "<", 0.0)
    with pytest.raises(InputError, match=r"claim x: name the theory"):
        register_claim(Claim("x", "x", "x", estimate, ">", 0.0))
    assert "x" not in list(ADDED)
    fixed = Claim("x", "It is so.", "Theorem", estimate, ">", 0.1, 0.01).evaluate(results)
    assert (fixed.bound, fixed.max_p, fixed.source, fixed.holds) == (0.1, 0.01, "ours", True)
    derived = Claim("x", "It is so.", "Theorem", estimate, ">", lambda c: c.replicas / 30, lambda c: c.replicas / 1000)
    assert derived.evaluate(results).bound == 0.1
    assert derived.evaluate(results).max_p == 0.003
    assert not derived.evaluate(results).holds
