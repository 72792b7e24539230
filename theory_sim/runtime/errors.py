"""The errors that a user can cause. Each message is one clear line: what is wrong, where, and what to do about it."""

import sys


class InputError(ValueError):
    """The input is wrong: a key, a value, a file, a device. The command line prints it and exits with 2."""


class BusyError(InputError):
    """Another process works on the same results, and this one was asked not to wait."""


class OneLineWarning(UserWarning):
    """A warning of this package: the command line prints its message as one line."""


class NotCachedWarning(OneLineWarning):
    """A run uses an object whose source cannot be read, so that its results cannot be told from those of a changed object."""


class PluginWarning(OneLineWarning):
    """A plugin is absent or has changed: an installed one was not loaded, or that of a stored run is not as it was."""


class WaitingWarning(OneLineWarning):
    """Another process works on the same results, and this one waits for it; or nothing can keep them apart."""


class DivergedError(ArithmeticError):
    """Training met a NaN or an infinity; the message names the step and the quantity."""


def expect(what: str, value: object, *kinds: type) -> None:
    """Refuse a value of another type than a function takes.

    Raises:
        InputError: it is an instance of none of `kinds`.
    """
    if not isinstance(value, kinds):
        raise InputError(f"{what}: expected {' or '.join(kind.__name__ for kind in kinds)}, got {type(value).__name__}")


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
