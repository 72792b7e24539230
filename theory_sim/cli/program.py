"""Shared by all commands: the program and its options."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from theory_sim.cli.json_file import JsonFile
from theory_sim.config import Config
from theory_sim.runtime.errors import InputError, expect_utf8, shortened
from theory_sim.runtime.plain_yaml import parse_value

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _refusing(option: str, parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The parser of an option, whose errors name it."""

    def parsed(given: Any) -> Any:
        try:
            return parse(given)
        except InputError as error:
            raise typer.BadParameter(str(error), param_hint=f"'{option}'") from None

    return parsed


def whole(option: str, least: int | None = None) -> dict[str, Any]:
    """What makes an option a whole number, written as in configurations (`theory_sim.runtime.plain_yaml`)."""

    def parse(given: Any) -> int:
        value = parse_value(given, shortened(given)) if isinstance(given, str) else given
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"'{shortened(given)}' is not a whole number")
        if least is not None and value < least:
            raise InputError(f"{shortened(str(value))} is less than {least}")
        return value

    return {"parser": _refusing(option, parse), "metavar": "INTEGER"}


def _folder(given: Any) -> Path:
    expect_utf8("folder", Path(given).absolute())
    return Path(given)


ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file, or a Python file that registers a theory.")]
OptionalConfigFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="CONFIG", help="A YAML file, or a Python file that registers a theory; the default configuration without it."
    ),
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value; may be repeated.")]
Replicas = Annotated[int | None, typer.Option(help="Number of independent repetitions.", **whole("--replicas"))]
Seed = Annotated[int | None, typer.Option(help="Seed of dictionary, data and initial weights.", **whole("--seed"))]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:i.")]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="PATH",
        parser=_refusing("--out", _folder),
        help="Folder of all results; each run lies in NAME/HASH below it.",
    ),
]
Plugin = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="FILE|MODULE", help="Python file or module that registers objects; may be repeated."),
]
Json = Annotated[
    JsonFile | None,
    typer.Option(
        "--json",
        metavar="FILE",
        parser=_refusing("--json", JsonFile),
        help="Also write the outcome to this file; -: to standard output, and all else to standard error.",
    ),
]


@app.callback()
def _program() -> None:
    """Simulate feature learning in two-layer convolutional ReLU networks, and test its theorems numerically."""


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
