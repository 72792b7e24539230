"""Progress on standard error: the stage, the part done, the time taken and the time left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from theory_sim.runtime.display import new_console


@dataclass(frozen=True)
class Progress:
    """A progress update.

    Attributes:
        stage: the work, such as ``training``.
        done: number of parts done so far.
        total: number of parts.
        note: further information, such as the current losses.
    """

    stage: str
    done: int
    total: int
    note: str = ""


OnProgress = Callable[[Progress], None]
"""Called as long work goes on."""


def ignore(progress: Progress) -> None:
    """The callback of those who do not look."""


@contextmanager
def progress_bar(prefix: str = "") -> Iterator[Callable[[Progress], None]]:
    """Yield a function that displays progress updates: the `on_progress` of `theory_sim.runs.run.run` and of others.

    On a terminal it draws a bar for each stage; elsewhere, as in a log, it prints a line at every tenth of a stage.

    Args:
        prefix: text before the stage, such as the name of one run among many.
    """
    if not sys.stderr.isatty():
        yield _lines(prefix)
        return
    stage, note = (TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[note]"))
    columns = (stage, BarColumn(), TaskProgressColumn(), note, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Bar(*columns, console=new_console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def on_progress(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bar.add_task(prefix + progress.stage, total=progress.total, note="")
            bar.update(tasks[progress.stage], completed=progress.done, note=progress.note)

        yield on_progress


def _lines(prefix: str) -> Callable[[Progress], None]:
    started: dict[str, tuple[float, int]] = {}
    printed: dict[str, int] = {}

    def on_progress(progress: Progress) -> None:
        now = time.monotonic()
        start, before = started.setdefault(progress.stage, (now, progress.done - 1))
        tenth = progress.done * 10 // progress.total
        if tenth > printed.setdefault(progress.stage, max(0, progress.done - 1) * 10 // progress.total):
            printed[progress.stage] = tenth
            left = (now - start) / (progress.done - before) * (progress.total - progress.done)
            text = f"{prefix}{progress.stage} {progress.done}/{progress.total}  {progress.note}  {left:.0f} s left"
            print(" ".join(text.split()), file=sys.stderr)

    return on_progress
