"""Two programs that need one cell of a study: one computes it, the other waits and loads it."""

from pathlib import Path

import pandas as pd
import pytest
from holder import Holder, held

from theory_sim.pretraining import cells, study
from theory_sim.pretraining.config import load_study
from theory_sim.runtime.errors import BusyError
from theory_sim.runtime.locks import LOCK, locked


def run(settings: list[str], out: Path) -> study.Outcome:
    return study.run_study(load_study(None, [*settings, "seeds=1"]), out)


def test_the_second_study_waits_and_loads(settings, tmp_path, monkeypatch):
    alone = run(settings, tmp_path / "alone")
    baseline = next(
        path.parent for path in (tmp_path / "alone/_images/cells").glob("*/cell.json") if "baseline" in path.read_text()
    )
    honest, trained = cells.train, []
    monkeypatch.setattr(cells, "train", lambda *a: trained.append(a[4].name) or honest(*a))
    cell = tmp_path / "other/_images/cells" / baseline.name
    with held(cell, baseline) as seen:
        other = run(settings, tmp_path / "other")
    assert seen == [f"WaitingWarning: another process works in {cell}: waiting for it to end"]
    assert trained
    assert baseline.name not in trained
    pd.testing.assert_frame_equal(other.results, alone.results)
    assert not list((tmp_path / "other/_images/cells").glob(f"*/{LOCK}"))


def test_a_cell_is_locked_while_it_is_computed(settings, tmp_path, monkeypatch):
    honest, refused = cells.train, []

    def train(*arguments):
        with pytest.raises(BusyError), locked(arguments[4], wait=False):
            pass
        refused.append(arguments[4])
        return honest(*arguments)

    monkeypatch.setattr(cells, "train", train)
    run(settings, tmp_path / "out")
    assert refused
    assert sorted(refused) == sorted(log.parent for log in (tmp_path / "out/_images/cells").glob("*/log.jsonl"))


def test_what_a_killed_uncached_study_left_is_cleared_away(tmp_path):
    places = {name: tmp_path / f".uncached-{name}" for name in ("dead", "alive", "begins")}
    for name, place in places.items():
        (place / ("labels" if name != "begins" else "x")).mkdir(parents=True)
    holder = Holder(places["alive"])
    with study._cache(tmp_path, "mine") as cache:
        assert cache.name == ".uncached-mine"
    holder.kill()
    assert {path.name for path in tmp_path.iterdir()} == {".uncached-alive", ".uncached-begins"}
