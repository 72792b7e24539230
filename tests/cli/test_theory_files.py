"""Python files in place of a configuration: a theory without claims, and figures of a theory."""

from pathlib import Path

from outcome import Call

THEORY = """
import theory_sim as ts

paper = ts.THEORIES["label-granularity"]
ts.register_theory(ts.Theory(name="{name}", law=lambda config: paper.law_at(config)))
"""
SMALL = ["data.dim=32", "data.patches=12", "network.neurons=4", "training.steps=2", "test.samples=20", "replicas=2"]


def test_a_theory_without_claims_says_so(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(THEORY.format(name="claimless"), encoding="utf-8")
    small = [f"--set={value}" for value in [*SMALL, "tree.subclasses=2"]]
    done = call("verify", "mine.py", "--device", "cpu", *small)
    assert done.out.splitlines()[0] == "the theory claimless has no claims"
    assert (done.code, "claim  " in done.out) == (0, False)


def test_figures_take_a_python_file(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(THEORY.format(name="drawn"), encoding="utf-8")
    assert call("figures", "data_model", "--list", "--config", "mine.py").code == 0
    assert "registers no theory" in call("figures", "--config", __file__).complaint
