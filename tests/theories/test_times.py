"""Times of growth and of the loss: against plain loops on a small run, and trends on tables made by hand."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import theory_sim as ts
from theory_sim.studies.decision import run_study
from theory_sim.studies.study import load_study
from theory_sim.theories.label_granularity import recursion, times
from theory_sim.theories.theory import THEORIES, predict
from theory_sim.theories.trends import by_id

CONFIG = ts.Config().replace(
    {
        "name": "times",
        "replicas": 2,
        "tree.subclasses": [2, 3],
        "data.dim": 32,
        "data.patches": 16,
        "training.steps": 60,
        "training.step_size.coarse": 0.002,
        "training.step_size.fine": 0.005,
        "test.samples": 10,
        "test.curve_samples": 1,
        "record.points": 20,
        "record.predicted": True,
        "transfer.readouts": ["sum_logits"],
    }
)
TREE = CONFIG.label_tree
THEORY = THEORIES["label-granularity"]
MEASURES = {measure.id: measure for measure in times.MEASURES}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ts.Results:
    return ts.run(CONFIG, tmp_path_factory.mktemp("results"), "cpu")


def pairs(network: str, feature: str) -> set[tuple[int, int]]:
    """Head and feature of each leaf, by the definitions."""
    found = set()
    for number, leaf in enumerate(TREE.leaves):
        common, rare = TREE.ancestors(leaf)
        found.add((common if network == "coarse" else number, common if feature == "common" else rare))
    return found


def first(steps: list[int], values: list[float], level: float) -> float:
    """The first crossing, by a loop."""
    for (t, before), (u, after) in zip(zip(steps, values, strict=True), zip(steps[1:], values[1:], strict=False), strict=False):
        if before < level <= after:
            return t + (level - before) / (after - before) * (u - t)
    return math.nan


@pytest.mark.parametrize("network", ["coarse", "fine"])
@pytest.mark.parametrize("feature", ["common", "rare"])
def test_time_of_growth_by_loops(network: str, feature: str, results: ts.Results) -> None:
    data = results.records[network]
    steps = [int(step) for step in data.step.values]
    values = MEASURES[f"{network}-{feature}-time"].values(results)
    for r in range(CONFIG.replicas):
        curve = []
        for at in range(len(steps)):
            grown = []
            for head, v in pairs(network, feature):
                for neuron in range(CONFIG.neurons):
                    of = data.isel(replica=r, head=head, neuron=neuron)
                    if float(of.correlation[0, v] + of.bias[0]) > 0:
                        grown.append(float(of.correlation[at, v] - of.correlation[0, v]))
            curve.append(sum(grown) / len(grown))
        assert values[r] == pytest.approx(first(steps, curve, 0.25 * CONFIG.network.init_std), rel=1e-5)
        assert values[r] > 1, "the crossing is not in the first step"


@pytest.mark.parametrize("network", ["coarse", "fine"])
def test_time_of_the_loss_by_loops(network: str, results: ts.Results) -> None:
    values = MEASURES[f"{network}-loss-time"].values(results)
    for r, loss in enumerate(results.records[network].training_loss.values.astype(float)):
        assert values[r] == pytest.approx(first(list(range(len(loss))), [-x for x in loss / loss[0]], -0.5), rel=1e-5)


@pytest.mark.parametrize("network", ["coarse", "fine"])
def test_rates_by_the_definition(network: str, results: ts.Results) -> None:
    """Σ over leaves of the gradient's sign, from the law: unequal numbers of subclasses too."""
    heads = 2 if network == "coarse" else 5
    of_leaf = dict(zip(TREE.leaves, TREE.leaf_probability, strict=True))
    strength = sum(np.linspace(math.sqrt(0.9), math.sqrt(1.1), 101)) / 101
    rates = {}
    for feature in ("common", "rare"):
        each = []
        for head, v in pairs(network, feature):
            drift = 0.0
            for number, leaf in enumerate(TREE.leaves):
                if v in TREE.ancestors(leaf):
                    own = TREE.ancestors(leaf)[0] if network == "coarse" else number
                    drift += of_leaf[leaf] * ((own == head) - 1 / heads)
            each.append(drift)
        rates[feature] = CONFIG.training.step_size[network] * 4 * strength * float(np.mean(each))
        assert MEASURES[f"{network}-{feature}-rate"].values(results) == pytest.approx([rates[feature]] * 2)
    lucky = CONFIG.neurons * 0.5 * math.erfc(1.6 / math.sqrt(2))
    of_loss = lucky * 4 * strength * sum(rates.values())
    assert MEASURES[f"{network}-loss-rate"].values(results) == pytest.approx([of_loss] * 2)


def test_equal_leaves_have_the_rates_of_the_table(results: ts.Results) -> None:
    config = CONFIG.replace({"tree.subclasses": 3, "data.strength_spread": 0.0})
    labels = {"coarse": "level(1)", "fine": "leaf"}
    records = {}
    for name, heads in (("coarse", 2), ("fine", 6)):
        record = results.records[name].isel(head=[0] * heads)
        records[name] = record.assign_attrs(labels=labels[name])
    made = ts.Results(config, Path(), records)
    eta, n = config.training.step_size, 6
    expected = {
        "coarse-common": eta["coarse"] * 4 / 4,
        "coarse-rare": eta["coarse"] * 4 / 2 / n,
        "fine-common": eta["fine"] * 4 / 2 / n,
        "fine-rare": eta["fine"] * 4 * (1 - 1 / n) / n,
    }
    for kind, value in expected.items():
        assert MEASURES[f"{kind}-rate"].values(made) == pytest.approx([value] * 2)


@pytest.mark.parametrize("network", ["coarse", "fine"])
def test_ratio_is_of_the_whole_prediction(network: str, results: ts.Results) -> None:
    """The recursion is followed only as far as is needed: the same as over the whole run, at the recorded steps."""
    data = results.records[network]
    whole = predict(CONFIG, data)
    for what in ("common", "rare", "loss"):
        seen = MEASURES[f"{network}-{what}-time"].values(results)
        expected = times._times(what, results, data, whole) / seen
        assert MEASURES[f"{network}-{what}-time-ratio"].values(results) == pytest.approx(expected, rel=1e-3, nan_ok=True)
        assert expected == pytest.approx([1, 1], abs=0.25)


def test_a_wrong_step_size_is_seen_in_the_ratio(results: ts.Results) -> None:
    """The control: a recursion that moves half as fast, or a fifth, is not close to what is seen."""
    for factor, expected in ((0.5, 1.9), (0.2, 2.0)):
        slower = results.config.replace({"training.step_size.fine": factor * 0.005})
        ratio = MEASURES["fine-rare-time-ratio"].values(ts.Results(slower, Path(), results.records))
        assert ratio == pytest.approx([expected] * 2, abs=0.15), factor


def test_not_defined_where_nothing_is_predicted(results: ts.Results, monkeypatch: pytest.MonkeyPatch) -> None:
    for change in ({"data.training_samples": 50}, {"network.train_output": True}, {"record.predicted": False}):
        made = ts.Results(CONFIG.replace(change), Path(), results.records)
        assert np.isnan(MEASURES["fine-rare-time-ratio"].values(made)).all()
    monkeypatch.setattr(recursion, "MOST_WORK", 10)
    assert np.isnan(MEASURES["fine-rare-time-ratio"].values(results)).all()
    level = results.config.replace({"network.init_std": 1e6})  # never passed
    assert np.isnan(MEASURES["fine-rare-time"].values(ts.Results(level, Path(), results.records))).all()


def test_the_recursion_is_followed_once(results: ts.Results, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(recursion, "predict", lambda config, data: calls.append(1) or predict(config, data))
    recursion._last.clear()
    for what in ("common", "rare", "loss"):
        MEASURES[f"fine-{what}-time-ratio"].values(results)
    assert len(calls) == 1


def test_cells_that_are_trained_alike_share_a_prediction(results: ts.Results, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(recursion, "predict", lambda config, data: calls.append(1) or predict(config, data))
    recursion._last.clear()
    for change, made in (
        ({}, 1),
        ({"hard.noise": 0.0, "hard.feature_noise": [0.1, 0.2], "test.samples": 7}, 1),
        ({"data.hard_share": 0.1, "hard.noise": 0.0}, 2),
        ({"data.hard_share": 0.1, "hard.noise": 1.0}, 3),  # hard samples occur in training
        ({"training.step_size.fine": 0.07}, 4),
        ({"data.noise": 0.3}, 5),
    ):
        config = results.config.replace(change)
        found = recursion.followed(ts.Results(config, Path(), results.records), "fine", 3)
        assert len(calls) == made
        again = predict(config.replace({"training.steps": 3, "record.points": 1}), results.fine)
        np.testing.assert_array_equal(found.correlation, again.correlation)
    recursion._last.clear()
    moved = results.fine.copy(deep=True)
    moved.correlation[:, 0] += 0.1
    for record in (results.fine, moved):
        recursion.followed(ts.Results(results.config, Path(), {"fine": record}), "fine", 3)
    assert len(calls) == 7


# --- trends -------------------------------------------------------------------------------------------------------


def table(ratio: float = 1.0, slope: float = -1.0, spread: float = 0.005, odd: str = "coarse-rare") -> pd.DataFrame:
    """Six replicas of three cells; one kind has another ratio and slope than the theory says."""
    rng = np.random.default_rng(0)
    rows = []
    for cell, rate in enumerate((0.1, 0.2, 0.4)):
        for replica in range(6):
            row: dict[str, float] = {"cell": cell, "replica": replica}
            for kind in (*times.KINDS, *times.LOSSES):
                a, b = (slope, ratio) if kind == odd else (-1.0, 1.0)
                row |= {
                    f"{kind}-rate": rate,
                    f"{kind}-time": float(rate**a * np.exp(spread * rng.normal())),
                    f"{kind}-time-ratio": float(b * np.exp(spread * rng.normal())),
                }
            rows.append(row)
    return pd.DataFrame(rows)


def decisions(rows: pd.DataFrame, about: str = "growth") -> list[str]:
    return [
        by_id(THEORY.trends, f"{about}-time-{number}-{end}").decide(rows, 0.95).decision
        for number in ("ratio", "slope")
        for end in ("least", "most")
    ]


@pytest.mark.parametrize("about", ["growth", "loss"])
def test_trends(about: str) -> None:
    odd = "coarse-rare" if about == "growth" else "fine-loss"
    assert decisions(table(), about) == ["holds"] * 4
    assert decisions(table(ratio=0.8, odd=odd), about) == ["refuted", "holds", "holds", "holds"]
    assert decisions(table(ratio=1.3, odd=odd), about) == ["holds", "refuted", "holds", "holds"]
    assert decisions(table(slope=-1.5, odd=odd), about) == ["holds", "holds", "refuted", "holds"]
    assert decisions(table(slope=-0.5, odd=odd), about) == ["holds", "holds", "holds", "refuted"]
    assert decisions(table(spread=0.5), about) == ["undecided"] * 4


def test_a_time_that_was_not_seen_is_no_result() -> None:
    rows = table()
    rows.loc[3, ["fine-rare-time", "fine-rare-time-ratio"]] = math.nan
    assert decisions(rows) == ["no result"] * 4
    assert decisions(rows, "loss") == ["holds"] * 4


def test_a_prediction_that_never_comes_is_not_averaged_away() -> None:
    """A ratio of 2 says that the predicted time is twice the one seen or later: by how much is not known."""
    rows = table()
    rows.loc[3, "fine-rare-time-ratio"] = 2.0
    found = by_id(THEORY.trends, "growth-time-ratio-most").decide(rows, 0.95)
    assert (found.decision, found.estimate.high) == ("undecided", math.inf)
    assert found.estimate.notes[-1] == "1 predicted times are more than 2 times those seen"


def test_study_runs(small_studies: Path) -> None:
    study = load_study("times")
    done, answer = run_study(study, smoke=True, out=small_studies, device="cpu", jobs=0)
    assert not done.failed
    found = {trend.id: trend for trend in answer.trends}
    assert [*found] == study.trends
    assert found["growth-time-ratio-least"].estimate.value == pytest.approx(1, abs=0.2)
    assert found["growth-time-slope-most"].estimate.value == pytest.approx(-1, abs=0.2)
