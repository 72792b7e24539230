"""Shared by all commands: the program and its options."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from theory_sim.cli.config_files import config_file, expect_kind
from theory_sim.cli.loudness import progress, set_loudness
from theory_sim.cli.output_file import JsonFile
from theory_sim.config import Config
from theory_sim.runtime.errors import InputError, expect_utf8, shortened
from theory_sim.runtime.plain_yaml import parse_value

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


def refusing(option: str, parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
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

    return {"parser": refusing(option, parse), "metavar": "INTEGER"}


def _folder(given: Any) -> Path:
    expect_utf8("folder", Path(given).absolute())
    return Path(given)


ConfigFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file, a Python file that registers a theory, or the name of a shipped configuration, such as small; without"
        " it the default configuration.",
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
        envvar="THEORY_SIM_OUT",
        metavar="PATH",
        parser=refusing("--out", _folder),
        help="Folder of all results; each run is in NAME/HASH below it.",
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
        parser=refusing("--json", JsonFile),
        help="Also write the outcome to this file; -: to standard output, and all else to standard error.",
    ),
]


def _version(asked: bool | None) -> bool:
    if asked:
        from importlib import metadata

        print(f"theory-sim {metadata.version('theory-sim')}")
        raise typer.Exit
    return False


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version of the package.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no warnings.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print where in the code an error was raised.")] = False,
) -> None:
    """Simulate feature learning in two-layer convolutional ReLU networks, and test its theorems numerically.

    A setting is taken from an option such as --replicas, else from --set, else from CONFIG, else from the theory's defaults.
    THEORY_SIM_OUT names the folder of results where --out does not; NO_COLOR turns colours off. -q and -v may follow the command.
    """
    set_loudness(quiet, verbose)


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
    config = None if config is None else config_file(config)
    if config is None or config.suffix != ".py":
        if config is not None:
            expect_kind(config, "simulator")
        return load_config(config, set_ or (), plugin or (), **values)
    from theory_sim.runtime.plugins import resolved
    from theory_sim.theories.theory import theory_in

    file = resolved(str(config), Path())
    return load_config(None, set_ or (), [file, *(plugin or ())], theory=theory_in(file).name, **values)


def run_shown(config: Config, out: Path, device: str) -> tuple[Any, bool]:
    """Run, resume or load an experiment, with a progress bar; and whether it was loaded."""
    from theory_sim.runs.folder import is_finished, results_folder
    from theory_sim.runs.run import run
    from theory_sim.runtime.devices import choose_device

    loaded = is_finished(results_folder(config, out, choose_device(device)))
    with progress() as on_progress:
        return run(config, out, device, on_progress), loaded
