"""Memory limits, checked before a run starts, and memory that is used again."""

import ctypes
import math
import os
import sys
import weakref

import numpy as np
import torch
from torch import Tensor

from theory_sim.runtime.errors import InputError


def total_memory(device: torch.device) -> int:
    """Bytes of the device, or of the machine for the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_fits(needed: float, device: torch.device, what: str) -> None:
    """Check that a device has enough memory.

    Args:
        needed: bytes.
        device: where they are allocated.
        what: opening of the message, such as ``the training set needs``.

    Raises:
        InputError: `needed` is more than the device has in total.
    """
    if needed > total_memory(device):
        raise InputError(f"{what} {needed / 1e9:.3g} GB of memory, more than the {total_memory(device) / 1e9:.3g} GB of {device}")


def peak_memory(workers: int = 0) -> int | None:
    """Bytes that this process and its workers have held at most.

    Args:
        workers: processes that have ended; each is counted as the largest one of them.

    Returns:
        None where the system does not count, as on Windows.
    """
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    own, largest = (resource.getrusage(of).ru_maxrss for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return unit * (own + workers * largest)


class ReusableBuffer:
    """Lends uninitialised tensors, and lends their memory again once the previous tensor and all its views are gone.

    Each loan is one NumPy array. The tensor's storage holds this array, and so does every view of the tensor; when the last
    of them is deleted, the array's finalizer (`weakref.finalize`) returns the memory to the buffer. A tensor that somebody
    keeps is therefore never overwritten: the next loan allocates new memory. At most one free block is kept.

    On a CPU the system provides new memory page by page, with a page fault at the first access of each page: measured
    1.4 µs per 4 KB page, while drawing the 1024 normal numbers that fit into it takes 2.6 µs. On other devices PyTorch's own
    allocator caches memory.
    """

    def __init__(self) -> None:
        self._free = np.empty(0, dtype=np.uint8)

    def empty(self, *shape: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        """An uninitialised tensor; no later call returns its memory while the tensor or one of its views exists."""
        if device.type != "cpu":
            return torch.empty(*shape, device=device, dtype=dtype)
        needed = math.prod(shape) * dtype.itemsize
        memory, self._free = self._free, np.empty(0, dtype=np.uint8)
        if memory.size < needed:
            memory = np.empty(needed, dtype=np.uint8)
        loan = memory[:needed]
        weakref.finalize(loan, self._take_back, memory).atexit = False
        return torch.from_numpy(loan).view(dtype).view(shape)

    def _take_back(self, memory: np.ndarray) -> None:
        if memory.size > self._free.size:
            self._free = memory


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Numbers of glibc's ``malloc.h``."""
_LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process use freed memory again, where the C library is glibc; elsewhere nothing is changed.

    By default glibc returns large blocks to the system as soon as they are freed, and the system provides their pages anew
    with a page fault each: of a small network on a CPU that takes 23 to 30 % of a training step and 39 to 48 % of an evaluation.
    The process then keeps as much memory as it has needed at most. All threads allocate from one heap, since glibc gives those
    of threads back whatever is set.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function; on Windows no such library
        return
    for option, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _LARGEST)):
        set_option(option, value)
