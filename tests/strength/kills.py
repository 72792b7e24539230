"""SIGKILL at random moments: ``python tests/strength/kills.py [MOMENTS] [SEED] [JOB ...]``.

Each job (simulate, sweep, study, pretrain, figures) is started, killed with all of its processes at a random moment of its
duration, and started again on what it left, until it has been killed MOMENTS times in all (20, which makes 100 for the five).
Whenever it comes to its end, all that it wrote is compared with an uninterrupted job, bit for bit, and it begins anew in an
empty folder. After each kill, what was finished before must be there and untouched.
"""

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from common import JOBS, Job, finish, finished, import_all, kill, numbers, start, write_inputs


def check(job: Job, inputs: Path, folder: Path, moments: int, seed: int) -> str:
    """Kill a job; returns what happened, in a line.

    Raises:
        AssertionError: a resumed job came to other numbers, or something finished was lost or made again.
    """
    folder.mkdir()
    log = folder / "log"
    finish(job, inputs, folder / "warm", log)  # compiled code is cached
    seconds = finish(job, inputs, folder / "whole", log)
    expected = numbers(folder / "whole")
    chosen, out = random.Random(seed), folder / "killed"
    compared = in_work = 0
    for _ in range(moments):
        before = finished(out)
        begun = time.perf_counter()
        process = start(job, inputs, out, log)
        process.join(chosen.uniform(0, seconds))
        ended = process.exitcode
        kill(process)
        assert ended in (None, 0), f"{job.name} ended with {ended}: {log.read_text()[-2000:]}"
        now = finished(out)
        assert before.items() <= now.items(), f"{job.name}: something finished was lost or made again"
        if ended is None:
            in_work += 1
        else:
            seconds = min(seconds, time.perf_counter() - begun)  # on a busy machine the first took longer
            compared += _compare(job, out, expected)
    finish(job, inputs, out, log)
    compared += _compare(job, out, expected)
    return f"{job.name}: {moments} moments in {seconds:.1f} s, {in_work} before its end; {compared} resumed to equal numbers"


def _compare(job: Job, out: Path, expected: dict[str, object]) -> int:
    found = numbers(out)
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    assert not differing, f"{job.name}: {differing} differ"
    shutil.rmtree(out)
    return 1


def main(moments: int = 20, seed: int = 0, names: tuple[str, ...] = ()) -> None:
    import_all()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder) / "inputs")
        for place, job in enumerate(JOBS):
            if not names or job.name in names:
                print(check(job, Path(folder) / "inputs", Path(folder) / job.name, moments, seed + place), flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:3]), names=tuple(sys.argv[3:]))
