"""What a command came to, whichever way a test calls it."""

import re
from dataclasses import dataclass


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
