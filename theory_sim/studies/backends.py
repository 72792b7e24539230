"""Backends of sweeps: items of work are done in processes on this machine, or on a Dask cluster.

Both backends yield every item with None, or with the reason why it failed, in the order in which items finish. An item fails
when `Work` returns a reason, or when its worker process dies repeatedly. An exception from `Work` is a programming error, and
is raised.
"""

import os
import re
import signal
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, TypeVar

from theory_sim.runtime.errors import InputError
from theory_sim.runtime.processes import PYTHON_FIRST, starting_processes

if TYPE_CHECKING:
    from loky import Future, ProcessPoolExecutor

Item = TypeVar("Item")
Work = Callable[[Item], str | None]
"""Does one item; returns the reason why it failed, or None."""

MAX_DEATHS = 3
"""An item whose worker died this often is given up: the item may be the cause, for example because it uses up the memory."""
_ANSWER_SECONDS = 10
"""Time limit for the answer of a Dask scheduler."""


def locally(items: Sequence[Item], work: Work[Item], jobs: int) -> Iterator[tuple[Item, str | None]]:
    """Do the items in `jobs` worker processes of this machine.

    Each worker is a loky executor with one process. In an executor with several processes, the death of one stops all of them
    and fails all of their items (the same holds for `joblib.Parallel`); here only the item of the dead worker is repeated.
    """
    from loky import FIRST_COMPLETED, BrokenProcessPool, ProcessPoolExecutor, wait

    def start() -> "ProcessPoolExecutor":
        with starting_processes():  # loky's own process, which the first executor starts
            return ProcessPoolExecutor(1, initializer=_end_with_parent, env=PYTHON_FIRST)

    # A worker keeps the buffers of its largest cell, which loky takes for a leak; it starts another one, and says so.
    warnings.filterwarnings("ignore", message="A worker was restarted", category=UserWarning)
    waiting, deaths = deque(enumerate(items)), Counter[int]()
    idle = [start() for _ in range(min(jobs, len(items)))]
    running: dict[Future[str | None], tuple[int, Item, ProcessPoolExecutor]] = {}
    try:
        while waiting or running:
            while waiting and idle:
                (index, item), executor = waiting.popleft(), idle.pop()
                running[executor.submit(work, item)] = (index, item, executor)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index, item, executor = running.pop(future)
                try:
                    reason = future.result()
                except BrokenProcessPool:
                    executor.shutdown(kill_workers=True)
                    idle.append(start())
                    deaths[index] += 1
                    if deaths[index] < MAX_DEATHS:
                        waiting.appendleft((index, item))
                        continue
                    reason = f"its worker process died {MAX_DEATHS} times"
                else:
                    idle.append(executor)
                yield item, reason
    finally:
        for executor in [*idle, *(executor for _, _, executor in running.values())]:
            executor.shutdown(kill_workers=True)


def on_dask(items: Sequence[Item], work: Work[Item], scheduler: str) -> Iterator[tuple[Item, str | None]]:
    """Do the items on the workers of an existing Dask cluster, which repeats the item of a dead worker on another one.

    Raises:
        InputError: dask.distributed is not installed, no scheduler with workers answers at the address, or the scheduler stops
            answering before the last item is done.
    """
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise InputError("the Dask backend needs dask.distributed: pip install 'theory-sim[dask]'") from None
    if not re.fullmatch(r"\w+://.+", scheduler):
        raise InputError(f"no Dask scheduler answers at {scheduler}: an address looks like tcp://host:8786")
    try:
        client = Client(scheduler, timeout=_ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # no connection, no address, or an address without a port
        raise InputError(f"no Dask scheduler answers at {scheduler}: {type(error).__name__}") from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise InputError(f"the Dask scheduler at {scheduler} has no workers")
        running = {client.submit(work, item, pure=False): item for item in items}
        for future in as_completed(list(running), loop=client.loop):
            item = running.pop(future)
            try:
                reason = future.result()
            except KilledWorker as error:
                reason = f"its worker process died {error.allowed_failures + 1} times"
            except CancelledError:
                raise InputError(f"lost the Dask scheduler at {scheduler}; run the same command again to continue") from None
            yield item, reason


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_with_parent() -> None:
    """Ignore Ctrl-C, which reaches the whole process group (the parent stops its workers itself), and exit after the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
