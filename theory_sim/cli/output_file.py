"""The file that a command writes to: ``--json FILE``, and ``--out FILE`` of ``theory-sim report``."""

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any, TextIO

from theory_sim.runtime.errors import InputError

_STANDARD_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
_STANDARD_ERROR = ("/dev/stderr", "/dev/fd/2", "/proc/self/fd/2")
_LONGEST_NAME = 230
"""In bytes: the part that is written first has a name with some more, and file systems take 255."""


class OutputFile:
    """Where a command writes a text; made, and so checked, before the command starts its work.

    A regular file that the package wrote is replaced in one step (`theory_sim.runtime.outputs`), one that it did not write is
    refused; so is the target of a symbolic link, which stays. Anything else, such as a pipe or a device, is written through.
    ``-`` is standard output, and so are its other names and the file that it leads to: all that the command prints besides
    then goes to standard error.

    Args:
        name: a path, or ``-``.

    Raises:
        InputError: nothing can be written there, a file of the user's would be overwritten, or another output has taken
            standard output.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream: TextIO | None = None
        if name in _STANDARD_OUTPUT or _is_standard_output(name):
            if sys.stdout is sys.stderr:
                raise InputError("two outputs cannot both go to standard output: give one of them a file")
            self._stream, sys.stdout = sys.stdout, sys.stderr  # until `theory_sim.cli.standard_streams` puts them back
        elif name in _STANDARD_ERROR:
            self._stream = sys.stderr
        elif (reason := _why_not(Path(name))) is not None:
            raise InputError(f"cannot write {name}: {reason}")
        elif os.path.isfile(name) and _is_replaced(name, Path(name).resolve()):
            from theory_sim.runtime.outputs import check_ours

            check_ours([Path(name)])

    def __str__(self) -> str:
        return "standard output" if self._name == "-" else self._name

    @property
    def _is_ascii(self) -> bool:
        """Whether it is a stream that may not take other characters than those of ASCII."""
        return self._stream is not None and not (self._stream.encoding or "utf-8").lower().startswith("utf")

    def put(self, text: str) -> None:
        """Write a text.

        Raises:
            InputError: it cannot be written any more.
        """
        from theory_sim.runtime.outputs import write_output

        # Bytes of file names that are no UTF-8 are lone surrogates, which become escapes: in JSON its own.
        content = text.encode("utf-8", "backslashreplace")
        target = Path(self._name).resolve()

        def fill(part: Path) -> None:
            part.write_bytes(content)
            if target.exists():
                shutil.copymode(target, part)

        try:
            if self._stream is not None:
                self._stream.flush()
                self._stream.buffer.write(content)  # UTF-8, whatever the terminal's encoding: a page says that it is
                self._stream.flush()
            elif _is_replaced(self._name, target):
                write_output(target, fill)
            else:
                with open(self._name, "wb") as file:
                    file.write(content)
        except OSError as error:
            raise InputError(f"cannot write {self._name}: {error.strerror}") from None


class JsonFile(OutputFile):
    """Where a command writes its outcome as JSON; see `OutputFile`."""

    def write(self, value: Any) -> None:
        """Write the outcome; NaN and infinity become null, which every JSON reader takes.

        Raises:
            InputError: it cannot be written any more.
        """
        from theory_sim.runtime.storage import as_json

        self.put(as_json(value, self._is_ascii))


def _is_standard_output(name: str) -> bool:
    """Whether a path leads to the same pipe or file as standard output."""
    try:
        there = os.stat(name)
        return os.path.samestat(there, os.fstat(1)) and not stat.S_ISCHR(there.st_mode)
    except (OSError, ValueError):
        return False


def _why_not(path: Path) -> str | None:
    """Why nothing can be written at a path."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:  # so is the target of a dangling link
        mode = stat.S_IFREG
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    target = path.resolve()
    reasons = {
        "it is a folder": stat.S_ISDIR(mode),
        "it is a socket": stat.S_ISSOCK(mode),
        "its folder does not exist": not target.exists() and not target.parent.is_dir(),
        "its name is too long": len(os.fsencode(target.name)) > _LONGEST_NAME,
        "permission denied": not os.access(target if target.exists() else target.parent, os.W_OK),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), None)


def _is_replaced(name: str, target: Path) -> bool:
    """Whether it is a regular file, or none yet; one that is opened already, as /dev/fd/3 may be, is not replaced."""
    if not os.access(target.parent, os.W_OK | os.X_OK) or Path(name).absolute().parts[:2] in (("/", "dev"), ("/", "proc")):
        return False
    return os.path.isfile(name) or not os.path.exists(name)
