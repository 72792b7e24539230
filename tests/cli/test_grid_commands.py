"""``theory-sim bench grid`` and ``theory-sim study benign_overfitting``: what they print, write and exit with."""

import json
import re
from pathlib import Path

import pytest
from outcome import Call

from theory_sim.bench import grid
from theory_sim.theories.benign_overfitting.comparison import PUBLISHED


def test_the_exit_code_says_whether_the_bound_is_met(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for plain, code in ((25.0, 0), (15.0, 1)):
        monkeypatch.setattr(grid, "measure", lambda rounds, plain=plain: [grid.Measured(100, 2.0, 1.0, plain, 8.0)])
        done = call("bench", "grid")
        assert done.code == code
        assert f"{plain:g}" in done.out


def test_numbers_have_no_exponent(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "measure", lambda rounds: [grid.Measured(100, 2.0, 0.0011, 1.2, 0.99996)])
    done = call("bench", "grid")
    assert all(text in done.out for text in ("1.1 ms", "1200 ms", "1000 ms", "1091 ✓", " 909 "))
    assert "e+" not in done.out


@pytest.mark.parametrize(
    "given",
    [["--plugin=nothere.py"], ["--device=cuda"], ["--backend=dask", "--scheduler=tcp://host:1"], ["--report"]],
    ids=str,
)
def test_options_that_a_grid_has_no_use_for_are_refused(given: list[str], call: Call, tmp_path: Path) -> None:
    done = call("study", "benign_overfitting", "--smoke", "--out=out", *given)
    options = ", ".join(text.partition("=")[0] for text in given)
    expected = (
        f"error: {options}: benign_overfitting is a grid, whose options are --smoke, --jobs, --out, --json and --published\n"
    )
    assert (done.code, done.complaint) == (2, expected)
    assert not (tmp_path / "out").exists()


def test_the_study_of_a_grid(call: Call, tmp_path: Path) -> None:
    done = call("study", "benign_overfitting", "--smoke", "--jobs=1", "--out=out")
    assert done.code == 0
    (folder,) = (tmp_path / "out" / "benign_overfitting-grid").iterdir()
    verdict = json.loads((folder / "verdict.json").read_text())
    assert {each["reading"] for each in verdict["agreements"]} == {"mean, step 0.1", "sum, step 0.1", "mean, step 0.03"}
    assert [each["of"] for each in verdict["transitions"]][-1] == "published"
    first = verdict["agreements"][0]
    assert f"{first['difference']:+.4f} ± {first['error']:.4f}" in done.out
    assert "ours − published ± standard error" in done.out
    assert re.search(r"\d+ s for what was not on disk, at most \d+\.\d\d GB of memory, in 1 process beside this one", done.out)
    assert "benign_overfitting" in call("study", "--list").out

    # Beside another table of published errors, each of which is higher by 0.01.
    lines = PUBLISHED.read_text(encoding="utf-8").splitlines()
    head = next(place for place, line in enumerate(lines) if line.startswith("d,"))
    rows = [
        [dim, *(f"{float(error) + 0.01:.4f}" for error in errors)]
        for dim, *errors in (row.split(",") for row in lines[head + 1 :])
    ]
    (tmp_path / "other.csv").write_text("\n".join([lines[head], *map(",".join, rows)]), encoding="utf-8")
    assert call("study", "benign_overfitting", "--smoke", "--jobs=1", "--out=out", "--published=other.csv").code == 0
    beside = json.loads((folder / "verdict.json").read_text())["agreements"][0]
    assert beside["difference"] == pytest.approx(first["difference"] - 0.01, abs=1e-9)


def test_a_published_table_is_compared_with_a_grid_alone(call: Call) -> None:
    done = call("study", "hierarchy", "--published=other.csv")
    assert (done.code, done.complaint) == (2, "error: --published: hierarchy is no grid; grids are benign_overfitting\n")
    done = call("study", "benign_overfitting", "--smoke", "--out=out", "--published=absent.csv")
    assert done.code == 2
    assert done.complaint.startswith("error: absent.csv: no table of errors")
