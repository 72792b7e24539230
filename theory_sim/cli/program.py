"""Shared by all commands: the program, its options, the console and checks of paths."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from theory_sim.config import Config
from theory_sim.runtime.errors import InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file, or a Python file that registers a theory.")]
OptionalConfigFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="CONFIG", help="A YAML file, or a Python file that registers a theory; the default configuration without it."
    ),
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value; may be repeated.")]
Replicas = Annotated[int | None, typer.Option(help="Number of independent repetitions.")]
Seed = Annotated[int | None, typer.Option(help="Seed of dictionary, data and initial weights.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")]
Out = Annotated[Path, typer.Option(help="Folder of all results; each run lies in NAME/HASH below it.")]
Plugin = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="FILE|MODULE", help="Python file or module that registers objects; may be repeated."),
]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write the outcome to this file.")]


@app.callback()
def _program() -> None:
    """Simulate feature learning in two-layer convolutional ReLU networks, and test its theorems numerically."""


def new_console() -> Console:
    """A console on standard output; without a terminal it is wide enough that lines are not wrapped."""
    return Console(width=None if sys.stdout.isatty() else 160)


def read_config(
    config: Path | None,
    set_: list[str] | None = None,
    plugin: list[str] | None = None,
    replicas: int | None = None,
    seed: int | None = None,
) -> Config:
    """The configuration of a command: of a YAML file, or of the theory that a Python file registers."""
    from theory_sim.config import load_config

    values = {"replicas": replicas, "seed": seed}
    if config is None or config.suffix != ".py":
        return load_config(config, set_ or (), plugin or (), **values)
    from theory_sim.runtime.plugins import resolved
    from theory_sim.theories.theory import theory_in

    file = resolved(str(config), Path())
    return load_config(None, set_ or (), [file, *(plugin or ())], theory=theory_in(file).name, **values)


def run_shown(config: Config, out: Path, device: str) -> Any:
    """Run, resume or load an experiment, with a progress bar."""
    from theory_sim.runs.run import run
    from theory_sim.runtime.progress import progress_bar

    with progress_bar() as on_progress:
        return run(config, out, device, on_progress)


def writable(path: Path | None) -> None:
    """Check before a command starts its work that its outcome can be written.

    Raises:
        InputError: the path is a folder, or its folder does not exist, or theory_sim did not write the file that is there.
    """
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise InputError(f"cannot write {path}: {'it is a folder' if path.is_dir() else 'its folder does not exist'}")
    if path is not None and path.is_file():
        from theory_sim.runtime.outputs import check_ours

        check_ours([path])
