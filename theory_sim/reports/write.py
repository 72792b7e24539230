"""Making pages of runs and studies, and writing them into their folders."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from theory_sim.reports.charts import Chart, run_charts, side_by_side
from theory_sim.reports.find import StoredStudy
from theory_sim.reports.image_facts import COLUMNS, image_charts, image_facts, result_rows
from theory_sim.reports.intervals import picture
from theory_sim.reports.neuron_map import MOST_VALUES, NeuronMap, neuron_maps
from theory_sim.reports.page import cells, need_extra, page
from theory_sim.reports.run_facts import loaded, run_facts, summary_of
from theory_sim.reports.study_facts import study_charts, study_facts, varied_rows
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.outputs import check_ours, write_json, write_text
from theory_sim.studies.comparing import differing
from theory_sim.studies.sensitivity import COLUMNS as SENSITIVITY_COLUMNS
from theory_sim.studies.shelf import StoredRun

FILES = ("report.html", "summary.json")
"""A page and its summary, in the folder of a run or a study."""
MOST_RUNS = 4
"""Runs side by side."""
_ORIGIN = [("environment", "Environment"), ("reproduce", "How to reproduce"), ("cite", "How to cite")]


def run_page(run: StoredRun) -> tuple[str, dict[str, Any]]:
    """The page of a run, and its summary.

    Raises:
        InputError: the run is not finished or damaged, or pages cannot be made here.
    """
    results = loaded(run)
    facts, charts = run_facts(run, results), run_charts(results)
    return filled(facts, charts, neuron_maps(results)), summary_of(facts, charts)


def filled(facts: dict[str, Any], charts: Sequence[Chart], maps: Sequence[NeuronMap]) -> str:
    """The page of a run's facts (`theory_sim.reports.run_facts`), curves and maps."""
    return page(
        "run",
        f"{facts['name']}: theory_sim report",
        [
            ("claims", "Claims"),
            ("curves", "Curves"),
            ("neurons", "Neurons and features"),
            ("networks", "Networks"),
            ("regime", "Regime"),
            ("settings", "Settings"),
            *_ORIGIN,
        ],
        charts,
        [maps],
        facts=facts,
        networks=[_network(own) for own in facts["networks"]],
        inside=sum(line["inside"] for line in facts["regime"]),
        pictures={claim["id"]: picture(claim, claim["side"], claim["bound"]) for claim in facts["claims"]},
        settings=cells(facts["differs"], ["key", "value", "default"]),
    )


def side_by_side_page(runs: Sequence[StoredRun]) -> tuple[str, dict[str, Any]]:
    """The page of several runs side by side, and its summary.

    Args:
        runs: two runs, or a few more.

    Raises:
        InputError: as `run_page`; or there are too many, or one is named twice.
    """
    if len(runs) > MOST_RUNS:
        raise InputError(f"{len(runs)} runs do not fit side by side: {MOST_RUNS} are the most")
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise InputError("a run is named twice: side by side are different runs")
    labels = [chr(ord("A") + place) for place in range(len(runs))]
    results = {label: loaded(run) for label, run in zip(labels, runs, strict=True)}
    facts = {label: run_facts(run, results[label]) for label, run in zip(labels, runs, strict=True)}
    charts = side_by_side(results)
    by_run = [{claim["id"]: claim for claim in of["claims"]} for of in facts.values()]
    differs = differing([run.settings for run in runs]) | differing([run.environment for run in runs])
    title = " and ".join(f"{run.name}/{run.id}" for run in runs) + ", side by side"
    text = page(
        "runs",
        title,
        [
            ("settings", "What differs"),
            ("claims", "Claims"),
            ("curves", "Curves"),
            ("neurons", "Neurons and features"),
            *_ORIGIN[1:],
        ],
        charts,
        [neuron_maps(of, MOST_VALUES // len(runs)) for of in results.values()],
        runs=facts,
        differing_columns=["setting or environment", *labels],
        differing=[[key, *map(str, values)] for key, values in differs.items()],
        claims=list(_claims(by_run)),
        cite=list(dict.fromkeys(entry for of in facts.values() for entry in of["cite"])),
    )
    return text, {"kind": "runs", "runs": facts, "charts": [asdict(chart) for chart in charts]}


def study_page(folder: Path) -> tuple[str, dict[str, Any]]:
    """The page of a study or sweep, and its summary.

    Raises:
        InputError: a file is damaged, or pages cannot be made here.
    """
    facts = study_facts(folder)
    charts, varied = study_charts(facts), varied_rows(facts)
    sections = {"comparisons": facts["comparisons"], "trends": facts["trends"], "varied": varied}
    names = {"comparisons": "Comparisons", "trends": "Trends", "varied": "Settings varied one at a time"}
    text = page(
        "study",
        f"{facts['name']}: theory_sim report",
        [*((id_, names[id_]) for id_, of in sections.items() if of), ("cells", "Cells"), ("settings", "Settings"), *_ORIGIN],
        charts,
        facts=facts,
        pictures=[picture(one, "≥", one["at_least"]) for one in facts["comparisons"]],
        trend_pictures=[picture(one, one["side"], one["bound"]) for one in facts["trends"]],
        varied=varied,
        varied_columns=SENSITIVITY_COLUMNS,
        cell_columns=[*facts["keys"], "claims held", "not held", "failed", "id"],
        cell_rows=[
            [
                *(str(value) for value in cell["values"].values()),
                f"{cell['held']} of {len(cell['claims'])}",
                ", ".join(cell["not_held"]),
                cell["failed"] or "",
                cell["id"],
            ]
            for cell in facts["cells"]
        ],
        settings=cells(facts["differs"], ["key", "value", "default"]),
    )
    return text, summary_of(facts, charts)


def image_page(folder: Path) -> tuple[str, dict[str, Any]]:
    """The page of a study on real images, and its summary.

    Raises:
        InputError: a file is damaged, or pages cannot be made here.
    """
    facts = image_facts(folder)
    charts = image_charts(facts)
    text = page(
        "images",
        f"{facts['name']}: theory_sim report",
        [
            ("curves", "Errors and gains by granularity"),
            *([("images", "Hard and easy images")] if any(facts["examples"].values()) else []),
            ("results", "All results"),
            ("labels", "Label functions"),
            ("settings", "Settings"),
            *_ORIGIN,
        ],
        charts,
        facts=facts,
        result_columns=[name.replace("_", " ") for name in COLUMNS],
        result_rows=result_rows(facts),
        label_columns=[name.replace("_", " ") for name in facts["labels"][0]] if facts["labels"] else [],
        label_rows=[cells([row], list(row))[0] for row in facts["labels"]],
        settings=cells(facts["differs"], ["key", "value", "default"]),
    )
    return text, summary_of(facts, charts)


def check_report(folder: Path | None = None) -> None:
    """Check before work starts that its page can be made, and overwrites nothing of the user's.

    Args:
        folder: where the page will be, if that is known.

    Raises:
        InputError: a dependency is missing, or a file of the page's name is the user's.
    """
    need_extra()
    if folder is not None:
        check_ours([folder / name for name in FILES])


def write_report(what: StoredRun | StoredStudy) -> tuple[Path, dict[str, Any]]:
    """Write ``report.html`` and ``summary.json`` into the folder of a run or a study.

    Returns:
        The page's file, and the summary.

    Raises:
        InputError: as `report_of`; or a file of the page's name is the user's.
    """
    check_report(what.folder)
    text, summary = report_of([what])
    what.folder.mkdir(parents=True, exist_ok=True)  # of a cell of a block, which has none of its own
    write_text(what.folder / FILES[0], text)
    write_json(what.folder / FILES[1], summary)
    return what.folder / FILES[0], summary


def report_of(what: Sequence[StoredRun | StoredStudy]) -> tuple[str, dict[str, Any]]:
    """The page of a run, of a study, or of several runs side by side; and its summary.

    Raises:
        InputError: there are several, and not all are runs; or the page cannot be made.
    """
    if len(what) == 1 and isinstance(what[0], StoredStudy):
        return study_page(what[0].folder) if what[0].kind == "study" else image_page(what[0].folder)
    runs = [one for one in what if isinstance(one, StoredRun)]
    if len(runs) < len(what):
        raise InputError("side by side are runs: name one study, or runs alone")
    return run_page(runs[0]) if len(runs) == 1 else side_by_side_page(runs)


def _claims(by_run: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each claim with the result of each run, all drawn at one scale."""
    for id_ in dict.fromkeys(id_ for own in by_run for id_ in own):
        of = [own.get(id_) for own in by_run]
        there = [claim for claim in of if claim is not None]
        numbers = [claim[name] for claim in there for name in ("estimate", "low", "high", "bound")]
        reach = [number for number in numbers if number is not None]
        drawn = [claim and {"claim": claim, "picture": picture(claim, claim["side"], claim["bound"], reach)} for claim in of]
        yield {"id": id_, "statement": there[0]["statement"], "of": drawn}


def _network(own: dict[str, Any]) -> list[str]:
    """The row of a network in the page's table."""
    numbers = (f"{own['lucky_per_head_and_feature']:.3g}", f"{own['training_loss']:.4g}")
    errors = (f"{kind}: " + ", ".join(f"{error:.4g} {by}" for by, error in of.items()) for kind, of in own["errors"].items())
    return [own["name"], own["labels"], str(own["heads"]), str(own["neurons_recorded"]), *numbers, "; ".join(errors)]
