"""What a user's object is made of: a digest of its source text and of all of the user's code that it refers to.

Followed are global names, closures, defaults, decorated functions, base classes, fields of objects, and modules beside the
user's own. Code of installed packages and of this one counts by its name alone: their versions are recorded elsewhere. Of a
`theory_sim.runtime.data_files.DataFile` the contents count.
"""

import dis
import functools
import hashlib
import importlib.util
import inspect
import linecache
import pickle
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from theory_sim.runtime import siblings
from theory_sim.runtime.data_files import DataFile

_INSTALLED = tuple(str(Path(sysconfig.get_paths()[key]).resolve()) for key in ("stdlib", "platstdlib", "purelib", "platlib"))


class _UnreadableError(Exception):
    """The source of something cannot be read."""


def module_of(value: Any) -> str:
    """Name of the module that defines an object: a function's, a class's, or that of the first of several or in an object."""
    if isinstance(value, functools.partial):
        return module_of(value.func)
    if isinstance(value, tuple) and value:
        return module_of(value[0])
    if isinstance(value, FunctionType | type | MethodType):
        return value.__module__ or "__main__"  # made by exec in a space without a name
    own = vars(value) if hasattr(value, "__dict__") else {}
    if isinstance(of_wrapped := own.get("__module__"), str):  # a function with a cache
        return of_wrapped
    for inner in own.values():
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


def is_users(name: str, file: str) -> bool:
    """Whether a module is a user's own, neither Python's, nor this package's, nor an installed one."""
    own = name.split(".", maxsplit=1)[0] not in ("theory_sim", "__main__")
    return own and not str(Path(file).resolve()).startswith(_INSTALLED)


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
        elif isinstance(value, DataFile):
            self._write(value.digest())
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
            text = getattr(value, "__qualname__", None) or repr(value)
            if " at 0x" in text:
                raise _UnreadableError
            self._write(text)

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
        read, imported = _names(function.__code__)
        for name in sorted(read & function.__globals__.keys()):
            self._write(name)
            self.visit(function.__globals__[name])
        for name, level in sorted(imported):
            self._import(name, level, function.__globals__)

    def _code(self, code: CodeType) -> None:
        """Tells functions apart whose source lines are the same, as two lambdas of one line.

        It also keeps apart a function in memory and the text of its file where that was edited since.
        """
        self._write(f"{code.co_code.hex()} {code.co_names}")
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
            elif isinstance(value, bool | int | float | str) and not name.startswith("__"):
                self._write(f"{name} {value!r}")

    def _import(self, name: str, level: int, space: dict[str, Any]) -> None:
        """Read a module of the user's that a function imports when it is called."""
        try:
            if not siblings.imports_beside(name, level, space):
                whole = importlib.util.resolve_name("." * level + name, space.get("__package__") or "")
                top, spec = whole.split(".")[0], importlib.util.find_spec(whole)
                if top == "theory_sim" or spec is None or not spec.has_location:
                    return
                if top != self.own and str(Path(str(spec.origin)).resolve()).startswith(_INSTALLED):
                    return
            self.visit(siblings.import_as(name, level, space))
        except Exception:  # a module may do anything; then nobody knows what the function does
            raise _UnreadableError from None

    def _module(self, module: ModuleType) -> None:
        self._write(siblings.plain_name(module.__name__))
        if self._is_installed(module.__name__):
            return
        file = getattr(module, "__file__", None)
        if file is None:
            raise _UnreadableError
        self._write(Path(file).read_text(encoding="utf-8"))
        kinds = (ModuleType, FunctionType, type, bool, int, float, str, tuple, list, dict)
        own = {name: value for name, value in vars(module).items() if not name.startswith("__")}
        self._all(value for name, value in sorted(own.items()) if isinstance(value, kinds))

    def _object(self, value: Any) -> None:
        class_ = type(value)
        self.visit(class_)
        for inner in ("__wrapped__", "py_func"):  # a function with a cache, or compiled by Numba
            if isinstance(function := getattr(value, inner, None), FunctionType):
                self.visit(function)
                return
        if self._numbers(value):
            return
        if isinstance(value, Mapping):  # of a class of its own
            self._all(part for pair in value.items() for part in pair)
        elif isinstance(value, list | tuple):
            self._all(value)
        if hasattr(value, "dist") and hasattr(value, "args") and hasattr(value, "kwds"):  # a law of SciPy
            self._all((value.dist.name, value.args, value.kwds))
        elif hasattr(class_, "model_fields"):  # pydantic
            self._write(repr(value))
        elif hasattr(class_, "__dataclass_fields__"):
            self._all(getattr(value, name) for name in class_.__dataclass_fields__)
        elif not self._is_installed(class_.__module__) and hasattr(value, "__dict__"):
            self._all(part for pair in sorted(vars(value).items()) for part in pair)
        elif isinstance(value, Path):
            self._write(str(value))
        elif self._is_installed(class_.__module__):
            self._pickled(value)
        else:
            raise _UnreadableError

    def _numbers(self, value: Any) -> bool:
        """Read arrays, tensors and networks; whether it was one."""
        if hasattr(value, "state_dict"):  # a network of PyTorch
            self._all(part for pair in sorted(value.state_dict().items()) for part in pair)
        elif hasattr(value, "tobytes"):
            self._write(f"{value.dtype} {value.shape}")
            self.state.update(value.tobytes())
        elif type(value).__module__.split(".")[0] == "torch":
            if hasattr(value, "numpy"):
                self.visit(value.detach().cpu().numpy())
            else:
                self._write(repr(value))
        else:
            return False
        return True

    def _pickled(self, value: Any) -> None:
        """Read an object of an installed package: by its name in its module, as NumPy's functions, or by what makes it again."""
        name = getattr(value, "__name__", None)
        for module in (getattr(value, "__module__", None), type(value).__module__, "scipy.special"):
            if isinstance(name, str) and getattr(sys.modules.get(str(module)), name, None) is value:
                self._write(f"{module}.{name}")
                return
        try:
            self.state.update(pickle.dumps(value, protocol=4))
        except Exception:  # an object may do anything
            raise _UnreadableError from None

    def _source(self, value: Any) -> None:
        try:
            file = inspect.getsourcefile(value)
            if file is not None:
                linecache.checkcache(file)
            self._write(inspect.getsource(value))
        except (OSError, TypeError):
            raise _UnreadableError from None

    def _is_installed(self, name: str | None) -> bool:
        """Whether a module belongs to Python, to this package, or to an installed one that is not the object's own."""
        top = (name or "__main__").split(".", maxsplit=1)[0]
        if top == self.own:
            return top == "theory_sim"
        if top in ("__main__", "theory_sim"):
            return top == "theory_sim"
        module = sys.modules.get(top)
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]  # a folder without __init__ has no file
        place = next((place for place in places if place is not None), None)
        return place is None or str(Path(place).resolve()).startswith(_INSTALLED)


def _names(code: CodeType) -> tuple[set[str], set[tuple[str, int]]]:
    """Global names that a function reads, and modules that it imports with their levels; those of functions within it too."""
    read: set[str] = set()
    imported: set[tuple[str, int]] = set()
    level = 0
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            imported.add((step.argval, level))
        # The level is the last number before the import: ``LOAD_CONST level; LOAD_CONST names; IMPORT_NAME``.
        level = step.argval if isinstance(step.argval, int) and step.opname.startswith("LOAD_") else level
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner_read, inner_imported = _names(constant)
            read |= inner_read
            imported |= inner_imported
    return read, imported


def _is_generated(value: Any) -> bool:
    """Whether a method has no source of its own, as those that dataclasses write."""
    code = getattr(value, "__code__", None)
    if code is None or code.co_filename.startswith("<ipython"):
        return False
    return code.co_filename.startswith("<") or str(Path(code.co_filename).resolve()).startswith(_INSTALLED)
