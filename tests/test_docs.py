"""The reference is complete: every public name has a docstring and an entry, every key an explanation."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import theory_sim as ts
from theory_sim.cli.keys import descriptions
from theory_sim.config import Config
from theory_sim.pretraining.config import ImageStudy

ROOT = Path(__file__).parent.parent
REFERENCE = "\n".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.rst"))
ENTRIES = set(re.findall(r"^\.\. auto(?:class|function|data|module):: (\S+)$", REFERENCE, re.M))
PACKAGES = ["theory_sim", "theory_sim.testing", "theory_sim.figures", "theory_sim.pretraining.datasets"]
PUBLIC = sorted(f"{package}.{name}" for package in PACKAGES for name in importlib.import_module(package).__all__)


def value_of(name: str) -> object:
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def test_every_public_name_has_an_entry():
    modules = {"theory_sim.plot": "theory_sim.figures.plot"}  # a module: it is entered by its own name
    assert {modules.get(name, name) for name in PUBLIC} - ENTRIES == set()


def test_every_entry_is_there_and_documented():
    assert len(ENTRIES) > len(PUBLIC) > 120
    for name in sorted(ENTRIES):
        try:
            value = value_of(name)
        except AttributeError:
            value = importlib.import_module(name)
        if inspect.isfunction(value) or inspect.isclass(value) or inspect.ismodule(value):
            assert inspect.getdoc(value), name


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("**/*.yaml")), ids=lambda path: path.stem)
def test_every_key_of_every_configuration_is_explained(path):
    """Keys of ``configs/*.yaml`` are in one of the tables of the reference, with a text."""
    from theory_sim.runtime.plain_yaml import read_yaml

    known = {each.key: each.description for model in TABLES for each in descriptions(model)}
    written = list(flat(read_yaml(path)))
    assert written
    for key in written:
        parts = key.split(".")
        prefixes = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        assert any(prefix in known for prefix in prefixes) or any(above.startswith(f"{key}.") for above in known), key


def test_every_key_has_a_text():
    """Of configurations, and of studies on real images."""
    silent = [each.key for model in (Config, ImageStudy) for each in descriptions(model) if not each.description]
    assert silent == []


def flat(tree, above=""):
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{above}{key}.")
        else:
            yield above + key


TABLES = [
    getattr(importlib.import_module(module), name)
    for module, name in re.findall(r"^@keys\((.*?):(.*?)\)$", (ROOT / "docs/reference/configuration.md").read_text(), re.M)
]


def test_every_label_function_of_the_reference_is_registered():
    text = inspect.getdoc(importlib.import_module("theory_sim.labels.functions"))
    named = set(re.findall(r"^``([a-z-]+)", text or "", re.M))
    assert named <= set(ts.LABEL_FUNCTIONS)
    assert len(named) >= 8
