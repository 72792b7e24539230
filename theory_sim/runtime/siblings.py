"""Modules beside a plugin's file: each folder has its own, whatever other folders and Python's path hold under the same name.

``import helper`` in the plugin file ``first/labels.py`` is ``first/helper.py``, and in ``second/labels.py`` it is
``second/helper.py``, in one process and whenever the import is executed. For this a file is executed with an ``__import__``
of its own (the import statement calls the one among the built-in functions of its globals): it looks beside the file first,
and keeps what it finds in `sys.modules` under the name of the folder. Python's standard library and this package are never
looked for there, and a folder without ``__init__.py`` only where there is no module of its name.
"""

import builtins
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

PREFIX = "theory_sim_beside_"
"""Begins the names of folders' packages; the rest is a digest of the folder's path."""
_WHOLE = ("__name__",)
"""Names to import from a module so that `__import__` gives the module itself, not its first package."""

imported: list[Callable[[str], None]] = []
"""Called with the full name of each module beside a plugin when it has been imported."""


def execute(source: bytes, path: Path, name: str) -> ModuleType:
    """A new module from the source of a file, whose imports look beside it first; it is in `sys.modules` while it is executed."""
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    _give_import(module, path.parent)
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - the user's own file
    return module


def imports_beside(name: str, level: int, space: Mapping[str, Any]) -> bool:
    """Whether an import statement in a module with these globals takes a module from beside a plugin."""
    own = _import_of(space)
    return own is not None and level == 0 and own.finds(name)


def import_as(name: str, level: int, space: Mapping[str, Any]) -> ModuleType:
    """The module that an import statement in a module with these globals imports."""
    module: ModuleType = (_import_of(space) or builtins.__import__)(name, dict(space), None, _WHOLE, level)
    return module


def plain_name(name: str) -> str:
    """A module's name without that of its folder, as the import statement has it."""
    return name.partition(".")[2] if name.startswith(PREFIX) else name


class _Import:
    """What the import statements of the modules of a folder call."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder, _package_of(folder)

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """As `builtins.__import__`."""
        if level or not self.finds(name):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        whole = builtins.__import__(f"{self.package}.{name}", globals, locals, fromlist or _WHOLE, 0)
        return whole if fromlist else sys.modules[f"{self.package}.{name.partition('.')[0]}"]

    def finds(self, name: str) -> bool:
        """Whether the folder has a module of this name, which is none of Python's or this package's."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == "theory_sim":
            return False
        if (self.folder / f"{top}.py").is_file() or (self.folder / top / "__init__.py").is_file():
            return True
        # A folder without a module in it may hold anything, as one named datasets does.
        return (self.folder / top).is_dir() and top not in sys.modules and importlib.util.find_spec(top) is None


def _give_import(module: ModuleType, folder: Path) -> None:
    """Let a module's import statements look in a folder first."""
    module.__dict__["__builtins__"] = vars(builtins) | {"__import__": _Import(folder)}


def _import_of(space: Mapping[str, Any]) -> _Import | None:
    own = space.get("__builtins__")
    function = own.get("__import__") if isinstance(own, dict) else None
    return function if isinstance(function, _Import) else None


def _package_of(folder: Path) -> str:
    """The package that the modules of a folder are kept in."""
    name = PREFIX + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    return name


class _Finder(MetaPathFinder):
    """Finds modules beside plugins, whose own imports look beside the plugin too."""

    def find_spec(self, fullname: str, path: Iterable[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As `importlib.abc.MetaPathFinder`."""
        if not fullname.startswith(PREFIX) or path is None:
            return None
        folder = Path(sys.modules[fullname.partition(".")[0]].__path__[0])
        found = None
        for place in path:
            finder = FileFinder(place, (partial(_Loader, folder=folder), [".py"]))  # type: ignore[arg-type]
            if (spec := finder.find_spec(fullname)) is not None:
                if spec.loader is not None:
                    return spec
                found = spec  # a folder without a module
        return found


class _Loader(SourceFileLoader):
    """Executes a file with the imports of its plugin's folder. Nothing compiled is kept: it may be older than the file."""

    def __init__(self, name: str, path: str, folder: Path) -> None:
        super().__init__(name, path)
        self.folder = folder

    def get_code(self, fullname: str) -> CodeType:
        """The compiled file."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Execute it."""
        _give_import(module, self.folder)
        super().exec_module(module)
        for tell in imported:
            tell(module.__name__)
