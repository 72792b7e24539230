"""Hard error against the dimension at the theory's width: the table is what the results say, and the picture the table."""

import itertools
import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

from theory_sim import stats
from theory_sim.config import load_config
from theory_sim.figures import Inputs, theory_scale
from theory_sim.figures.common import style
from theory_sim.figures.gallery.costs import cost_of_run
from theory_sim.runs.run import run

FILE = Path(__file__).parent.parent.parent / "configs" / "theory_scale.yaml"
TINY = [
    "training.steps=2",
    "training.batch=32",
    "training.step_size.coarse=0.05",
    "training.step_size.fine=0.2",
    "test.samples=30",
    "test.curve_samples=10",
    "record.points=2",
]


LINES = [
    ("coarse", "coarse", "sum_logits"),
    ("fine", "fine", "sum_logits"),
    ("fine, highest head", "fine", "argmax_parent"),
]
LABELS = {
    "coarse": "coarse labels",
    "fine": "fine labels, summed logits",
    "fine, highest head": "fine labels, highest head",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return [
        run(theory_scale.at(dim, luck, [*TINY, "replicas=2"]), folder, "cpu") for luck in ("many", "few") for dim in (128, 192)
    ]


@pytest.fixture(scope="module")
def table(results):
    return theory_scale.compute(results[0].config, Inputs(results))


@pytest.fixture(scope="module")
def axes(table):
    return {ax.get_label(): ax for ax in theory_scale.FIGURE.paint(table).axes}


def test_runs_are_the_theorys_and_the_shipped_file_is_one_of_them():
    runs = theory_scale.needs(load_config()).runs
    alone = {8192: 1, 16384: 1}
    expected = [d for replicas in (5, 6) for d in theory_scale.DIMS for _ in range(replicas if d in alone else 1)]
    assert [r.data.dim for r in runs] == expected
    for d in alone:
        assert [(r.replicas, r.seed) for r in runs if r.data.dim == d] == [
            *((1, s) for s in range(5)),
            *((1, s) for s in range(6)),
        ]
    assert load_config(FILE) in runs
    for r in runs:
        assert r.network.neurons == r.network.threshold == "theory"
        assert r.training.engine == "lucky"
        assert r.neurons == r.data.dim**3
        assert math.log(r.data.dim) <= r.tree.subclasses <= r.data.dim**0.4


def test_the_files_header_says_what_the_figure_runs():
    """The commands for other dimensions, read from the header."""
    header = FILE.read_text().split("\nname:")[0].replace("#", "").replace("\n     --set", " --set")
    commands = [line.split() for line in header.splitlines() if line.strip().startswith("theory-sim verify") and "--set" in line]
    assert len(commands) == 2
    for words in commands:
        overrides = [word for before, word in itertools.pairwise(words) if before == "--set"]
        assert load_config(FILE, overrides) in theory_scale.needs(load_config()).runs


def test_numbers_are_the_results(table, results):
    assert len(table) == 4 * len(results)
    for result, panel in zip(results, ("many", "many", "few", "few"), strict=True):
        own = table[(table.panel == panel) & (table.dim == result.config.data.dim)].set_index("model")
        for model, data, readout in LINES:
            e = stats.error_rate(result.records[data].test_correct.sel(kind="hard", test_readout=readout).values)
            assert tuple(own.loc[model, ["value", "low", "high"]]) == (e.value, e.low, e.high)
        assert own.neurons.unique() == [result.config.data.dim**3]


def test_replicas_that_are_runs_of_their_own_make_one_point(results, tmp_path):
    runs = [run(theory_scale.at(128, "many", [*TINY, "replicas=1", f"seed={seed}"]), tmp_path, "cpu") for seed in range(3)]
    table = theory_scale.compute(runs[0].config, Inputs(runs)).set_index("model")
    assert table.replicas.tolist() == [3, 3, 3, 3]
    for model, data, readout in LINES:
        correct = [r.records[data].test_correct.sel(kind="hard", test_readout=readout).values[0] for r in runs]
        e = stats.error_rate(np.stack(correct))
        assert tuple(table.loc[model, ["value", "low", "high"]]) == (e.value, e.low, e.high)


def test_unlucky_subclasses_are_as_many_as_drawn(results):
    """Of the (head, feature) pairs of all replicas, those without a neuron that fires on the strongest patch."""
    for result in results[2:]:
        config = result.config
        # Correlations are in units of σ_0; patches reach √(1+ι).
        g = result.fine.correlation.isel(step=0) / config.network.init_std * math.sqrt(1 + config.data.strength_spread)
        empty = ~(g > config.threshold).any("neuron")
        expected, n = theory_scale.unlucky(config), empty.size
        assert abs(float(empty.mean()) - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


def test_points_and_lines_are_the_table(table, axes):
    for panel, ax in axes.items():
        own = table[table.panel == panel]
        containers = {c.get_label(): c for c in ax.containers}
        for model, data, _ in LINES:
            rows = own[own.model == model].sort_values("dim")
            marker, _, (bars,) = containers[LABELS[model]]
            assert marker.get_xydata().tolist() == rows[["dim", "value"]].values.tolist()
            assert [seg[:, 1].tolist() for seg in bars.get_segments()] == [
                pytest.approx(ends) for ends in rows[["low", "high"]].values.tolist()
            ]
            assert same_color(marker.get_color(), style.PALETTE[data])
        (expected,) = [line for line in ax.get_lines() if line.get_label().startswith("expected")]
        assert expected.get_ydata().tolist() == own[own.model == "unlucky"].sort_values("dim").value.tolist()
        assert ax.get_ylim()[0] < 0 <= own.value.min() <= own.value.max() < ax.get_ylim()[1]
        assert [t.get_text().split("\n")[0] for t in ax.get_xticklabels()] == ["128", "192"]
    assert axes["many"].get_ylabel() == "hard test error"
    assert "dimension" in axes["few"].get_xlabel()


def test_other_numbers_give_another_picture(table):
    changed = table.copy()
    row = changed.index[(changed.model == "fine") & (changed.panel == "few")][0]
    changed.loc[row, "value"] = 0.321
    figure = theory_scale.FIGURE.paint(changed)
    drawn = [y for ax in figure.axes for c in ax.containers for y in c[0].get_ydata()]
    assert 0.321 in drawn
    assert isinstance(changed, pd.DataFrame)


def test_the_cost_of_its_runs_can_be_told() -> None:
    """For the progress bar: m is the word `theory`, and grows with the dimension far beyond what is drawn."""
    costs = [cost_of_run(theory_scale.at(dim, "many")) for dim in theory_scale.DIMS]
    assert costs == sorted(costs)
    assert costs[-1] / costs[0] == pytest.approx(theory_scale.DIMS[-1] / theory_scale.DIMS[0], rel=0.5)
