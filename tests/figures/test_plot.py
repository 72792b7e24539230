"""Plots for notebooks: they draw the numbers of the results, into given axes or new ones."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

import theory_sim as ts
from theory_sim.runs.results import Results, load_results
from theory_sim.runtime.errors import InputError


@pytest.fixture
def results(finished: Path) -> Results:
    return load_results(finished)


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


def test_correlations_of_a_neuron(results: Results) -> None:
    ax = ts.plot.correlations(results, "fine", head=2, neuron=5, replica=1)
    wanted = results.fine.correlation.values[1, :, 2, 5] / results.config.network.init_std
    drawn = np.array([line.get_ydata() for line in ax.lines])
    assert sorted(map(tuple, drawn.tolist())) == sorted(map(tuple, wanted.T.tolist()))
    thick = sum(line.get_linewidth() > 1 for line in ax.lines)
    assert thick == results.fine.lucky.values[1, 2, 5].sum()
    strongest = ts.plot.correlations(results, "coarse", head=1)
    chosen = np.abs(results.coarse.correlation.values[0, -1, 1]).max(-1).argmax()
    assert f"neuron {chosen}," in strongest.get_title(loc="left") + strongest.get_title()


def test_responses(results: Results) -> None:
    given = matplotlib.figure.Figure().subplots()
    ax = ts.plot.responses(results, "coarse", ax=given)
    assert ax is given
    common = next(line for line in ax.lines if line.get_label() == "common")
    own = results.coarse.response.values[:, :, [0, 1], [0, 1]].mean(-1)
    assert common.get_ydata() == pytest.approx(own.mean(0))


def test_claims(results: Results) -> None:
    decided = ts.evaluate_claims(results)
    for ax in (ts.plot.claims(results), ts.plot.claims(decided)):
        assert [label.get_text() for label in ax.get_yticklabels()] == [claim.id for claim in decided]
        assert [text.get_text().partition(":")[0] for text in ax.texts] == [claim.decision for claim in decided]


def test_phase(tmp_path: Path) -> None:
    rows = [
        {"cell": f"{x}{y}", "hard.noise": x, "data.dim": y, "id": "gain", "estimate": x + y, "decision": decision}
        for x, y, decision in ((0.5, 32, "holds"), (0.5, 64, "refuted"), (4.0, 32, "undecided"))
    ]
    table = pd.DataFrame(rows)
    ax = ts.plot.phase(table, "hard.noise", "data.dim", "gain")
    assert ax.images[0].get_array().filled(np.nan) == pytest.approx(np.array([[32.5, 36], [64.5, np.nan]]), nan_ok=True)
    assert [text.get_text() for text in ax.texts] == ["✓ 32", "? 36", "✗ 64", "?"]
    table.to_parquet(tmp_path / "cells.parquet")
    assert ts.plot.phase(tmp_path, "hard.noise", "data.dim", "gain").get_xlabel() == "hard.noise"
    with pytest.raises(InputError, match="several cells have the same"):
        ts.plot.phase(pd.concat([table, table]), "hard.noise", "data.dim", "gain")
    with pytest.raises(InputError, match="has no key nose"):
        ts.plot.phase(table, "nose", "data.dim", "gain")
    with pytest.raises(InputError, match="there is no claim 'loss'; there are gain"):
        ts.plot.phase(table, "hard.noise", "data.dim", "loss")


def test_what_is_not_there_is_one_line(results: Results) -> None:
    with pytest.raises(InputError, match="there is no network 'fin'; there are coarse, fine"):
        ts.plot.responses(results, "fin")
    with pytest.raises(InputError, match="there is no neuron 99: the fine network has 0 to 7"):
        ts.plot.correlations(results, neuron=99)
    with pytest.raises(InputError, match="there is no neuron -1: the fine network has 0 to 7"):
        ts.plot.correlations(results, neuron=-1)
    with pytest.raises(InputError, match="there is no claim to draw"):
        ts.plot.claims([])
    with pytest.raises(InputError, match=r"plot\.correlations: replica: expected a whole number, got bool"):
        ts.plot.correlations(results, replica=True)


def test_results_without_records_are_one_line(results: Results) -> None:
    """They once gave a KeyError, or a StopIteration."""
    empty = Results(results.config, results.folder)
    for function in (ts.plot.claims, ts.evaluate_claims):
        with pytest.raises(InputError, match="the results have no record of the network coarse"):
            function(empty)
    with pytest.raises(InputError, match="there is no network 'fine'; there are none"):
        ts.plot.responses(empty)
    with pytest.raises(InputError, match="there is no variable 'response'; there are none"):
        empty.tidy("response")


def test_a_network_without_neurons_in_its_record_is_one_line(results: Results) -> None:
    records = {name: data.isel(neuron=slice(0)) for name, data in results.records.items()}
    with pytest.raises(InputError, match="the record of the fine network has no neurons"):
        ts.plot.correlations(Results(results.config, results.folder, records))


def test_tables_that_cannot_be_drawn_are_one_line(tmp_path: Path) -> None:
    table = pd.DataFrame({"hard.noise": [1.0], "data.dim": [8], "id": ["gain"], "estimate": [0.5], "decision": ["holds"]})
    with pytest.raises(InputError, match=r"x and y are both data\.dim"):
        ts.plot.phase(table, "data.dim", "data.dim", "gain")
    with pytest.raises(InputError, match="has no key decision"):
        ts.plot.phase(table.drop(columns="decision"), "hard.noise", "data.dim", "gain")
    (tmp_path / "cells.parquet").write_text("no table")
    with pytest.raises(InputError, match=r"cannot read .*cells\.parquet"):
        ts.plot.phase(tmp_path, "hard.noise", "data.dim", "gain")
