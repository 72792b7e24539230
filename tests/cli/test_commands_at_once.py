"""What the command line says when another process works on the same results, or when nothing can be written."""

import errno
from pathlib import Path

import pytest
from holder import Holder
from outcome import Call

import theory_sim as ts
from theory_sim import cli
from theory_sim.runs.folder import results_folder


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("command", ["simulate", "figures"])
def test_the_command_line_says_in_one_line_that_it_waits(
    call: Call, config_file: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    folder = Path("pictures")
    arguments: list[object] = ["figures", "data_model", "--smoke", "--out", folder]
    if command == "simulate":
        folder = results_folder(ts.load_config(config_file), "other")
        arguments = ["simulate", config_file, "--out", "other"]
    else:
        pytest.importorskip("matplotlib")
    holder = Holder(tmp_path / folder, finished if command == "simulate" else None)
    printed = cli._print_warning

    def show(*arguments: object) -> None:
        printed(*arguments)
        holder.end()

    monkeypatch.setattr("theory_sim.cli._print_warning", show)
    done = call(*arguments, "--device=cpu")
    holder.kill()
    assert done.code == 0
    assert done.err.splitlines()[0] == f"warning: another process works in {folder}: waiting for it to end"
    assert done.err.count("waiting for it") == 1


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_one_line(
    call: Call, config_file: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def mkdir(self: Path, *_: object, **__: object) -> None:
        raise OSError(error, "cannot be written", str(self))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert "cannot be written" in call("simulate", config_file, "--device=cpu").complaint
