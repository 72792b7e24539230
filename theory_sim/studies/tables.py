"""The results of many runs as three tidy Parquet tables: the decided claims, and the errors and the measures of each replica.

``cells.parquet`` has one row per cell and claim; a cell of a theory without claims has one row, whose claim is null:

================  =====================================================================================
cell              hash of the run, the last part of its folder
*grid keys*       one column for each key, such as ``tree.subclasses``; lists are JSON texts
status, reason    ``stored``; or ``failed`` and the reason, in one row without numbers
classes           number of labels that the last of the networks was trained with, such as the fine one
id                of a claim (`theory_sim.theories.claims`)
estimate          null where it is undefined
low, high         its interval; null where it is undefined, and an end where it has none
p, method, notes  one-sided p-value, for claims with a test; the method of the interval, and its limits
side, bound       the side of the bound on which the whole interval must be
decision          ``holds``, ``refuted``, ``undecided`` or ``no result``
folder            the run's folder, below the folder of results; `load_results` reads it there, also from a block
================  =====================================================================================

``replicas.parquet`` has one row per cell, replica, model, kind of test samples and readout, for paired statistics:
``labels`` and ``classes`` that the model was trained with, their alignment with the coarse target (``inside``, ``purity``,
``adjusted_mutual_information``: `theory_sim.labels.alignment.Alignment`), ``error``, and two columns that do not depend on
kind and readout: ``training_loss`` (nats) and ``rare_growth`` (`theory_sim.theories.label_granularity.claims`; null if the
common response did not grow, or if the law has no features of classes).

``measures.parquet`` has one row per cell, replica and measure of the theory (`theory_sim.theories.measures`): ``measure``, the
measure's id, and ``value``, null where it is not defined.

Rows are written in blocks, so that memory does not grow with their number. Equal results give equal bytes.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from theory_sim.runs.results import Results
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.outputs import write_output
from theory_sim.theories.estimates import values_of
from theory_sim.theories.label_granularity.claims import growth_by_leaf
from theory_sim.theories.theory import evaluate_claims, theory_of

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    raise InputError("sweeps and studies need pandas and pyarrow: pip install 'theory-sim[sweep]'") from None

Row = dict[str, Any]

_ROWS_AT_ONCE = 5000
_CLAIM = {
    "status": pa.string(),
    "reason": pa.string(),
    "classes": pa.int64(),
    "id": pa.string(),
    "estimate": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "p": pa.float64(),
    "method": pa.string(),
    "notes": pa.string(),
    "side": pa.string(),
    "bound": pa.float64(),
    "decision": pa.string(),
    "folder": pa.string(),
}
_REPLICA = {
    "replica": pa.int64(),
    "model": pa.string(),
    "labels": pa.string(),
    "classes": pa.int64(),
    "inside": pa.float64(),
    "purity": pa.float64(),
    "adjusted_mutual_information": pa.float64(),
    "kind": pa.string(),
    "readout": pa.string(),
    "error": pa.float64(),
    "training_loss": pa.float64(),
    "rare_growth": pa.float64(),
}
_MEASURE = {"replica": pa.int64(), "measure": pa.string(), "value": pa.float64()}
SCHEMAS = {"cells": _CLAIM, "replicas": _REPLICA, "measures": _MEASURE}
"""The tables and their columns, which follow ``cell`` and the keys of the grids."""


def rows(results: Results) -> dict[str, list[Row]]:
    """The rows of one finished run in all tables."""
    *_, last = results.records.values()
    classes = last.sizes["head"]
    folder = f"{results.config.name}/{results.folder.name}"
    stored: Row = {"status": "stored", "classes": classes, "folder": folder}
    claims = []
    for claim in evaluate_claims(results):
        e = claim.estimate
        numbers = e.as_dict() | {"p": e.p, "notes": "; ".join(e.notes)}
        decided = {"id": claim.id, "side": claim.side, "bound": claim.bound, "decision": claim.decision}
        claims.append(stored | decided | numbers)
    return {"cells": claims or [stored], "replicas": list(_by_replica(results)), "measures": list(_measures(results))}


def _measures(results: Results) -> Iterator[Row]:
    for measure in theory_of(results.config).measures:
        for replica, value in enumerate(measure.values(results).tolist()):
            yield {"replica": replica, "measure": measure.id, "value": value if math.isfinite(value) else None}


def _by_replica(results: Results) -> Iterator[Row]:
    for model, data in results.records.items():
        aligned = {key: value for key, value in json.loads(data.attrs["alignment"]).items() if key in _REPLICA}
        rare, common = (grown.mean(1) if grown.size else np.zeros(len(grown)) for grown in growth_by_leaf(data, results.config))
        kinds, readouts = (data.get_index(of).tolist() for of in ("kind", "test_readout"))
        loss = values_of(data, "final_loss")
        for r, of_replica in enumerate(values_of(data, "test_error").tolist()):
            row = {
                "replica": r,
                "model": model,
                "labels": data.attrs["labels"],
                "classes": data.sizes["head"],
                **aligned,
                "training_loss": float(loss[r].mean()),
                "rare_growth": float(rare[r] / common[r]) if common[r] > 0 else None,
            }
            for kind, of_kind in zip(kinds, of_replica, strict=True):
                for readout, error in zip(readouts, of_kind, strict=True):
                    yield row | {"kind": kind, "readout": readout, "error": error}


def write(path: Path, table: str, keys: Mapping[str, Sequence[Any]], parts: Iterable[list[Row]]) -> None:
    """Write one table.

    Args:
        path: the file.
        table: its name in `SCHEMAS`.
        keys: the keys of the grids and all values of each, which determine the type of the column.
        parts: rows with ``cell``, the keys of the grids and some of the columns, in parts that fit into memory.
    """
    types = {key: _type(values) for key, values in keys.items()}
    texts = [key for key, type_ in types.items() if type_ == pa.string()]
    schema = pa.schema({"cell": pa.string()} | types | SCHEMAS[table])

    def fill(part: Path) -> None:
        with pq.ParquetWriter(part, schema) as writer:
            waiting: list[Row] = []
            for row in chain.from_iterable(parts):
                waiting.append(row | {key: _text(row[key]) for key in texts})
                if len(waiting) == _ROWS_AT_ONCE:
                    writer.write_table(pa.Table.from_pylist(waiting, schema))
                    waiting.clear()
            writer.write_table(pa.Table.from_pylist(waiting, schema))

    write_output(path, fill)


def _type(values: Sequence[Any]) -> Any:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
