"""The tutorial: its file is what its text shows, its commands run, and its claims and controls come out as it says."""

import re
import shlex
from pathlib import Path

import pytest

import theory_sim as ts
from theory_sim import cli
from theory_sim.theories.theory import theory_in

ROOT = Path(__file__).parents[2]
PAGE, FILE = (ROOT / "docs" / "tutorial" / name for name in ("README.md", "seldom.py"))
TEXT, CODE = PAGE.read_text(), FILE.read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.S)
COMMANDS = [line for block in re.findall(r"```\n(theory-sim .*?)```", TEXT, re.S) for line in block.splitlines()]


@pytest.fixture
def theory():
    return theory_in(str(FILE))


def test_the_text_shows_the_file():
    *shown, test = BLOCKS
    assert len(shown) == 7
    for block in shown:
        assert block.rstrip() in CODE
    assert "check_theory" in test


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command, tmp_path, monkeypatch, capsys):
    assert len(COMMANDS) == 5
    words = [str(ROOT / word) if word.startswith("docs/") else word for word in shlex.split(command)[1:]]
    few = ["--samples", "200"] if words[0] == "check-data" else []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["theory-sim", *words, *few])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == int("training.steps=400" in command), capsys.readouterr().err


def test_claims_and_controls(theory, tmp_path):
    def decisions(changes):
        return [claim.decision for claim in ts.evaluate_claims(ts.run(theory.config(changes), tmp_path, "cpu"))]

    assert decisions({}) == ["holds"] * 3
    assert decisions({"training.steps": 400}) == ["holds", "refuted", "holds"]
    assert decisions({"training.steps": 0})[1:] == ["no result"] * 2
    assert all(line.inside for line in ts.check_regime(theory.config()))
    assert not all(line.inside for line in ts.check_regime(theory.config({"training.steps": 400})))


@pytest.mark.parametrize("share", [0, 1, 1.5])
def test_a_share_without_odds_is_refused(theory, share):
    with pytest.raises(ts.InputError, match=r"law\.seldom"):
        theory.config({"law.seldom": share})


def test_the_ratio_exceeds_the_odds_as_probabilities_move(theory, tmp_path):
    """On the same samples the excess is gone with a tenth of the step size."""
    moved, still = (
        ts.evaluate_claims(ts.run(theory.config(changes), tmp_path, "cpu"))[1].estimate
        for changes in ({}, {"training.step_size.network": 0.0001})
    )
    assert moved.low > 1 / 9
    assert still.low < 1 / 9 < still.high
    for estimate in (moved, still):
        assert f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]" in TEXT


def test_the_test_of_the_text_passes(tmp_path):
    scope: dict[str, object] = {"__file__": str(FILE.with_name("test_seldom.py"))}
    exec(BLOCKS[-1], scope)
    scope["test_my_theory"](tmp_path)
