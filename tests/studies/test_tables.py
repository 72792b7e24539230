"""The tables of a sweep, from made-up results: every number stands in its own row and column."""

import numpy as np
import pandas as pd
import pytest
from made_up_results import CONFIG, LEAVES, made_up
from pyarrow import parquet

from theory_sim.runs.results import Results
from theory_sim.studies import tables
from theory_sim.theories.label_granularity.claims import growth_by_leaf
from theory_sim.theories.theory import evaluate_claims


@pytest.fixture
def results(tmp_path):
    return made_up(tmp_path)


def test_a_row_for_each_claim(results):
    rows = tables.rows(results)["cells"]
    claims = evaluate_claims(results)
    assert [row["id"] for row in rows] == [claim.id for claim in claims]
    for row, claim in zip(rows, claims, strict=True):
        e = claim.estimate
        assert row == {
            "status": "stored",
            "classes": LEAVES,  # of the last network
            "folder": f"{results.config.name}/{results.folder.name}",
            "id": claim.id,
            "estimate": e.value,
            "low": e.low,
            "high": e.high,
            "p": e.p,
            "method": e.method,
            "notes": "; ".join(e.notes),
            "side": claim.side,
            "bound": claim.bound,
            "decision": claim.decision,
        }


def test_a_row_for_each_replica_network_kind_and_readout(results):
    table = pd.DataFrame(tables.rows(results)["replicas"]).set_index(["model", "replica", "kind", "readout"])
    assert table.index.is_unique
    assert len(table) == 2 * 3 * 2 * 2
    for model, data in results.records.items():
        rare, common = growth_by_leaf(data, CONFIG)
        for r in range(3):
            own = table.loc[model, r]
            assert set(own.classes) == {data.sizes["head"]}
            assert set(own.labels) == {data.attrs["labels"]}
            assert (set(own.inside), set(own.purity), set(own.adjusted_mutual_information)) == ({0.75}, {0.5}, {0.25})
            assert "other" not in own
            assert own.training_loss.to_numpy() == pytest.approx(float(data.final_loss[r].mean()))
            assert own.rare_growth.to_numpy() == pytest.approx(rare[r].mean() / common[r].mean())
            for kind in ("easy", "hard"):
                for readout in ("sum_logits", "argmax_parent"):
                    error = float(data.test_error.sel(kind=kind, test_readout=readout)[r])
                    assert own.error[kind, readout] == error


def test_no_growth_of_the_common_response_is_no_ratio(results):
    data = results.fine.copy(deep=True)
    data.response[1, -1, :, :2] = data.response[1, 0, :, :2]
    rows = tables.rows(Results(CONFIG, results.folder, {"coarse": results.coarse, "fine": data}))["replicas"]
    assert {(row["model"], row["replica"]) for row in rows if row["rare_growth"] is None} == {("fine", 1)}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "int64"),
        ([1, 0.5], "double"),
        ([0.5], "double"),
        ([True, False], "bool"),
        ([True, 1], "string"),
        (["a", 1], "string"),
        ([[2, 3], 4], "string"),
        ([None, 1], "string"),
    ],
)
def test_the_type_of_a_column_is_that_of_all_its_values(tmp_path, values, kind):
    rows = [[{"cell": str(i), "key": value}] for i, value in enumerate(values)]
    tables.write(tmp_path / "t.parquet", "cells", {"key": values}, rows)
    table = parquet.read_table(tmp_path / "t.parquet")
    assert str(table.schema.field("key").type) == kind
    read = table.column("key").to_pylist()
    if kind != "string":
        assert read == values
    else:
        assert len(set(read)) == len(values), "texts tell values apart"


@pytest.mark.parametrize("n", [0, 1, 6, 7, 13])
def test_no_row_is_lost_at_the_edge_of_a_block(tmp_path, monkeypatch, n):
    monkeypatch.setattr(tables, "_ROWS_AT_ONCE", 3)
    parts = [[{"cell": f"{i}", "key": "x", "estimate": i / 2, "holds": i % 2 == 0}] for i in range(n)]
    tables.write(tmp_path / "t.parquet", "cells", {"key": ["x"]}, parts)
    read = pd.read_parquet(tmp_path / "t.parquet")
    assert read.cell.tolist() == [f"{i}" for i in range(n)]
    assert np.array_equal(read["estimate"], np.arange(n) / 2)
    assert list(read.columns) == ["cell", "key", *tables.SCHEMAS["cells"]]
    assert len({*parquet.ParquetFile(tmp_path / "t.parquet").schema_arrow.names}) == len(read.columns)
    # Every block but the last is full.
    file = parquet.ParquetFile(tmp_path / "t.parquet")
    sizes = [rows for i in range(file.num_row_groups) if (rows := file.metadata.row_group(i).num_rows)]
    assert sizes == [min(3, n - first) for first in range(0, n, 3)]
