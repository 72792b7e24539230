"""What an installed package holds: every package and data file of a checkout."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
DATA_ALONE = {"theory_sim.configs", "theory_sim.study_files"}
"""Packages without modules: the folders ``configs`` and ``configs/studies``."""


def packages_in(folder: Path) -> set[tuple[str, ...]]:
    """The packages in a folder, each as the names on the way to it."""
    return {path.parent.relative_to(folder).parts for path in folder.rglob("__init__.py")}


def test_every_package_is_installed():
    """A package that the list lacks is absent after ``pip install``, though a checkout imports it."""
    there = {("theory_sim", *parts) for parts in packages_in(ROOT / "theory_sim")}
    # A link at theory_sim/figures leads there in a checkout; what follows links would find it twice.
    there |= {("theory_sim", "figures", *parts) for parts in packages_in(ROOT / "figures")}
    assert set(SETUPTOOLS["packages"]) == {".".join(parts) for parts in there} | DATA_ALONE


def test_every_data_file_is_installed():
    """Tables, texts and stubs beside the modules match a pattern of their package's data."""
    package = ROOT / "theory_sim"
    kept = {path for pattern in SETUPTOOLS["package-data"]["theory_sim"] for path in package.glob(pattern)}
    others = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".nbi", ".nbc")}
    assert {path.relative_to(package).as_posix() for path in others - kept} == set()
