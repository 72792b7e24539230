"""The command line: it parses, calls, and prints. Exit 0: done, or all claims hold; 1: some fail; 2: an error."""

import os
import sys
import traceback
import warnings
from typing import Any

try:
    import typer

    from theory_sim.cli import simulator, figures, sweeps, images, bench, listing, shelf, keys, reports
    from theory_sim.cli.loudness import first, loudness, set_loudness
    from theory_sim.cli.program import app
    from theory_sim.cli.standard_streams import standard_streams
    from theory_sim.runtime.plugins import blamed
    from theory_sim.runtime.errors import DivergedError, InputError, OneLineWarning, is_out_of_memory, one_line
except KeyboardInterrupt:  # imports take long enough to be interrupted
    print("interrupted", file=sys.stderr)
    sys.exit(130)


def main() -> None:
    """Entry point. An error that a user can cause is printed as one line on standard error; any other error is a bug and is
    raised.
    """
    os.environ["MPLBACKEND"] = "agg"  # nothing is shown; a notebook sets a backend that may not be installed here
    with standard_streams(), warnings.catch_warnings():
        warnings.showwarning = _print_warning
        code = _exit_code()
    sys.exit(code)


def _exit_code() -> int:
    """Run the command; errors are printed."""
    arguments = sys.argv[1:]
    set_loudness()
    try:
        code: int = app(_or_help(first(arguments)), standalone_mode=False)
        sys.stdout.flush()  # a full disk is an error like others
    except typer.TyperException as error:
        code = _print_error(getattr(error, "format_message", error.__str__)())
    except (InputError, DivergedError, OSError) as error:
        code = _print_error(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        if is_out_of_memory(error):
            reason = str(error).partition("\n")[0] or "an allocation failed"
            code = _print_error(f"not enough memory for this configuration: {reason}")
        elif (place := blamed(error)) is not None:  # the user's own code
            code = _print_error(place)
        else:
            raise
    if code == 130:  # typer returns it too, after an interrupt
        continues = any(argument in _CONTINUED for argument in arguments[:3])
        print(f"interrupted{'; run the same command again to continue' * continues}", file=sys.stderr)
    return code


def _or_help(arguments: list[str]) -> list[str]:
    """The arguments; where they name no command, the list of commands is asked for."""
    return [*arguments, "--help"] if arguments in [[], *([group.name] for group in app.registered_groups)] else arguments


_CONTINUED = {"verify", "simulate", "sweep", "study", "pretrain", "figures"}
"""Commands that keep what they have done."""
_show = warnings.showwarning


def _print_warning(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """The package's own warnings are one line; others are Python's."""
    if loudness().quiet:
        return
    if issubclass(category, OneLineWarning):
        print(f"warning: {one_line(str(message))}", file=sys.stderr)
    else:
        _show(message, category, *where, **more)


def _print_error(message: str) -> int:
    if loudness().verbose:
        traceback.print_exc()
    print(f"error: {one_line(message)}", file=sys.stderr)
    return 2
