"""The simulator's commands as users meet them: what they print, write and exit with."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from outcome import Call, Outcome, rows, strict

from theory_sim.config import Config, load_config
from theory_sim.data.checks.base import Check
from theory_sim.runs.results import load_results
from theory_sim.runtime.errors import InputError
from theory_sim.studies.study import study_files
from theory_sim.theories.theory import check_regime

ROOT = Path(__file__).parents[2]
CONFIGS = [
    path
    for path in sorted({*(ROOT / "configs").rglob("*.y*ml")} - set(study_files()))
    if "\npretraining:" not in path.read_text()
]
"""The simulator's; studies and those of the image pipeline are tested with theirs."""
CLAIMS = [
    "coarse-training-loss",
    "coarse-easy-error",
    "coarse-hard-error",
    "coarse-rare-growth",
    "fine-training-loss",
    "fine-easy-error",
    "fine-hard-error",
    "fine-rare-growth",
    "transfer-gain",
]
LAX = {
    "confidence": 0.5,
    "training_loss": 100,
    "easy_error": 1,
    "coarse_hard_error": 1e-9,
    "fine_hard_error": 1,
    "coarse_rare_growth": 100,
    "fine_rare_growth": 1e-9,
    "transfer_gain_p": 1,
}
"""Bounds that the shared configuration meets, all nine."""


def program(*arguments: object, cwd: Path) -> Outcome:
    """Run the program as a process of its own."""
    command = [sys.executable, "-m", "theory_sim", *map(str, arguments)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=cwd, env=one_thread, capture_output=True, text=True, timeout=300, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def overrides(section: str, values: dict[str, Any]) -> list[str]:
    return [f"--set={section}.{key}={value}" for key, value in values.items()]


# As users run it.


def test_program_decides_claims(config_file: Path, tmp_path: Path) -> None:
    done = program("verify", config_file, "--device", "cpu", "--json", "outcome.json", cwd=tmp_path)
    outcome = strict((tmp_path / "outcome.json").read_text())
    assert done.code == 1
    assert {line.split()[0] for line in done.err.splitlines()} == {"training", "testing"}, "progress and no warning"
    assert [claim["id"] for claim in outcome["claims"]] == CLAIMS
    assert not all(claim["holds"] for claim in outcome["claims"])
    assert {id_: cells[-1] for id_, cells in rows(done.out).items() if id_ in CLAIMS} == {
        claim["id"]: claim["decision"].split()[-1] for claim in outcome["claims"]
    }
    folder = next((tmp_path / "results" / "tiny").iterdir())
    assert done.out.splitlines()[-1] == f"results: {folder.relative_to(tmp_path)}"
    assert (folder / "manifest.json").exists()


def test_program_refuses_wrong_input(config_file: Path, tmp_path: Path) -> None:
    done = program("simulate", config_file, "--device", "nowhere", cwd=tmp_path)
    assert done.complaint == "error: unknown device 'nowhere': auto, cpu, cuda or cuda:i\n"
    assert list(tmp_path.iterdir()) == []


def test_no_arguments_print_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["theory-sim"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("theory_sim", run_name="__main__")
    out, err = capsys.readouterr()
    assert (stop.value.code, err) == (0, "")
    assert out.startswith("Usage: ")
    for command in ("verify", "simulate", "regime", "check-data", "sweep", "study"):
        assert re.search(rf"^ +{command} +\S", out, re.MULTILINE)


# What the commands print and write.


def test_verify_writes_its_outcome(call: Call, config_file: Path, finished: Path, tmp_path: Path) -> None:
    bounds = LAX | {"easy_error": 1e-6}
    arguments = ["verify", config_file, "--out=results", "--device=cpu", "--json=outcome.json", *overrides("claims", bounds)]
    done = call(*arguments)
    outcome = strict((tmp_path / "outcome.json").read_text())
    assert set(outcome) == {"config", "claims", "regime", "alignment", "certificate", "environment"}
    config = load_config(config_file, [f"claims.{key}={value}" for key, value in bounds.items()])
    assert Config.model_validate(outcome["config"]) == config
    assert outcome["environment"] == json.loads((finished / "environment.json").read_text())
    assert [line["assumption"] for line in outcome["regime"]] == [line.assumption for line in check_regime(config)]
    assert [claim["id"] for claim in outcome["claims"]] == CLAIMS
    keys = {
        "id",
        "statement",
        "theorem",
        "source",
        "estimate",
        "low",
        "high",
        "method",
        "notes",
        "side",
        "bound",
        "decision",
        "holds",
    }
    for claim in outcome["claims"]:
        assert set(claim) == keys | ({"p", "max_p"} if claim["id"] == "transfer-gain" else set())
        low, high = claim["low"], claim["high"]
        assert low <= claim["estimate"] <= high
        right = {"≤": high <= claim["bound"], "≥": low >= claim["bound"], ">": low > claim["bound"]}[claim["side"]]
        assert claim["holds"] == (right and claim["id"] != "transfer-gain"), "two replicas have no p-value"
        assert claim.get("p") is None
    failing = [claim["id"] for claim in outcome["claims"] if not claim["holds"]]
    assert failing == ["coarse-easy-error", "fine-easy-error", "transfer-gain"]
    assert done.code == 1
    printed = rows(done.out)
    decisions = {claim["id"]: claim["decision"] for claim in outcome["claims"]}
    assert {id_: printed[id_][-1] for id_ in CLAIMS} == decisions
    assert [id_ for id_, decision in decisions.items() if decision != "holds"] == failing
    for claim in outcome["claims"]:
        for note in claim["notes"]:
            assert re.search(rf"^note: {re.escape(note)} \(.*({claim['id']}|all claims)", done.out, re.MULTILINE)
    assert any(claim["notes"] for claim in outcome["claims"])
    outside = [line["assumption"] for line in outcome["regime"] if not line["inside"]]
    assert re.findall(r"^outside the theory's regime: (.+?) = ", done.out, re.MULTILINE) == outside
    assert len(list(tmp_path.glob("results/*/*"))) == 1, "bounds change no number: nothing is run again"


def test_verify_exits_with_0_when_all_claims_hold(call: Call, config_file: Path) -> None:
    done = call("verify", config_file, "--out=results", "--device=cpu", "--replicas=5", *overrides("claims", LAX))
    printed = rows(done.out)
    assert [printed[id_][-1] for id_ in CLAIMS] == ["holds"] * 9
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("results: results/tiny/")


def test_verify_loads_a_finished_run(call: Call, config_file: Path, finished: Path) -> None:
    done = call("verify", config_file, "--out=results", "--device=cpu", *overrides("claims", LAX))
    assert (done.code, done.err) == (1, ""), "two replicas have no p-value"
    assert done.out.splitlines()[-1] == f"results: {finished.relative_to(Path.cwd())}"


def test_verify_without_training(call: Call, config_file: Path, tmp_path: Path) -> None:
    done = call("verify", config_file, "--json=outcome.json", "--set=training.steps=0")
    claims = {claim["id"]: claim for claim in strict((tmp_path / "outcome.json").read_text())["claims"]}
    assert done.code == 1
    assert list(claims) == CLAIMS
    for id_ in ("coarse-rare-growth", "fine-rare-growth"):
        assert [claims[id_][name] for name in ("estimate", "low", "high", "holds")] == [None, None, None, False]
        assert rows(done.out)[id_][1] == "undefined"
    assert claims["coarse-training-loss"]["estimate"] == pytest.approx(0.693, abs=0.05)


def test_verify_takes_the_default_configuration(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Config] = []

    def caught(config: Config, *_: object) -> None:
        asked.append(config)
        raise InputError("enough")

    monkeypatch.setattr("theory_sim.runs.run.run", caught)
    for arguments in ([], [ROOT / "configs" / "default.yaml"]):
        assert call("verify", *arguments).complaint == "error: enough\n"
    assert asked == [load_config(), load_config()]
    assert load_config(ROOT / "configs" / "default.yaml") == load_config()


def test_options_reach_the_configuration(call: Call, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Config] = []

    def caught(config: Config, *_: object) -> None:
        asked.append(config)
        raise InputError("enough")

    monkeypatch.setattr("theory_sim.runs.run.run", caught)
    call("simulate", config_file, "--seed=7", "--replicas=3", "--set", "data.noise=1e-3", "--set", "data.basis=rotated")
    expected = load_config(config_file).model_dump()
    expected |= {"seed": 7, "replicas": 3, "data": expected["data"] | {"noise": 0.001, "basis": "rotated"}}
    assert asked == [Config.model_validate(expected)]


def test_regime_tells_inside_from_outside(call: Call, config_file: Path, tmp_path: Path) -> None:
    done = call("regime", config_file, "--json=regime.json")
    lines = check_regime(load_config(config_file))
    printed = rows(done.out)
    assert (done.code, done.err) == (0, "")
    assert {line.inside for line in lines} == {True, False}
    assert {name: cells[-1] for name, cells in printed.items()} == {
        line.assumption: "inside" if line.inside else "outside" for line in lines
    }
    written = strict((tmp_path / "regime.json").read_text())
    assert [(line["assumption"], line["inside"]) for line in written] == [(line.assumption, line.inside) for line in lines]


def test_check_data_passes(call: Call, config_file: Path, tmp_path: Path) -> None:
    done = call("check-data", config_file, "--samples=100", "--json=checks.json")
    checks = strict((tmp_path / "checks.json").read_text())
    assert (done.code, done.err) == (0, "")
    assert len(checks) > 20
    assert all(check["passed"] for check in checks)
    assert {name: cells[-1] for name, cells in rows(done.out).items()} == {check["name"]: "passed" for check in checks}
    assert done.out.splitlines()[-1] == f"{len(checks)} invariants, 0 broken; 100 samples per replica and batch"


def test_check_data_finds_broken_invariants(call: Call, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("good", "0 wrong", True), Check("bad", "far off", False, 1e-9)]
    monkeypatch.setattr("theory_sim.data.checks.suite.check_data", lambda *_, **__: checks)
    done = call("check-data", config_file)
    assert done.code == 1
    assert rows(done.out) == {"good": ["good", "0 wrong", "exact", "passed"], "bad": ["bad", "far off", "1e-09", "broken"]}
    assert "2 invariants, 1 broken" in done.out


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_load(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem
    assert Config.model_validate(config.model_dump(mode="json")) == config


def test_simulate_prints_its_results(again: Callable[[], Outcome], finished: Path) -> None:
    done = again()
    results = load_results(finished)
    assert (done.code, done.err) == (0, "")
    for data in (results.coarse, results.fine):
        easy, hard = (float(data.test_error.sel(kind=kind).mean()) for kind in ("easy", "hard"))
        loss = float(data.final_loss.mean())
        assert rows(done.out)[data.attrs["model"]][1:] == [f"{loss:.4f}", "sum_logits", f"{easy:.4f}", f"{hard:.4f}"]
