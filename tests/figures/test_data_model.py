"""The figure of the data model: what each patch holds, correlations as heat maps, and the label tree."""

import numpy as np
import pytest
from drawn import legend, mesh, panels_of
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle

from theory_sim.config import load_config
from theory_sim.figures import Inputs, data_model
from theory_sim.figures.common import style

KINDS = ("easy", "hard")


def test_samples_hold_what_the_model_says(table, made) -> None:
    data, hard = made.config.data, made.config.hard
    patches = table.drop_duplicates(["sample", "patch"])
    counts = {name: sample.holds.value_counts().to_dict() for name, sample in patches.groupby("sample")}
    s = data.feature_patches
    assert counts["easy"] == {"common feature": s, "rare feature": s, "noise": data.patches - 2 * s}
    rest = data.patches - s - hard.feature_noise_patches - 1
    assert counts["hard"] == {
        "rare feature": s,
        "feature noise": hard.feature_noise_patches,
        "dominant noise": 1,
        "noise": rest,
    }
    # Made hard, a sample keeps its leaf and its rare patches.
    assert patches.leaf.nunique() == 1
    rare = patches[patches.holds == "rare feature"]
    assert (rare[rare["sample"] == "easy"].strength.values == rare[rare["sample"] == "hard"].strength.values).all()


def test_correlations_are_the_strengths_where_there_is_no_noise() -> None:
    config = load_config(overrides=["data.noise=0", "hard.noise=0", "data.basis=rotated", "data.dim=32"])
    table = data_model.compute(config, Inputs())
    leaf = table.leaf.iloc[0]
    coarse = leaf[0]
    held = {
        "common feature": table.feature == coarse,
        "rare feature": table.feature == leaf,
        "feature noise": (table.feature != coarse) & table.feature.isin(["1", "2"]),
        "noise": table.feature == "",
    }
    here = np.select([table.holds == kind for kind in held], held.values(), default=False)
    np.testing.assert_allclose(table.correlation, np.where(here, table.strength, 0), atol=1e-6)


def test_nothing_is_trained(made) -> None:
    assert data_model.needs(made.config).runs == data_model.needs(made.config).evaluations == []


def test_heat_maps_are_the_table(table, panels) -> None:
    for name in KINDS:
        sample, ax = table[table["sample"] == name], panels[name]
        expected = sample.correlation.to_numpy().reshape(sample.patch.max(), -1).T
        np.testing.assert_array_equal(mesh(ax).get_array(), expected)
        low, high = mesh(ax).get_clim()
        assert low == -high <= -np.abs(expected).max()
        assert [label.get_text() for label in ax.get_yticklabels()] == [f"$v_{{{f}}}$" for f in sample.feature.unique()]
        assert ax.get_ylim()[0] == expected.shape[0]
    assert list(table.feature.unique()) == ["1", "1,1", "1,2", "1,3", "2", "2,1", "2,2", "2,3"]
    assert panels["scale"].get_ylabel().startswith("correlation")
    assert panels["easy"].get_title(loc="left") == f"easy sample of leaf $(y, c)$ = ({table.leaf.iloc[0].replace(',', ', ')})"
    assert panels["hard"].get_title(loc="left") == "the same sample made hard"
    assert panels["hard"].get_xlabel() == "patch $p$"


def test_strips_tell_what_each_patch_holds(table, panels) -> None:
    patches = table.drop_duplicates(["sample", "patch"])
    colors = {"common feature": "common", "rare feature": "rare", "feature noise": "common"}
    for name in KINDS:
        boxes = [patch for patch in panels[name].patches if isinstance(patch, Rectangle)]
        holds = patches[patches["sample"] == name].holds
        assert [box.get_label() for box in boxes] == list(holds)
        for patch, (box, held) in enumerate(zip(boxes, holds, strict=True)):
            assert patch < box.get_x() < box.get_x() + box.get_width() < patch + 1
            assert same_color(box.get_edgecolor(), style.PALETTE[colors.get(held, "noise")])
            assert same_color(box.get_facecolor(), "white") == (held in ("feature noise", "noise"))
        letters = [text.get_text() for text in panels[name].texts if text.get_text() != "holds"]
        assert letters == ["" if held == "noise" else held[0] for held in holds]
    texts = ["c: common feature", "r: rare feature", "f: feature noise", "d: dominant noise", "noise only"]
    assert legend(panels["easy"]) == texts


def test_trees_show_the_path_beside_the_rows(table, panels) -> None:
    features, leaf = list(table.feature.unique()), table.leaf.iloc[0]
    for name in KINDS:
        ax = panels[f"{name} tree"]
        nodes = {drawn.get_label(): drawn for drawn in ax.get_lines() if drawn.get_label() in features}
        assert list(nodes) == features
        filled = {feature for feature, node in nodes.items() if not same_color(node.get_markerfacecolor(), "white")}
        assert filled == {leaf, leaf[0]}
        for row, (feature, node) in enumerate(nodes.items()):
            assert node.get_xydata().tolist() == [[feature.count(",") + 1, row + 0.5]]
            assert same_color(node.get_markeredgecolor(), style.PALETTE["rare" if "," in feature else "common"])
        assert ax.get_ylim() == panels[name].get_ylim()


def test_other_numbers_give_another_picture(table) -> None:
    changed = table.copy()
    row = table.index[(table["sample"] == "hard") & (table.patch == 3) & (table.feature == "1,2")]
    changed.loc[row, "correlation"] = -3.21
    panels = panels_of(data_model.FIGURE, changed)
    assert mesh(panels["hard"]).get_array()[2, 2] == -3.21
    assert mesh(panels["hard"]).get_clim() == mesh(panels["easy"]).get_clim() == pytest.approx((-3.3, 3.3))
