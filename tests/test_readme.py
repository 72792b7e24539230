"""What the README and the findings say can be done can be done."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import theory_sim as ts
from theory_sim.config import Config, load_config
from theory_sim.figures.gallery.needed import chosen
from theory_sim.runtime.settings import value_at
from theory_sim.studies.grids import GRIDS
from theory_sim.studies.study import study_files

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FINDINGS = (ROOT / "paper_figs" / "FINDINGS.md").read_text()
TINY = '"tree.subclasses=2", "replicas=2", "data.dim=16", "network.neurons=6", "training.steps=10", "test.samples=20"'


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(import theory_sim as ts\n.*?)```", README, re.S)
    assert '"tree.subclasses=4", "replicas=3"' in code
    exec(code.replace('"tree.subclasses=4", "replicas=3"', TINY), {})
    assert capsys.readouterr().out.count("\n") == 9


def test_the_theory_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    from theory_sim.cli import main

    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(# my_theory.*?)```", README, re.S)
    (tmp_path / "my_theory.py").write_text(code)
    settings = [part for text in TINY.replace('"', "").split(", ") for part in ("--set", text)]
    monkeypatch.setattr("sys.argv", ["theory-sim", "verify", "my_theory.py", *settings])
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:  # later tests in this process list the package's own theories
        for registry in (ts.THEORIES, ts.SETUPS):
            registry.remove("mine")
    out = capsys.readouterr().out
    assert ended.value.code == 1, "the claims need more than ten steps"
    assert out.count("│ coarse-") == 4
    assert "results/mine/" in out


def test_every_key_in_the_notation_table_is_one():
    rows = [line for line in README.split("| symbol | key | | symbol | key |")[1].split("\n\n")[0].splitlines() if "`" in line]
    keys = [key for line in rows for key in re.findall(r"`([a-z0-9_.]+)`", line) if not key.startswith(".")]
    assert len(keys) >= 15
    for key in keys:
        value_at(Config(), key)


@pytest.mark.parametrize("setting", re.findall(r"theory-sim verify (--set .*?)(?:  +#.*|`.*)?$", README + FINDINGS, re.M))
def test_every_setting_shown_loads(setting):
    load_config(overrides=[text.strip('"') for text in re.split(r"\s*--set\s+", setting) if text])


@pytest.mark.parametrize(("text", "folder"), [(README, ROOT), (FINDINGS, ROOT / "paper_figs")], ids=["README", "FINDINGS"])
def test_every_link_and_picture_is_there(text, folder):
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target.startswith("https://") or (folder / target.split("#")[0]).exists(), target


def test_every_finding_names_what_there_is():
    studies = set(re.findall(r"theory-sim study (\w+)", FINDINGS))
    assert studies == {path.stem for path in study_files()} | set(GRIDS)
    drawn = set(re.findall(r"theory-sim figures (\w+)", FINDINGS))
    assert len(chosen(sorted(drawn))) == len(drawn) > 0


ARROWS = README.split("## How it is built")[1].split("```")[0]


def ranks() -> dict[str, int]:
    """Place of each package in the README's chain of arrows, from the left."""
    chain = ARROWS.split("\n\n")[2].partition(";")[0]
    return {name: rank for rank, group in enumerate(chain.split("←")) for name in re.findall(r"`(\w+)`", group)}


def imports_of(path: Path) -> set[str]:
    """Packages of theory_sim that a module imports anywhere, functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [f"theory_sim.{alias.name}" for alias in node.names] if modules == ["theory_sim"] else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {module.split(".")[1] for module in modules if module.startswith("theory_sim.")}
    return found


def test_the_arrows_are_the_imports():
    """Every package stands in the chain, none imports one to its right, and each arrow is an import of some module."""
    rank, package = ranks(), ROOT / "theory_sim"
    modules = {path: path.relative_to(package).parts[0].removesuffix(".py") for path in package.rglob("*.py")}
    modules |= dict.fromkeys((ROOT / "figures").rglob("*.py"), "figures")
    own = {name for name in modules.values() if not name.startswith("__")}
    assert own == set(rank)
    arrows = {(name, other) for path, name in modules.items() if name in own for other in imports_of(path) & own - {name}}
    assert [(name, other) for name, other in arrows if rank[name] <= rank[other]] == []
    assert {other for name, other in arrows if name == "pretraining"} == {"runtime", "stats", "labels"}
    for name in own - {"runtime"}:
        assert any(of == name for of, _ in arrows), f"{name} imports nothing"
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    linted = [set(layer.split(" | ")) for layer in reversed(layers) if layer != "__main__"]
    assert linted == [{name for name in rank if rank[name] == place} for place in range(len(linted))]


def test_every_folder_of_the_listing_is_there():
    listing = ARROWS_LISTING.split("tests/")[0]
    for line in listing.splitlines():
        name = re.match(r"  (\w+(?:\.py)?)/?  ", line)
        assert name is None or (ROOT / "theory_sim" / name[1]).exists(), line


ARROWS_LISTING = README.split("## How it is built")[1].split("```")[1]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`ts\.(\w+)", README))))
def test_every_name_of_the_package_is_public(name):
    import theory_sim

    assert name in theory_sim.__all__
