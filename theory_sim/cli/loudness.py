"""How much a command says besides its outcome: -q and -v, before or after the command's name."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theory_sim.runtime.display import new_console

if TYPE_CHECKING:
    from theory_sim.runtime.progress import Progress

OPTIONS = ("-q", "--quiet", "-v", "--verbose")


@dataclass(frozen=True)
class Loudness:
    """What the present command was asked for.

    Attributes:
        quiet: no progress and no warning.
        verbose: errors with the place in the code that raised them.
    """

    quiet: bool = False
    verbose: bool = False


_asked = Loudness()


def loudness() -> Loudness:
    """What the present command was asked for."""
    return _asked


def set_loudness(quiet: bool = False, verbose: bool = False) -> None:
    """Set it for the present command."""
    global _asked  # noqa: PLW0603
    _asked = Loudness(quiet, verbose)


def first(arguments: list[str]) -> list[str]:
    """The arguments with these options before the command's name, wherever they were given."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    asked = [argument for argument in arguments[:end] if argument in OPTIONS]
    return [*asked, *(argument for argument in arguments[:end] if argument not in OPTIONS), *arguments[end:]]


def progress() -> "AbstractContextManager[Callable[[Progress], None]]":
    """The progress of long work on standard error (`theory_sim.runtime.progress.progress_bar`), unless -q was given."""
    from theory_sim.runtime.progress import ignore, progress_bar

    return nullcontext(ignore) if _asked.quiet else progress_bar()


@contextmanager
def working(what: str) -> Iterator[Callable[[str], Any]]:
    """A sign on a terminal that work goes on, unless -q was given; yields a function that says what is done now."""
    if _asked.quiet:
        yield lambda now: None
        return
    with new_console(stderr=True).status(what) as status:
        yield status.update
