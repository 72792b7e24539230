"""Plugins: files and modules that are imported once, and again when they or what they import have changed."""

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from theory_sim.runtime import plugins
from theory_sim.runtime.errors import InputError, PluginWarning
from theory_sim.runtime.sources import source_digest


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


# Modules beside a plugin.


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "statement"),
    [
        ({"helper.py": "VALUE = {0}"}, "import helper; VALUE = helper.VALUE"),
        ({"helper.py": "VALUE = {0}"}, "import helper as h; VALUE = h.VALUE"),
        ({"helper.py": "VALUE = {0}"}, "from helper import VALUE"),
        ({"helper.py": "VALUE = {0}"}, "from helper import *"),
        ({"helper.py": "from below import VALUE", "below.py": "VALUE = {0}"}, "import helper; VALUE = helper.VALUE"),
        ({"helper/__init__.py": "", "helper/part.py": "VALUE = {0}"}, "import helper.part; VALUE = helper.part.VALUE"),
        ({"helper/__init__.py": "", "helper/part.py": "VALUE = {0}"}, "import helper.part as p; VALUE = p.VALUE"),
        ({"helper/__init__.py": "", "helper/part.py": "VALUE = {0}"}, "from helper import part; VALUE = part.VALUE"),
        ({"helper/__init__.py": "from .part import VALUE", "helper/part.py": "VALUE = {0}"}, "from helper import VALUE"),
        ({"helper/part.py": "VALUE = {0}"}, "from helper.part import VALUE"),
        ({"helper/part.py": "from other import VALUE", "other.py": "VALUE = {0}"}, "from helper.part import VALUE"),
        ({"helper.py": "VALUE = {0}"}, "def value():\n    import helper\n    return helper.VALUE"),
        (
            {"helper.py": "def late():\n    import below\n    return below.VALUE", "below.py": "VALUE = {0}"},
            "from helper import late as value",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_each_folder_has_its_own_modules(files: dict[str, str], statement: str, tmp_path: Path) -> None:
    """Two plugins import a module of one name, which is beside each: neither gets the other's."""
    for number in (1, 2):
        folder = tmp_path / str(number)
        write(folder, {name: text.format(number) for name, text in files.items()} | {"mine.py": statement})
    one, two = plugins.load([str(tmp_path / "1/mine.py"), str(tmp_path / "2/mine.py")])
    values = [module.value() if hasattr(module, "value") else module.VALUE for module in (one, two, one)]
    assert values == [1, 2, 1]


def test_a_module_beside_a_plugin_comes_before_one_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook's own module of that name was imported before."""
    write(tmp_path, {"notebook/a_helper.py": "VALUE = 1", "plugin/a_helper.py": "VALUE = 2", "plugin/mine.py": "import a_helper"})
    monkeypatch.syspath_prepend(tmp_path / "notebook")
    import a_helper

    (plugin,) = plugins.load([str(tmp_path / "plugin/mine.py")])
    assert (plugin.a_helper.VALUE, a_helper.VALUE) == (2, 1)
    assert str(tmp_path / "plugin") not in sys.path


def test_what_lies_beside_a_plugin_hides_nothing_installed(tmp_path: Path) -> None:
    """A module named as one of Python's, and a folder of data named as an installed package."""
    write(tmp_path, {"json.py": "raise OSError", "scipy/data.csv": "", "mine.py": "import json, scipy.stats, collections.abc"})
    (plugin,) = plugins.load([str(tmp_path / "mine.py")])
    assert plugin.json.loads("[1]") == [1]
    assert plugin.scipy.stats.norm.cdf(0) == 0.5


def test_an_absent_module_is_named_as_it_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from helper import value\n")
    (tmp_path / "helper.py").write_text("\nimport nowhere_to_be_found\n")
    with pytest.raises(InputError, match=r"line 1: ModuleNotFoundError: No module named 'nowhere_to_be_found'$"):
        plugins.load([str(tmp_path / "mine.py")])


def test_a_module_that_a_function_imports_late_is_followed_too(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "def value():\n    import helper\n    return helper.VALUE\n", "helper.py": "VALUE = 1\n"})
    (plugin,) = plugins.load([str(tmp_path / "mine.py")])
    assert plugin.value() == 1
    (tmp_path / "helper.py").write_text("VALUE = 2\n")
    (plugin,) = plugins.load([str(tmp_path / "mine.py")])
    assert plugin.value() == 2


def test_digests_do_not_depend_on_the_folder_and_cover_what_lies_beside(tmp_path: Path) -> None:
    files = {
        "mine.py": "import helper\n\ndef value():\n    import late\n    return helper.value() + late.VALUE\n",
        "helper.py": "def value():\n    return 1\n",
        "late.py": "VALUE = 1\n",
    }
    for folder, change in {
        "same": {},
        "other": {"helper.py": "def value():\n    return 2\n"},
        "later": {"late.py": "VALUE = 2\n"},
    }.items():
        write(tmp_path / folder, files | change)
    write(tmp_path / "first", files)
    names = ("first", "same", "other", "later")
    first, *others = (source_digest(plugins.load([str(tmp_path / name / "mine.py")])[0].value) for name in names)
    assert first is not None
    assert [digest == first for digest in others] == [True, False, False]


def test_a_plugin_that_cannot_be_written_beside(tmp_path: Path) -> None:
    """Nothing is written into the folder of a plugin: it may be read-only."""
    write(tmp_path, {"mine.py": "import helper\n", "helper.py": "VALUE = 1\n"})
    plugins.load([str(tmp_path / "mine.py")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["helper.py", "mine.py"]
