"""The gallery: figures."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from theory_sim.cli.program import Device, app, new_console
from theory_sim.config import load_config
from theory_sim.runtime.errors import InputError


@app.command()
def figures(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME ...]", help="Figures to draw; all without it.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the pictures: paper_figs, or figures_smoke with --smoke.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the runs; finished ones are loaded.")] = Path("results"),
    config: Annotated[Path | None, typer.Option(help="A YAML file that all runs derive from; the default configuration.")] = None,
    device: Device = "auto",
    smoke: Annotated[bool, typer.Option("--smoke", help="At toy size: that all figures draw, not what is true.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Draw nothing: compute, and compare with the CSV files there.")] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="What there is, and what each figure needs that is not there yet.")
    ] = False,
) -> int:
    """Draw the figures: PDF, PNG, the numbers as CSV, and a page of all. Exit 1: --check found other numbers."""
    gallery = _gallery()
    from theory_sim.figures.compare import differing
    from theory_sim.runtime.progress import progress_bar

    if smoke and config is not None:
        raise InputError("--smoke has a configuration of its own: leave --config out")
    base = gallery.SMOKE if smoke else load_config(config)
    folder = out or Path("figures_smoke" if smoke else "paper_figs")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, not a folder for pictures")
    source = gallery.Source(base, results, device, smoke)
    modules = gallery.chosen(names or [])
    if list_:
        new_console().print(_figures_table(gallery, modules, source))
        return 0
    waiting = {} if names else {m.NAME: why for m in modules if (why := gallery.waiting(m, source)) is not None}
    modules = [module for module in modules if module.NAME not in waiting]
    with progress_bar() as show:
        made = gallery.tables(modules, source, show)
        if check:
            found = {module.NAME: differing(module, table, folder) for module, table in made}
        else:
            gallery.draw(made, folder)
    if check:
        lines = [f"{name}: {difference or 'the same'}" for name, difference in found.items()]
    else:
        lines = [f"{folder / module.NAME}: pdf, png, csv" for module in modules]
        command = "theory-sim figures" + " --smoke" * smoke + (f" --config {config}" if config else "")
        gallery.write_page(modules, source, command, folder)
    print("\n".join([*lines, *(f"{name}: waits, {reason}" for name, reason in waiting.items())]))
    return 1 if check and any(found.values()) else 0


def _gallery() -> Any:
    """The gallery's module; what it draws with is an extra."""
    try:
        from theory_sim.figures import gallery, style
    except ModuleNotFoundError as error:
        raise InputError(f"figures need the package {error.name}: pip install 'theory-sim[figures]'") from None
    style.use()
    return gallery


def _figures_table(gallery: Any, modules: list[Any], source: Any) -> Table:
    table = Table("figure", "shows", "runs", "evaluations", "to be made")
    for module in modules:
        needed = gallery.work([module], source)
        left = needed.left()
        missing = len(left.runs) + len(left.evaluations)
        reasons = [str(reason) for reason in left.studies.values()]
        table.add_row(
            module.NAME,
            module.__doc__.splitlines()[0],
            str(len(needed.runs)),
            str(len(needed.evaluations)),
            "; ".join(reasons) or str(missing or "nothing"),
        )
    return table
