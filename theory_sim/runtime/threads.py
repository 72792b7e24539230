"""Work on several cores: independent blocks, each computed by one thread alone.

PyTorch's own threads meet after every operation and wait for each other in a busy loop: much is lost as soon as a core is
wanted elsewhere, and some operations use one thread anyway. Blocks that never wait for each other lose nothing (measured on
two cores: a quarter faster when idle, several times when not). PyTorch lets go of the interpreter's lock while it computes,
so threads suffice.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_NAME = "theory_sim block"
_pool: ThreadPoolExecutor | None = None


@contextmanager
def torch_threads(n: int | None) -> Iterator[None]:
    """Within it PyTorch computes with `n` threads, None: with as many as before; and afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if n is None else n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def cores_share_blocks() -> Iterator[None]:
    """Within it `map_blocks` uses as many cores as PyTorch did before, and PyTorch one thread for each block."""
    global _pool  # noqa: PLW0603 - one pool for the process, as PyTorch's number of threads is one for it
    cores = torch.get_num_threads()
    if cores == 1:
        yield
        return
    with ThreadPoolExecutor(cores, _NAME, initializer=torch.set_num_threads, initargs=(1,)) as _pool:
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(cores)
            _pool = None


def map_blocks(compute: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """``[compute(item) for item in items]``, shared among the cores within `cores_share_blocks`; results keep their order.

    A block that has blocks of its own computes them itself: were it to wait for the other cores, all could wait. One block alone
    is computed here: to hand it over would take longer than many a small one takes.
    """
    items = list(items)
    pool = None if threading.current_thread().name.startswith(_NAME) or len(items) == 1 else _pool
    return list(map(compute, items) if pool is None else pool.map(compute, items))


def side_by_side(works: Sequence[Callable[[], object]], at_once: int, stop: Callable[[], None]) -> None:
    """Do independent works, several at once, each by one thread of PyTorch; with `at_once` 1, one after the other.

    Args:
        works: begun in this order.
        at_once: number of threads.
        stop: called when one of them has failed: those that run must then end soon. Those that have not begun are left out.

    Raises:
        BaseException: the first error of any of them, or an interrupt of this thread.
    """
    if at_once == 1:
        for work in works:
            work()
        return
    with ThreadPoolExecutor(at_once, _NAME, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = [pool.submit(work) for work in works]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
