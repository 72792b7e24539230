"""Digests of a user's objects: what counts, and what does not."""

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import ndtr, ndtri

from theory_sim.runtime.sources import module_of, source_digest

SOURCE = """
import math
import functools
from dataclasses import dataclass
import beside
from beside import named

SCALE = 2.0
TABLE = {"a": [1, 2]}

def helper(x):
    return x + 1

def unrelated(x):
    return x

def decorate(function):
    @functools.wraps(function)
    def wrapped(x):
        return function(x) * 3
    return wrapped

def main(x, power=2):
    return helper(x) * SCALE + TABLE["a"][0] + beside.far(x) + named(x) + math.sin(x) ** power

@decorate
def decorated(x):
    return x - 1

def late(x):
    import lately
    return lately.value(x)

def makes(n):
    def inner(x):
        return x * n
    return inner

closed = makes(4)
partly = functools.partial(main, power=3)

@functools.cache
def cached(x):
    return x * 6

class Base:
    rate = 0.5
    def shared(self):
        return helper(1)

class Thing(Base):
    def __init__(self):
        self.size = 7
    def method(self, x):
        return x + self.size
    @property
    def read(self):
        return 5

thing = Thing()
first, second = (lambda x: x + 1), (lambda x: x + 2)
"""
BESIDE = """
FAR = 10

def far(x):
    return x * FAR

def named(x):
    return x - 4
"""
LATELY = """
def value(x):
    return x * 8
"""


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Digest of an object of the module, after some texts in it or beside it are replaced."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = ("mine_to_read", "beside", "lately")

    def of(name: str, *changes: tuple[str, str]) -> str | None:
        for module, text in zip(names, (SOURCE, BESIDE, LATELY), strict=True):
            written = functools.reduce(lambda text, change: text.replace(*change), changes, text)
            (tmp_path / f"{module}.py").write_text(written)
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        return source_digest(getattr(importlib.import_module("mine_to_read"), name))

    yield of
    for module in names:
        sys.modules.pop(module, None)


COUNTS = [
    ("main", "* SCALE", "/ SCALE"),
    ("main", "math.sin", "math.cos"),
    ("main", "power=2", "power=4"),
    ("main", "return x + 1", "return x + 2"),
    ("main", "SCALE = 2.0", "SCALE = 2.5"),
    ("main", "[1, 2]", "[3, 2]"),
    ("main", "x * FAR", "x + FAR"),
    ("main", "FAR = 10", "FAR = 11"),
    ("main", "return x - 4", "return x - 5"),
    ("partly", "power=3", "power=5"),
    ("partly", "* SCALE", "/ SCALE"),
    ("decorated", "return x - 1", "return x - 2"),
    ("decorated", "* 3", "* 5"),
    ("cached", "x * 6", "x * 7"),
    ("closed", "makes(4)", "makes(5)"),
    ("closed", "x * n", "x + n"),
    ("late", "x * 8", "x * 9"),
    ("thing", "self.size = 7", "self.size = 8"),
    ("thing", "x + self.size", "x - self.size"),
    ("thing", "return 5", "return 6"),
    ("thing", "rate = 0.5", "rate = 0.6"),
    ("thing", "helper(1)", "helper(2)"),
    ("thing", "return x + 1", "return x + 2"),
    ("first", "(lambda x: x + 1)", "(lambda x: x + 3)"),
]


@pytest.mark.parametrize(("name", "old", "new"), COUNTS)
def test_what_an_object_uses_counts(name: str, old: str, new: str, digest: Callable[..., Any]) -> None:
    before = digest(name)
    assert before is not None
    assert digest(name, (old, new)) != before
    assert digest(name) == before


UNRELATED = [
    ("def unrelated(x):\n    return x", "def unrelated(x):\n    # A comment.\n    return -x"),
    ("import math\n", "# A comment.\n\nimport math\n"),
    ("thing = Thing()", "thing = Thing()\nmore = 3"),
]


@pytest.mark.parametrize(("old", "new"), UNRELATED)
@pytest.mark.parametrize("name", ["main", "decorated", "closed", "late", "thing", "partly"])
def test_the_rest_of_its_file_does_not(name: str, old: str, new: str, digest: Callable[..., Any]) -> None:
    assert digest(name, (old, new)) == digest(name)


def test_two_functions_of_one_line_differ(digest: Callable[..., Any]) -> None:
    assert digest("first") != digest("second")


def test_a_function_in_memory_is_not_the_edited_text(digest: Callable[..., Any], tmp_path: Path) -> None:
    """Its file was edited and it was not imported again: it is neither the old function nor the new one."""
    before, after = digest("main"), digest("main", ("math.sin", "math.cos"))
    digest("main")
    function = sys.modules["mine_to_read"].main
    path = tmp_path / "mine_to_read.py"
    path.write_text(path.read_text().replace("math.sin", "math.cos"))
    assert source_digest(function) not in (before, after)


def test_objects_without_a_text_have_no_digest() -> None:
    space: dict[str, Any] = {}
    exec("def made(x):\n    return x\n\nclass Made:\n    pass\n\nthing = Made()", space)
    for name in ("made", "Made", "thing"):
        assert source_digest(space[name]) is None
    inner = space["made"]
    assert source_digest(functools.partial(inner, 1)) is None
    assert source_digest(lambda x: inner(x) + 1) is None
    assert source_digest((module_of, np.frompyfunc(inner, 1, 1))) is None
    assert source_digest((module_of, iter([1]))) is None, "its contents are unknown"


def test_values_count() -> None:
    pairs = [
        (np.arange(3), np.arange(4)),
        (torch.arange(3), torch.arange(3.0)),
        (stats.t(3), stats.t(4)),
        (torch.float32, torch.float64),
        ({"a": 1}, {"a": 2}),
        ({1, 2}, {1, 3}),
        ("text", b"text"),
        (Path("a"), Path("b")),
        (np.sin, np.cos),
        (ndtr, ndtri),
        (len, max),
        (None, 0),
    ]
    for one, other in pairs:
        first, second = (source_digest((lambda: 0, value)) for value in (one, other))
        assert first is not None, one
        assert first != second


def test_the_module_of_an_object() -> None:
    own = __name__
    assert module_of(functools.partial(module_of)) == "theory_sim.runtime.sources"
    assert module_of(lambda: 0) == own
    assert module_of((lambda: 0, None)) == own
