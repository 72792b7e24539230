"""Python files in place of a configuration: a theory without claims, and figures of a theory."""

import json
from pathlib import Path

import pandas as pd
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


def test_a_sweep_of_it_has_a_row_of_errors_for_each_cell(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(THEORY.format(name="errors-alone"), encoding="utf-8")
    small = [f"--set={value}" for value in [*SMALL, "tree.subclasses=2", "training.steps=0", "transfer.readouts=[sum_logits]"]]
    done = call("sweep", "mine.py", "--grid", "data.noise=0.1,0.2", "--device", "cpu", "--json", "done.json", *small)
    assert done.code == 0
    cells = json.loads((tmp_path / "done.json").read_text(encoding="utf-8"))["cells"]
    assert [(cell["status"], cell["data.noise"], "id" in cell) for cell in cells] == [
        ("stored", noise, False) for noise in (0.1, 0.2)
    ]
    (replicas,) = tmp_path.glob("results/*/*/replicas.parquet")
    rows = pd.read_parquet(replicas)
    means = rows[rows["data.noise"] == 0.2].groupby(["model", "kind"], sort=False).error.mean()
    printed = [[text.strip() for text in line.split("│")[1:-1]] for line in done.out.splitlines()]
    assert ["0.2", *(f"{mean:.3f}" for mean in means)] in printed
    assert [" ".join(of) for of in means.index] == ["coarse easy", "coarse hard", "fine easy", "fine hard"]


def test_figures_take_a_python_file(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(THEORY.format(name="drawn"), encoding="utf-8")
    assert call("figures", "data_model", "--list", "--config", "mine.py").code == 0
    assert "registers no theory" in call("figures", "--config", __file__).complaint
