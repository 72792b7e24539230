"""The program, called within the test's process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from outcome import Call, Outcome

from theory_sim import cli


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run the program in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["theory-sim", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert isinstance(stop.value.code, int)
        return Outcome(stop.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def again(call: Call, config_file: Path) -> Callable[[], Outcome]:
    """Run the finished configuration again."""
    return lambda: call("simulate", config_file, "--out", "results", "--device", "cpu")
