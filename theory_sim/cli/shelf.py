"""The runs on disk: runs list, show, compare, delete, disk."""

import shutil
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from theory_sim.cli.program import Json, Out, app
from theory_sim.runtime.display import new_console, new_table, without_controls
from theory_sim.runtime.errors import InputError

if TYPE_CHECKING:
    from theory_sim.studies.shelf import StoredRun

runs = typer.Typer(rich_markup_mode=None, help="List, show, compare and delete the runs in a folder of results.")
app.add_typer(runs, name="runs")

Filter = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="KEY=VALUE", help="Only runs with this setting, such as data.dim=256; may be repeated."),
]
Stale = Annotated[bool, typer.Option("--stale", help="Only runs that the present code would not load, but run again.")]
Named = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, NAME/ID, the beginning of its ID, or its name.")]


@runs.command("list")
def list_(out: Out = Path("results"), filter_: Filter = None, stale: Stale = False, json: Json = None) -> int:
    """List the runs, the newest first: settings that differ from the defaults, claims that hold, code, size, age."""
    from theory_sim.studies.shelf import find_runs

    found = find_runs(out, filter_ or (), stale)
    if json is not None:
        json.write([run.as_dict() for run in found])
    if found:
        table = new_table("run", "settings that differ", "claims held", "code", "size", "age")
        for run in found:
            code = run.code if run.stale is None else f"{run.code} (stale)"
            table.add_row(f"{run.name}/{run.id}", _settings(run.differs), _held(run), code, size(run.bytes), age(run.modified))
        new_console().print(table)
    print(f"{len(found)} {'run' if len(found) == 1 else 'runs'} in {out}")
    return 0


@runs.command()
def show(run: Named, out: Out = Path("results"), json: Json = None) -> int:
    """Show one run: settings that differ from the defaults, claims, environment and files."""
    from theory_sim.cli.claims_table import print_claims
    from theory_sim.studies.shelf import find_run
    from theory_sim.theories.theory import THEORIES

    found = find_run(run, out)
    claims = found.claims
    if json is not None:
        decided = [] if isinstance(claims, str) else [claim.as_dict() for claim in claims]
        json.write(found.as_dict() | {"settings": found.settings, "environment": found.environment, "decided": decided})
    print(f"{found.folder}: {size(found.bytes)}, {age(found.modified)} old{'' if found.finished else ', not finished'}")
    if found.stale is not None:
        print(f"stale: {found.stale}; the present code would run the configuration again")
    for title, values in (("setting", found.differs), ("environment", found.environment)):
        new_console().print(_pairs(title, values))
    if isinstance(claims, str):
        print(f"claims: {claims}")
    elif claims:
        print_claims(claims, found.settings["claims.confidence"], THEORIES[found.settings["theory"]].theorems)
    return 0


@runs.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A run, as in runs show.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    out: Out = Path("results"),
    json: Json = None,
) -> int:
    """Compare two runs: the settings and the environment that differ, and the claims of both."""
    from theory_sim.studies.comparing import compare as compared
    from theory_sim.studies.shelf import find_run

    found = compared(find_run(a, out), find_run(b, out))
    if json is not None:
        json.write(found.as_dict())
    table = new_table("compared", *(f"{run.name}/{run.id}" for run in found.runs))
    for row in found.rows():
        table.add_row(row[""], row["a"], row["b"])
    new_console().print(table)
    for what in ("settings", "environment"):
        if not getattr(found, what):
            print(f"{what}: no difference")
    for run in found.runs:
        if isinstance(run.claims, str):
            print(f"no claims of {run.folder}: {run.claims}")
    return 0


@runs.command()
def delete(
    named: Annotated[list[str] | None, typer.Argument(metavar="[RUN ...]", help="Runs, as in runs show.")] = None,
    out: Out = Path("results"),
    filter_: Filter = None,
    stale: Stale = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Delete runs: those that are named, or all that --stale and --filter leave. Exit 1: some are kept."""
    from theory_sim.studies.disposal import delete_run, why_kept
    from theory_sim.studies.shelf import find_all, find_runs

    if bool(named) == bool(filter_ or stale):
        raise InputError("name the runs to delete, or choose them by --stale or --filter, but not both")
    given = [run for one in named for run in find_all(one, out)] if named else find_runs(out, filter_ or (), stale)
    found = list({run.folder.resolve(): run for run in given}.values())
    kept = 0
    chosen = []
    for run in found:
        if (reason := why_kept(run, found)) is not None:
            print(f"kept: {run.folder}: {reason}", file=sys.stderr)
            kept += 1
        else:
            chosen.append(run)
            print(without_controls(f"{run.folder}  {size(run.bytes)}  {age(run.modified)}  {_settings(run.differs)}"))
    if not chosen:
        print("nothing to delete")
        return 1 if kept else 0
    total = size(sum(run.bytes for run in chosen))
    if not yes and not _agreed(f"delete {len(chosen)} {'run' if len(chosen) == 1 else 'runs'}, {total}? [y/N] "):
        print("nothing is deleted")
        return 1
    for run in chosen:
        try:
            if run.files.exists():  # else it went with the first of its block
                delete_run(run, chosen)
        except InputError as error:
            print(f"kept: {run.folder}: {error}", file=sys.stderr)
            kept += 1
    print(f"deleted: {len(found) - kept}, kept: {kept}")
    return 1 if kept else 0


@runs.command()
def disk(out: Out = Path("results"), json: Json = None) -> int:
    """Show what takes room in a folder of results."""
    from theory_sim.studies.disposal import room

    found = room(out)
    if json is not None:
        json.write([asdict(each) for each in found])
    table = new_table("name", "runs", "size", "of it stale", "unfinished", "no runs (tables, image studies, …)")
    for each in found:
        table.add_row(each.name, str(each.runs), *(size(part) for part in (each.bytes, each.stale, each.unfinished, each.other)))
    new_console().print(table)
    print(f"{size(sum(each.bytes for each in found))} in {out}; {size(shutil.disk_usage(out).free)} free on its disk")
    return 0


def size(number: float) -> str:
    """A number of bytes for people, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def age(since: datetime) -> str:
    """The time since then, in its largest unit."""
    seconds = max(0.0, (datetime.now(UTC) - since).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _held(run: "StoredRun") -> str:
    if run.held is None:
        return "not finished" if not run.finished else "not decided"
    return f"{run.held[0]} of {run.held[1]}" if run.held[1] else "no claims"


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items()) or "none"


def _pairs(title: str, values: dict[str, Any]) -> Table:
    table = new_table(title, "value")
    for key, value in values.items():
        table.add_row(key, str(value))
    return table


def _agreed(question: str) -> bool:
    """Whether a person says yes."""
    if not sys.stdin.isatty():
        raise InputError("nobody can be asked here: --yes deletes without asking")
    print(question, end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
