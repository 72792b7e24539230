"""Registries: one door for the package's own objects and a user's."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from theory_sim.labels.functions import LABEL_FUNCTIONS
from theory_sim.runtime import plugins
from theory_sim.runtime.contracts import ENGINES, READOUTS, SETUPS
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.registry import CORE, Registry
from theory_sim.theories.theory import THEORIES


@pytest.fixture
def registry() -> Registry[Callable[[], int]]:
    return Registry("thing")


@pytest.fixture
def plugin(tmp_path: Path, registry: Registry[Callable[[], int]], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a file that registers a thing, and loads it."""
    monkeypatch.setattr(plugins, "_files", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys.modules["theory_sim.runtime.registry"], "of_the_test", registry, raising=False)

    def write(name: str, value: int = 1) -> str:
        file = tmp_path / name
        file.write_text(
            "from theory_sim.runtime.registry import of_the_test as registry\n\n"
            f"def one():\n    return {value}\n\nregistry.add('one', one)\n"
        )
        plugins.load([str(file)])
        return str(file)

    return write


def test_objects_by_name(registry: Registry[Callable[[], int]]) -> None:
    def one() -> int:
        return 1

    assert registry.add("one", one) is one
    registry.add("two", lambda: 2)
    assert (registry["one"], list(registry), len(registry), "one" in registry) == (one, ["one", "two"], 2, True)
    registry.remove("one")
    registry.remove("one")
    assert list(registry) == ["two"]


def test_unknown_names_are_refused_with_what_there_is(registry: Registry[Callable[[], int]]) -> None:
    registry.add("first", lambda: 1)
    registry.add("second", lambda: 2)
    with pytest.raises(InputError, match=r"^unknown thing 'secnd'; there are first, second; did you mean second\?$"):
        registry["secnd"]


def test_a_plugins_entry_names_it_and_follows_its_edits(
    registry: Registry[Callable[[], int]], plugin: Callable[..., str]
) -> None:
    file = plugin("mine.py")
    entry, before = registry.entry("one"), registry.digest("one")
    assert (entry.plugin, entry.is_core, entry.value()) == (file, False, 1)
    plugin("mine.py", value=2)
    assert registry["one"]() == 2
    assert registry.digest("one") not in (None, before)
    plugin("mine.py")
    assert registry.digest("one") == before


def test_a_name_is_taken_once(registry: Registry[Callable[[], int]], plugin: Callable[..., str]) -> None:
    plugin("mine.py")
    with pytest.raises(
        InputError, match=r"thing 'one' is registered twice: by theory_sim_plugin_mine_.* and by theory_sim_plugin_yo"
    ):
        plugin("yours.py")
    with pytest.raises(InputError, match="thing 'one' is registered twice"):
        registry.add("one", lambda: 3)
    assert registry["one"]() == 1


def test_an_object_without_a_text_has_no_digest(registry: Registry[Callable[[], int]]) -> None:
    space: dict[str, Callable[[], int]] = {}
    exec("def made():\n    return 1", space)
    registry.add("made", space["made"])
    assert registry.digest("made") is None


@pytest.mark.parametrize("registry", [LABEL_FUNCTIONS, ENGINES, READOUTS, SETUPS, THEORIES], ids=lambda r: r.kind)
def test_the_packages_own_entries_come_by_the_same_door(registry: Registry[object]) -> None:
    own = [name for name in registry if registry.entry(name).is_core]
    assert own
    for name in own:
        entry = registry.entry(name)
        assert (registry.digest(name), entry.plugin) == (CORE, None)
        assert entry.module.startswith("theory_sim.")


def test_what_a_changed_file_no_longer_registers_is_gone(
    registry: Registry[Callable[[], int]], plugin: Callable[..., str]
) -> None:
    file = Path(plugin("changing.py"))
    assert "one" in registry
    file.write_text(file.read_text().replace("registry.add('one', one)", "registry.add('another', one)"))
    plugins.load([str(file)])
    assert list(registry) == ["another"]
