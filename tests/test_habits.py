"""The files around the code agree with each other: workflow and CI, hooks and lint, slow tests, versions."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()


def recipe(target: str) -> list[str]:
    """The commands of a target, without the folder of programs."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.M)
    assert found, target
    return [line.strip().removeprefix("$(BIN)/") for line in found[1].splitlines()]


def test_the_workflow_runs_what_the_ci_runs():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    commands = [step["run"] for step in jobs["test"]["steps"] if "run" in step]
    assert commands == [".ci/run"]
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "exec make test"
    assert [step["run"] for step in jobs["docs"]["steps"] if "run" in step] == ["make docs"]


def test_the_workflow_has_every_python_that_is_promised():
    pythons = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]["python"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert promised
    assert set(promised) <= set(pythons)
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(version) for version in pythons)


def test_hooks_check_what_lint_checks():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    run = [re.sub(r" --fix$", "", hook["entry"].removeprefix(".venv/bin/")) for hook in hooks]
    assert run == [re.sub(r"( --check)? \.$", "", command) for command in recipe("lint")]


def test_versions_agree():
    assert f"version: {PROJECT['version']}" in (ROOT / "CITATION.cff").read_text().splitlines()
    pinned = {re.split("==", line)[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = [name for names in PROJECT["optional-dependencies"].values() for name in names]
    for requirement in [*PROJECT["dependencies"], *extras]:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")
        assert name == "theory-sim" or name in pinned, name


def test_slow_tests_are_there():
    listed = (ROOT / "tests/slow.txt").read_text().split()
    assert listed == sorted(set(listed))
    for name in listed:
        files = sorted((ROOT / name).rglob("test_*.py")) or [ROOT / name]
        nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
        assert any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in nodes), name
    assert '-m "not slow"' in recipe("test-fast")[0]


def test_thorough_tests_are_there():
    listed = (ROOT / "tests/thorough.txt").read_text().splitlines()
    assert listed == sorted(set(listed))
    for file, name in (test.split("::") for test in listed):
        names = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)}
        assert name.split("[")[0] in names, file
    assert '-m "not thorough"' in recipe("test")[-1]
    assert recipe("test-all")[-1] == "pytest -n 2 --dist worksteal"


@pytest.mark.slow  # collects tests in a process of its own
def test_thorough_cases_are_there():
    cases = [test for test in (ROOT / "tests/thorough.txt").read_text().splitlines() if "[" in test]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *cases], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


def test_contributing_names_what_there_is():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for target in set(re.findall(r"`make ([\w-]+)`", text)):
        assert recipe(target)
    for path in set(re.findall(r"`((?:tests|figures|configs|docs)/[\w./]*)`", text)):
        assert (ROOT / path).exists(), path
