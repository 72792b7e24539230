"""The gallery: figures."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from theory_sim.cli.program import Device, app, new_console
from theory_sim.config import Config, load_config
from theory_sim.errors import InputError


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
    from theory_sim.progress import progress_bar

    if smoke and config is not None:
        raise InputError("--smoke has a configuration of its own: leave --config out")
    base = gallery.SMOKE if smoke else load_config(config)
    folder = out or Path("figures_smoke" if smoke else "paper_figs")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, not a folder for pictures")
    modules = gallery.chosen(names or [])
    if list_:
        new_console().print(
            _figures_table(gallery, modules if names else [*modules, *gallery.ON_REQUEST.values()], base, results, device)
        )
        return 0
    with progress_bar() as show:
        made = gallery.tables(modules, base, results, device, show)
        if check:
            found = {module.NAME: gallery.differing(module, table, folder) for module, table in made}
        else:
            gallery.draw(made, folder)
    if check:
        print("\n".join(f"{name}: {difference or 'the same'}" for name, difference in found.items()))
        return 1 if any(found.values()) else 0
    print("\n".join(f"{folder / module.NAME}: pdf, png, csv" for module in modules))
    command = "theory-sim figures" + " --smoke" * smoke + (f" --config {config}" if config else "")
    gallery.write_page(modules, base, command, folder)
    if not names:
        for name, reason in gallery.WAITING.items():
            print(f"{name}: not drawn, waits for {reason}")
    return 0


def _gallery() -> Any:
    """The gallery's module; what it draws with is an extra."""
    try:
        from theory_sim.figures import gallery, style
    except ModuleNotFoundError as error:
        raise InputError(f"figures need the package {error.name}: pip install 'theory-sim[figures]'") from None
    style.use()
    return gallery


def _figures_table(gallery: Any, modules: list[Any], config: Config, results: Path, device: str) -> Table:
    table = Table("figure", "shows", "runs", "evaluations", "to be made")
    for module in modules:
        needed = gallery.work([module], config, results, device)
        left = needed.left()
        missing = len(left.runs) + len(left.evaluations)
        table.add_row(
            module.NAME,
            module.__doc__.splitlines()[0],
            str(len(needed.runs)),
            str(len(needed.evaluations)),
            str(missing or "nothing"),
        )
    for name, reason in gallery.WAITING.items():
        table.add_row(name, f"waits for {reason}", "", "", "")
    return table
