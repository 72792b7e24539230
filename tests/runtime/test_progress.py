"""Progress as a log and as a terminal display it."""

import sys

import pytest

from theory_sim.runtime.progress import Progress, progress_bar


def report_thirty_steps() -> None:
    with progress_bar("mine: ") as on_progress:
        for done in range(1, 31):
            on_progress(Progress("training", done, 30, f"coarse loss {1 / done:.4f}  fine loss 2.0000"))


def test_a_log_gets_a_line_at_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    report_thirty_steps()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("mine: training 3/30 coarse loss 0.3333 fine loss 2.0000 ")
    assert lines[-1] == "mine: training 30/30 coarse loss 0.0333 fine loss 2.0000 0 s left"


def test_a_terminal_gets_a_bar_with_losses_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    report_thirty_steps()
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert "coarse loss 0.0333" in shown
    assert "left" in shown
