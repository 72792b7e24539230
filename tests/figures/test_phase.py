"""The figure of phases: a cell per configuration, its number in it, and the border of the theory's regime."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from drawn import legend, mesh, panels_of, shown_ticks
from matplotlib.colors import same_color
from matplotlib.contour import ContourSet

import theory_sim as ts
from theory_sim.config import Config
from theory_sim.figures import Inputs, phase
from theory_sim.figures.common import style
from theory_sim.testing.figures import as_drawn, check_readable
from theory_sim.theories.label_granularity.boundary import Margins
from theory_sim.theories.theory import check_regime

PLANES, QUANTITIES = ("noise", "share"), ("coarse", "fine", "gain")
PANELS = list(itertools.product(PLANES, QUANTITIES))
VARYING = {
    "noise": {"hard feature noise s†·ι†_hi", "hard feature noise s†·ι†_lo", "hard dominant noise σ*√d"},
    "share": {
        "subclasses, largest k",
        "subclasses, smallest k",
        "dimension d",
        "noise firings per sample at init",
        "batch B",
        "first step of a logit, leaf labels",
        "hard share in training ρ",
    },
}
"""The assumptions whose values, or bounds, vary over each plane."""


def grid(table: pd.DataFrame, plane: str, quantity: str, column: str = "value") -> np.ndarray:
    """Rows from the lowest y up, columns from the lowest x up."""
    own = table[(table["plane"] == plane) & (table.quantity == quantity)]
    xs, ys = sorted(set(own.x)), sorted(set(own.y))
    cells = {(row["y"], row["x"]): row[column] for row in own.to_dict("records")}
    assert len(cells) == len(own) == len(xs) * len(ys)
    return np.array([[cells[y, x] for x in xs] for y in ys])


def fake(config: Config, runs: list[Config], evaluations: list[tuple[int, Config]]) -> pd.DataFrame:
    """The table with a number of its own for each cell, without any run."""

    def error(values: list[float]) -> xr.DataArray:
        dims = ("replica", "kind", "test_readout")
        coords = {"kind": ["easy", "hard"], "test_readout": config.transfer.readouts[:1]}
        return xr.DataArray(np.array([[[0.5], [value]] for value in values]), dims=dims, coords=coords)

    def both(cell: Config) -> dict[str, xr.Dataset]:
        level = (cell.hard.noise + sum(cell.hard.feature_noise) + cell.data.hard_share + cell.label_tree.n_leaves) % 0.9
        return {"coarse": error([level, level + 0.02]), "fine": error([0.0, 0.1])}

    def records(run: Config) -> dict[str, xr.Dataset]:
        return {name: xr.Dataset({"test_error": of}, attrs={"labels": run.labels[name]}) for name, of in both(run).items()}

    results = [ts.Results(run, Path(), records(run)) for run in runs]
    tested = [xr.concat(list(both(cell).values()), pd.Index(["coarse", "fine"], name="model")) for _, cell in evaluations]
    return phase.compute(config, Inputs(results, [xr.Dataset({"test_error": of}) for of in tested]))


@pytest.fixture(scope="module")
def full() -> pd.DataFrame:
    """As large as it is published."""
    needs = phase.needs(Config())
    return as_drawn(fake(Config(), needs.runs, needs.evaluations))


# --- the table ----------------------------------------------------------------------------------------------------


def test_cells_of_noise_are_tests_of_one_run(table, tiny, result) -> None:
    for number, config in phase.needs(tiny.config).evaluations:
        assert number == 0
        tested = ts.evaluate_on(result, config, "cpu").test_error.sel(kind="hard", test_readout="sum_logits")
        cell = table[(table["plane"] == "noise") & (table.x == config.hard.noise)]
        cell = cell[np.isclose(cell.y, np.mean(config.hard.feature_noise))].set_index("quantity")
        coarse, fine = (float(tested.sel(model=model).mean()) for model in ("coarse", "fine"))
        assert cell.value[list(QUANTITIES)].tolist() == pytest.approx([coarse, fine, coarse - fine], abs=1e-6)
        assert set(cell.replicas) == {2}


def test_cell_of_the_configuration_itself_is_its_own_test(table, result) -> None:
    """The same networks on the same test samples."""
    hard = result.config.hard
    cell = table[(table["plane"] == "noise") & (table.x == hard.noise) & np.isclose(table.y, np.mean(hard.feature_noise))]
    for row in cell[cell.quantity.isin(["coarse", "fine"])].itertuples():
        error = getattr(result, row.quantity).test_error.sel(kind="hard", test_readout="sum_logits")
        assert row.value == pytest.approx(float(error.mean()), abs=1e-6)


def test_cells_of_share_are_runs(table, made) -> None:
    runs = made.runs("phase")[1:]
    assert len(runs) == 4
    for run in runs:
        cell = table[
            (table["plane"] == "share") & (table.x == run.config.data.hard_share) & (table.y == run.config.tree.subclasses)
        ]
        coarse, fine = (
            float(data.test_error.sel(kind="hard", test_readout="sum_logits").mean()) for data in (run.coarse, run.fine)
        )
        values = cell.set_index("quantity").value[list(QUANTITIES)].tolist()
        assert values == pytest.approx([coarse, fine, coarse - fine], abs=1e-6)


@pytest.mark.parametrize("plane", PLANES)
def test_cells_are_inside_where_they_meet_all_that_some_cells_meet(plane, full) -> None:
    """An assumption that no cell meets, because of what all cells share, draws no border."""
    needs = phase.needs(Config())
    cells = [config for _, config in needs.evaluations] if plane == "noise" else needs.runs[1:]
    own = full[full["plane"] == plane]
    assert len(own) == 3 * len(cells)
    checked = [{line.assumption: line.inside for line in check_regime(config)} for config in cells]
    deciding = [name for name in VARYING[plane] if any(met[name] for met in checked)]
    for config, met in zip(cells, checked, strict=True):
        inside = all(met[name] for name in deciding)
        x, y = (
            (config.hard.noise, np.mean(config.hard.feature_noise))
            if plane == "noise"
            else (config.data.hard_share, config.tree.subclasses)
        )
        cell = own[np.isclose(own.x, x) & np.isclose(own.y, y)]
        assert len(cell) == 3
        assert set(cell.inside) == {inside}
    assert 0 < own.inside.mean() < 1


def test_planes_are_what_the_caption_says() -> None:
    config, needs = Config(), phase.needs(Config())
    assert needs.runs[0] == config
    noise = [other for _, other in needs.evaluations]
    assert {other.hard.noise / config.hard.noise for other in noise} == {0, 0.5, 1, 2, 4, 8}
    assert {other.hard.feature_noise[1] / config.hard.feature_noise[1] for other in noise} == {0, 0.5, 1, 2, 4, 8}
    share = needs.runs[1:]
    assert {run.data.hard_share for run in share} == {0, 0.01, 0.03, 0.1, 0.3}
    assert {run.tree.subclasses for run in share} == {1, 3, 6, 12}
    assert {(run.data.dim, run.training.batch, run.replicas) for run in share} == {(128, 64, 3)}


def test_prediction_is_of_the_run_before_training(table, tiny, result) -> None:
    """By the recursion from the initial weights, for each cell of noise and no other."""
    for model in ("coarse", "fine"):
        weights = ts.predict(tiny.config, getattr(result, model)).isel(step=-1)
        margins = Margins(weights, getattr(result, model).head_parent.values)
        own = table[table.quantity == f"{model} predicted"]
        assert set(own["plane"]) == {"noise"}
        assert len(own) == len(phase.needs(tiny.config).evaluations)
        for _, config in phase.needs(tiny.config).evaluations:
            cell = own[(own.x == config.hard.noise) & np.isclose(own.y, np.mean(config.hard.feature_noise))]
            assert cell.value.tolist() == pytest.approx([margins.hard_error(config).mean()])


def test_predicted_half_is_drawn_where_it_is_crossed(full) -> None:
    """A prediction that passes 1/2 between two rows, 1/4 of the way up, and one that does not."""
    rows = full[(full["plane"] == "noise") & (full.quantity == "coarse")]
    ys = sorted(rows.y.unique())
    levels = rows.y.map({y: 0.0 if i < 2 else 0.4 if i == 2 else 0.8 for i, y in enumerate(ys)})
    crossed = rows.assign(quantity="coarse predicted", value=levels)
    never = rows.assign(quantity="fine predicted", value=0.2)
    panels = panels_of(phase.FIGURE, pd.concat([full, crossed, never]))
    (lines,) = [c for c in panels["noise coarse"].collections if isinstance(c, ContourSet)]
    assert np.concatenate([path.vertices for path in lines.get_paths()])[:, 1] == pytest.approx(2.5 + 0.25)
    assert not any(isinstance(c, ContourSet) for c in panels["noise fine"].collections)


# --- the picture --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plane", "quantity"), PANELS)
def test_maps_and_numbers_are_the_table(plane, quantity, table, panels) -> None:
    ax, expected = panels[f"{plane} {quantity}"], grid(table, plane, quantity)
    drawn = mesh(ax)
    np.testing.assert_array_equal(drawn.get_array(), expected)
    rows, columns = expected.shape
    assert drawn.get_clim() == (min(0, table.value.min()), 1)
    told = {text.get_position(): text for text in ax.texts}
    assert len(told) == expected.size
    for (row, column), value in np.ndenumerate(expected):
        text = told[column + 0.5, row + 0.5]
        assert float(text.get_text()) == pytest.approx(value, abs=0.0051)
        back = np.mean(drawn.cmap(drawn.norm(value))[:3])
        assert abs(back - (1 if same_color(text.get_color(), "white") else 0)) > 0.4, "read on its cell"
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, columns), (0, rows))


def borders(inside: np.ndarray) -> set[frozenset[tuple[int, int]]]:
    """Both ends of each edge between a cell inside and one outside, or the map's end."""
    rows, columns = inside.shape

    def at(row: int, column: int) -> bool:
        return 0 <= row < rows and 0 <= column < columns and bool(inside[row, column])

    edges = set()
    for row, column in itertools.product(range(-1, rows + 1), range(-1, columns + 1)):
        if at(row, column) != at(row, column + 1):
            edges.add(frozenset({(column + 1, row), (column + 1, row + 1)}))
        if at(row, column) != at(row + 1, column):
            edges.add(frozenset({(column, row + 1), (column + 1, row + 1)}))
    return edges


def assert_borders(ax, inside: np.ndarray) -> None:
    drawn = [line for line in ax.get_lines() if line.get_label() == "regime"]
    edges = [frozenset((int(x), int(y)) for x, y in line.get_xydata()) for line in drawn]
    assert len(edges) == len(set(edges))
    assert set(edges) == borders(inside)
    assert all(same_color(line.get_color(), style.PALETTE["bound"]) for line in drawn)


def test_border_parts_inside_from_outside(full) -> None:
    """At full size: no cell of the toy's plane of shares meets all assumptions that some of its cells meet."""
    panels = panels_of(phase.FIGURE, full)
    for plane, quantity in PANELS:
        inside = grid(full, plane, quantity, "inside")
        assert inside.any()
        assert_borders(panels[f"{plane} {quantity}"], inside)


def test_border_goes_around_holes_and_corners(table) -> None:
    patterns = {"noise": [[True, True], [True, False], [False, True]], "share": [[False, False], [False, False]]}
    changed = table[table.quantity.isin(QUANTITIES)].sort_values(["plane", "quantity", "y", "x"]).reset_index(drop=True)
    changed["inside"] = [cell for plane in PLANES for _ in QUANTITIES for row in patterns[plane] for cell in row]
    panels = panels_of(phase.FIGURE, changed)
    for plane, quantity in PANELS:
        assert_borders(panels[f"{plane} {quantity}"], np.array(patterns[plane]))


def test_panels_say_what_they_show(table, panels) -> None:
    titles = {"coarse": "coarse model: hard error", "fine": "fine model: hard error", "gain": "gain: coarse − fine"}
    for plane, quantity in PANELS:
        ax = panels[f"{plane} {quantity}"]
        assert ax.get_title(loc="left") == (titles[quantity] if plane == "noise" else "")
        own = table[table["plane"] == plane]
        assert [float(text) for text in shown_ticks(ax.get_xticklabels())] == pytest.approx(sorted(set(own.x)))
        if quantity == "coarse":
            assert [float(text) for text in shown_ticks(ax.get_yticklabels())] == pytest.approx(sorted(set(own.y)))
        assert bool(ax.get_ylabel()) == (quantity == "coarse")
    assert same_color(panels["noise coarse"]._left_title.get_color(), style.PALETTE["coarse"])
    assert same_color(panels["noise fine"]._left_title.get_color(), style.PALETTE["fine"])
    assert panels["noise fine"].get_xlabel() == r"dominant noise $\sigma_*\sqrt{d}$"
    assert panels["noise coarse"].get_ylabel() == r"feature noise, mean $\alpha_\dagger$"
    assert panels["share fine"].get_xlabel() == r"share $\rho$ of hard samples in training"
    assert panels["share coarse"].get_ylabel() == "subclasses $k$"
    assert panels["scale"].get_ylabel() == "hard error, gain"
    assert panels["scale"].get_ylim() == mesh(panels["noise gain"]).get_clim()
    assert legend(panels["scale"]) == ["border of the theory's regime", "predicted error of 1/2"]


def test_other_numbers_give_another_picture(table) -> None:
    changed = table.copy()
    row = table.index[(table["plane"] == "share") & (table.quantity == "gain") & (table.x == 0) & (table.y == 1)]
    changed.loc[row, "value"] = -0.75
    panels = panels_of(phase.FIGURE, changed)
    assert mesh(panels["share gain"]).get_array()[0, 0] == -0.75
    assert panels["share gain"].texts[0].get_text() in ("-0.75", "−0.75")
    assert {mesh(panels[f"{plane} {quantity}"]).get_clim() for plane, quantity in PANELS} == {(-0.75, 1.0)}


def test_full_size_can_be_read(full) -> None:
    figure = phase.FIGURE.paint(full)
    check_readable(phase.FIGURE, figure)
    panels = {ax.get_label(): ax for ax in figure.axes}
    assert mesh(panels["noise gain"]).get_array().shape == (6, 6)
    assert mesh(panels["share gain"]).get_array().shape == (4, 5)
    for ax in (panels[f"{plane} {quantity}"] for plane, quantity in PANELS):
        width = ax.transData.transform((1, 0))[0] - ax.transData.transform((0, 0))[0]
        assert all(text.get_window_extent().width < width for text in ax.texts), "each number in its cell"


def test_small_losses_are_no_minus_zero(table) -> None:
    changed = table.copy()
    changed.loc[table.quantity == "gain", "value"] = -0.001
    texts = {text.get_text() for text in panels_of(phase.FIGURE, changed)["noise gain"].texts}
    assert texts == {"0.00"}


def test_planes_without_noise_are_drawn() -> None:
    """Multiples of no noise are one column."""
    config = Config().replace({"hard.noise": 0.0})
    needs = phase.needs(config)
    panels = panels_of(phase.FIGURE, fake(config, needs.runs, needs.evaluations))
    assert mesh(panels["noise gain"]).get_array().shape == (6, 1)
