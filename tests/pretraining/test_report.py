"""Printed tables and the verdict show what ``results.csv`` holds."""

import io
from pathlib import Path

import pandas as pd
import pytest
from outcome import rows
from rich.console import Console

from theory_sim.pretraining import report, study
from theory_sim.pretraining.config import ImageStudy, load_study

SLOW = ["pretraining.step_size=0.001", "transfer.training.step_size=0.001"]
"""Networks that misclassify some images."""
RESULTS = {  # label function: gain_low, gain_high, p_holm
    "helps": (0.1, 0.3, 0.01),
    "helps too": (0.01, 0.3, 0.04),
    "not after Holm": (0.01, 0.3, 0.06),
    "harms": (-0.3, -0.1, 1.0),
    "unclear": (-0.1, 0.1, 0.01),
}


HARD = "no label function lowers the error significantly and by more than the controls, and none raises it"
TWO_SEEDS = "no gain is tested, which takes 5 seeds, and no label function raises the error"


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        (["helps", "not after Holm", "helps too"], "helps, helps too: lower error"),
        (["harms", "unclear"], "harms: higher error"),
        (["helps", "harms"], "helps: lower error; harms: higher error"),
        (["unclear", "not after Holm"], "no label function differs significantly from the baseline"),
    ],
)
def test_the_verdict_says_what_is_significant(functions, said):
    on_hard = HARD if said.startswith("no label function") else said
    table = []
    for samples, transfer, steps in (("all", "finetune", 20), ("hard-both", "sum_logits", 0)):
        for name in functions:
            low, high, p = RESULTS[name]
            table.append({"label_function": name, "kind": "made up", "transfer": transfer, "transfer_steps": steps})
            table[-1] |= {"samples": samples, "samples_per_seed": 9, "gain_low": low, "gain_high": high, "p_holm": p}
    outcome = study.Outcome(ImageStudy(seeds=5), Path(), [], [], {}, {}, {})
    vars(outcome)["results"] = pd.DataFrame(table)
    assert report.verdict(outcome) == [f"all test images, finetune (20 steps): {said}", f"hard images, sum_logits: {on_hard}"]


def expected_verdict(table: pd.DataFrame) -> list[str]:
    """The verdict of two seeds, from ``results.csv`` alone."""
    lines = []
    for samples, where in (("all", "all test images"), ("hard-both", "hard images")):
        part = table[(table.samples == samples) & (table.kind != "baseline")]
        for transfer, steps in dict.fromkeys(zip(part.transfer, part.transfer_steps, strict=True)):
            some = part[(part.transfer == transfer) & (part.transfer_steps == steps)]
            lower = ", ".join(some[(some.gain_low > 0) & (some.p_holm < 0.05)].label_function)
            higher = ", ".join(some[some.gain_high < 0].label_function)
            said = (
                f"{lower}: lower error" * bool(lower) + "; " * bool(lower and higher) + f"{higher}: higher error" * bool(higher)
            )
            length = f" ({steps} steps)" if steps else ""
            lines.append(f"{where}, {transfer}{length}: {said or TWO_SEEDS}")
    return lines


def test_the_printed_report_shows_the_results(settings, tmp_path):
    outcome = study.run_study(load_study(None, [*settings, "transfer.modes=[finetune]", *SLOW]), tmp_path / "out")
    assert report.verdict(outcome) == expected_verdict(outcome.results)
    assert report.verdict(outcome) == expected_verdict(outcome.results)
    outcome.results[["low", "high", "gain_low", "gain_high"]] = 0.05, 0.95, -0.25, 0.5  # all different, in every row
    console = Console(width=200, file=io.StringIO())
    console.print(report.labels_for_people(outcome), report.results_for_people(outcome))
    labels, results = console.file.getvalue().split("coarse target, 12 test images, 2 seeds")
    ami = outcome.labels[1].alignment.adjusted_mutual_information
    assert rows(labels)["leaf"] == ["leaf", "4", "24", "6 … 6", "1.00", "1.00", f"{ami:.2f}"]
    table = outcome.results.set_index(["label_function", "samples", "transfer"])
    whole = table.loc["leaf", "all", "finetune"]
    shown = rows(results)["leaf"]
    assert shown[:4] == ["leaf", "4", "finetune", "6 + 2"]
    for cell, names in ((shown[4], ("error", "low", "high")), (shown[5], ("gain", "gain_low", "gain_high"))):
        value, low, high = (100 * whole[name] for name in names)
        assert cell == f"{value:.1f} [{low:.1f}, {high:.1f}]"
    assert rows(results)["baseline"][:4] == ["baseline", "2", "baseline", "8"]


def test_no_hard_images_are_said(settings, tmp_path):
    """The rows were "undefined", and the verdict that no label function differs."""
    easy = [*settings, "labels.functions=[level(1)]", "transfer.modes=[finetune]"]
    outcome = study.run_study(load_study(None, easy), tmp_path / "out")
    for answers in outcome.baselines[8].values():
        answers["test"].correct[:] = True
    for answers in outcome.transferred[0].answers.values():
        answers["test"].correct[:] = True
    assert report.verdict(outcome)[1:] == [
        "hard images: there are none: no test image is misclassified by most of the other seeds' baselines and by most of the"
        " networks compared with them"
    ]
    console = Console(width=200, file=io.StringIO())
    console.print(report.results_for_people(outcome))
    assert "no such images" in rows(console.file.getvalue())["level(1)"]
    one = study.run_study(load_study(None, [*easy, "seeds=1"]), tmp_path / "out")
    assert report.verdict(one)[1:] == ["hard images: not decided: that takes networks of other seeds, and there is one seed"]


@pytest.mark.parametrize(("control", "said"), [(0.05, "helps: lower error"), (0.12, HARD)])
def test_a_gain_on_hard_images_counts_only_beyond_the_controls(control, said):
    row = {"label_function": "helps", "kind": "made up", "transfer": "finetune", "transfer_steps": 20, "samples_per_seed": 9}
    row |= {"gain_low": 0.1, "gain_high": 0.3, "p_holm": 0.01, "control_width": -0.1, "control_split": control}
    outcome = study.Outcome(ImageStudy(seeds=5), Path(), [], [], {}, {}, {})
    vars(outcome)["results"] = pd.DataFrame([row | {"samples": samples} for samples in ("all", "hard-both")])
    whole, hard = report.verdict(outcome)
    assert whole == "all test images, finetune (20 steps): helps: lower error"
    assert hard.startswith(f"hard images, finetune (20 steps): {said}")
