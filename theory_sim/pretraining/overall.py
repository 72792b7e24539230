"""All cells of a study together: which there are, their progress, and the record of those that fail."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from theory_sim.pretraining.config import ImageStudy, Mode
from theory_sim.pretraining.controls import coarse_controls
from theory_sim.runtime.errors import DivergedError, is_out_of_memory
from theory_sim.runtime.progress import OnProgress, Progress


def transfers(study: ImageStudy) -> list[tuple[Mode, int]]:
    """Every mode and length; networks as they are have length 0."""
    modes = study.transfer.modes
    return [(mode, steps) for mode in modes if mode != "none" for steps in study.transfer.steps] + [
        (mode, 0) for mode in modes if mode == "none"
    ]


class MissingError(Exception):
    """The pretraining that a transfer starts from has failed."""


_FAILURES = (DivergedError, MissingError)
"""What ends one cell and not the study, as a lack of memory does. Wrong input, a full disk and an interrupt end the study: the
other cells would meet them too; and so does a mistake in the program."""


class StoppedError(Exception):
    """A cell ends because another one, computed beside it, has ended the study."""


class Overall:
    """One progress for all steps of a study, and the record of the cells that fail; cells may be computed side by side."""

    def __init__(self, study: ImageStudy, on_progress: OnProgress) -> None:
        lengths = transfers(study)
        baselines = sum({study.pretraining.steps + steps for _, steps in lengths}) * (1 + len(coarse_controls(study)))
        each = study.pretraining.steps + sum(steps for _, steps in lengths)
        self.total = study.seeds * (baselines + each * len(study.labels.functions))
        self.on_progress = on_progress
        self._lock = threading.Lock()
        self._before = 0
        self._now: dict[str, int] = {}
        self._stopped = False

    def within(self, progress: Progress) -> None:
        """Report the progress of a cell, whose name is the stage.

        Raises:
            StoppedError: `stop` was called.
        """
        note = f"{progress.note}  ({progress.stage})"
        with self._lock:
            if self._stopped:
                raise StoppedError(progress.stage)
            self._now[progress.stage] = progress.done
            self.on_progress(Progress("study", self._before + sum(self._now.values()), self.total, note))

    def stop(self) -> None:
        """End all cells that are being computed."""
        self._stopped = True

    @contextmanager
    def cell(self, what: str, steps: int, failures: dict[str, str]) -> Iterator[None]:
        """Compute a cell; its failure is noted in `failures`."""
        try:
            yield
        except Exception as error:
            if not (isinstance(error, _FAILURES) or is_out_of_memory(error)):
                raise
            failures[what] = (str(error).splitlines() or [""])[0] or type(error).__name__
        finally:
            with self._lock:
                self._before += steps
                self._now.pop(what, None)
