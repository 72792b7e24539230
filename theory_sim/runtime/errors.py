"""The errors that a user can cause. Each message is one clear line: what is wrong, where, and what to do about it."""

import difflib
import re
import sys
from collections.abc import Iterable
from pathlib import Path


class InputError(ValueError):
    """The input is wrong: a key, a value, a file, a device. The command line prints it and exits with 2."""


class BusyError(InputError):
    """Another process works on the same results, and this one was asked not to wait."""


class OneLineWarning(UserWarning):
    """A warning of this package: the command line prints its message as one line."""


class NotCachedWarning(OneLineWarning):
    """A run uses an object whose source cannot be read, so that nobody can say whether the object has changed."""


class PluginWarning(OneLineWarning):
    """A plugin is absent or has changed: an installed one was not loaded, or that of a stored run is not as it was."""


class WaitingWarning(OneLineWarning):
    """Another process works on the same results, and this one waits for it; or nothing can keep them apart."""


class BlockWarning(OneLineWarning):
    """Cells of a sweep could not be trained side by side, and are run one at a time: that takes longer."""


class NoEffectWarning(OneLineWarning):
    """A setting was changed that the theory's law of samples does not depend on."""


class DataWarning(OneLineWarning):
    """The data can be used but are probably not what is meant, such as a class without a test image."""


class DivergedError(ArithmeticError):
    """Training met a NaN or an infinity; the message names the step and the quantity."""


def expect(what: str, value: object, *kinds: type) -> None:
    """Refuse a value of another type than a function takes.

    Raises:
        InputError: it is an instance of none of `kinds`.
    """
    if not isinstance(value, kinds):
        raise InputError(f"{what}: expected {' or '.join(kind.__name__ for kind in kinds)}, got {type(value).__name__}")


def shortened(text: str, most: int = 100) -> str:
    """A text as messages show it: of a long one its beginning, its end and its length."""
    return text if len(text) <= most else f"{text[: most - 30]}…{text[-20:]} ({len(text):,} characters)"


def one_line(message: str) -> str:
    """A message as it is printed: in one line, of bounded length, control characters escaped, all other characters kept."""
    line = re.sub(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*", " ", message.strip())
    line = re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda control: f"\\x{ord(control[0]):02x}", line)
    return shortened(line, 1500)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.0) -> str | None:
    """The known name that a mistyped one is nearest to; None where none reaches the cutoff, or the name is no word."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=cutoff) if len(name) <= 100 else []
    return near[0] if near else None


def expect_utf8(what: str, path: str | Path) -> None:
    """Refuse a path that is no text: settings, NetCDF and Parquet cannot hold it.

    Raises:
        InputError: some bytes of it are not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{what} {path}: the path is not UTF-8") from None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be allocated.

    Python, NumPy and Arrow raise `MemoryError`, and PyTorch raises `torch.OutOfMemoryError` for an accelerator. For the CPU
    PyTorch raises a bare `RuntimeError`, which only the name of its allocator in the message identifies.
    """
    if isinstance(error, MemoryError):
        return True
    if "torch" not in sys.modules:  # then PyTorch did not raise it, and importing PyTorch here would take seconds
        return False
    import torch

    on_cpu = isinstance(error, RuntimeError) and "DefaultCPUAllocator: " in str(error)
    return on_cpu or isinstance(error, torch.cuda.OutOfMemoryError)  # its name in PyTorch 2.4 too
