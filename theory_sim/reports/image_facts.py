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

_HARD = {
    "both": "most baselines and most of the networks compared with them, of the other seeds, misclassify them",
    "misclassified": "at least half of the baselines of the other seeds misclassify them",
    "unconfident": "the quarter of the images to whose true class the baselines of the other seeds give the least probability",
}
_EASY = {"both": "most of both classify them correctly"}
"""By split; of the others, easy images are those that are not hard."""
_TEXTS = {"label_function", "kind", "transfer", "seeds", "samples", "method", "gain_method"}
"""Columns that hold no numbers."""
_CAPTIONS = {
    "error": "Error on the coarse target, by label function and its number of classes.",
    "gain": "By how much the error on the coarse target is below that of the baseline of as many steps in all. Controls differ"
    " from the baseline in their width or augmentation and see no fine label: only a gain beyond theirs is evidence for the"
    " labels.",
}
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
        examples = _examples(folder)
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
        "examples": examples,
        "failures": failures,
        "split": settings["splits"][0],
        "differs": [{"key": key, "value": value, "default": usual.get(key)} for key, value in differs.items()],
        "environment": environment,
        "reproduce": {"command": shlex.join(words), "file": yaml_text(config)},
        "cite": citations(next(iter(PAPERS))),
    }


def image_charts(facts: dict[str, Any]) -> list[Chart]:
    """Errors on all test images, and gains over the baseline on all, hard and easy ones, by label function."""
    split = facts["split"]
    everywhere = "All test images"
    easy = f"Easy images: {_EASY.get(split, 'those that are not hard')}"
    kinds = {"all": everywhere, f"hard-{split}": f"Hard images: {_HARD.get(split, split)}", f"easy-{split}": easy}
    charts = [_chart(facts, "all", "error", f"{everywhere}: errors")]
    charts += [_chart(facts, samples, "gain", f"{title}: gains") for samples, title in kinds.items()]
    return [chart for chart in charts if chart.series]


def _chart(facts: dict[str, Any], samples: str, quantity: str, title: str) -> Chart:
    """Errors or gains by label function, in the order of their numbers of classes; of errors also the baselines', as lines."""
    rows = [row for row in facts["results"] if row["samples"] == samples and row[quantity] is not None]
    compared = [row for row in rows if row["kind"] != "baseline"]
    names = sorted({row["label_function"]: row["classes"] or 0 for row in compared}.items(), key=_by_size)
    at = {name: float(place) for place, (name, _) in enumerate(names)}
    ways = sorted({(row["transfer"], row["transfer_steps"]) for row in compared}, key=str)
    columns = {"error": ("error", "low", "high"), "gain": ("gain", "gain_low", "gain_high")}[quantity]
    series = []
    for color, (transfer, steps) in enumerate(ways):
        own = [row for row in compared if (row["transfer"], row["transfer_steps"]) == (transfer, steps)]
        series.append(_series(f"{transfer}, {steps:.0f} steps" if steps else transfer, color, own, at, columns))
    for row in (row for row in rows if quantity == "error" and row["kind"] == "baseline"):
        level = [[row[column]] * len(names) for column in columns]
        name = f"baseline, {row['pretraining_steps']:.0f} steps"
        series.append(Series(name, len(series), "dash", [at[name] for name, _ in names], *level))
    caption = _CAPTIONS[quantity] + " Bars are the study's intervals, over seeds and images"
    caption += ", cut off at the ends of the axis." if quantity == "error" else "."
    ticks = [f"{name} ({classes:.0f})" for name, classes in names]
    y_range = (-0.02, 1.02) if quantity == "error" else None
    look: dict[str, Any] = {"log_x": False, "markers": True, "ticks": ticks, "y_range": y_range}
    return Chart(f"{samples}-{quantity}", title, caption, "label function (classes)", quantity, series, **look)


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


def _series(name: str, color: int, rows: list[dict[str, Any]], at: dict[str, float], columns: tuple[str, str, str]) -> Series:
    ordered = sorted(rows, key=lambda row: at[row["label_function"]])
    parts = ([row[column] for row in ordered] for column in columns)
    return Series(name, color, "solid", [at[row["label_function"]] for row in ordered], *parts)


def _by_size(item: tuple[str, float]) -> tuple[float, str]:
    return item[1], item[0]


def _examples(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The images of ``examples.csv`` by kind: picture, true class, and what each network says of it."""
    import pandas as pd

    found: dict[str, dict[str, dict[str, Any]]] = {"hard": {}, "easy": {}}
    for row in pd.read_csv(folder / "examples.csv", dtype=str, keep_default_na=False).to_dict("records"):
        image = found[row["samples"]].setdefault(
            row["file"], {"picture": row["png"], "class": row["leaf"], "true": row["true"], "answers": []}
        )
        answer = {"network": row["label_function"], "class": row["predicted"], "confidence": float(row["confidence"])}
        image["answers"].append(answer | {"right": row["predicted"] == row["true"]})
    return {kind: list(images.values()) for kind, images in found.items()}


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
