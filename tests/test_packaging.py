"""What an installed package holds: every package and data file of a checkout."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_installed():
    """A package that the list lacks is absent after ``pip install``, though a checkout imports it."""
    folders = {path.parent for path in (ROOT / "theory_sim").rglob("__init__.py")}
    there = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    listed = {name for name in SETUPTOOLS["packages"] if name not in SETUPTOOLS["package-dir"] or name == "theory_sim"}
    figures = {path.parent.relative_to(ROOT) for path in (ROOT / "figures").rglob("__init__.py")}
    there |= {".".join(("theory_sim", *folder.parts)) for folder in figures}
    listed |= set(SETUPTOOLS["packages"]) & {"theory_sim.figures"}
    assert listed == there


def test_every_data_file_is_installed():
    """Tables, texts and stubs beside the modules match a pattern of their package's data."""
    patterns = SETUPTOOLS["package-data"]["theory_sim"]
    package = ROOT / "theory_sim"
    kept = {path for pattern in patterns for path in package.glob(pattern)}
    others = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".nbi", ".nbc")}
    assert {path.relative_to(package).as_posix() for path in others - kept} == set()
