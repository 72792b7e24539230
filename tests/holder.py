"""A process that holds the lock of a folder until it reads a line from standard input, or is killed.

Run as a program, ``python tests/holder.py FOLDER [COPY]``, it holds the lock, and copies the files of COPY before it ends.
"""

import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from theory_sim.runtime.locks import locked


class Holder:
    """The process; it holds the lock when this is made."""

    def __init__(self, folder: Path, copy: Path | None = None) -> None:
        command = [sys.executable, __file__, str(folder), *([] if copy is None else [str(copy)])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"

    def end(self) -> None:
        """Let it write its files and release the lock."""
        assert self.process.stdin is not None
        print("end", file=self.process.stdin, flush=True)
        assert self.process.wait() == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()  # waits, and closes the pipes


@contextmanager
def held(folder: Path, copy: Path | None = None) -> Iterator[list[str]]:
    """While another process holds a lock: yields the warnings, and lets that process end at the first."""
    holder = Holder(folder, copy)
    seen: list[str] = []

    def show(message: Warning | str, *_: object, **__: object) -> None:
        seen.append(f"{type(message).__name__}: {message}")
        if len(seen) == 1:
            holder.end()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        try:
            yield seen
        finally:
            holder.kill()


if __name__ == "__main__":
    place, *source = map(Path, sys.argv[1:])
    with locked(place):
        print("held", flush=True)
        if sys.stdin.readline() and source:
            shutil.copytree(source[0], place, dirs_exist_ok=True)
