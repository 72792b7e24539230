"""Progress as a log and as a terminal display it."""

import sys
import types
from pathlib import Path

import pytest

from theory_sim.config import Config
from theory_sim.runs.run import run
from theory_sim.runtime.notebook import in_notebook
from theory_sim.runtime.progress import Progress, ignore, progress_bar, shown_by_default


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


def test_a_log_of_a_long_stage_gets_a_line_every_five_minutes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study of hours said nothing for its first ten or twenty minutes."""
    now = 0.0
    monkeypatch.setattr("theory_sim.runtime.progress.time.monotonic", lambda: now)
    with progress_bar() as on_progress:
        for done in range(100):
            on_progress(Progress("study", done, 10_000))
            now += 30.0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == [f"{done}/10000" for done in range(10, 100, 10)]
    assert lines[0].endswith(" 299700 s left")


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


class Handle:
    """What IPython gives back for something displayed."""

    def __init__(self, shown: list[str]) -> None:
        self.shown = shown
        self.place = len(shown) - 1

    def update(self, text: str) -> None:
        self.shown[self.place] = text


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in for a Jupyter kernel: what its cells show."""
    shown: list[str] = []

    def display(text: str, display_id: bool) -> Handle:
        assert display_id
        shown.append(text)
        return Handle(shown)

    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(HTML=str, display=display))
    return shown


def test_a_notebook_gets_one_bar_a_stage(notebook: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("a<b: ") as on_progress:
        for done in range(1, 31):
            on_progress(Progress("training", done, 30, "loss 0.1"))
        on_progress(Progress("testing", 1, 1))
    assert len(notebook) == 2
    assert notebook[0].startswith('<progress value="30" max="30"></progress> a&lt;b: training 30/30 loss 0.1 (')
    assert capsys.readouterr() == ("", "")


def test_a_run_shows_its_progress_in_a_notebook_by_itself(notebook: list[str], tmp_path: Path) -> None:
    """`run` was silent in a notebook unless a callback was given."""
    small = {"replicas": 2, "training.steps": 3, "data.dim": 32, "test.samples": 20, "network.neurons": 4}
    config = Config().replace(small)
    run(config, tmp_path, "cpu")
    assert [text.partition("</progress> ")[2].partition(" (")[0].split()[:2] for text in notebook] == [
        ["training", "3/3"],
        ["testing", "40/40"],
    ]
    run(config.replace({"seed": 1}), tmp_path, "cpu", ignore)
    assert len(notebook) == 2, "who gives a callback gets no bar"


def test_outside_a_notebook_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=types.SimpleNamespace))
    assert not in_notebook()
    assert shown_by_default(None) is ignore
