"""What a page says of a study on real images, as plain values; read from its tables."""

import csv
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from theory_sim.reports.charts import Chart, Series
from theory_sim.reports.citing import PAPERS, citations
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.plain_yaml import read_yaml, yaml_text
from theory_sim.runtime.settings import flat

SAMPLES = {
    "all": "All test images",
    "hard-misclassified": "Hard images: most baselines of the other seeds misclassify them",
    "easy-misclassified": "Easy images: all others",
}
_TEXTS = {"label_function", "kind", "transfer", "seeds", "samples", "method", "gain_method"}
"""Columns that hold no numbers."""
COLUMNS = ("label_function", "classes", "transfer", "pretraining_steps", "transfer_steps", "samples", "error", "gain", "p_holm")
"""Columns of the page's table; those of errors and gains have their intervals."""


def image_facts(folder: Path) -> dict[str, Any]:
    """All that a page says of a study on real images.

    Args:
        folder: the study's folder.

    Raises:
        InputError: a file is damaged.
    """
    from theory_sim.pretraining import need_extra

    need_extra()
    from theory_sim.pretraining.config import ImageStudy

    try:
        config = read_yaml(folder / "config.yaml")
        failures = json.loads((folder / "failures.json").read_text(encoding="utf-8"))
        environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        results, labels = (list(_rows(folder / name)) for name in ("results.csv", "labels.csv"))
        settings, usual = flat(config), flat(ImageStudy().model_dump(mode="json"))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{folder} holds no study on images that can be read: {error}") from None
    differs = {key: value for key, value in settings.items() if usual.get(key) != value and key != "name"}
    words = ["theory-sim", "pretrain", f"{config['name']}.yaml"]
    return {
        "kind": "images",
        "name": str(config.get("name", folder.parent.name)),
        "id": folder.name,
        "seeds": settings["seeds"],
        "confidence": settings["confidence"],
        "results": results,
        "labels": labels,
        "failures": failures,
        "differs": [{"key": key, "value": value, "default": usual.get(key)} for key, value in differs.items()],
        "environment": environment,
        "reproduce": {"command": shlex.join(words), "file": yaml_text(config)},
        "cite": citations(next(iter(PAPERS))),
    }


def image_charts(facts: dict[str, Any]) -> list[Chart]:
    """Errors by label function, in the order of their numbers of classes: all, hard and easy test images."""
    charts = []
    for samples, title in SAMPLES.items():
        rows = [row for row in facts["results"] if row["samples"] == samples and row["error"] is not None]
        names = sorted(
            {row["label_function"]: row["classes"] or 0 for row in rows if row["kind"] != "baseline"}.items(), key=_by_size
        )
        if not names:
            continue
        at = {name: float(place) for place, (name, _) in enumerate(names)}
        ticks = [f"{name} ({classes:.0f})" for name, classes in names]
        # The baseline of as many steps in all, at each label function, so that both are compared at one place.
        ways = sorted({(row["transfer"], row["transfer_steps"]) for row in rows if row["kind"] != "baseline"}, key=str)
        series = []
        for color, (transfer, steps) in enumerate(ways):
            own = [row for row in rows if (row["transfer"], row["transfer_steps"]) == (transfer, steps)]
            series.append(_series(f"{transfer}, {steps:.0f} steps" if steps else transfer, color, own, at))
        for row in (row for row in rows if row["kind"] == "baseline"):
            ends = [[row[name]] * len(names) for name in ("error", "low", "high")]
            name = f"baseline, {row['pretraining_steps']:.0f} steps"
            series.append(Series(name, len(series), "dash", [at[name] for name, _ in names], *ends))
        caption = "Error on the coarse target, by label function and its number of classes; bars are the intervals over seeds,"
        caption += " cut off at the ends of the axis."
        x, y = "label function (classes)", "error"
        charts.append(Chart(samples, title, caption, x, y, series, log_x=False, markers=True, ticks=ticks, y_range=(-0.02, 1.02)))
    return charts


def result_rows(facts: dict[str, Any]) -> list[list[str]]:
    """The texts of the page's table of results, in the order of `COLUMNS`."""
    return [
        [
            str(row["label_function"]),
            _whole(row.get("classes")),
            str(row["transfer"]),
            _whole(row["pretraining_steps"]),
            _whole(row["transfer_steps"]),
            str(row["samples"]),
            _interval(row, "error", "low", "high"),
            _interval(row, "gain", "gain_low", "gain_high"),
            "" if row.get("p_holm") is None else f"{row['p_holm']:.2g}",
        ]
        for row in facts["results"]
    ]


def _series(name: str, color: int, rows: list[dict[str, Any]], at: dict[str, float]) -> Series:
    ordered = sorted(rows, key=lambda row: at[row["label_function"]])
    parts = ([row[column] for row in ordered] for column in ("error", "low", "high"))
    return Series(name, color, "solid", [at[row["label_function"]] for row in ordered], *parts)


def _by_size(item: tuple[str, float]) -> tuple[float, str]:
    return item[1], item[0]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a CSV file; numbers as such, empty cells as None."""
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {key: value if key in _TEXTS else float(value) if value else None for key, value in row.items()}


def _interval(row: dict[str, Any], *names: str) -> str:
    numbers = [row.get(name) for name in names]
    if numbers[0] is None:
        return ""
    return f"{numbers[0]:.4g}" + ("" if None in numbers else f" [{numbers[1]:.4g}, {numbers[2]:.4g}]")


def _whole(number: float | None) -> str:
    return "" if number is None else f"{number:.0f}"
