"""The command line: it parses, calls, and prints. Exit 0: done, or all claims hold; 1: some fail; 2: wrong input."""

import sys

import typer

from theory_sim.cli import simulator, figures, sweeps, images, bench
from theory_sim.cli.program import app
from theory_sim.runtime.errors import DivergedError, InputError


def main() -> None:
    """Entry point; every error a user can cause is one line on standard error."""
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(getattr(error, "format_message", error.__str__)())
    except (InputError, DivergedError, OSError) as error:
        code = _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        code = _complain(f"not enough memory for this configuration: {str(error).splitlines()[0]}")
    if code == 130:  # also what typer makes of an interrupt
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
    sys.exit(code)


def _complain(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
