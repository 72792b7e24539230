"""``theory-sim bench coverage``: what it prints, writes and exits with."""

from pathlib import Path

import pytest
from outcome import Call, strict

from theory_sim.stats import P_NORMAL, Estimate
from theory_sim.studies import coverage
from theory_sim.studies.coverage import Quantity


@pytest.mark.parametrize(
    ("what", "option", "known"),
    [("grid", "--sizes=A", "--rounds"), ("sweep", "--rounds=3", "--cells, --studies"), ("coverage", "--device=cpu", "--draws")],
)
def test_an_option_of_another_benchmark_is_refused(what: str, option: str, known: str, call: Call) -> None:
    done = call("bench", what, option)
    name = option.partition("=")[0]
    assert (done.code, done.complaint) == (
        2,
        f"error: {name}: the benchmark {what} has no such option; it has {known} and --json\n",
    )


def test_the_levels_are_printed_and_written(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The number of wrong kinds is printed with how many can be judged, and the largest share of misses with notes counted."""
    sure = Quantity("sure", lambda all_: 0.0, lambda rows, confidence: Estimate(0, -1, 1, "by hand", notes=("few replicas",)))
    certain = Quantity("certain", lambda all_: 0.0, lambda rows, confidence: Estimate(1, 1, 1, "by hand", notes=(P_NORMAL,)))
    monkeypatch.setattr(coverage, "QUANTITIES", (certain, sure))
    done = call("bench", "coverage", "--draws=20", "--json=coverage.json")
    shown = " ".join(done.out.split())
    assert done.code == 1
    assert "stated 5 %: 25 of 50 kinds have intervals without a note; " in shown
    assert "with notes, of 5 replicas or more, at most 100 % miss: certain, base, R = 5" in shown
    written = strict((tmp_path / "coverage.json").read_text())
    assert len(written["intervals"]) == 150
    assert [at["level"] for at in written["levels"]] == list(coverage.LEVELS)
    for at in written["levels"]:
        own = [of for of in written["intervals"] if of["level"] == at["level"]]
        assert (at["kinds"], at["judged"]) == (len(own), sum(of["judged"] for of in own))
        assert at["wrong"] == sum(not of["right"] for of in own)
        assert at["worst"]["missed"] == max(of["missed"] for of in own if of["replicas"] >= 5)
