"""Real images: pretrain, hierarchy."""

import json as json_
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from theory_sim.cli.config_files import config_file, expect_kind
from theory_sim.cli.loudness import progress
from theory_sim.cli.program import ConfigFile, Json, Out, Plugin, Set, app, whole
from theory_sim.cli.reports import Report, print_report
from theory_sim.runtime.display import new_console, new_table

if TYPE_CHECKING:
    from theory_sim.pretraining.config import ImageStudy
    from theory_sim.pretraining.study import Outcome


@app.command()
def pretrain(
    config: ConfigFile = None,
    set_: Set = None,
    seeds: Annotated[int | None, typer.Option(help="Number of independent repetitions.", **whole("--seeds"))] = None,
    grid: Annotated[
        str | None,
        typer.Option("--grid", metavar="KEY=A,B,...", help="A key and its values: a study for each, one after the other."),
    ] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="At a small size, which only tests that it runs.")] = False,
    plugin: Plugin = None,
    out: Out = Path("results"),
    json: Json = None,
    report: Report = False,
) -> int:
    """Pretrain on real images at every label granularity, transfer, and compare. Exit 1: some cells failed."""
    from theory_sim.pretraining import need_extra

    need_extra()
    from theory_sim.pretraining.config import load_study
    from theory_sim.pretraining.distributed import processes

    file = None if config is None else config_file(config)
    if file is not None:
        expect_kind(file, "images")
    key, values = ("", [""]) if grid is None else _axis(grid)
    settings = [[*(set_ or ()), *([f"{key}={json_.dumps(value)}"] if key else [])] for value in values]
    checked = [load_study(file, own, plugin or (), seeds=seeds) for own in settings]  # all before any work
    if report:
        from theory_sim.reports.write import check_report

        check_report()
    outcomes = []
    for value, of in zip(values, checked, strict=True):
        if key:
            print(f"{key} = {value}")
        outcomes.append(_run(of.small() if smoke else of, out, report))
    if json is not None and processes().is_main_process:
        found = [_outcome_dict(outcome) for outcome in outcomes]
        json.write(found if key else found[0])
    return max(1 if outcome.failures else 0 for outcome in outcomes)


def _axis(grid: str) -> tuple[str, list[Any]]:
    from theory_sim.studies.sweep import parse_axis

    return parse_axis(grid)


def _outcome_dict(outcome: "Outcome") -> dict[str, Any]:
    failed = {str(cell): why for cell, why in outcome.failures.items()}
    return {"folder": str(outcome.folder), "failed": failed, "results": outcome.results.to_dict("records")}


def _run(checked: "ImageStudy", out: Path, report: bool) -> "Outcome":
    """Run a study and print it."""
    from theory_sim.pretraining import study
    from theory_sim.pretraining.distributed import processes

    try:
        with progress() as on_progress:
            outcome = study.run_study(checked, out, on_progress)
    except study.StudyInterrupt as interrupt:
        if processes().is_main_process:
            print("interrupted; what is finished:")
            _print_report(interrupt.outcome)
        raise
    if not processes().is_main_process:
        return outcome
    _print_report(outcome)
    for note in outcome.notes:
        print(f"note: {note}")
    for what, why in outcome.failures.items():
        print(f"failed: {what}: {why}")
    for fault_list, count in outcome.damaged.items():
        print(f"{count} image files were passed over: {fault_list}")
    if outcome.unreadable:
        print(f"not cached, because its source cannot be read: {', '.join(outcome.unreadable)}")
    print(f"results: {outcome.folder}")
    if report:
        from theory_sim.reports.find import StoredStudy

        print_report(StoredStudy("images", outcome.folder))
    return outcome


def _print_report(outcome: "Outcome") -> None:
    from theory_sim.pretraining import report

    console = new_console()
    console.print(report.labels_for_people(outcome))
    if len(outcome.results):
        console.print(report.results_for_people(outcome))
        for line in [*report.verdict(outcome), *report.power(outcome)]:
            print(line)


@app.command()
def hierarchy(
    source: Annotated[str, typer.Argument(metavar="imagenet21k|imagenet|inat2021|tree")],
    path: Annotated[Path | None, typer.Argument(metavar="PATH", help="Folder of images; not for imagenet21k.")] = None,
    json: Json = None,
) -> int:
    """Show the levels of a label set: classes, and samples per class where there is a folder of images."""
    from theory_sim.pretraining import summary

    levels = summary.summarise(source, path)
    if json is not None:
        json.write([asdict(level) for level in levels])
    several, samples = source == "imagenet21k", path is not None
    table = new_table(
        "level", "classes", *["of several labels"] * several, *["samples per class: least", "mean", "most"] * samples
    )
    for level in levels:
        name = " ".join(filter(None, [str(level.level) if level.level else "", level.name])) or "0"
        counts = [f"{level.least}", f"{level.mean:.1f}", f"{level.most}"] if samples else []
        table.add_row(name, str(level.classes), *[str(level.classes_with_several)] * several, *counts)
    new_console().print(table)
    return 0
