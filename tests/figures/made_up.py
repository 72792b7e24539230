"""Tables of studies that were never run: every cell at full size, with numbers that a study could have come to."""

import base64
import io
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from theory_sim import stats
from theory_sim.config import Config
from theory_sim.data.setup import law_of
from theory_sim.labels.functions import label_function
from theory_sim.runtime.shipped import shipped_configs
from theory_sim.studies import grids, sweep, tables
from theory_sim.studies.study import load_study
from theory_sim.studies.sweep import Cell
from theory_sim.theories.claims import ClaimResult
from theory_sim.theories.theory import theory_of

CLAIMS = {
    "coarse-training-loss": "≤",
    "coarse-easy-error": "≤",
    "coarse-hard-error": "≥",
    "coarse-rare-growth": "≤",
    "fine-training-loss": "≤",
    "fine-easy-error": "≤",
    "fine-hard-error": "≤",
    "fine-rare-growth": "≥",
    "transfer-gain": ">",
}
BOUNDS = {"coarse-easy-error": 0.01, "fine-easy-error": 0.01, "coarse-hard-error": 0.5, "transfer-gain": 0.0}

IMAGE_KINDS = {"level(1)": ("level", 2), "leaf": ("leaf", 10), "cluster(10)": ("cluster", 10), "random(10)": ("random", 10)}


def image_table() -> pd.DataFrame:
    """As the image pipeline writes it, the columns that are drawn."""
    rows = [
        {"label_function": name, "kind": kind, "classes": classes, "transfer": transfer, "transfer_steps": steps, "seeds": "0 1",
         "samples": samples, "error": (error := 0.01 * (classes + number + steps)), "low": error / 2, "high": 2 * error,
         "baseline_error": 0.04, "gain": 0.04 - error, "gain_low": 0.04 - 2 * error, "gain_high": 0.04 - error / 2,
         "pretraining_steps": 5}
        for number, (name, (kind, classes)) in enumerate(IMAGE_KINDS.items())
        for transfer in ("finetune", "linear_probe")
        for steps in (1, 3)
        for samples in ("all", "hard-both", "easy-both", "hard-misclassified")
    ]  # fmt: skip
    controls = [
        {"label_function": f"control: {name}", "kind": "control", "transfer": "control", "transfer_steps": 0, "samples": samples,
         "pretraining_steps": steps, "classes": 2, "seeds": "0 1", "gain": gain, "gain_low": gain - 0.01,
         "gain_high": gain + 0.01, "error": 0.04 - gain, "baseline_error": 0.04}
        for name, gain in (("width", 0.005), ("augmentation", -0.015))
        for steps in (6, 8)
        for samples in ("all", "hard-both", "easy-both", "hard-misclassified")
    ]  # fmt: skip
    return pd.DataFrame([*rows, *controls, rows[0] | {"label_function": "baseline", "kind": "baseline"}])


def examples() -> pd.DataFrame:
    """Two easy images and one hard one, and what three networks say of them."""
    rows = []
    for number, samples in enumerate(("easy", "easy", "hard")):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (80 * number, 40, 200)).save(file, "png")
        about = [samples, f"{number}", base64.b64encode(file.getvalue()).decode(), "loop", f"loop/{number}", 0]
        for place, name in enumerate(("baseline", "leaf", "random(5)")):
            rows.append([*about, name, "loop" if samples == "easy" else "no loop", 0.6 + 0.1 * place])
    return pd.DataFrame(
        rows, columns=["samples", "file", "png", "true", "leaf", "seed", "label_function", "predicted", "confidence"]
    )


def confusion() -> pd.DataFrame:
    """Three fine classes in two coarse ones."""
    coarse = {"0": "loop", "6": "loop", "1": "no loop"}
    counts = {("0", "0"): 8, ("0", "6"): 2, ("6", "6"): 5, ("6", "1"): 5, ("1", "1"): 9, ("1", "0"): 1}
    rows = [[*pair, *(coarse[fine] for fine in pair), n] for pair, n in counts.items()]
    return pd.DataFrame(rows, columns=["true", "predicted", "true_coarse", "predicted_coarse", "images"])


def write_images(name: str, out: Path, key: str = "0123") -> None:
    """The table of a study on images, where the gallery looks for it."""
    folder = out / name / key
    folder.mkdir(parents=True, exist_ok=True)
    image_table().to_csv(folder / "results.csv", index=False)
    shutil.copy(shipped_configs()[name], folder / "config.yaml")
    examples().to_csv(folder / "examples.csv", index=False)
    confusion().to_csv(folder / "confusion.csv", index=False)


def write(name: str, out: Path, *, failed: int = 0) -> Path:
    """A study's tables, where the gallery looks for them.

    Args:
        name: of the study.
        out: folder of all results.
        failed: so many cells, the first ones, have none.
    """
    study = load_study(name)
    config = study.configuration()
    folder, ids, _ = sweep._place(config, study.cells(), out, sweep.choose_device("cpu"))
    keys = {key: [cell.values[key] for cell in ids.values()] for key in next(iter(ids.values())).values}
    whole = [_rows(id_, cell, config, number) for number, (id_, cell) in enumerate(ids.items())]
    for table in tables.SCHEMAS:
        parts = [rows[table] for rows in whole[failed:]]
        if table == "cells":
            nothing = {"status": "failed", "reason": "it met a NaN"}
            parts += [[{"cell": id_} | cell.values | nothing] for id_, cell in list(ids.items())[:failed]]
        folder.mkdir(parents=True, exist_ok=True)
        tables.write(folder / f"{table}.parquet", table, keys, parts)
    return folder


def write_grid(name: str, out: Path) -> None:
    """The table of a grid, where the gallery looks for it: errors that are a function of n s⁴/d, and noise."""
    study = grids.GRIDS[name]
    rng, readings = np.random.default_rng(0), [str(reading) for reading in study.readings]
    index = pd.MultiIndex.from_product(
        [study.dims[::5], study.signals[::2], readings, range(study.runs)], names=["dim", "signal", "reading", "run"]
    )
    table = index.to_frame(index=False)
    truth = 0.1 + 0.4 / (1 + 20 * table.signal**4 / (3 * table.dim))
    table = table.assign(error=truth + 0.03 * rng.standard_normal(len(table)), training_loss=0.01)
    folder = grids.grid_folder(study, out)
    folder.mkdir(parents=True)
    table.to_parquet(folder / grids.TABLE)


def _rows(id_: str, cell: Cell, config: Config, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Errors of a binomial law around a level of the cell's own; what the claims come to follows from them."""
    rng = np.random.default_rng(seed)
    n, where = cell.config.test.samples, {"cell": id_} | cell.values
    coarse, fine = rng.choice([0.1, 0.5, 0.8]), rng.choice([0, 0.04, 0.4])
    (first, *_), (easy, *_, hard) = cell.config.networks, law_of(cell.config).kinds
    replicas, claims = [], []
    for model, text in cell.config.labels.items():
        labels = "level(1)" if model == "coarse" else text
        classes = label_function(labels, law_of(cell.config).tree, cell.config.data.training_samples).n_classes
        for kind, p in {easy: 0.004 if model == first else 0.0, hard: coarse if model == first else fine}.items():
            share = rng.binomial(n, np.clip(p + rng.normal(0, 0.02 if p else 0, config.replicas), 0, 1)) / n
            for readout in cell.config.transfer.readouts:
                replicas += [
                    where
                    | {"replica": r, "model": model, "labels": labels, "classes": classes, "kind": kind, "readout": readout}
                    | {"error": float(e), "training_loss": 0.01, "rare_growth": 0.1}
                    for r, e in enumerate(share)
                ]
            e = stats.error_of_rates(share, n, cell.config.claims.confidence)
            if f"{model}-{kind}-error" in CLAIMS:  # of the theory of label granularity
                claims.append((f"{model}-{kind}-error", e))
    claims += [(claim, stats.Estimate(0.03, 0.02, 0.04, "t")) for claim in CLAIMS if claim not in dict(claims)]
    rows = []
    for claim, e in claims:
        side, bound = CLAIMS[claim], BOUNDS.get(claim, 0.05)
        decision = ClaimResult(claim, claim, claim, e, side, bound).decision
        numbers = {"estimate": e.value, "low": e.low, "high": e.high, "method": e.method, "side": side, "bound": bound}
        rows.append(where | {"status": "stored", "id": claim, "decision": decision, "folder": "none"} | numbers)
    assert all(math.isfinite(row["estimate"]) for row in rows)
    measures = []
    for measure in theory_of(cell.config).measures:
        # A setting, such as κ in units of the theory's, is the same in all replicas.
        values = rng.uniform(0.5, 1, 1 if measure.id == "bias-decay" else config.replicas)
        for r, value in enumerate(np.resize(values, config.replicas).tolist()):
            measures.append(where | {"replica": r, "measure": measure.id, "value": value})
    return {"cells": rows, "replicas": replicas, "measures": measures}
