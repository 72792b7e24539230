"""The command that draws the figures."""

import os
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from theory_sim.cli.json_file import JsonFile
from theory_sim.cli.loudness import progress
from theory_sim.cli.program import Device, Json, Plugin, app, read_config
from theory_sim.runtime import plugins
from theory_sim.runtime.display import new_console, new_table
from theory_sim.runtime.errors import InputError

if TYPE_CHECKING:
    from theory_sim.figures import Figure
    from theory_sim.figures.gallery.source import Source


@app.command()
def figures(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME ...]", help="Figures to draw; by default all.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the pictures: paper_figs, or figures_smoke with --smoke.")] = None,
    results: Annotated[Path, typer.Option(envvar="THEORY_SIM_OUT", help="Folder of the runs; finished ones are loaded.")] = Path(
        "results"
    ),
    config: Annotated[
        Path | None, typer.Option(help="A YAML or Python file that all runs derive from; the default configuration.")
    ] = None,
    plugin: Plugin = None,
    device: Device = "auto",
    smoke: Annotated[bool, typer.Option("--smoke", help="At toy size: shows that all figures draw, not what is true.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Draw nothing: compute, and compare with the CSV files there.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the figures, and what each needs that is missing.")] = False,
    json: Json = None,
) -> int:
    """Draw the figures: PDF, PNG, the numbers as CSV, and a page of all. Exit 1: --check found other numbers."""
    # First: a wrong configuration is answered without importing the numerical packages.
    plugins.load([plugins.resolved(name, Path.cwd()) for name in plugin or []])
    if smoke and config is not None:
        raise InputError("--smoke has a configuration of its own: leave --config out")
    checked = None if smoke else read_config(config)
    try:
        from theory_sim.figures.gallery import compare, drawing, making, needed, page
        from theory_sim.figures.gallery.source import SMOKE, Source
    except ModuleNotFoundError as error:
        raise InputError(f"figures need the package {error.name}: pip install 'theory-sim[figures]'") from None
    from theory_sim.runtime.locks import locked
    from theory_sim.runtime.outputs import check_ours

    base = SMOKE if checked is None else checked
    folder = out or Path("figures_smoke" if smoke else "paper_figs")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, not a folder for pictures")
    source = Source(base, results, device, smoke)
    wanted = needed.chosen(names or [])
    if list_:
        return _print_list(wanted, source, json)
    waiting = {} if names else {figure.name: why for figure in wanted if (why := needed.waiting(figure, source)) is not None}
    wanted = [figure for figure in wanted if figure.name not in waiting]
    if not check:
        page.check_page(folder)
        check_ours(file for figure in wanted for file in drawing.files(figure, folder))
    with progress() as on_progress:
        made = making.tables(wanted, source, on_progress)
    with nullcontext() if check else locked(folder):
        if check:
            found = {figure.name: compare.differing(figure, table, folder) for figure, table in made}
        else:
            drawing.draw(made, folder)
            named = os.fsencode(config).decode("utf-8", "backslashreplace") if config else ""
            options = [*(["--smoke"] if smoke else []), *([f"--config {named}"] if named else [])]
            places = {"--out": out, "--results": None if results == Path("results") else results}
            options += [f"{option} {shlex.quote(str(place))}" for option, place in places.items() if place is not None]
            options += [f"--plugin {name}" for name in plugin or []]
            page.write_page(wanted, source, " ".join(["theory-sim figures", *options]), folder)
    drawn = {figure.name: str(folder / figure.name) for figure in wanted}
    if json is not None:
        json.write({"waiting": waiting} | ({"differing": found} if check else {"drawn": drawn}))
    if check:
        lines = [f"{name}: {difference or 'the same'}" for name, difference in found.items()]
    else:
        lines = [f"{place}: pdf, png, csv" for place in drawn.values()]
    print("\n".join([*lines, *(f"{name}: waits, {reason}" for name, reason in waiting.items())]))
    return 1 if check and any(found.values()) else 0


def _print_list(figures: "list[Figure]", source: "Source", json: JsonFile | None) -> int:
    rows = [_figure_row(figure, source) for figure in figures]
    if json is not None:
        json.write(rows)
    table = new_table("figure", "shows", "runs", "evaluations", "to be made")
    for row in rows:
        table.add_row(*map(str, row.values()))
    new_console().print(table)
    return 0


def _figure_row(figure: "Figure", source: "Source") -> dict[str, Any]:
    """What a figure shows, and what it needs that is missing."""
    from theory_sim.figures.gallery.needed import work

    needed = work([figure], source)
    left = needed.left()
    reasons = [str(reason) for reason in left.studies.values()]
    to_be_made = "; ".join(reasons) or str(len(left.runs) + len(left.evaluations) or "nothing")
    runs, evaluations = len(needed.runs), len(needed.evaluations)
    return {"name": figure.name, "summary": figure.summary, "runs": runs, "evaluations": evaluations, "to_be_made": to_be_made}
