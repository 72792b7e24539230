"""Names, paths and values are printed as they are, whatever brackets and colons are in them."""

import ast
import shutil
import sys
from pathlib import Path

import pytest
from outcome import Call

from theory_sim.runtime.errors import one_line
from theory_sim.runtime.progress import Progress, progress_bar
from theory_sim.theories.claims import CLAIMS

PACKAGE = Path(__file__).parent.parent.parent
NAMES = ["runs [v2]", "a[b", "a[/b]c", "[bold]x", ":smile:", "two  spaces", "[link=x]y"]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_results(call: Call, finished: Path, config_file: Path, tmp_path: Path, name: str) -> None:
    """`a[/b]c` crashed after the run, and `runs [v2]` printed another path."""
    shutil.copytree(tmp_path / "results", tmp_path / name)
    for command in ("simulate", "verify"):
        done = call(command, config_file, "--out", name, "--device", "cpu")
        assert done.out.splitlines()[-1] == f"results: {name}/tiny/{finished.name}"


@pytest.mark.parametrize("name", [*NAMES, "[red]"])
def test_errors(call: Call, name: str) -> None:
    assert f"no shipped configuration {name}; " in call("simulate", name).complaint
    assert f"plugin {name}.py: no such file" in call("list", "labels", "--plugin", f"{name}.py").complaint


def test_tables(call: Call, tmp_path: Path) -> None:
    claims = [
        f'ts.register_claim(ts.Claim("{name}", "{name} holds", "{name}", print, "≤", 1.0, theory="label-granularity"))'
        for name in NAMES
    ]
    (tmp_path / "mine.py").write_text("\n".join(["import theory_sim as ts", *claims]), encoding="utf-8")
    printed = call("list", "claims", "--plugin", "mine.py").out
    for name in NAMES:
        CLAIMS.remove(name)
        assert f"{name} holds (label-granularity, {name})" in printed


@pytest.mark.parametrize("name", NAMES)
def test_progress_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar(name) as on_progress:
        on_progress(Progress(f"({name})", 1, 1, f"<{name}>"))
    shown = capsys.readouterr().err
    assert f"{name}({name})" in shown
    assert f"<{name}>" in shown


def test_one_console_prints_everything() -> None:
    """Only it knows that there is no markup, so no other is made, and nothing is escaped for one that reads it."""
    for file in (PACKAGE / "theory_sim").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert "rich.markup" not in imported, file
        assert "Console" not in called or file.name == "display.py", file


def test_a_message_is_one_line() -> None:
    assert one_line(" a  b\n   c\r\nd\u2028e ") == "a  b c d e"
    assert one_line("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert len(one_line("x" * 129_000)) < 1600
