"""Files that a user's functions read: their contents are part of what a run is made of, as the source of the functions is.

    TABLE = ts.DataFile("table.csv")  # beside the file that says so

    @ts.register_label_function("mine")
    def mine(tree, context):
        return ts.by_leaf("mine", tree, torch.from_numpy(np.loadtxt(TABLE, dtype=int)))

A function, a law or an object that refers to it, by a global name, a default, a field or in a helper, has another digest when
the contents change; the path does not count. A file that is opened by its plain path is not seen.
"""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theory_sim.runtime.errors import InputError, expect

named: dict[str, str] = {}
"""Digests of all files when they were named, by path: a plugin that read one is executed again when it has changed."""
_BETWEEN = ("theory_sim", "dataclasses", "jaxtyping", "beartype")
"""Packages whose frames lie between the user's file and the object: Python's, and those that check types in tests."""


@dataclass(frozen=True)
class DataFile(os.PathLike[str]):
    """A file that a user's functions read, to be given to `open`, NumPy, pandas and others as a path.

    Args:
        name: its path; a relative one begins at the folder of the Python file that makes the object, or at the working
            directory in a session without a file.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """

    name: str | Path

    def __post_init__(self) -> None:
        expect("DataFile", self.name, str, Path)
        frame = sys._getframe(1)
        while frame.f_back is not None and _top(frame.f_globals) in _BETWEEN:
            frame = frame.f_back
        file = frame.f_globals.get("__file__")
        beside = Path(file).parent if file is not None else Path()
        object.__setattr__(self, "name", str((beside / Path(self.name).expanduser()).resolve()))
        named.setdefault(str(self.name), self.digest())

    def __fspath__(self) -> str:
        """Its absolute path."""
        return str(self.name)

    def digest(self) -> str:
        """SHA-256 of its contents as they are now.

        Raises:
            InputError: it cannot be read.
        """
        try:
            with open(self, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"data file {self.name}: {error.strerror}") from None


def _top(space: dict[str, Any]) -> str:
    return str(space.get("__name__", "")).partition(".")[0]


def changed() -> bool:
    """Whether a file that was named is another one now, or is gone; then those are forgotten."""
    gone = [path for path, digest in named.items() if not os.path.isfile(path) or DataFile(path).digest() != digest]
    for path in gone:
        del named[path]
    return bool(gone)
