"""Progress on standard error: the stage, the part done, the time taken and the time left."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from theory_sim.runtime.display import new_console
from theory_sim.runtime.notebook import in_notebook, notebook_lines

_LONGEST_SILENCE = 300.0
"""Seconds in a log without a line."""


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


def shown_by_default(on_progress: OnProgress | None) -> OnProgress:
    """The callback of work that is called from Python: the given one; without one a bar in a notebook, nothing elsewhere."""
    if on_progress is not None:
        return on_progress
    return notebook_lines() if in_notebook() else ignore


@contextmanager
def progress_bar(prefix: str = "") -> Iterator[Callable[[Progress], None]]:
    """Yield a function that displays progress updates: the `on_progress` of `theory_sim.runs.run.run` and of others.

    On a terminal it draws a bar for each stage. In a log, or where ``TERM=dumb`` says that lines cannot be drawn again, it prints
    one at every tenth of a stage, and every five minutes. In a notebook it shows a bar below the cell.

    Args:
        prefix: text before the stage, such as the name of one run among many.
    """
    if in_notebook():
        yield notebook_lines(prefix)
        return
    if not sys.stderr.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
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
    last: dict[str, float] = {}

    def on_progress(progress: Progress) -> None:
        now = time.monotonic()
        start, first = started.setdefault(progress.stage, (now, progress.done))
        tenth = progress.done * 10 // progress.total
        is_due = now - last.setdefault(progress.stage, now) >= _LONGEST_SILENCE
        if is_due or tenth > printed.setdefault(progress.stage, max(0, progress.done - 1) * 10 // progress.total):
            printed[progress.stage], last[progress.stage] = tenth, now
            text = f"{prefix}{progress.stage} {progress.done}/{progress.total}  {progress.note}"
            if progress.done > first:  # only then the rate is known
                text += f"  {(now - start) / (progress.done - first) * (progress.total - progress.done):.0f} s left"
            print(" ".join(text.split()), file=sys.stderr)

    return on_progress
