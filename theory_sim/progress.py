"""Progress on standard error: what is being done, losses, time taken and time left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from theory_sim.experiment import Progress as Report


@contextmanager
def progress_bar(prefix: str = "") -> Iterator[Callable[[Report], None]]:
    """Yields what `theory_sim.experiment.run` takes as its `progress`.

    A bar on a terminal; elsewhere, as in a log, a line at every tenth of the way.

    Args:
        prefix: put before the stage, such as the name of one run among many.
    """
    if not sys.stderr.isatty():
        yield _lines(prefix)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def show(report: Report) -> None:
            if report.stage not in tasks:
                tasks[report.stage] = bar.add_task(prefix + report.stage, total=report.total, loss="")
            bar.update(tasks[report.stage], completed=report.done, loss=_losses(report))

        yield show


def _lines(prefix: str) -> Callable[[Report], None]:
    started: dict[str, tuple[float, int]] = {}

    def show(report: Report) -> None:
        now = time.monotonic()
        start, before = started.setdefault(report.stage, (now, report.done - 1))
        if report.done * 10 // report.total > (report.done - 1) * 10 // report.total or report.done == report.total:
            left = (now - start) / (report.done - before) * (report.total - report.done)
            text = f"{prefix}{report.stage} {report.done}/{report.total}  {_losses(report)}  {left:.0f} s left"
            print(" ".join(text.split()), file=sys.stderr)

    return show


def _losses(report: Report) -> str:
    return "  ".join(f"{name} loss {value:.4f}" for name, value in report.loss.items())
