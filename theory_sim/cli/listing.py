"""The command list: the objects of each kind, the package's own and those of plugins."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from theory_sim.cli.program import Json, Plugin, app
from theory_sim.runtime.display import new_console, new_table
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.shipped import shipped_configs

if TYPE_CHECKING:
    from theory_sim.runtime.registry import Registry


@dataclass(frozen=True)
class Listed:
    """A row of the list.

    Attributes:
        name: the name that configurations and commands use.
        description: one line.
        source: the module, the file or the plugin that defines it.
    """

    name: str
    description: str
    source: str


def registered(registry: "Registry[Any]", describe: Callable[[Any], str | None] = inspect.getdoc) -> Iterator[Listed]:
    """The objects of a registry, in the order of registration.

    Args:
        registry: the registry.
        describe: the description of an object, of which the first line is taken; its docstring by default.
    """
    for name in registry:
        entry = registry.entry(name)
        yield Listed(name, _first_line(describe(entry.value)), entry.plugin or entry.module)


def _theories() -> Iterator[Listed]:
    from theory_sim.theories.theory import THEORIES

    return registered(THEORIES, lambda theory: f"{theory.description} {theory.source and f'({theory.source})'}".strip())


def _labels() -> Iterator[Listed]:
    from theory_sim.labels.functions import LABEL_FUNCTIONS

    for row in registered(LABEL_FUNCTIONS, lambda maker: inspect.getdoc(maker.make)):
        yield replace(row, name=LABEL_FUNCTIONS[row.name].usage)


def _claims() -> Iterator[Listed]:
    from theory_sim.theories.claims import CLAIMS

    yield from _of_theories("claims", lambda theory, claim: f"{claim.statement} ({theory}, {claim.theorem})")
    yield from registered(CLAIMS, lambda claim: f"{claim.statement} ({claim.theory}, {claim.theorem})")


def _trends() -> Iterator[Listed]:
    return _of_theories("trends", lambda theory, trend: f"{trend.statement} ({theory}, {trend.theorem})")


def _measures() -> Iterator[Listed]:
    return _of_theories("measures", lambda theory, measure: f"{measure.meaning} ({theory})")


def _of_theories(kind: str, describe: Callable[[str, Any], str]) -> Iterator[Listed]:
    """The objects of a kind that theories list themselves."""
    from theory_sim.theories.theory import THEORIES

    for name in THEORIES:
        entry = THEORIES.entry(name)
        for each in getattr(entry.value, kind):
            function = each.of if kind == "measures" else each.estimate
            while isinstance(function, partial):
                function = function.func
            yield Listed(each.id, describe(name, each), entry.plugin or str(getattr(function, "__module__", entry.module)))


def _readouts() -> Iterator[Listed]:
    from theory_sim.runtime.contracts import READOUTS

    return registered(READOUTS, lambda readout: readout.description)


def _engines() -> Iterator[Listed]:
    from theory_sim.runtime.contracts import ENGINES

    return registered(ENGINES)


def _figures() -> Iterator[Listed]:
    try:
        from theory_sim.figures import FIGURES
    except ModuleNotFoundError as error:
        raise InputError(f"figures need the package {error.name}: pip install 'theory-sim[figures]'") from None
    return registered(FIGURES, lambda figure: figure.summary)


def _studies() -> Iterator[Listed]:
    from theory_sim.studies import grids
    from theory_sim.studies.study import load_study, study_files

    for path in study_files():
        study = load_study(path)
        yield Listed(study.name, study.question, _shown(path))
    for grid in grids.GRIDS.values():
        yield Listed(grid.name, grid.question, grids.__name__)


def _configs() -> Iterator[Listed]:
    for name, file in shipped_configs().items():
        yield Listed(name, _header(file.read_text(encoding="utf-8")), _shown(file))


KINDS: Mapping[str, Callable[[], Iterator[Listed]]] = {
    "theories": _theories,
    "labels": _labels,
    "claims": _claims,
    "trends": _trends,
    "measures": _measures,
    "readouts": _readouts,
    "engines": _engines,
    "figures": _figures,
    "studies": _studies,
    "configs": _configs,
}
"""The kinds of objects, and the function that lists those of each."""


@app.command("list")
def list_(
    kind: Annotated[str, typer.Argument(metavar="|".join(KINDS))],
    plugin: Plugin = None,
    json: Json = None,
) -> int:
    """List the objects of a kind: name, description, and the module or file that defines each."""
    from theory_sim.runtime import plugins

    if kind not in KINDS:
        raise InputError(f"unknown kind '{kind}': {', '.join(KINDS)}")
    plugins.load([plugins.resolved(each, Path.cwd()) for each in plugin or ()])
    found = list(KINDS[kind]())
    if json is not None:
        json.write([asdict(each) for each in found])
    table = new_table("name", "description", "defined in")
    for each in found:
        table.add_row(each.name, each.description, each.source)
    new_console().print(table)
    return 0


def _first_line(text: str | None) -> str:
    return next(iter((text or "").strip().splitlines()), "")


def _header(text: str) -> str:
    """The first sentence of a file's opening comment, without the lines of commands."""
    lines: list[str] = []
    for line in text.splitlines():
        words = line.removeprefix("#").strip()
        if not line.startswith("#") or (lines and not words):
            break
        if words and not words.startswith(("theory-sim ", "accelerate ", "--")):
            lines.append(words)
    sentence, stop, _ = " ".join(lines).partition(". ")
    return sentence + stop.strip()


def _shown(path: Path) -> str:
    """A path relative to the current folder if it is below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
