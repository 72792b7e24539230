"""Work sent to other processes: on this machine's cores, or on a Dask cluster.

Both backends yield each item as it is done, with None or the reason why it failed, in the order in which they finish.
"""

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from theory_sim.runtime.errors import InputError

Item = TypeVar("Item")
Work = Callable[[Item], str | None]
"""Does one item; returns why it could not be done, or None."""

KILLS = 3
"""An item whose process was killed so often is given up: it may be the item that kills it, as when memory runs out."""
_ANSWER_SECONDS = 10
"""How long a Dask scheduler has to answer."""


def locally(items: Sequence[Item], work: Work[Item], jobs: int) -> Iterator[tuple[Item, str | None]]:
    """Do the items in `jobs` processes of joblib's loky.

    Each process is an executor of its own. In a shared one, loky would stop all of its processes as soon as one is killed;
    so only the killed one's item is begun again, from its last checkpoint.
    """
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    def start() -> Any:
        return ProcessPoolExecutor(1, initializer=_end_with_parent)

    waiting, kills = deque(enumerate(items)), Counter[int]()
    idle = [start() for _ in range(min(jobs, len(items)))]
    running: dict[Future[str | None], tuple[int, Item, Any]] = {}
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
                    executor = start()
                    kills[index] += 1
                    if kills[index] < KILLS:
                        waiting.appendleft((index, item))
                        idle.append(executor)
                        continue
                    reason = f"its process was killed {KILLS} times"
                idle.append(executor)
                yield item, reason
    finally:
        for executor in [*idle, *(executor for _, _, executor in running.values())]:
            executor.shutdown(kill_workers=True)


def on_dask(items: Sequence[Item], work: Work[Item], scheduler: str) -> Iterator[tuple[Item, str | None]]:
    """Do the items on the workers of an existing Dask cluster, which begins those of a killed worker again.

    Raises:
        InputError: the extra is not installed, or no scheduler with workers answers at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError("the Dask backend needs dask.distributed: pip install 'theory-sim[dask]'") from None
    try:
        client = Client(scheduler, timeout=_ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler}: {type(error).__name__}") from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise InputError(f"the Dask scheduler at {scheduler} has no workers")
        running = {client.submit(work, item, pure=False): item for item in items}
        for future in as_completed(list(running), loop=client.loop):
            item = running.pop(future)
            try:
                reason = future.result()
            except Exception as error:  # whatever became of the worker is the item's reason
                reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            yield item, reason


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_with_parent() -> None:
    """Ctrl-C reaches the whole process group, but the parent ends its workers itself; and none outlives a killed parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
