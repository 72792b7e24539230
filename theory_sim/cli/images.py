"""Real images: pretrain, hierarchy."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from theory_sim.cli.config_files import config_file, expect_kind
from theory_sim.cli.loudness import progress
from theory_sim.cli.program import ConfigFile, Json, Out, Plugin, Set, app, whole
from theory_sim.cli.reports import Report, print_report
from theory_sim.runtime.display import new_console, new_table


@app.command()
def pretrain(
    config: ConfigFile = None,
    set_: Set = None,
    seeds: Annotated[int | None, typer.Option(help="Number of independent repetitions.", **whole("--seeds"))] = None,
    plugin: Plugin = None,
    out: Out = Path("results"),
    json: Json = None,
    report: Report = False,
) -> int:
    """Pretrain on real images at every label granularity, transfer, and compare. Exit 1: some cells failed."""
    from theory_sim.pretraining import need_extra

    need_extra()
    from theory_sim.pretraining import report as for_people
    from theory_sim.pretraining import study
    from theory_sim.pretraining.config import load_study
    from theory_sim.pretraining.distributed import processes

    file = None if config is None else config_file(config)
    if file is not None:
        expect_kind(file, "images")
    checked = load_study(file, set_ or (), plugin or (), seeds=seeds)
    if report:
        from theory_sim.reports.write import check_report

        check_report()
    with progress() as on_progress:
        outcome = study.run_study(checked, out, on_progress)
    if not processes().is_main_process:
        return 1 if outcome.failures else 0
    if json is not None:
        rows = outcome.results.to_dict("records")
        json.write(
            {"folder": str(outcome.folder), "failed": {str(cell): why for cell, why in outcome.failures.items()}, "results": rows}
        )
    console = new_console()
    console.print(for_people.labels_for_people(outcome))
    if len(outcome.results):
        console.print(for_people.results_for_people(outcome))
        for line in for_people.verdict(outcome):
            print(line)
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
    return 1 if outcome.failures else 0


@app.command()
def hierarchy(
    source: Annotated[str, typer.Argument(metavar="imagenet21k|inat2021|tree")],
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
