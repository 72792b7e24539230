"""What the README, the site's pages and the findings say can be done can be done."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import theory_sim as ts
from theory_sim.config import Config, load_config
from theory_sim.figures.gallery.needed import chosen
from theory_sim.pretraining.config import load_study as load_image_study
from theory_sim.runtime.settings import value_at
from theory_sim.studies.grids import GRIDS
from theory_sim.studies.study import Study, study_files

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
FINDINGS = (ROOT / "paper_figs" / "FINDINGS.md").read_text()
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text() for path in DOCS.rglob("*.md") if "_build" not in path.parts}
PROSE = "\n".join([README, (ROOT / "CONTRIBUTING.md").read_text(), *PAGES.values()])
DESIGN, NOTATION = PAGES["design.md"], PAGES["theory/model.md"].split("## Symbols and settings")[1]
STRIPES = ROOT / "tests" / "plugins" / "image_source.py"
TINY = '"tree.subclasses=2", "replicas=2", "data.dim=16", "network.neurons=6", "training.steps=10", "test.samples=20"'


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("text", [README, PAGES["howto/python.md"]], ids=["README", "howto"])
def test_the_python_example_runs(text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(import theory_sim as ts\n.*?)```", text, re.S)
    assert '"tree.subclasses=4", "replicas=5"' in code
    exec(code.replace('"tree.subclasses=4", "replicas=5"', TINY), {})
    assert capsys.readouterr().out.count("\n") == 9


def test_the_theory_of_the_pages_runs(tmp_path, monkeypatch, capsys):
    from theory_sim.cli import main

    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(# my_theory.*?)```", PAGES["howto/plugins.md"], re.S)
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


def test_the_claim_of_the_pages_is_the_tested_plugin():
    (code,) = re.findall(r"```python\n(\"\"\"A claim of one's own.*?)```", PAGES["howto/plugins.md"], re.S)
    assert code == (ROOT / "tests" / "plugins" / "claim.py").read_text()


def test_the_sweep_of_the_pages_prints_what_they_show(tmp_path, monkeypatch, capsys):
    from theory_sim.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    command, shown = re.search(r"```\n(theory-sim sweep small .*?)\n```\n\n```\n(.*?)```", PAGES["howto/vary.md"], re.S).groups()
    monkeypatch.setattr("sys.argv", [*command.split(), "--jobs=1"])
    with pytest.raises(SystemExit):
        main()
    printed = capsys.readouterr().out
    for line in shown.splitlines()[:-1]:
        assert line in printed.splitlines()


def test_speeds_of_the_readme_are_those_of_the_page():
    rows = [line.split(" | ") for line in PAGES["results/speed.md"].splitlines() if re.match(r"\| [A-Z].* ms \|", line)]
    plain, vectorised = ([float(row[column]) for row in rows] for column in (2, 3))
    assert len(rows) >= 7
    said = f"{min(plain):g} to {max(plain):g} times as long (plain loop), {min(vectorised):g} to {max(vectorised):g} times"
    assert f"{said} (vectorised)" in README


def test_the_test_of_the_pages_runs(tmp_path):
    """It looked for the theory without loading its file."""
    (theory,) = re.findall(r"```python\n(# my_theory.*?)```", PAGES["howto/plugins.md"], re.S)
    (test,) = re.findall(r"```python\n(from pathlib.*?)```", PAGES["howto/testing.md"], re.S)
    (tmp_path / "my_theory.py").write_text(theory)
    assert "replicas=3)" in test
    scope: dict[str, Any] = {"__file__": str(tmp_path / "test_my_theory.py")}
    exec(test.replace("replicas=3)", f"overrides=[{TINY}])"), scope)
    try:
        scope["test_my_theory"](tmp_path)
    finally:
        for registry in (ts.THEORIES, ts.SETUPS):
            registry.remove("mine")


@pytest.mark.parametrize("name", [name for name, text in PAGES.items() if "```yaml" in text])
def test_every_file_shown_is_read(name, tmp_path):
    """A configuration or a study; ``my_study.yaml`` is run at its small size in `test_the_study_of_the_pages_runs`."""
    for number, code in enumerate(re.findall(r"```yaml\n(.*?)```", PAGES[name], re.S)):
        path = tmp_path / f"file{number}.yaml"
        path.write_text(code)
        if "question:" in code:
            assert study_at(path).cells()
        elif "source:" in code:
            path.write_text(code.replace("my_images.py", str(STRIPES)).replace("npz, path: images.npz", "stripes"))
            assert load_image_study(path).data.source == "stripes"
        else:
            assert load_config(path) != Config()


def study_at(path: Path) -> Study:
    from theory_sim.studies.study import load_study

    return load_study(str(path))


def test_every_key_in_the_notation_table_is_one():
    keys = re.findall(r"^\|[^|]*\| `([a-z0-9_.]+)` \|", NOTATION, re.M)
    assert len(keys) >= 15
    for key in keys:
        value_at(Config(), key)


@pytest.mark.parametrize(
    "setting", sorted(set(re.findall(r"theory-sim verify (--set .*?)(?:  +#.*|`.*)?$", PROSE + FINDINGS, re.M)))
)
def test_every_setting_shown_loads(setting):
    load_config(overrides=[text.strip('"') for text in re.split(r"\s*--set\s+", setting) if text])


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "paper_figs/FINDINGS.md", *(f"docs/{name}" for name in PAGES)]
)
def test_every_link_and_picture_is_there(name):
    """On GitHub, where files are read as they are; the site's build checks its own."""
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text()):
        assert target.startswith(("https://", "#")) or ((ROOT / name).parent / target.split("#")[0]).exists(), target


def test_every_finding_names_what_there_is():
    studies = set(re.findall(r"theory-sim study (\w+)", FINDINGS))
    assert studies == {path.stem for path in study_files()} | set(GRIDS)
    drawn = set(re.findall(r"theory-sim figures (\w+)", FINDINGS))
    assert len(chosen(sorted(drawn))) == len(drawn) > 0


def test_every_study_of_the_table_is_one():
    named = set(re.findall(r"^\| `(\w+)` \|", PAGES["howto/studies.md"], re.M))
    assert named
    assert named <= {path.stem for path in study_files()} | set(GRIDS)


@pytest.mark.parametrize("name", ["README.md", "docs/results/summary.md"])
def test_intervals_in_summaries_are_those_of_the_findings(name):
    """A number of the findings that is repeated elsewhere has been copied right: rounded, it is one of theirs."""
    known = [tuple(map(number, pair)) for pair in INTERVAL.findall(FINDINGS)]
    found = INTERVAL.findall((ROOT / name).read_text().split("```")[-1])
    assert found
    for low, high in found:
        half = 0.5 * 10.0 ** -len(low.partition(".")[2]) + 1e-9
        assert any(abs(a - number(low)) <= half and abs(b - number(high)) <= half for a, b in known), (low, high)


INTERVAL = re.compile(r"\[([−\d.]+), ([−\d.]+)\]")


def number(text: str) -> float:
    return float(text.replace("−", "-"))


ARROWS, LISTING, *_ = DESIGN.split("```")


def ranks() -> dict[str, int]:
    """Place of each package in the chain of arrows, from the left."""
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
    """Every package is in the chain, none imports one to its right, and each arrow is an import of some module."""
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
    for line in LISTING.split("tests/")[0].splitlines():
        name = re.match(r"  (\w+(?:\.py)?)/?  ", line)
        assert name is None or (ROOT / "theory_sim" / name[1]).exists(), line


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bts\.(\w+)|`theory_sim\.([A-Za-z]\w*)`", PROSE))))
def test_every_name_of_the_package_is_public(name):
    import theory_sim

    short, long = name
    packages = {"testing", "figures", "pretraining", "plugins"}
    assert (short or long) in theory_sim.__all__ or long in packages
