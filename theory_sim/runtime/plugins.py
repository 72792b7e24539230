"""Plugins: a user's modules, imported so that they register label functions, claims, theories, readouts and more.

A plugin is a file (``my_labels.py``), a module by name (``my_package.labels``), or an installed package with an entry
point in the group ``theory_sim.plugins``. A configuration names the first two under ``plugins``; worker processes import
them before their first run. Each is executed once, and again when its file, a module of the user's that it imports, or a
`theory_sim.runtime.data_files.DataFile` that it names has changed. Import statements of a file look beside it first
(`theory_sim.runtime.siblings`).
"""

import hashlib
import importlib
import importlib.util
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from theory_sim.runtime import data_files, siblings
from theory_sim.runtime.errors import InputError, PluginWarning, expect_utf8
from theory_sim.runtime.sources import is_users

GROUP = "theory_sim.plugins"
"""Entry points of installed plugins."""

_loading: ContextVar[str | None] = ContextVar("plugin being loaded", default=None)
_files: dict[str, tuple[str, ModuleType]] = {}
"""By path: the digest of the file when it was executed, and its module."""
_imported: dict[str, tuple[Path, str]] = {}
"""By name: the files of a user's modules that plugins imported, and their digests then."""
_entry_points_loaded = False


forgetters: list[Callable[[str], None]] = []
"""Called with a plugin before its changed file is executed again, so that what it no longer registers is gone."""


def loading() -> str | None:
    """The plugin that is being imported now."""
    return _loading.get()


def resolved(plugin: str, base: Path) -> str:
    """A plugin as configurations keep it: a file's absolute path, a module's name as it is.

    Raises:
        InputError: there is no such file.
    """
    if not (plugin.endswith(".py") or "/" in plugin):
        return plugin
    path = (base / Path(plugin).expanduser()).resolve()
    if not path.is_file():
        raise InputError(f"plugin {plugin}: no such file")
    expect_utf8("plugin", path)
    return str(path)


def with_plugins(path: str | Path | None, more: Sequence[str]) -> Callable[[dict[str, Any]], None]:
    """Changes settings as they are read: files of plugins get absolute paths, so that worker processes find them.

    Args:
        path: the file of the settings; plugins that it names are relative to its folder.
        more: further plugins, relative to the working directory.
    """
    beside = Path() if path is None else Path(path).parent

    def resolve(tree: dict[str, Any]) -> None:
        named = tree.get("plugins") or []
        if isinstance(named, list) and all(isinstance(plugin, str) for plugin in named):
            found = [*(resolved(plugin, beside) for plugin in named), *(resolved(plugin, Path()) for plugin in more)]
            tree["plugins"] = list(dict.fromkeys(found))

    return resolve


def load(plugins: Sequence[str]) -> list[ModuleType]:
    """Import plugins that are not imported yet, or whose file has changed.

    Raises:
        InputError: one cannot be imported; the message says why, and where in it.
    """
    _forget_changed()
    return [_load_file(Path(plugin)) if plugin.endswith(".py") else _load_module(plugin) for plugin in plugins]


def load_entry_points() -> None:
    """Import installed plugins, once; one that fails is passed over with a warning, for it may have nothing to do with a run."""
    global _entry_points_loaded  # noqa: PLW0603 - once for a process
    if _entry_points_loaded:
        return
    _entry_points_loaded = True
    for point in metadata.entry_points(group=GROUP):
        try:
            with _being_loaded(point.value.partition(":")[0]):
                point.load()
        except Exception as error:  # a plugin may do anything
            warnings.warn(
                f"installed plugin {point.name} was not loaded: {type(error).__name__}: {error}", PluginWarning, stacklevel=2
            )


@contextmanager
def _being_loaded(plugin: str) -> Iterator[None]:
    token, before = _loading.set(plugin), set(sys.modules)
    try:
        yield
    finally:
        _loading.reset(token)
        _remember(sys.modules.keys() - before)


def _remember(names: Iterable[str]) -> None:
    """Note the files of a user's modules."""
    for name in list(names):
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and is_users(name, file):
            _imported[name] = Path(file), _digest(Path(file))


# Also of modules that a function imports when it is called.
siblings.imported.append(lambda name: _remember([name]))


def _forget_changed() -> None:
    """Where a module that plugins imported has changed, all of them are imported anew, since others may hold what was in it."""
    if not data_files.changed() and all(_digest(file) == digest for file, digest in _imported.values()):
        return
    for name, (file, _) in _imported.items():
        sys.modules.pop(name, None)
        # Python takes a compiled file for the same if its source was changed within a second, at the same length.
        with suppress(OSError):  # where none can be deleted, none can be written
            Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
    importlib.invalidate_caches()
    _imported.clear()
    _files.clear()


def _digest(file: Path) -> str:
    """Digest of a file; of one that is absent, none that a file has."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def _load_module(name: str) -> ModuleType:
    if name in sys.modules:
        if name not in _imported:
            _remember([name])
        return sys.modules[name]
    try:
        with _being_loaded(name):
            return importlib.import_module(name)
    except InputError:
        raise
    except Exception as error:  # a plugin may do anything
        raise InputError(f"plugin {name}: {_reason(error, None)}") from error


def _load_file(path: Path) -> ModuleType:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"plugin {path}: {error.strerror}") from None
    digest = hashlib.sha256(text).hexdigest()
    if (there := _files.get(str(path))) and there[0] == digest:
        return there[1]
    for forget in forgetters:
        forget(str(path))
    name = f"theory_sim_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    try:
        with _being_loaded(str(path)):
            module = siblings.execute(text, path, name)
    except InputError as error:
        raise InputError(f"plugin {path}: {error}") from None
    except Exception as error:  # a plugin may do anything
        raise InputError(f"plugin {path}: {_reason(error, path)}") from error
    _files[str(path)] = digest, module
    return module


def blamed(error: BaseException) -> str | None:
    """The plugin's line that an exception was raised in, and what it says; None where no plugin took part."""
    files = {*_files, *(str(file) for file, _ in _imported.values())}
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    if not lines:
        return None
    return f"{lines[-1].filename}, line {lines[-1].lineno}: {type(error).__name__}: {' '.join(str(error).split())}"


@contextmanager
def blaming() -> Iterator[None]:
    """Name the line of a plugin that an error was raised in, where Pydantic would keep nothing but its text.

    Raises:
        InputError: a plugin raised a `ValueError` or failed an assertion.
    """
    try:
        yield
    except InputError:
        raise
    except (ValueError, AssertionError) as error:
        if (place := blamed(error)) is None:
            raise
        raise InputError(place) from error


def _reason(error: Exception, path: Path | None) -> str:
    """What went wrong, and in which line of the plugin."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if path and frame.filename == str(path)]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {' '.join(str(error).split())}"
