"""What a user's object is made of: a digest of its source text and of all of the user's code that it refers to.

Followed are global names, closures, defaults, decorated functions, base classes, fields of objects, and modules beside the
user's own. Code of installed packages and of this one counts by its name alone: their versions are recorded elsewhere.
"""

import functools
import hashlib
import inspect
import linecache
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

_INSTALLED = tuple(str(Path(sysconfig.get_paths()[key]).resolve()) for key in ("stdlib", "platstdlib", "purelib", "platlib"))


class _UnreadableError(Exception):
    """The source of something cannot be read."""


def module_of(value: Any) -> str:
    """Name of the module that defines an object: a function's, a class's, or that of the first function that it holds."""
    if isinstance(value, functools.partial):
        return module_of(value.func)
    if isinstance(value, FunctionType | type | MethodType):
        return value.__module__
    for inner in vars(value).values() if hasattr(value, "__dict__") else ():
        if isinstance(inner, FunctionType | functools.partial | MethodType):
            return module_of(inner)
    caller = sys._getframe()  # where it was made is not written in an object of plain values
    while caller.f_back is not None and caller.f_globals.get("__name__", "").startswith("theory_sim.runtime"):
        caller = caller.f_back
    return str(caller.f_globals.get("__name__", "__main__"))


def registering_module() -> str:
    """Name of the module that is being executed now, the innermost."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "__main__"))


def source_digest(value: Any) -> str | None:
    """Digest of all that an object's behaviour is written in; None where some of it cannot be read."""
    reader = _Reader(module_of(value).split(".")[0])
    try:
        reader.visit(value)
    except _UnreadableError:
        return None
    return reader.state.hexdigest()[:16]


class _Reader:
    """Feeds a digest.

    Args:
        own: top-level package of the object, which is read even where it is installed.
    """

    def __init__(self, own: str) -> None:
        self.own = own
        self.state = hashlib.sha256()
        self.seen: set[int] = set()
        self.kept: list[Any] = []  # what is seen must live on, or its id would be another object's

    def visit(self, value: Any) -> None:
        """Read an object, once."""
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            self._write(repr(value))
            return
        if id(value) in self.seen:
            return
        self.seen.add(id(value))
        self.kept.append(value)
        if isinstance(value, functools.partial):
            self._all((value.func, value.args, value.keywords))
        elif isinstance(value, MethodType):
            self._all((value.__func__, value.__self__))
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, ModuleType):
            self._module(value)
        elif isinstance(value, BuiltinFunctionType) or type(value).__module__ in ("typing", "types", "builtins"):
            self._builtin(value)
        else:
            self._object(value)

    def _write(self, text: str) -> None:
        self.state.update(f"{len(text)}:{text}".encode())

    def _all(self, values: Iterable[Any]) -> None:
        for value in values:
            self.visit(value)

    def _builtin(self, value: Any) -> None:
        self._write(type(value).__name__)
        if isinstance(value, Mapping):
            self._all(part for pair in value.items() for part in pair)
        elif isinstance(value, set | frozenset):
            self._all(sorted(value, key=repr))
        elif isinstance(value, list | tuple):
            self._all(value)
        elif isinstance(value, property):
            self._all(part for part in (value.fget, value.fset) if part is not None)
        else:
            self._write(getattr(value, "__qualname__", None) or repr(value))

    def _function(self, function: FunctionType) -> None:
        if self._is_installed(function.__module__):
            self._write(f"{function.__module__}.{function.__qualname__}")
            return
        self._source(function)
        self._code(function.__code__)
        self.visit(getattr(function, "__wrapped__", None))
        self._all((function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            self.visit(cell.cell_contents)
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__:
                self._write(name)
                self.visit(function.__globals__[name])

    def _code(self, code: CodeType) -> None:
        """Tells functions apart whose source lines are the same, as two lambdas of one line."""
        self._write(code.co_code.hex())
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._code(constant)
            else:
                self._write(repr(sorted(constant, key=repr) if isinstance(constant, frozenset) else constant))

    def _class(self, class_: type) -> None:
        if self._is_installed(class_.__module__):
            self._write(f"{class_.__module__}.{class_.__qualname__}")
            return
        self._source(class_)
        self._all(class_.__bases__)
        for name, value in sorted(vars(class_).items()):
            if isinstance(value, staticmethod | classmethod):
                self.visit(value.__func__)
            elif isinstance(value, functools.cached_property):
                self.visit(value.func)
            elif isinstance(value, FunctionType | property) and not _is_generated(value):
                self._write(name)
                self.visit(value)

    def _module(self, module: ModuleType) -> None:
        self._write(module.__name__)
        if self._is_installed(module.__name__):
            return
        file = getattr(module, "__file__", None)
        if file is None:
            raise _UnreadableError
        self._write(Path(file).read_text(encoding="utf-8"))
        kinds = (ModuleType, FunctionType, type)
        self._all(value for name, value in sorted(vars(module).items()) if isinstance(value, kinds))

    def _object(self, value: Any) -> None:
        class_ = type(value)
        self.visit(class_)
        if hasattr(value, "tobytes"):  # arrays
            self._write(f"{value.dtype} {value.shape}")
            self.state.update(value.tobytes())
        elif class_.__module__.split(".")[0] == "torch":
            if not hasattr(value, "numpy"):
                self._write(repr(value))
                return
            self.visit(value.detach().cpu().numpy())
        elif hasattr(value, "dist") and hasattr(value, "args") and hasattr(value, "kwds"):  # a law of SciPy
            self._all((value.dist.name, value.args, value.kwds))
        elif hasattr(class_, "model_fields"):  # pydantic
            self._write(repr(value))
        elif hasattr(class_, "__dataclass_fields__"):
            self._all(getattr(value, name) for name in class_.__dataclass_fields__)
        elif not self._is_installed(class_.__module__) and hasattr(value, "__dict__"):
            self._all(part for pair in sorted(vars(value).items()) for part in pair)
        elif isinstance(value, Path):
            self._write(str(value))
        else:
            raise _UnreadableError

    def _source(self, value: Any) -> None:
        try:
            file = inspect.getsourcefile(value)
            if file is not None:
                linecache.checkcache(file)
            self._write(inspect.getsource(value))
        except (OSError, TypeError):
            raise _UnreadableError from None

    def _is_installed(self, name: str) -> bool:
        """Whether a module belongs to Python, to this package, or to an installed one that is not the object's own."""
        top = name.split(".", maxsplit=1)[0]
        if top == self.own:
            return top == "theory_sim"
        module = sys.modules.get(top)
        file = getattr(module, "__file__", None)
        if top == "__main__":
            return False
        return top == "theory_sim" or file is None or str(Path(file).resolve()).startswith(_INSTALLED)


def _names(code: CodeType) -> set[str]:
    """All names in a function's code, those of functions within it too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _is_generated(value: Any) -> bool:
    """Whether a method has no source of its own, as those that dataclasses write."""
    code = getattr(value, "__code__", None)
    return code is not None and code.co_filename.startswith("<") and not code.co_filename.startswith("<ipython")
