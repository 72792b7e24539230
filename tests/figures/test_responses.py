"""The figure of responses: a marker per feature, for own heads and for others."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from drawn import assert_estimates, assert_inside, estimates, legend, panels_of, shown_ticks
from matplotlib.colors import same_color

from theory_sim.config import Config
from theory_sim.figures import Inputs, responses
from theory_sim.figures.common import style
from theory_sim.runs.results import Results
from theory_sim.testing.figures import as_drawn, check_readable

MODELS = ("coarse", "fine")


@pytest.mark.parametrize("model", MODELS)
def test_values_are_means_over_own_and_other_heads(model, table, result) -> None:
    data, tree = getattr(result, model), result.config.label_tree
    own = table[table.model == model]
    assert list(own.feature.unique()) == ["1", "1,1", "1,2", "1,3", "1,4", "2", "2,1", "2,2", "2,3", "2,4"]
    heads = ["1", "2"] if model == "coarse" else [tree.names[leaf] for leaf in tree.leaves]
    for row in own.itertuples():
        # A head learns from a feature's samples if one of them lies below the other in the tree.
        mine = [
            head == row.feature or f"{head},".startswith(f"{row.feature},") or row.feature.startswith(f"{head},")
            for head in heads
        ]
        chosen = [h for h, is_own in enumerate(mine) if is_own == (row.heads == "own")]
        feature = list(tree.names).index(row.feature)
        by_replica = [np.mean([float(data.response[r, -1, h, feature]) for h in chosen]) for r in range(data.sizes["replica"])]
        assert (row.value, row.low, row.high) == pytest.approx((np.mean(by_replica), min(by_replica), max(by_replica)), rel=1e-5)
        assert row.level == row.feature.count(",") + 1


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("heads", ["own", "other"])
@pytest.mark.parametrize("model", MODELS)
def test_markers_and_bars_are_the_table(model, heads, level, table, panels) -> None:
    rows = table[(table.model == model) & (table.heads == heads) & (table.level == level)]
    features = list(table.feature.unique())
    kind = "common" if level == 1 else "rare"
    drawn = estimates(panels[model])[f"{heads} {kind}"]
    assert_estimates(drawn, rows, [features.index(feature) for feature in rows.feature], style.PALETTE[kind])
    assert same_color(drawn[0].get_markerfacecolor(), "white") == (heads == "other")


def test_panels_say_what_they_show(table, panels) -> None:
    features = list(table.feature.unique())
    for model, ax in panels.items():
        assert ax.get_title(loc="left") == f"{model} labels"
        assert same_color(ax._left_title.get_color(), style.PALETTE[model])
        assert ax.get_xlabel() == "feature"
        assert shown_ticks(ax.get_xticklabels()) == [f"$v_{{{feature}}}$" for feature in features]
        assert_inside(ax, range(len(features)), table[["value", "low", "high"]].to_numpy().ravel())
        (rule,) = [drawn for drawn in ax.get_lines() if len(set(drawn.get_xdata())) == 1 and len(drawn.get_xdata()) == 2]
        assert features.index("1,4") < rule.get_xdata()[0] < features.index("2"), "between the branches of the tree"
    assert panels["coarse"].get_ylabel() == "response at the end"
    assert panels["fine"].get_ylabel() == ""
    assert legend(panels["coarse"]) == ["common feature", "rare feature", "own heads", "other heads"]


def test_full_size_can_be_read() -> None:
    """Twenty features stand side by side, their names upright."""
    config = Config()

    def data(model: str, labels: str, heads: int) -> xr.Dataset:
        response = (("replica", "step", "head", "feature"), np.random.default_rng(0).random((2, 1, heads, 20)))
        return xr.Dataset({"response": response}, attrs={"model": model, "labels": labels})

    full = Results(config, Path(), {"coarse": data("coarse", "level(1)", 2), "fine": data("fine", "leaf", 18)})
    table = as_drawn(responses.compute(config, Inputs([full])))
    figure = responses.FIGURE.paint(table)
    check_readable(responses.FIGURE, figure)
    assert table.feature.nunique() == len(figure.axes[0].get_xticklabels()) == 20


def test_other_numbers_give_another_picture(table) -> None:
    changed = table.copy()
    row = table.index[(table.model == "fine") & (table.feature == "2,3") & (table.heads == "own")]
    changed.loc[row, ["value", "low", "high"]] = 7.0, 6.0, 9.0
    ax = panels_of(responses.FIGURE, changed)["fine"]
    at = list(table.feature.unique()).index("2,3")
    assert [at, 7.0] in estimates(ax)["own rare"][0].get_xydata().tolist()
    assert ax.get_ylim()[1] > 9
