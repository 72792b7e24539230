"""A disk that fills up at random moments: ``python tests/strength/full_disk.py [MOMENTS] [SEED] [JOB ...]``.

Each job writes to a small file system in memory, of which a random part is taken away before it starts, so that it fills up
somewhere in the work. The job must end with one line that says so and exit code 2, what was finished must be there and whole,
and after room is made the same command must come to the numbers of an uninterrupted one. MOMENTS is for each of the four
commands (5, which makes 20). Mounting needs root: elsewhere the program says so in a line and ends.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import JOBS, Job, finish, finished, import_all, numbers, start, write_inputs

NAMES = ("simulate", "sweep", "pretrain", "figures")
SIZE = 16 << 20


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of `SIZE` bytes.

    Raises:
        PermissionError: mounting is not allowed.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        raise PermissionError("mounting a file system in memory is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def check(job: Job, inputs: Path, folder: Path, moments: int, seed: int) -> str:
    """Fill the disk of a job; returns what happened, in a line.

    Raises:
        AssertionError: it did not end with one line, lost something finished, or came to other numbers afterwards.
    """
    folder.mkdir()
    log, chosen = folder / "log", random.Random(seed)
    finish(job, inputs, folder / "whole", log)
    expected = numbers(folder / "whole")
    needed = sum(path.stat().st_size for path in (folder / "whole").rglob("*") if path.is_file())
    filled = 0
    with small_disk(folder / "disk") as disk:
        for _ in range(moments):
            out, filler = disk / "out", disk / "filler"
            room = chosen.randrange(int(1.1 * needed))
            filler.write_bytes(bytes(SIZE - room - 65536))
            log.write_text("")
            process = start(job, inputs, out, log)
            process.join(300)
            said = log.read_text()
            if process.exitcode == 0:  # the room sufficed
                assert numbers(out) == expected, f"{job.name}: other numbers with {room} bytes"
            else:
                filled += 1
                _one_line(job, room, process.exitcode, said)
                before = finished(out) if out.exists() else {}
                filler.unlink()
                finish(job, inputs, out, log)
                assert before.items() <= finished(out).items(), f"{job.name}: something finished was lost or made again"
                found = numbers(out)
                differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
                assert not differing, f"{job.name}: {differing} differ after {room} bytes"
            filler.unlink(missing_ok=True)
            shutil.rmtree(out, ignore_errors=True)
    return f"{job.name}: {moments} moments up to {1.1 * needed / 1e3:.0f} kB, {filled} times full, each went on to equal numbers"


def _one_line(job: Job, room: int, code: int | None, said: str) -> None:
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    where = f"{job.name} with {room} bytes: exit code {code}\n{said[-3000:]}"
    assert code == 2 and len(errors) == 1 and "Traceback" not in said, where  # noqa: PT018 - one message for all
    assert "No space left" in errors[0], where


def main(moments: int = 5, seed: int = 0, names: tuple[str, ...] = ()) -> None:
    import_all()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder) / "inputs")
        for place, job in enumerate(job for job in JOBS if job.name in NAMES):
            if not names or job.name in names:
                try:
                    print(check(job, Path(folder) / "inputs", Path(folder) / job.name, moments, seed + place), flush=True)
                except PermissionError as error:
                    print(f"skipped: {error}")
                    return
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:3]), names=tuple(sys.argv[3:]))
