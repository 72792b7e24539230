"""The command that draws the figures."""

import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from theory_sim.cli.loudness import progress
from theory_sim.cli.output_file import JsonFile
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
        Path | None, typer.Option(help="A YAML or Python file that all runs derive from; by default the default configuration.")
    ] = None,
    plugin: Plugin = None,
    device: Device = "auto",
    smoke: Annotated[bool, typer.Option("--smoke", help="At toy size: shows that all figures draw, not what is true.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Draw nothing: compute, and compare with the CSV files there.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the figures, and what each needs that is missing.")] = False,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Draw the CSV files in this folder again; nothing is run or loaded."),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(
            metavar="INCHES",
            help="Width of the pictures, from 3.3 (a journal's column) to 40; without it each figure's own. Panels"
            " that do not fit side by side are put below each other.",
        ),
    ] = None,
    style: Annotated[
        str | None, typer.Option(metavar="FILE|NAME", help="A style of matplotlib, applied on top of the gallery's.")
    ] = None,
    palette: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|COLOURS",
            help="A palette of seaborn, or four colours separated by commas, for common and rare features, and"
            " coarse and fine labels.",
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMATS",
            help="Formats of the pictures, such as pdf,png,svg (pgf needs LaTeX); by default pdf,png. Numbers are always CSV.",
        ),
    ] = None,
    json: Json = None,
) -> int:
    """Draw the figures: PDF, PNG, the numbers as CSV, and a page of all. Exit 1: --check found other numbers.

    The numbers do not depend on --width, --style, --palette and --format. To draw finished figures for a journal's column:
    theory-sim figures --from paper_figs --out column --width 3.3
    """
    # First: a wrong configuration is answered without importing the numerical packages.
    plugins.load([plugins.resolved(name, Path.cwd()) for name in plugin or []])
    for_pictures = {"--from": from_, "--width": width, "--style": style, "--palette": palette, "--format": format_}
    _refuse_together("--smoke has a configuration of its own", smoke, {"--config": config, "--from": from_})
    _refuse_together("--check draws nothing", check, for_pictures)
    if from_ is not None and out is None:
        raise InputError("--from needs --out FOLDER: a place for the pictures")
    checked = None if smoke else read_config(config)
    try:
        from theory_sim.figures.common.look import Look
        from theory_sim.figures.gallery import compare, drawing, formats, making, needed, page
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
    look = Look(width, style, palette)
    suffixes = formats.chosen(",".join(formats.FORMATS) if format_ is None else format_, look)
    why_not = partial(needed.waiting, source=source) if from_ is None else partial(drawing.without_table, folder=from_)
    waiting = {} if names else {figure.name: why for figure in wanted if (why := why_not(figure)) is not None}
    wanted = [figure for figure in wanted if figure.name not in waiting]
    _expect_some(wanted, from_)
    if not check:
        page.check_page(folder)
        check_ours(file for figure in wanted for file in drawing.files(figure, folder, suffixes))
    with progress() as on_progress:
        made = making.tables(wanted, source, on_progress) if from_ is None else drawing.read_tables(wanted, from_)
    if check:
        found = {figure.name: compare.differing(figure, table, folder) for figure, table in made}
        lines = [f"{name}: {difference or 'the same'}" for name, difference in found.items()]
        said: dict[str, Any] = {"differing": found}
    else:
        places = {"--config": config, "--out": out, "--results": None if results == Path("results") else results}
        command = _command(smoke, places | for_pictures, plugin or [])
        with locked(folder):
            drawing.draw(made, folder, look, suffixes)
            page.write_page(wanted, source, page.Drawn(command, suffixes, width, from_), folder)
        found = {}
        lines = [f"{folder / figure.name}: {', '.join([*suffixes, 'csv'])}" for figure in wanted]
        said = {"drawn": {figure.name: str(folder / figure.name) for figure in wanted}}
    if json is not None:
        json.write({"waiting": waiting} | said)
    print("\n".join([*lines, *(f"{name}: waits, {reason}" for name, reason in waiting.items())]))
    return 1 if any(found.values()) else 0


def _refuse_together(why: str, flag: bool, others: dict[str, Any]) -> None:
    """Refuse options that a flag makes meaningless."""
    for name, value in others.items():
        if flag and value is not None:
            raise InputError(f"{why}: leave {name} out")


def _expect_some(figures: "list[Figure]", from_: Path | None) -> None:
    """Refuse a folder of which no figure can be drawn again."""
    if from_ is not None and not figures:
        reason = "the folder has no CSV file of a figure" if from_.is_dir() else "there is no such folder"
        raise InputError(f"--from {from_}: {reason}")


def _command(smoke: bool, options: dict[str, Any], plugin: list[str]) -> str:
    """The command that draws the figures, without their names."""
    words = ["theory-sim figures", *(["--smoke"] if smoke else [])]
    for option, value in options.items():
        if value is not None:
            text = os.fsencode(value).decode("utf-8", "backslashreplace") if isinstance(value, Path) else str(value)
            words.append(f"{option} {text if option == '--config' else shlex.quote(text)}")
    return " ".join([*words, *(f"--plugin {name}" for name in plugin)])


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
