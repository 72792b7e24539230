"""A small size of any study, a study for each value of a key, and the number of seeds that a gain takes."""

import json
import sys

import numpy as np
import pytest

from theory_sim import cli
from theory_sim.pretraining import report, study
from theory_sim.pretraining.config import load_study
from theory_sim.stats import replicas_needed


@pytest.fixture
def command(monkeypatch, capsys, tmp_path, settings):
    def call(*arguments: str) -> tuple[int, str, str]:
        (tmp_path / "empty.yaml").write_text("{}\n")
        sets = [part for text in [*settings, "labels.functions=[leaf]"] for part in ("--set", text)]
        words = ["theory-sim", "pretrain", str(tmp_path / "empty.yaml"), *sets, "--out", str(tmp_path / "out"), *arguments]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, *capsys.readouterr()

    return call


def test_a_study_for_each_value(command, tmp_path):
    code, out, _ = command("--grid", "data.images_per_class=2,4")
    assert code == 0
    assert "data.images_per_class = 2\n" in out
    assert "data.images_per_class = 4\n" in out
    folders = [path.parent for path in (tmp_path / "out/tiny").glob("*/config.yaml")]
    assert sorted(load_study(folder / "config.yaml").data.images_per_class for folder in folders) == [2, 4]
    assert sum("power, finetune (2 steps): gains differ among seeds by " in line for line in out.splitlines()) == 2


def test_every_value_is_checked_before_the_first_study(command, tmp_path):
    code, _, err = command("--grid", "data.images_per_class=2,none")
    assert code == 2
    assert "data.images_per_class" in err
    assert not (tmp_path / "out").exists()


def test_the_small_size(command, tmp_path):
    code, out, _ = command("--smoke", "--set", "pretraining.steps=1000000", "--set", "data.images_per_class=5")
    assert code == 0
    (written,) = (tmp_path / "out/tiny-smoke").glob("*/config.yaml")
    small = load_study(written)
    assert (small.pretraining.steps, small.transfer.steps, small.seeds) == (10, [2], 2)
    assert (small.data.images_per_class, small.data.evaluated) == (5, 200)
    assert "10 + 2" in out


def test_few_images_are_evaluated(settings, tmp_path):
    whole = load_study(None, [*settings, "labels.functions=[leaf]"])
    few = study.run_study(load_study(None, [*settings, "labels.functions=[leaf]", "data.evaluated=3"]), tmp_path / "few")
    every = study.run_study(whole, tmp_path / "whole")
    assert {len(answers[split].correct) for answers in few.baselines[8].values() for split in ("test", "validation")} == {3}
    assert len(every.baselines[8][0]["test"].correct) == 12


def test_the_number_of_seeds_is_that_of_the_validation_images(settings, tmp_path):
    more = ["seeds=3", "labels.functions=[leaf, random(3)]", "pretraining.step_size=0.001", "transfer.modes=[finetune]"]
    outcome = study.run_study(load_study(None, [*settings, *more]), tmp_path / "out")
    spreads = []
    for found in outcome.transferred:
        gains, errors = [], []
        for seed, answers in found.answers.items():
            both = [1 - of["validation"].correct.double().mean().item() for of in (outcome.baselines[8][seed], answers)]
            gains.append(both[0] - both[1])
            errors.append(both)
        floor = sum((e * 12 + 0.5) / 13 * (1 - (e * 12 + 0.5) / 13) for e in np.mean(errors, 0)) / 12
        spreads.append(max(np.var(gains, ddof=1), floor))
    spread = np.sqrt(np.mean(spreads))
    (line,) = report.power(outcome, gain=0.3)
    assert f"by {100 * spread:.2f} points" in line
    assert f"{replicas_needed(0.3, spread, tests=2)} seeds would show a gain of 30 point" in line
    assert "more than 10000 seeds would show a gain of 0.001 point" in report.power(outcome, gain=1e-5)[0]
    one = study.run_study(load_study(None, [*settings, *more, "seeds=1"]), tmp_path / "out")
    assert report.power(one) == []
    assert json.loads((one.folder / "failures.json").read_text()) == {}
