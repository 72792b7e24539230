"""Commands for many runs: sweep, study."""

import json as json_
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from theory_sim.cli.config_files import expect_kind
from theory_sim.cli.loudness import progress
from theory_sim.cli.notes import note_lines
from theory_sim.cli.program import ConfigFile, Device, Json, Out, Plugin, Replicas, Seed, Set, app, read_config, whole
from theory_sim.cli.reports import Report, print_report
from theory_sim.runtime.display import new_console, new_table
from theory_sim.runtime.errors import InputError, one_line

if TYPE_CHECKING:
    from theory_sim.cli.output_file import JsonFile
    from theory_sim.studies.decision import StudyAnswer
    from theory_sim.studies.sweep import Sweep

_HEADLINES = {"coarse-hard-error": "coarse hard error", "fine-hard-error": "fine hard error", "transfer-gain": "gain"}
"""Claims that the printed table shows, and their columns; of a theory without these its first three, or its errors."""

Grid = Annotated[list[str] | None, typer.Option("--grid", metavar="KEY=A,B,...", help="A key and its values; may be repeated.")]
Backend = Annotated[Literal["local", "dask"], typer.Option(help="Processes on this machine, or an existing Dask cluster.")]
Scheduler = Annotated[str | None, typer.Option(metavar="ADDRESS", help="The Dask scheduler, such as tcp://host:8786.")]
Jobs = Annotated[
    int | None, typer.Option(help="Cells that run at once here; by default one per core.", **whole("--jobs", least=1))
]


@app.command()
def sweep(
    config: ConfigFile = None,
    grid: Grid = None,
    set_: Set = None,
    plugin: Plugin = None,
    replicas: Replicas = None,
    seed: Seed = None,
    device: Device = "auto",
    backend: Backend = "local",
    scheduler: Scheduler = None,
    jobs: Jobs = None,
    out: Out = Path("results"),
    json: Json = None,
) -> int:
    """Run every combination of the grids' values; finished cells are not run again. Exit 1: some cells failed."""
    if not grid:
        raise InputError("Missing option '--grid': it names a key and its values, such as --grid data.noise=0.25,0.5")
    checked = read_config(config, set_, plugin, replicas, seed)
    address = _scheduler(backend, scheduler)
    # Only now: wrong input is answered without importing the numerical packages.
    from theory_sim.studies import sweep as sweep_module

    axes = [sweep_module.parse_axis(text) for text in grid]
    if len(dict(axes)) < len(axes):
        raise InputError("--grid: a key is given twice")
    with progress() as on_progress:
        done = sweep_module.sweep(checked, [dict(axes)], out, device, jobs, address, on_progress)
    if json is not None:
        json.write(_sweep_dict(done))
    return _print_sweep(done)


@app.command()
def study(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One of --list, or a YAML file.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the studies.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="At a small size, which only tests that it runs.")] = False,
    plugin: Plugin = None,
    device: Device = "auto",
    backend: Backend = "local",
    scheduler: Scheduler = None,
    jobs: Jobs = None,
    out: Out = Path("results"),
    json: Json = None,
    report: Report = False,
    published: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For a grid: the published table to compare with.")
    ] = None,
) -> int:
    """Run a study: a sweep whose results answer a question. Exit 0 for any answer; 1: some cells failed."""
    from theory_sim.reports.find import StoredStudy
    from theory_sim.reports.write import check_report
    from theory_sim.studies import study as studies
    from theory_sim.studies.decision import run_study
    from theory_sim.studies.grids import GRIDS
    from theory_sim.studies.sweep import VERDICT

    console = new_console()
    if list_ or name is None:
        table = new_table("study", "question", "cells", "minutes")
        for each in studies.all_studies():
            table.add_row(each.name, each.question, str(len(each.cells())), f"{each.minutes:g}")
        for grid in GRIDS.values():
            table.add_row(grid.name, grid.question, str(len(grid.dims) * len(grid.signals)), f"{grid.minutes:g}")
        if json is not None:
            known = [(of.name, of.question, of.minutes) for of in studies.all_studies()]
            known += [(of.name, of.question, of.minutes) for of in GRIDS.values()]
            json.write([dict(zip(("name", "question", "minutes"), each, strict=True)) for each in known])
        console.print(table)
        return 0
    if name in GRIDS:
        given = (plugin, device not in ("auto", "cpu"), backend != "local", scheduler is not None, report)
        options = ("--plugin", "--device", "--backend", "--scheduler", "--report")
        if unused := [option for option, is_given in zip(options, given, strict=True) if is_given]:
            raise InputError(
                f"{', '.join(unused)}: {name} is a grid, whose options are --smoke, --jobs, --out, --json and --published"
            )
        return _grid(name, smoke, jobs, out, json, published)
    if published is not None:
        raise InputError(f"--published: {name} is no grid; grids are {', '.join(GRIDS)}")
    expect_kind(Path(name), "study")
    chosen = studies.load_study(name, plugin or ())
    address = _scheduler(backend, scheduler)
    if report:
        check_report()
    with progress() as on_progress:
        done, answer = run_study(chosen, smoke, out, device, jobs, address, on_progress)
    if json is not None:
        json.write(_sweep_dict(done) | json_.loads((done.folder / VERDICT).read_text(encoding="utf-8")))
    code = _print_sweep(done, cells=not chosen.one_at_a_time)
    show = _sensitivities_table if chosen.one_at_a_time else _trends_table if chosen.trends else _verdicts_table
    console.print(show(answer, chosen.question))
    decided = [(verdict.name, verdict.estimate.notes) for verdict in answer.verdicts]
    decided += [(trend.id, trend.estimate.notes) for trend in answer.trends]
    for text in note_lines(decided, "trends" if answer.trends else "comparisons"):
        print(text)
    print(f"{chosen.name}: {answer.answer} ({answer.basis})")
    if report:
        print_report(StoredStudy("study", done.folder))
    return code


def _grid(name: str, smoke: bool, jobs: int | None, out: Path, json: "JsonFile | None", published: Path | None) -> int:
    """Compute a grid of small networks, and print how it agrees with the published one."""
    from theory_sim.runtime.memory import peak_memory
    from theory_sim.studies import grids
    from theory_sim.studies.backends import cores
    from theory_sim.theories.benign_overfitting.comparison import PUBLISHED

    study, start = grids.small(grids.GRIDS[name]) if smoke else grids.GRIDS[name], time.perf_counter()
    jobs = cores() if jobs is None else jobs
    with progress() as on_progress:
        answer = grids.run_grid(study, out, jobs, published or PUBLISHED, on_progress)
    seconds, peak = time.perf_counter() - start, peak_memory(jobs)
    console = new_console()
    names = ("reading", "part of the grid", "cells", "ours − published ± standard error", "sd of z")
    table = new_table(*names, title=study.question)
    for each in answer.agreements:
        difference = f"{each.difference:+.4f} ± {each.error:.4f}"
        table.add_row(each.reading, each.part, str(each.cells), difference, f"{each.spread:.2f}")
    console.print(table)
    table = new_table(
        "errors", "exponent e", "95% interval", "C", title="The border of the regimes, n s⁴ = C d^e (theory: e = 1)"
    )
    for fitted in answer.transitions:
        e = fitted.exponent
        table.add_row(fitted.of, f"{e.value:.3f}", f"[{e.low:.3f}, {e.high:.3f}]", f"{fitted.constant:.3g}")
    console.print(table)
    print(f"table: {answer.folder / grids.TABLE}")
    beside = f"{jobs} process{'es' if jobs > 1 else ''} beside this one"
    memory = "" if peak is None else f", at most {peak / 1e9:.2f} GB of memory, in {beside}"
    print(f"{seconds:.0f} s for what was not on disk{memory}")
    if json is not None:
        transitions = [asdict(fitted) for fitted in answer.transitions]
        json.write(
            {
                "folder": str(answer.folder),
                "agreements": [asdict(each) for each in answer.agreements],
                "transitions": transitions,
                "seconds": seconds,
                "peak_bytes": peak,
            }
        )
    return 0


def _verdicts_table(answer: "StudyAnswer", question: str) -> Table:
    table = new_table("comparison", "error falls by", "interval", "p (Holm)", "at least", "verdict", title=question)
    for verdict in answer.verdicts:
        e = verdict.estimate
        interval = f"[{e.low:.3f}, {e.high:.3f}]" if e.value == e.value else e.method
        p = "" if verdict.p_holm is None else f"{verdict.p_holm:.2g}"
        table.add_row(verdict.name, f"{e.value:.3f}", interval, p, f"{verdict.at_least:g}", verdict.answer)
    return table


def _trends_table(answer: "StudyAnswer", question: str) -> Table:
    table = new_table("trend", "estimate", "interval", "method", "bound", "verdict", title=question)
    for trend in answer.trends:
        e, bound = trend.estimate, f"{trend.side} {trend.bound:.4g}" if trend.bound == trend.bound else ""
        numbers = (f"{e.value:.4g}", f"[{e.low:.4g}, {e.high:.4g}]") if e.value == e.value else ("undefined", "")
        table.add_row(trend.id, *numbers, e.method, bound, trend.decision)
    return table


def _sensitivities_table(answer: "StudyAnswer", question: str) -> Table:
    from theory_sim.studies.sensitivity import COLUMNS, table_rows

    table = new_table(*COLUMNS, title=question)
    for row in table_rows(answer.sensitivities):
        table.add_row(*row)
    return table


def _sweep_dict(done: "Sweep") -> dict[str, Any]:
    """What a sweep came to, for JSON: the rows of its table of claims, without the columns that a row has not."""
    from pyarrow import parquet

    rows = parquet.read_table(done.folder / "cells.parquet").to_pylist()
    cells = [{key: value for key, value in row.items() if value is not None} for row in rows]
    return {"folder": str(done.folder), "failed": done.failed, "cells": cells}


def _scheduler(backend: str, scheduler: str | None) -> str | None:
    if (backend == "dask") != (scheduler is not None):
        raise InputError("--backend dask and --scheduler ADDRESS go together")
    return scheduler


def _print_sweep(done: "Sweep", cells: bool = True) -> int:
    """Print one row per cell, if `cells` asks for it; a line for each failed cell goes to standard error."""
    if cells:
        new_console().print(_cells_table(done))
        notes = done.read("cells").dropna(subset="id").notes.astype(str)
        for text in note_lines([("", filter(None, own.split("; "))) for own in notes], "claims"):
            print(text)
    print(f"tables: {done.folder}")
    for id_, reason in done.failed.items():
        print(f"failed: {one_line(f'{done.ids[id_]}: {reason}')}", file=sys.stderr)
    return 1 if done.failed else 0


def _cells_table(done: "Sweep") -> Table:
    cells = done.read("cells")
    stored = cells[cells.status == "stored"]
    ids = list(stored.id.dropna().unique())
    if not ids:
        return _errors_table(done)
    shown = [id_ for id_ in _HEADLINES if id_ in ids] or ids[:3]
    table = new_table(*done.keys, "labels", *(_HEADLINES.get(id_, id_) for id_ in shown), "claims held", "not held")
    for _, rows in stored.groupby("cell", sort=False):
        claims = rows.set_index("id")
        numbers = [claims.loc[id_] for id_ in shown]
        texts = [f"{n.estimate:.3f} [{n.low:.3f}, {n.high:.3f}]" for n in numbers]
        first = rows.iloc[0]
        values = [str(first[key]) for key in done.keys]
        failing = list(claims.index[claims.decision != "holds"])
        held = f"{len(claims) - len(failing)} of {len(claims)}"
        table.add_row(*values, str(int(first.classes)), *texts, held, ", ".join(failing))
    return table


def _errors_table(done: "Sweep") -> Table:
    """Of a theory without claims: the mean test error of each network on each kind of sample, with its first readout."""
    rows = done.read("replicas")
    rows = rows[rows.readout == rows.groupby("cell").readout.transform("first")]
    columns = dict.fromkeys(zip(rows.model, rows.kind, strict=True))
    table = new_table(*done.keys, *(f"{model} {kind} error" for model, kind in columns))
    for _, of_cell in rows.groupby("cell", sort=False):
        means = of_cell.groupby(["model", "kind"]).error.mean()
        values = [str(of_cell.iloc[0][key]) for key in done.keys]
        table.add_row(*values, *(f"{means[column]:.3f}" if column in means.index else "" for column in columns))
    return table
