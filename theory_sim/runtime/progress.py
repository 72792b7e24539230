"""Progress on standard error: what is being done, time taken and time left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


@dataclass(frozen=True)
class Progress:
    """What long work tells whoever waits for it.

    Attributes:
        stage: what is being done, such as ``training``.
        done: parts done so far.
        total: of how many.
        note: what else there is to say, such as the present losses.
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
    """Yields what `theory_sim.runs.run.run` takes as its `progress`.

    A bar on a terminal; elsewhere, as in a log, a line at every tenth of the way.

    Args:
        prefix: put before the stage, such as the name of one run among many.
    """
    if not sys.stderr.isatty():
        yield _lines(prefix)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[note]}"))
    with Bar(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def show(report: Progress) -> None:
            if report.stage not in tasks:
                tasks[report.stage] = bar.add_task(prefix + report.stage, total=report.total, note="")
            bar.update(tasks[report.stage], completed=report.done, note=report.note)

        yield show


def _lines(prefix: str) -> Callable[[Progress], None]:
    started: dict[str, tuple[float, int]] = {}
    shown: dict[str, int] = {}

    def show(report: Progress) -> None:
        now = time.monotonic()
        start, before = started.setdefault(report.stage, (now, report.done - 1))
        tenth = report.done * 10 // report.total
        if tenth > shown.setdefault(report.stage, max(0, report.done - 1) * 10 // report.total):
            shown[report.stage] = tenth
            left = (now - start) / (report.done - before) * (report.total - report.done)
            text = f"{prefix}{report.stage} {report.done}/{report.total}  {report.note}  {left:.0f} s left"
            print(" ".join(text.split()), file=sys.stderr)

    return show
