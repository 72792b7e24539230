"""All use of Numba: loops that are compiled when first called, and kept on disk for later processes.

Numba keeps what it compiled beside the source, or where that is read-only below the user's home, or in ``NUMBA_CACHE_DIR``; where
none of them can be written, decorating a function raises an error. Then it is kept in a temporary folder of this user's own,
and where there is none of these either, it is compiled anew by each process (some seconds).
"""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core import config as _config

config: Any = _config  # Numba's settings have no types
F = TypeVar("F", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[F], F]:
    """Compile the function below it by Numba, without the interpreter's lock, and keep the result on disk where that can be.

    Args:
        options: of `numba.njit`.
    """

    def decorate(function: F) -> F:
        try:
            made: F = njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # Numba found no folder that can be written
            made = _without_home(function, options)
        return made

    return decorate


def inlined(**options: Any) -> Callable[[F], F]:
    """Compile the function below it as a part of those that call it; arguments are those of `compiled`."""
    return njit(inline="always", **options)  # type: ignore[no-any-return]


def _without_home(function: F, options: dict[str, Any]) -> F:
    folder, before = temporary_folder(), config.CACHE_DIR
    if folder is not None:
        try:
            config.CACHE_DIR = str(folder)  # is read when a function is decorated
            made: F = njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:
            pass
        else:
            return made
        finally:
            config.CACHE_DIR = before
    made = njit(nogil=True, **options)(function)
    return made


def temporary_folder() -> Path | None:
    """A folder for compiled functions that nobody else can write: code is loaded from it. None: there is no place for one."""
    try:
        folder = Path(tempfile.gettempdir(), f"theory-sim-compiled-{os.getuid() if hasattr(os, 'getuid') else 'user'}")
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    own = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return folder if own and stat.S_ISDIR(found.st_mode) and os.access(folder, os.W_OK | os.X_OK) else None
