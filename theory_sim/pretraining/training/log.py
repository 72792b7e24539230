"""The log of a run, ``log.jsonl``."""

import json
import math
import time
from pathlib import Path
from typing import Any

from theory_sim.runtime.storage import write_text


class Log:
    """``log.jsonl``: one line per logged step; lines after the checkpoint that a run resumes from are dropped."""

    def __init__(self, folder: Path, steps_done: int, writes: bool) -> None:
        self.path, self.writes = folder / "log.jsonl", writes
        self.loss = math.nan
        self.said = ""
        self._before: tuple[float, int] = (time.monotonic(), 0)
        if writes:
            lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
            kept = [line for line in lines if _step_of(line) <= steps_done]
            write_text(self.path, "".join(line + "\n" for line in kept))

    def __enter__(self) -> "Log":
        self._file: Any = open(self.path, "a", encoding="utf-8") if self.writes else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def note(self, step: int, loss: float, size: float, images: int) -> None:
        """Write a line."""
        now = time.monotonic()
        speed = (images - self._before[1]) / max(1e-9, now - self._before[0])
        self._before = (now, images)
        self.loss, self.said = loss, f"loss {loss:.4f}  {speed:.0f} images/s"
        if self._file is not None:
            line = {
                "step": step,
                "loss": loss if math.isfinite(loss) else None,
                "step_size": size,
                "images_per_second": round(speed, 1),
            }
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # the last line of a run that was killed while writing it
        return math.inf
