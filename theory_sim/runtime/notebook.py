"""Progress in a notebook: one line below the cell, drawn again as work goes on."""

import html
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory_sim.runtime.progress import Progress

_EVERY = 0.2
"""Seconds between two drawings of a stage."""


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code; IPython in a terminal is none."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def notebook_lines(prefix: str = "") -> "Callable[[Progress], None]":
    """A callback that shows a bar for each stage below the present cell.

    Args:
        prefix: text before the stage.
    """
    from IPython.display import HTML, display

    shown: dict[str, tuple[Any, float]] = {}
    started = time.monotonic()

    def on_progress(progress: "Progress") -> None:
        now = time.monotonic()
        if progress.stage in shown and progress.done < progress.total and now - shown[progress.stage][1] < _EVERY:
            return
        text = f"{prefix}{progress.stage} {progress.done}/{progress.total} {progress.note}".rstrip() + f" ({now - started:.0f} s)"
        bar = f'<progress value="{progress.done}" max="{max(1, progress.total)}"></progress> {html.escape(text)}'
        if progress.stage in shown:
            shown[progress.stage][0].update(HTML(bar))
        handle = shown[progress.stage][0] if progress.stage in shown else display(HTML(bar), display_id=True)
        shown[progress.stage] = handle, now

    return on_progress
