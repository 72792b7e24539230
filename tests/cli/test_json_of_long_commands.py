"""--json of the commands that make images' studies and figures: JSON alone on standard output, with all that they print."""

import pandas as pd
import pytest
from outcome import Call, strict

IMAGES = ["name=tiny", "seeds=1", "labels.functions=[leaf]", "model.width=4", "pretraining.steps=2"]
IMAGES += ["transfer={modes: [finetune], steps: [1]}"]


def test_a_study_on_images(call: Call) -> None:
    done = call("pretrain", *(part for setting in IMAGES for part in ("--set", setting)), "--json", "-", "-q")
    assert done.code == 0
    written = strict(done.out)
    assert set(written) == {"folder", "failed", "results"}
    assert written["failed"] == {}
    table = pd.read_csv(f"{written['folder']}/results.csv")
    assert [row["label_function"] for row in written["results"]] == table.label_function.tolist()
    assert [row["error"] for row in written["results"]] == pytest.approx(table.error.tolist())
    assert f"results: {written['folder']}" in done.err


def test_figures(call: Call) -> None:
    listed = strict(call("figures", "--list", "--smoke", "--json", "-").out)
    names = [row["name"] for row in listed]
    assert names[:2] == ["data_model", "correlations"]
    assert set(listed[0]) == {"name", "summary", "runs", "evaluations", "to_be_made"}
    drawn = call("figures", "data_model", "--smoke", "--json", "-", "-q")
    assert strict(drawn.out) == {"waiting": {}, "drawn": {"data_model": "figures_smoke/data_model"}}
    assert drawn.err == "figures_smoke/data_model: pdf, png, csv\n"
    checked = call("figures", "data_model", "--smoke", "--check", "--json", "-", "-q")
    assert (checked.code, strict(checked.out)) == (0, {"waiting": {}, "differing": {"data_model": None}})
