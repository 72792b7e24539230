"""Locks of folders: of several processes that would write the same results, one works and the others wait.

The operating system releases a lock when its holder ends, also when it is killed. A file system without locks is reported
once for each folder by a warning: then nothing keeps two processes from working on the same results.
"""

import errno
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from theory_sim.runtime.errors import BusyError, WaitingWarning
from theory_sim.runtime.storage import is_part

LOCK = ".theory-sim.lock"
"""The file that is locked, in the folder that it locks."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_POLL_SECONDS = 0.1
_FOR_EVER = -1


def _never() -> bool:
    return False


@contextmanager
def locked(folder: Path, finished: Callable[[], bool] = _never, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a folder; half-written files that killed processes left in it are deleted.

    Another process may have done the work while this one waited: look for its results again inside.

    Args:
        folder: the folder, made if it is absent, and removed again if nothing was written into it.
        finished: whether nothing will be written into the folder any more. The lock's file is deleted then, while it is still
            held: a process that waits looks for the path again, and then finds the finished work.
        wait: whether to wait for another process that holds the lock.

    Raises:
        BusyError: another process holds the lock, and `wait` is false.
        OSError: the folder cannot be made or written.

    Warns:
        WaitingWarning: another process holds the lock, and this one waits; or the file system has no locks.
    """
    made = not folder.exists()
    # Writable by all, as far as the folder is: else nobody but its owner could take up an interrupted run.
    lock = FileLock(folder / LOCK, mode=0o666)
    held = _acquire(lock, folder, wait)
    try:
        if held:
            for part in filter(is_part, folder.glob(".*.part")):  # their writers held the lock, so that they have ended
                part.unlink(missing_ok=True)
        yield
    finally:
        if held:
            unused = made and folder.is_dir() and all(path.name == LOCK for path in folder.iterdir())
            if finished() or unused:
                with suppress(OSError):  # on systems that keep open files an empty file is left
                    (folder / LOCK).unlink(missing_ok=True)
            lock.release()
            if unused:
                with suppress(OSError):  # another process holds the lock now
                    folder.rmdir()


def _acquire(lock: FileLock, folder: Path, wait: bool) -> bool:
    """Acquire a lock in a folder, made if it is absent; returns whether the file system has locks."""
    try:
        try:
            _enter(lock, folder, 0)
        except Timeout:
            if not wait:
                raise BusyError(f"another process works in {folder}") from None
            warnings.warn(f"another process works in {folder}: waiting for it to end", WaitingWarning, stacklevel=4)
            _enter(lock, folder, _FOR_EVER)
    except (OSError, NotImplementedError) as error:  # the second one in older versions of filelock
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        message = f"the file system of {folder} has no locks: run the same configuration in one process at a time"
        warnings.warn(message, WaitingWarning, stacklevel=4)
        return False
    return True


def _enter(lock: FileLock, folder: Path, seconds: float) -> None:
    """Acquire a lock in a folder, which its last holder may have removed since."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            lock.acquire(seconds, poll_interval=_POLL_SECONDS)
            return
