"""A progress bar on standard error: what is being done, losses, time taken and time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from theory_sim.experiment import Progress as Report


@contextmanager
def progress_bar(prefix: str = "") -> Iterator[Callable[[Report], None]]:
    """Yields what `theory_sim.experiment.run` takes as its `progress`.

    Args:
        prefix: put before the stage, such as the name of one run among many.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def show(report: Report) -> None:
            loss = "  ".join(f"{name} loss {value:.4f}" for name, value in report.loss.items())
            if report.stage not in tasks:
                tasks[report.stage] = bar.add_task(prefix + report.stage, total=report.total, loss=loss)
            bar.update(tasks[report.stage], completed=report.done, loss=loss)

        yield show
