r"""The standard streams of a command: what cannot be printed neither ends its work nor changes its exit code.

* A reader that goes away (``theory-sim verify | head -1``) or a closed stream: what is printed after that is dropped.
* Standard error takes no write at all, as when its disk is full: likewise.
* Standard output's disk is full: the error is raised once, since the outcome is lost.
* Characters that the stream's encoding lacks are printed as ``\u03c3``; bytes of file names that are no UTF-8 as they are.
"""

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from typing_extensions import Buffer

_ERRORS = "theory_sim.printed"
_READER_GONE = {errno.EPIPE, errno.ECONNRESET, errno.EIO}
"""A pipe's or a socket's reader, or a terminal."""


@contextmanager
def standard_streams() -> Iterator[None]:
    """Replace standard output and error; streams that something else has replaced, as tests do, stay."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would become it
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _lasting(sys.stdout, 1, _READER_GONE), _lasting(sys.stderr, 2, None)
    try:
        yield
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _lasting(stream: Any, number: int, dropped: set[int] | None) -> Any:
    if stream is not None and not (isinstance(stream, io.TextIOWrapper) and _number(stream) == number):
        return stream
    if stream is not None:
        stream.flush()
    encoding = "utf-8" if stream is None else stream.encoding
    buffer = io.BufferedWriter(_Descriptor(number, dropped))
    lines = stream is None or stream.line_buffering or number == 2
    return io.TextIOWrapper(
        buffer, encoding, _ERRORS, line_buffering=lines, write_through=getattr(stream, "write_through", False)
    )


def _number(stream: io.TextIOWrapper) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


class _Descriptor(io.FileIO):
    """A standard stream's file.

    Args:
        number: its descriptor.
        dropped: errors after which output is dropped; None: all. Any other one is raised, once.
    """

    def __init__(self, number: int, dropped: set[int] | None) -> None:
        super().__init__(number, "w", closefd=False)
        self._dropped, self._failed = dropped, False

    def write(self, content: Buffer, /) -> int:
        try:
            if not self._failed:
                return super().write(content)
        except OSError as error:
            self._failed = True
            if self._dropped is not None and error.errno not in self._dropped:
                raise OSError(error.errno, f"cannot print: {error.strerror}") from None
        return memoryview(content).nbytes


def _printed(error: UnicodeError) -> tuple[str | bytes, int]:
    """One character that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    place = error.start
    code = ord(error.object[place])
    if 0xDC80 <= code <= 0xDCFF:  # Python's form of a byte that is no character
        return bytes([code - 0xDC00]), place + 1
    one = UnicodeEncodeError(error.encoding, error.object, place, place + 1, error.reason)
    return codecs.backslashreplace_errors(one)


codecs.register_error(_ERRORS, _printed)
