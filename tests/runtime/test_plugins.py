"""Plugins: files and modules that are imported once, and again when they or what they import have changed."""

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from theory_sim.runtime import plugins
from theory_sim.runtime.errors import InputError, PluginWarning


@pytest.fixture(autouse=True)
def _nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plugins, "_files", {})
    monkeypatch.setattr(plugins, "_imported", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_is_executed_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from theory_sim.runtime import plugins\nWHO = plugins.loading()\nVALUE = 1\n")
    (one,) = plugins.load([str(file)])
    assert one.VALUE == 1
    assert str(file) == one.WHO
    assert plugins.load([str(file)]) == [one]
    file.write_text("VALUE = 2\n")
    (two,) = plugins.load([str(file)])
    assert two.VALUE == 2
    assert plugins.loading() is None


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "module"])
def test_modules_beside_it_are_imported_again_too(as_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "the_plugin.py").write_text("import above_it\n\ndef value():\n    return above_it.value()\n")
    (tmp_path / "above_it.py").write_text("from lowest_of_it import VALUE\n\ndef value():\n    return VALUE\n")
    (tmp_path / "lowest_of_it.py").write_text("VALUE = 1\n")
    named = str(tmp_path / "the_plugin.py") if as_file else "the_plugin"
    (one,) = plugins.load([named])
    assert one.value() == 1
    assert plugins.load([named]) == [one]
    (tmp_path / "lowest_of_it.py").write_text("VALUE = 2\n")  # at once, and of the same length
    (two,) = plugins.load([named])
    assert two.value() == 2


def test_a_module_that_was_imported_before_is_followed_from_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "early_one.py").write_text("VALUE = 1\n")
    import early_one

    assert plugins.load(["early_one"]) == [early_one]
    (tmp_path / "early_one.py").write_text("VALUE = 3\n")
    assert plugins.load(["early_one"])[0].VALUE == 3


def test_paths_are_absolute_and_modules_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    assert plugins.resolved("mine.py", tmp_path) == str(tmp_path / "mine.py")
    assert plugins.resolved("package.mine", tmp_path) == "package.mine"
    with pytest.raises(InputError, match=r"^plugin other\.py: no such file$"):
        plugins.resolved("other.py", tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\nx +\n", "line 2: invalid syntax"),
        ("def f():\n    return 1 / 0\n\nf()\n", "line 2: ZeroDivisionError: division by zero"),
        ("import nowhere_to_be_found\n", "line 1: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("from theory_sim.runtime.errors import InputError\nraise InputError('my own words')\n", "my own words"),
    ],
)
def test_one_that_fails_is_refused_in_one_line(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    for _ in range(2):
        with pytest.raises(InputError) as refused:
            plugins.load([str(tmp_path / "mine.py")])
        assert str(refused.value) == f"plugin {tmp_path / 'mine.py'}: {reason}"
    assert plugins.loading() is None


def test_absent_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory"):
        plugins.load([str(tmp_path / "absent.py")])
    with pytest.raises(InputError, match="plugin nowhere_to_be_found: ModuleNotFoundError"):
        plugins.load(["nowhere_to_be_found"])


def test_installed_plugins_are_loaded_once_and_a_broken_one_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def broken() -> None:
        raise KeyError("theirs")

    points = [
        SimpleNamespace(name="good", value="good.part:thing", load=lambda: seen.append(plugins.loading())),
        SimpleNamespace(name="bad", value="bad.part", load=broken),
    ]
    monkeypatch.setattr(plugins, "_entry_points_loaded", False)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points if group == "theory_sim.plugins" else [])
    with pytest.warns(PluginWarning, match="installed plugin bad was not loaded: KeyError: 'theirs'"):
        plugins.load_entry_points()
    plugins.load_entry_points()
    assert seen == ["good.part"]
