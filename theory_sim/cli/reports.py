"""The command report, and the option --report of the commands that make results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from theory_sim.cli.loudness import working
from theory_sim.cli.output_file import OutputFile
from theory_sim.cli.program import Json, app, refusing

if TYPE_CHECKING:
    from theory_sim.config import Config
    from theory_sim.reports.find import StoredStudy
    from theory_sim.studies.shelf import StoredRun

Report = Annotated[
    bool, typer.Option("--report", help="Also write report.html, a page to look at, and summary.json into the results folder.")
]


@app.command()
def report(
    named: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN|STUDY ...]", help="A run as in runs show, a study's name or folder; several runs: side by side."
        ),
    ] = None,
    out: Annotated[
        OutputFile | None,
        typer.Option(
            metavar="FILE",
            parser=refusing("--out", OutputFile),
            help="The page, -: to standard output; by default report.html in the results folder, or here for several runs.",
        ),
    ] = None,
    results: Annotated[Path, typer.Option(envvar="THEORY_SIM_OUT", help="Folder of all results.")] = Path("results"),
    json: Json = None,
) -> int:
    """Make a page of a run, a study, or runs side by side: one file that opens without a network. By default: the newest run."""
    from theory_sim.reports.find import find_reported, newest_run
    from theory_sim.reports.write import FILES, check_report, report_of, write_report

    check_report()
    page: Path | OutputFile
    found = [find_reported(name, results) for name in named] if named else [newest_run(results)]
    with working("making the page"):
        if len(found) == 1 and out is None:
            page, summary = write_report(found[0])
        else:
            page = OutputFile(FILES[0]) if out is None else out
            text, summary = report_of(found)
            page.put(text)
    if json is not None:
        json.write(summary)
    print(f"report: {page}")
    return 0


def check_report_of(config: "Config", out: Path, device: str) -> None:
    """Check before a run that its page can be written (`theory_sim.reports.write.check_report`)."""
    from theory_sim.reports.write import check_report
    from theory_sim.runs.folder import results_folder
    from theory_sim.runtime.devices import choose_device

    check_report(results_folder(config, out, choose_device(device)))


def print_report(what: "StoredRun | StoredStudy") -> None:
    """Write the page of what a command has made, and say where it is."""
    from theory_sim.reports.write import write_report

    with working("making the page"):
        page, _ = write_report(what)
    print(f"report: {page}")
