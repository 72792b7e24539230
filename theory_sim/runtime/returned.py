"""What a user's functions take and return, compared with their contract.

The functions of plugins are called inside the package, where a wrong value would be found by PyTorch, far from its cause. Each
check here gives one line instead: which function gave what, where that function is written, and what was expected. The checks
are made when an object is registered, or on its first values, and not at every training step.
"""

import functools
import inspect
import math
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from theory_sim.runtime.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def place(value: Any) -> str:
    """Name of a function or class and where it is written, such as ``mine in /home/me/labels.py, line 7``; else its type."""
    while isinstance(value, functools.partial | MethodType):
        value = value.func if isinstance(value, functools.partial) else value.__func__
    value = inspect.unwrap(value) if callable(value) else value
    if isinstance(value, FunctionType):
        code = value.__code__
        return f"{value.__qualname__} in {code.co_filename}, line {code.co_firstlineno}"
    parts = {} if isinstance(value, type) else getattr(value, "__dict__", {})
    for inner in parts.values():
        if isinstance(inner, FunctionType) and not inner.__module__.startswith("theory_sim."):  # as a claim's estimate
            return place(inner)
    class_ = value if isinstance(value, type) else type(value)
    if class_.__module__.startswith("theory_sim."):  # where it is written says nothing of the user's object
        return class_.__qualname__
    try:
        return f"{class_.__qualname__} in {inspect.getfile(class_)}"
    except (TypeError, OSError):  # a class of a session, or one that is built in
        return class_.__qualname__


def shown(value: Any) -> str:
    """A value in a few words: an array by its type of numbers and its shape, all else by its type."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is None or not isinstance(shape, tuple):
        return type(value).__name__
    device = getattr(value, "device", "cpu")
    on = f" on {device}" if str(device) != "cpu" else ""
    of = "" if type(value).__module__.partition(".")[0] == "torch" else f"{type(value).__name__} of "
    return f"{of}{dtype} of the shape {tuple(shape)}{on}"


def expect_function(what: str, value: object, *arguments: str) -> None:
    """Refuse what cannot be called with these positional arguments.

    Raises:
        InputError: it is no function, or takes others.
    """
    wanted = f"{what}: expected a function ({', '.join(arguments)})"
    if not callable(value):
        raise InputError(f"{wanted}, got {type(value).__name__}")
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # a function written in C may not say what it takes
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise InputError(f"{wanted}, got {place(value)}, which takes {signature}") from None


def expect_type(what: str, value: object, *kinds: type, meaning: str = "") -> None:
    """Refuse a returned value of another type.

    Args:
        what: whose value it is.
        value: the value.
        kinds: the types that it may have.
        meaning: added to the expected types.

    Raises:
        InputError: it is an instance of none of `kinds`.
    """
    if not isinstance(value, kinds):
        raise InputError(f"{what}: expected {' or '.join(kind.__name__ for kind in kinds)}{meaning}, got {shown(value)}")


def expect_number(what: str, value: Any) -> float:
    """A returned value as a number; NaN and infinity are numbers.

    Raises:
        InputError: it is none.
    """
    try:
        if isinstance(value, bool | str | bytes) or value is None:
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{what}: expected a number, got {shown(value)}") from None


def expect_count(what: str, value: Any, least: int = 1) -> None:
    """Refuse what is no whole number, or one that is too small.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{what}: expected a whole number, {least} or more, got {value!r}")


def expect_tensor(
    what: str,
    value: Any,
    shape: tuple[int, ...] | None,
    dtype: "torch.dtype | None" = None,
    device: "torch.device | str | None" = None,
    meaning: str = "",
) -> None:
    """Refuse what is not a tensor of a shape, a type of numbers and a device.

    Args:
        what: whose value it is.
        value: the value.
        shape: its shape; −1: any size; None: any shape.
        dtype: its type; None: any floating-point type.
        device: its device; None: any.
        meaning: what it should hold, added to the message.

    Raises:
        InputError: it is another.
    """
    import torch

    fits = isinstance(value, torch.Tensor)
    if fits and shape is not None:
        fits = value.dim() == len(shape) and all(wanted in (-1, size) for wanted, size in zip(shape, value.shape, strict=True))
    if fits:
        fits = value.is_floating_point() if dtype is None else value.dtype == dtype
    if fits and device is not None:
        fits = value.device == torch.device(device)
    if not fits:
        sizes = "" if shape is None else f" of the shape {str(shape).replace('-1', '*')}"
        on = "" if device is None or str(device) == "cpu" else f" on {device}"
        number = "floating-point numbers" if dtype is None else str(dtype)
        more = f": {meaning}" if meaning else ""
        raise InputError(f"{what}: expected {number}{sizes}{on}{more}; got {shown(value)}")


def expect_whole(what: str, value: "Tensor", low: int, high: int) -> None:
    """Refuse whole numbers outside of `low` … `high` − 1.

    Raises:
        InputError: the message names the first that is outside.
    """
    outside = (value < low) | (value >= high)
    if bool(outside.any()):
        raise InputError(f"{what}: expected numbers from {low} to {high - 1}, got {int(value[outside][0])}")


def expect_finite(what: str, value: "Tensor") -> None:
    """Refuse NaN and infinity; looked for replica by replica, so that no copy of all is made.

    Raises:
        InputError: there are some.
    """
    for row in value:
        if not bool(row.isfinite().all()):
            bad = float(row[~row.isfinite()].flatten()[0])
            raise InputError(f"{what}: expected finite numbers, got {bad if math.isnan(bad) else f'{bad:+}'}")
