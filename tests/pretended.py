"""A device to pretend: its tensors are computed on the CPU, say that they are elsewhere, and refuse to meet the CPU's.

It finds what a CPU alone cannot: a tensor made on the wrong device, a NumPy view of one that is not on the CPU, an index left
behind, numbers that were drawn for another device. It says nothing about speed, nor about the kernels of a GPU. Dispatch modes of
PyTorch belong to a thread, so that it has one while this lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from theory_sim.runtime.threads import torch_threads

_NAME = "pretended"
_setup_privateuseone_for_python_backend(_NAME)
PRETENDED = torch.device(_NAME, 0)

_aten = torch.ops.aten
_MOVES = {_aten._to_copy.default, _aten.copy_.default}
_INDEXED = {_aten.index.Tensor, _aten.index_put_.default, _aten._index_put_impl_.default}
"""Their second argument, the indices, may lie on the CPU."""


class PretendedTensor(torch.Tensor):
    """A tensor around one of the CPU, which it does not copy."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "PretendedTensor":
        tensor: PretendedTensor = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device=PRETENDED
        )
        tensor.held = held
        return tensor

    def __repr__(self, **_: object) -> str:
        return f"pretended({self.held})"

    def tolist(self) -> Any:
        """Lists may be made from any device; PyTorch refuses it for subclasses."""
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _Pretence(TorchDispatchMode):
    """Sees to calls that are given a device and no tensor."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


def _compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Call it on the held tensors, and say that what comes out is where what went in was."""
    own = {id(x.held): x for x in tree_leaves((args, kwargs)) if isinstance(x, PretendedTensor)}
    there = bool(own)
    bound = tree_leaves(((args[0], args[2:]) if func in _INDEXED else args, kwargs))
    strangers = [x for x in bound if isinstance(x, torch.Tensor) and not isinstance(x, PretendedTensor) and x.ndim]
    if there and strangers and func not in _MOVES:
        raise RuntimeError(f"{func}: expected all tensors on one device, found {PRETENDED} and cpu")

    plain_args, plain_kwargs = tree_map(lambda x: x.held if isinstance(x, PretendedTensor) else x, (args, kwargs))
    leaves = func is _aten._local_scalar_dense.default
    if func is _aten.copy_.default:
        if not isinstance(args[0], PretendedTensor):
            func(*plain_args, **plain_kwargs)
            return args[0]
    elif (device := kwargs.get("device")) is not None:
        goes = torch.device(device).type == _NAME
        there, leaves = goes, there and not goes
        plain_kwargs["device"] = torch.device("cpu")
    result = func(*plain_args, **plain_kwargs)
    if leaves:  # as a copy
        return tree_map(lambda x: x.clone() if isinstance(x, torch.Tensor) else x, result)
    if not there:
        return result
    # What was changed in place stays the same tensor.
    return tree_map(lambda x: own[id(x)] if id(x) in own else _pretend(x), result)


def _pretend(x: Any) -> Any:
    return PretendedTensor(x) if isinstance(x, torch.Tensor) else x


@contextmanager
def pretended_device(patch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """The device, until it ends."""
    lifted = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    patch.setattr("theory_sim.runtime.streams.Generator", lambda device: torch.Generator())
    try:
        with torch_threads(1), _Pretence():
            yield PRETENDED
    finally:
        torch._C._set_only_lift_cpu_tensors(lifted)
