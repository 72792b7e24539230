"""A light start: help, ``import theory_sim`` and wrong keys are answered without importing the numerical packages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from theory_sim.cli.program import app

HEAVY = {
    "distributed",
    "jinja2",
    "loky",
    "matplotlib",
    "netCDF4",
    "numba",
    "pandas",
    "plotly",
    "pyarrow",
    "scipy",
    "seaborn",
    "sklearn",
    "torch",
    "transformers",
    "xarray",
}
COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands if command.callback)
GROUPS = {
    group.name: [
        f"{group.name} {command.name or command.callback.__name__}" for command in group.typer_instance.registered_commands
    ]
    for group in app.registered_groups
}
"""Commands with subcommands, and these."""
ALL = [*COMMANDS, *GROUPS, *(each for of in GROUPS.values() for each in of)]
PROGRAM = """
import json, sys
code = 0
try:
    {statement}
except SystemExit as stop:
    code = stop.code
modules = sorted({{name.partition(".")[0] for name in sys.modules}})
print()
print(json.dumps([code, modules]))
"""


def start(statement: str, *arguments: str, cwd: Path) -> tuple[int, set[str], str]:
    """Exit code, top-level modules and standard error of a new interpreter that executes a statement."""
    command = [sys.executable, "-c", PROGRAM.format(statement=statement), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules), done.stderr


def run_program(*arguments: str, cwd: Path) -> tuple[int, set[str], str]:
    return start("from theory_sim.cli import main; main()", *arguments, cwd=cwd)


def test_all_commands_are_tested() -> None:
    assert {
        "bench",
        "check-data",
        "config",
        "figures",
        "hierarchy",
        "list",
        "pretrain",
        "regime",
        "report",
        "runs compare",
        "runs delete",
        "runs disk",
        "runs list",
        "runs show",
        "simulate",
        "study",
        "sweep",
        "verify",
    } <= {*ALL}


def test_the_measurement_sees_heavy_modules(tmp_path: Path) -> None:
    assert {"torch", "scipy"} <= start("import scipy, torch", cwd=tmp_path)[1]


def test_importing_the_package_is_light(tmp_path: Path) -> None:
    code, modules, err = start("import theory_sim", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert not modules & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], *([*command.split(), "--help"] for command in ALL)], ids=" ".join)
def test_help_is_light(arguments: list[str], tmp_path: Path) -> None:
    code, modules, err = run_program(*arguments, cwd=tmp_path)
    assert (code, err) == (0, "")
    assert not modules & HEAVY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "--set", "data.dimm=3"], "unknown key data.dimm; did you mean data.dim?"),
        (["verify", "--set", "data.dim=abc"], "data.dim: "),
        (["regime", "/dev/null", "--set", "data.dimm=3"], "unknown key data.dimm"),
        (["figures", "--config", "wrong.yaml"], "wrong.yaml: unknown key data.dimm"),
        (["sweep", "/dev/null", "--grid", "seed=1", "--set", "data.dimm=3"], "unknown key data.dimm"),
        (["simulate", "absent.yaml"], "cannot read the configuration absent.yaml: No such file or directory"),
        (["simulat"], "No such command 'simulat'"),
        (["list", "thing"], "unknown kind 'thing'"),
        (["verify", "--set", "noise=3"], "did you mean data.noise, hard.noise, target.noise or record.noise?"),
        (["config", "--explain", "nose"], "unknown key nose"),
        (["verify", "smalll"], "did you mean small?"),
    ],
    ids=["key", "value", "regime", "figures", "sweep", "file", "command", "kind", "section", "explain", "name"],
)
def test_wrong_input_is_answered_light(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("data: {dimm: 3}\n")
    code, modules, err = run_program(*arguments, cwd=tmp_path)
    assert code == 2
    assert message in err
    assert not modules & HEAVY


def test_configurations_are_listed_light(tmp_path: Path) -> None:
    code, modules, err = run_program("list", "configs", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert not modules & HEAVY


def test_an_interrupt_while_modules_are_imported_is_one_line(tmp_path: Path) -> None:
    """It was a traceback: Ctrl-C right after the start of a command."""
    program = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "theory_sim.cli.program":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from theory_sim.cli import main
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
