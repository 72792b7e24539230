"""Registries: the objects of one contract by name, the package's own and a user's registered in the same way.

A module registers its objects when it is imported. The modules of the package's own entries are imported at the first
look-up, and so are the entry points of installed plugins (`theory_sim.runtime.plugins`).
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from theory_sim.runtime import plugins
from theory_sim.runtime.errors import InputError, expect, nearest, shortened
from theory_sim.runtime.returned import place
from theory_sim.runtime.sources import module_of, registering_module, source_digest

T = TypeVar("T")
CORE = "core"
"""Digest of the package's own entries: their source is part of `theory_sim.runtime.provenance.code_version`."""


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered object and where it came from.

    Attributes:
        value: the object.
        module: the module that defines it.
        plugin: the plugin that was being loaded, as the configuration names it; None: the package, or a session.
        place: the function or class that defines it, and the file where it is written, for messages.
    """

    value: T
    module: str
    plugin: str | None
    place: str = ""

    @property
    def is_core(self) -> bool:
        """Whether the package itself registered it."""
        return self.module.split(".")[0] == "theory_sim"


class Registry(Generic[T]):
    """Objects of one contract by name.

    Args:
        kind: what one of them is called in messages, such as ``label function``.
        core: modules of the package whose import registers its own entries.
    """

    def __init__(self, kind: str, core: Sequence[str] = ()) -> None:
        self.kind, self._core = kind, tuple(core)
        self._entries: dict[str, Entry[T]] = {}
        self._loaded = False
        plugins.forgetters.append(self._forget)

    def add(self, name: str, value: T, source: Any = None) -> T:
        """Register an object.

        Args:
            name: how configurations and commands name it.
            value: the object.
            source: the function or class that defines it; the object itself without it.

        Raises:
            InputError: the package, or another module, has registered this name.
        """
        expect(f"name of a {self.kind}", name, str)
        module = module_of(value if source is None else source)
        # A plugin's import may be what first imports the package's own entries: they are not the plugin's.
        plugin = None if registering_module().split(".")[0] == "theory_sim" else plugins.loading()
        entry = Entry(value, module, plugin, place(value if source is None else source))
        there = self._entries.get(name)
        if there is not None and (there.plugin or there.module) != (plugin or module):
            raise InputError(f"{self.kind} '{name}' is registered twice: by {there.module} and by {module}")
        self._entries[name] = entry
        return value

    def remove(self, name: str) -> None:
        """Take an entry out again; nothing happens where there is none."""
        self._entries.pop(name, None)

    def _forget(self, plugin: str) -> None:
        """Take out what a plugin registered."""
        for name in [name for name, entry in self._entries.items() if entry.plugin == plugin]:
            del self._entries[name]

    def entry(self, name: str) -> Entry[T]:
        """The entry of a name.

        Raises:
            InputError: there is none; the message lists what there is.
        """
        expect(f"name of a {self.kind}", name, str)
        self.load()
        if name not in self._entries:
            near = nearest(name, self._entries, cutoff=0.6)
            hint = f"; did you mean {near}?" if near else ""
            raise InputError(f"unknown {self.kind} '{shortened(name)}'; there are {', '.join(sorted(self._entries))}{hint}")
        return self._entries[name]

    def named(self, name: str) -> str:
        """An entry in messages about its values: its kind and name, and where a user's is written."""
        entry = self.entry(name)
        return f"{self.kind} '{name}'" + ("" if entry.is_core else f" ({entry.place})")

    def digest(self, name: str) -> str | None:
        """`CORE`, or the digest of a user's entry's source; None: its source cannot be read."""
        entry = self.entry(name)
        return CORE if entry.is_core else source_digest(entry.value)

    def load(self) -> None:
        """Import what registers the package's own entries, and the plugins that are installed."""
        if not self._loaded:
            self._loaded = True
            for module in self._core:
                importlib.import_module(module)
        plugins.load_entry_points()

    def __getitem__(self, name: str) -> T:
        """The object of a name; errors are those of `entry`."""
        return self.entry(name).value

    def __contains__(self, name: object) -> bool:
        """Whether there is such an entry."""
        self.load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of registration."""
        self.load()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        """How many entries there are."""
        self.load()
        return len(self._entries)
