"""What ``verify`` prints about claims: by theorem, with what the signs mean, and whether the run was loaded."""

from pathlib import Path

import pytest
from outcome import Call

from theory_sim.cli.claims_table import print_claims
from theory_sim.config import load_config
from theory_sim.runs.results import load_results
from theory_sim.stats import Estimate
from theory_sim.theories.claims import ClaimResult
from theory_sim.theories.label_granularity.theory import THEOREMS, theory
from theory_sim.theories.theory import check_regime, evaluate_claims

ROOT = Path(__file__).parents[2]


def test_verify_groups_claims_by_theorem(call: Call, config_file: Path, finished: Path) -> None:
    done = call("verify", config_file, "--device=cpu", "--explain")
    decided = evaluate_claims(load_results(finished))
    for theorem, statement in THEOREMS.items():
        own = [claim for claim in decided if claim.theorem == theorem]
        assert f"{theorem}: {sum(claim.holds for claim in own)} of {len(own)} claims hold\n{statement}\n" in done.out
    for claim in decided:
        assert f"\n{claim.id}: {claim.statement}\n" in done.out
    assert sum("┃ verdict" in line for line in done.out.splitlines()) == len(THEOREMS)
    assert "\n∪: the interval is the union of those of the named methods\n" in done.out
    assert "\nloaded, not run: " in done.out
    lines = check_regime(load_config(config_file))
    inside = sum(line.inside for line in lines)
    other = [line.assumption for line in check_regime(load_config(ROOT / "configs" / "theory_scale.yaml")) if not line.inside]
    assert f"\n{inside} of {len(lines)} assumptions are inside the theory's regime; the config" in done.out
    assert f"uration theory_scale meets all but: {', '.join(other)}\n" in done.out


def test_a_new_run_is_not_called_loaded(call: Call, config_file: Path) -> None:
    done = call("verify", config_file, "--device=cpu", "--set=training.steps=5")
    assert "loaded" not in done.out
    assert "The coarse model's training loss is small." not in done.out, "only --explain prints sentences"
    assert "loaded, not run: " in call("simulate", config_file, "--device=cpu", "--set=training.steps=5").out


def test_every_claim_belongs_to_a_theorem_with_a_statement() -> None:
    assert {claim.theorem for claim in theory.claims} == set(theory.theorems)


def test_one_claim_without_a_statement_of_its_theorem(capsys: pytest.CaptureFixture[str]) -> None:
    claim = ClaimResult("id", "It is so.", "Lemma 3", Estimate(0.3, 0.2, 0.4, "t, 5 replicas"), "≤", 0.5)
    print_claims([claim], 0.95, {})
    out = capsys.readouterr().out
    assert out.startswith("Lemma 3: 1 of 1 claim holds\n┏")
    assert "∪" not in out
