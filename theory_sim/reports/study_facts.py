"""What a page says of a study or a sweep, as plain values; read from its tables."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from theory_sim.config import LABEL_GRANULARITY
from theory_sim.reports.charts import Chart, Series
from theory_sim.reports.citing import citations
from theory_sim.reports.run_facts import identity, set_options
from theory_sim.runs.folder import block_of
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.settings import flat
from theory_sim.studies.sensitivity import Sensitivity, table_rows
from theory_sim.studies.shelf import StoredRun
from theory_sim.studies.study import study_files
from theory_sim.theories.theory import THEORIES

HEADLINES = ("coarse-hard-error", "fine-hard-error", "transfer-gain")
"""Claims whose estimates are drawn cell by cell; of a theory without them its first three."""
MOST_CELLS = 60
"""Cells that are drawn; the table has all."""


def study_facts(folder: Path) -> dict[str, Any]:
    """All that a page says of a study or a sweep.

    Args:
        folder: the folder of its tables.

    Raises:
        InputError: a file is damaged.
    """
    try:
        described = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
        verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8")) if _has_verdict(folder) else {}
        cells = list(_cells(folder, described["keys"]))
        settings = flat(described["config"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{folder} holds no tables of a study that can be read: {error}") from None
    configuration = StoredRun(folder, settings, {})
    theory = settings.get("theory", LABEL_GRANULARITY)
    source = THEORIES[theory].source if theory in THEORIES else ""
    return {
        "kind": "study" if verdict else "sweep",
        "name": verdict.get("study", settings.get("name", folder.parent.name)),
        "id": folder.name,
        "question": verdict.get("question", ""),
        "smoke": verdict.get("smoke", False),
        "answer": verdict.get("answer"),
        "basis": verdict.get("basis", ""),
        "comparisons": verdict.get("verdicts", []),
        "trends": verdict.get("trends", []),
        "sensitivities": verdict.get("sensitivities", []),
        "keys": described["keys"],
        "replicas": settings.get("replicas"),
        "cells": cells,
        "theory": theory,
        "source": source,
        "differs": [
            {"key": key, "value": value, "default": configuration.defaults.get(key)}
            for key, value in configuration.differs.items()
        ],
        "environment": _environment(folder, cells),
        "reproduce": {"command": _command(verdict, cells, described["keys"], configuration), "file": ""},
        "cite": citations(source),
    }


def varied_rows(facts: dict[str, Any]) -> list[list[str]]:
    """The rows of a one-at-a-time study's table (`theory_sim.studies.sensitivity.COLUMNS`)."""
    return [list(row) for row in table_rows([Sensitivity(**of) for of in facts["sensitivities"]])]


def study_charts(facts: dict[str, Any]) -> list[Chart]:
    """The headline claims of all cells, in one chart."""
    stored = [cell for cell in facts["cells"] if cell["claims"]][:MOST_CELLS]
    if not stored:
        return []
    ids = [claim["id"] for claim in stored[0]["claims"]]
    shown = [id_ for id_ in HEADLINES if id_ in ids] or ids[:3]
    series = []
    for color, id_ in enumerate(shown):
        found = [(at, claim) for at, cell in enumerate(stored) for claim in cell["claims"] if claim["id"] == id_]
        kept = [(at, claim) for at, claim in found if claim["estimate"] is not None]
        places = [float(at) for at, _ in kept]
        parts = ([claim[name] for _, claim in kept] for name in ("estimate", "low", "high"))
        series.append(Series(id_, color, "solid", places, *parts))
    caption = "Estimates of claims in each cell, with their intervals."
    if len(stored) < len(facts["cells"]):
        caption += f" Drawn are {len(stored)} of {len(facts['cells'])} cells."
    ticks = [", ".join(f"{value}" for value in cell["values"].values()) or "all" for cell in stored]
    x = ", ".join(facts["keys"]) or "cell"
    return [Chart("cells", "Estimates", caption, x, "estimate", series, log_x=False, markers=True, ticks=ticks)]


def _has_verdict(folder: Path) -> bool:
    return (folder / "verdict.json").is_file()


def _cells(folder: Path, keys: list[str]) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet

    by_cell: dict[str, list[dict[str, Any]]] = {}
    for row in parquet.read_table(folder / "cells.parquet").to_pylist():
        by_cell.setdefault(row["cell"], []).append(row)
    for id_, rows in by_cell.items():
        claims = [{key: value for key, value in row.items() if key not in keys} for row in rows if row["id"] is not None]
        failed = next((row["reason"] for row in rows if row["status"] == "failed"), None)
        held = sum(claim["decision"] == "holds" for claim in claims)
        not_held = [claim["id"] for claim in claims if claim["decision"] != "holds"]
        values = {key: rows[0][key] for key in keys}
        of_cell = {"id": id_, "values": values, "folder": rows[0]["folder"], "failed": failed}
        yield of_cell | {"held": held, "not_held": not_held, "claims": claims}


def _environment(folder: Path, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """What the first finished cell was made with; empty where its run is gone."""
    for name in (cell["folder"] for cell in cells if cell["folder"]):
        run = folder.parent.parent / name
        try:
            text = ((block_of(run) or run) / "environment.json").read_text(encoding="utf-8")
            return dict(json.loads(text))
        except (OSError, ValueError):
            continue
    return {}


def _command(verdict: dict[str, Any], cells: list[dict[str, Any]], keys: list[str], configuration: StoredRun) -> str:
    if verdict:
        name = verdict["study"]
        shipped = name in {path.stem for path in study_files()}
        return f"theory-sim study {shlex.quote(name if shipped else f'{name}.yaml')}{' --smoke' if verdict['smoke'] else ''}"
    values = {key: list(dict.fromkeys(str(cell["values"][key]) for cell in cells)) for key in keys}
    grids = (shlex.quote(f"{key}={','.join(of)}") for key, of in values.items())
    fixed = identity(configuration) | configuration.differs
    options = set_options({key: value for key, value in fixed.items() if key not in keys})
    return " ".join(["theory-sim sweep", *options, *(f"--grid {grid}" for grid in grids)])
