"""What a command came to, whichever way a test calls it, and how to read it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The message, where the command refuses its input as it should: one line, no traceback, nothing on standard output."""
        assert (self.code, self.out) == (2, "")
        assert re.fullmatch(r"error: [^\n]+\n", self.err), self.err
        return self.err


Call = Callable[..., Outcome]
"""Runs the program with some arguments."""


def strict(text: str) -> Any:
    """Parse JSON, without Python's own NaN and Infinity."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def rows(table: str) -> dict[str, list[str]]:
    """The cells of each printed row, by the first."""
    lines = ([cell.strip() for cell in line.strip("│").split("│")] for line in table.splitlines() if line.startswith("│"))
    return {cells[0]: cells for cells in lines}
