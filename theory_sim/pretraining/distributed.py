"""One process or many, by `accelerate`: what they share, and batch normalisation over all of them."""

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from theory_sim.runtime.errors import BusyError, InputError, WaitingWarning
from theory_sim.runtime.locks import locked

_LAUNCHED = {"LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
"""Variables by which launchers such as torchrun tell a process of the others."""
_POLL_SECONDS = 0.5


_FIRST = threading.Lock()
"""Two threads that made accelerators at once would each find the other's half-made state."""


def processes() -> Any:
    """The `accelerate.Accelerator` of this program; one process unless a launcher started more.

    Raises:
        InputError: the environment has variables of a launcher that did not start this process.
    """
    with _FIRST:
        return _accelerator()


@cache
def _accelerator() -> Any:
    from accelerate import Accelerator

    try:
        return Accelerator()
    except (ValueError, RuntimeError, ImportError, OSError) as error:  # accelerate and PyTorch raise each, by what is wrong
        there = [name for name in os.environ if name in _LAUNCHED or name.startswith("ACCELERATE_")]
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"cannot join the processes that the environment describes ({', '.join(sorted(there)) or 'no variable of it'}):"
            f" {reason}; unset these variables unless a launcher started this process"
        ) from None


def same_everywhere(value: str) -> str:
    """The main process's value, in all processes."""
    from accelerate.utils import broadcast_object_list

    (shared,) = broadcast_object_list([value])
    return str(shared)


@contextmanager
def locked_everywhere(folder: Path, finished: Callable[[], bool]) -> Iterator[None]:
    """The lock of a folder, which the main process holds for all; see `theory_sim.runtime.locks.locked`.

    While the main process waits, it sends the others a message in every half second: a collective operation that lasts too
    long is an error.
    """
    with ExitStack() as held:
        said = False
        while True:
            free = ""
            if processes().is_main_process:
                try:
                    held.enter_context(locked(folder, finished, wait=False))
                    free = "free"
                except BusyError as error:
                    if not said:
                        warnings.warn(f"{error}: waiting for it to end", WaitingWarning, stacklevel=3)
                    said = True
                    time.sleep(_POLL_SECONDS)
            if same_everywhere(free):
                break
        yield


class GlobalBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes, on the CPU; PyTorch's `SyncBatchNorm` needs a GPU."""

    @classmethod
    def of(cls, layer: nn.BatchNorm2d) -> "GlobalBatchNorm":
        """A layer with the same weights and statistics as another one; they are shared, not copied."""
        made = cls(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        made.weight, made.bias = layer.weight, layer.bias
        made.running_mean, made.running_var = layer.running_mean, layer.running_var
        made.num_batches_tracked = layer.num_batches_tracked
        made.training = layer.training
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by mean and variance of all processes' batches together."""
        if not self.training:
            return super().forward(x)
        n = dist.get_world_size()
        mean = _sum(x.mean((0, 2, 3))) / n
        centred = x - mean[:, None, None]
        variance = _sum(centred.square().mean((0, 2, 3))) / n  # not E[x²] − E[x]², which loses digits
        with torch.no_grad():
            count = n * x.numel() / x.shape[1]
            momentum = self.momentum or 0.1
            if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * count / (count - 1), momentum)
                self.num_batches_tracked.add_(1)
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised


class _AllReduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        value = value.clone()
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


def _sum(value: Tensor) -> Tensor:
    total: Tensor = _AllReduce.apply(value)  # type: ignore[no-untyped-call]
    return total


def with_global_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """Replace the batch normalisations of a model by ones over all processes; the model is changed and returned."""
    if device.type == "cuda":
        synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return synced
    if type(model) is nn.BatchNorm2d:
        return GlobalBatchNorm.of(model)
    for name, child in model.named_children():
        setattr(model, name, with_global_batch_norm(child, device))
    return model
