"""What the figures show: every number drawn is in the table, and the table is what the results say."""

import itertools
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from figures import data_model, style, theorems
from figures.__main__ import GALLERY, main, make, save
from theory_sim.claims import decide
from theory_sim.config import Config, load_config
from theory_sim.experiment import Results, run

MODELS, KINDS = ("coarse", "fine"), ("easy", "hard")
_TINY = """
name: tiny
replicas: 3
tree: {subclasses: 3}
data: {dim: 24, patches: 12, feature_patches: 2}
network: {neurons: 6}
training: {batch: 8, steps: 8}
test: {samples: 40, curve_samples: 20}
record: {points: 4}
"""


@pytest.fixture(scope="module", autouse=True)
def _style():
    with matplotlib.rc_context():
        style.use()
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    (folder / "tiny.yaml").write_text(_TINY)
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return run(load_config(folder / "tiny.yaml"), folder / "results", "cpu")


@pytest.fixture(scope="module")
def tables(results: Results) -> dict[str, pd.DataFrame]:
    return {
        "theorems": theorems.compute(results.config, [results]),
        "data_model": data_model.compute(results.config),
    }


@pytest.fixture(scope="module")
def theorem_axes(tables: dict[str, pd.DataFrame]) -> dict[str, Axes]:
    figure = style.paint(theorems, tables["theorems"])
    return dict(zip(MODELS, figure.axes, strict=True))


@pytest.fixture(scope="module")
def sample_axes(tables: dict[str, pd.DataFrame]) -> dict[str, Axes]:
    return {ax.get_label(): ax for ax in style.paint(data_model, tables["data_model"]).axes}


def color_of(model: str, quantity: str) -> str:
    role = {"training-loss": model, "easy-error": "common", "hard-error": "rare"}[quantity]
    return style.PALETTE[role]


# --- what all figures share ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", GALLERY.values(), ids=GALLERY.keys())
def test_module_keeps_the_contract(module, tables) -> None:
    assert module.__name__ == f"figures.{module.NAME}"
    assert module.CAPTION.endswith(".")
    assert module.SIZE[0] <= style.PAGE
    assert all(isinstance(config, Config) for config in module.runs(Config()))
    assert {"compute", "draw", "LAYOUT"} <= set(dir(module))
    assert not tables[module.NAME].empty


def test_roles_are_told_apart_by_every_eye() -> None:
    """Least CIE 1976 distance of two roles, by Machado, Oliveira & Fernandes' (2009) full-severity simulations."""
    sights = [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

    def lab(color: str, sight: np.ndarray) -> np.ndarray:
        rgb = np.array(to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        t = xyz @ np.clip(np.array(sight) @ linear, 0, 1) / xyz.sum(1)
        f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    pairs = itertools.combinations(style.PALETTE.values(), 2)
    assert min(np.linalg.norm(lab(a, s) - lab(b, s)) for a, b in pairs for s in sights) > 24


@pytest.mark.parametrize("module", GALLERY.values(), ids=GALLERY.keys())
def test_files_hold_what_is_drawn_and_are_the_same_again(module, tables, tmp_path) -> None:
    table = tables[module.NAME]
    save(module, table, tmp_path / "first")
    read = pd.read_csv(tmp_path / "first" / f"{module.NAME}.csv")
    pd.testing.assert_frame_equal(read, table, rtol=1e-15, atol=0)
    save(module, read, tmp_path / "again")
    written = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    assert written.keys() == {f"{module.NAME}.{suffix}" for suffix in ("csv", "pdf", "png")}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert len(written[f"{module.NAME}.png"]) < 200_000
    pdf = written[f"{module.NAME}.pdf"]
    assert b"CreationDate" not in pdf
    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf


@pytest.mark.parametrize("module", GALLERY.values(), ids=GALLERY.keys())
def test_nothing_is_cut_off_or_written_over(module, tables) -> None:
    figure = style.paint(module, tables[module.NAME])
    figure.draw_without_rendering()
    page = figure.bbox
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent() for ax in figure.axes for text in _texts(ax)]
    boxes += [text.get_window_extent() for legend in figure.legends for text in legend.get_texts()]
    assert len(boxes) <= len(texts)
    assert all(b.x0 >= page.x0 and b.y0 >= page.y0 and b.x1 <= page.x1 and b.y1 <= page.y1 for b in boxes)
    assert not any(_overlap(a, b) for a, b in itertools.combinations(boxes, 2))


def _texts(ax: Axes) -> list[matplotlib.text.Text]:
    """Titles, labels, tick labels in the panel, and free texts that are seen."""
    texts = [ax.title, ax._left_title, ax._right_title, *ax.texts]
    if ax.axison:
        texts += [ax.xaxis.label, ax.yaxis.label]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [t.label1 for t in axis.get_major_ticks() if t.label1.get_visible() and low <= t.get_loc() <= high]
            texts += [t.label2 for t in axis.get_major_ticks() if t.label2.get_visible() and low <= t.get_loc() <= high]
    return [text for text in texts if text.get_text() and text.get_visible()]


def _overlap(a: matplotlib.transforms.Bbox, b: matplotlib.transforms.Bbox) -> bool:
    """By more than a pixel."""
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1


# --- theorems -----------------------------------------------------------------------------------------------------


def curve(table: pd.DataFrame, model: str, quantity: str) -> pd.DataFrame:
    return table[(table.part == "curve") & (table.model == model) & (table.quantity == quantity)]


def line(ax: Axes, label: str) -> Line2D:
    (found,) = [drawn for drawn in ax.get_lines() if drawn.get_label() == label]
    return found


def band(ax: Axes, quantity: str) -> PolyCollection:
    """`fill_between`'s collections, in the order of the curves."""
    bands = [c for c in ax.collections if isinstance(c, PolyCollection)]
    assert len(bands) == len(theorems.QUANTITIES)
    return bands[theorems.QUANTITIES.index(quantity)]


@pytest.mark.parametrize("model", MODELS)
def test_curves_are_the_results(model, results, tables) -> None:
    data = getattr(results, model)
    loss = curve(tables["theorems"], model, "training-loss")
    np.testing.assert_array_equal(loss.step, data["update"])
    np.testing.assert_array_equal(loss.value, data.training_loss.values.astype(float).mean(0))
    for kind in KINDS:
        errors = data.curve_error.sel(kind=kind, readout="sum_logits").values.astype(float)
        drawn = curve(tables["theorems"], model, f"{kind}-error")
        np.testing.assert_array_equal(drawn.step, data.step)
        np.testing.assert_allclose(drawn.value, errors.mean(0), rtol=1e-14)
        np.testing.assert_array_equal(drawn.low, errors.min(0))
        np.testing.assert_array_equal(drawn.high, errors.max(0))
    assert set(loss.range) == {"min–max of 3 replicas"}
    alone = next(theorems._curves(model, data.isel(replica=[0]), results.config))
    assert alone["low"] == alone["value"] == alone["high"]
    assert alone["range"] == "min–max of 1 replica"


@pytest.mark.parametrize("quantity", theorems.QUANTITIES)
@pytest.mark.parametrize("model", MODELS)
def test_lines_and_bands_are_the_table(model, quantity, tables, theorem_axes) -> None:
    expected, ax = curve(tables["theorems"], model, quantity), theorem_axes[model]
    drawn = line(ax, quantity)
    np.testing.assert_array_equal(drawn.get_xdata(), expected.step)
    np.testing.assert_array_equal(drawn.get_ydata(), expected.value)
    assert same_color(drawn.get_color(), color_of(model, quantity))
    outline = band(ax, quantity).get_paths()[0].vertices
    assert same_color(band(ax, quantity).get_facecolor()[0, :3], color_of(model, quantity))
    for row in expected.itertuples():
        heights = outline[outline[:, 0] == row.step, 1]
        assert heights.min() == row.low <= row.value <= row.high == heights.max()


@pytest.mark.parametrize("model", MODELS)
def test_estimates_and_bounds_are_the_claims(model, results, theorem_axes) -> None:
    ax, config = theorem_axes[model], results.config
    claims = {c.id.removeprefix(f"{model}-"): c for c in decide(results) if c.id.startswith(f"{model}-")}
    containers = {c.get_label().removesuffix(" claim"): c for c in ax.containers}
    assert containers.keys() == set(theorems.QUANTITIES)
    for quantity, (marker, _, (bar,)) in containers.items():
        estimate = claims[quantity].estimate
        assert marker.get_xydata().tolist() == [[config.training.steps, estimate.value]]
        assert bar.get_segments()[0][:, 1] == pytest.approx([estimate.low, estimate.high])
        assert same_color(marker.get_color(), color_of(model, quantity))
    bounds = {drawn.get_ydata()[0]: drawn for drawn in ax.get_lines() if drawn.get_label() == "bound"}
    assert bounds.keys() == {claims[quantity].bound for quantity in theorems.QUANTITIES}
    assert all(same_color(drawn.get_color(), style.PALETTE["bound"]) for drawn in bounds.values())


def test_panels_say_what_they_show(theorem_axes, results) -> None:
    coarse, fine = theorem_axes.values()
    assert coarse.get_xlabel() == fine.get_xlabel() == "training step"
    assert coarse.get_ylabel() == "training loss (nats), test error"
    assert fine.get_ylabel() == ""
    assert {"hard ≥ 0.25", "loss ≤ 0.05", "easy ≤ 0.01"} <= {text.get_text() for text in coarse.texts}
    assert {"loss, hard ≤ 0.05", "easy ≤ 0.01"} <= {text.get_text() for text in fine.texts}
    (legend,) = coarse.figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        "training loss",
        "easy test error",
        "hard test error",
        "min–max of 3 replicas",
        "estimate at the end, 95% interval",
        "bound of a claim",
    }
    for ax, model in zip((coarse, fine), MODELS, strict=True):
        own = [c for c in decide(results) if c.id.startswith(model) or (model == "fine" and c.id == "transfer-gain")]
        failed = sum(not c.holds for c in own)
        assert failed
        assert ax.get_title(loc="left") == f"{model.capitalize()} labels: {failed} of {len(own)} claims fail"
        assert same_color(ax._left_title.get_color(), style.PALETTE[model])


@pytest.mark.parametrize("model", MODELS)
def test_curves_lie_inside_the_panel(model, tables, theorem_axes) -> None:
    rows, ax = tables["theorems"], theorem_axes[model]
    curves = rows[rows.part == "curve"]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert left == curves.step.min() == 0 < curves.step.max() < right
    assert bottom < 0 <= curves.low.min() <= curves.high.max() < top
    assert ax.get_xscale() == ax.get_yscale() == "symlog"


def test_titles_tell_which_claims_fail(tables) -> None:
    table = tables["theorems"].copy()
    claims = table.part == "claim"
    table.loc[claims, "verdict"] = "holds"
    coarse, fine = _titles(table)
    assert coarse[0] == "Coarse labels: all 4 claims hold"
    assert fine[0] == "Fine labels: all 5 claims hold"
    assert not any("failing" in text for text in coarse + fine)

    table.loc[claims & (table.quantity == "hard-error") & (table.model == "coarse"), "verdict"] = "fails"
    growth = claims & (table.quantity == "rare-growth") & (table.model == "coarse")
    table.loc[growth, "verdict"] = "fails"
    table.loc[growth, ["value", "low", "high"]] = np.nan
    coarse, fine = _titles(table)
    assert coarse[0] == "Coarse labels: 2 of 4 claims fail"
    assert any("failing: hard error, rare growth\nrare ÷ common growth undefined (≤ 0.33)" in text for text in coarse)
    assert fine[0] == "Fine labels: all 5 claims hold"


def _titles(table: pd.DataFrame) -> list[list[str]]:
    figure = style.paint(theorems, table)
    return [[ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)] for ax in figure.axes]


def test_other_results_give_another_picture(tables) -> None:
    """Drawing is from the table alone: a changed number moves its line."""
    table = tables["theorems"].copy()
    row = curve(table, "coarse", "hard-error").index[-1]
    table.loc[row, "value"] = 0.123
    assert line(style.paint(theorems, table).axes[0], "hard-error").get_ydata()[-1] == 0.123


# --- data model ---------------------------------------------------------------------------------------------------


def test_samples_hold_what_the_model_says(tables, results) -> None:
    data, hard = results.config.data, results.config.hard
    patches = tables["data_model"].drop_duplicates(["sample", "patch"])
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
    table = data_model.compute(config)
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


def test_heat_maps_are_the_table(tables, sample_axes) -> None:
    table = tables["data_model"]
    for name in KINDS:
        sample, ax = table[table["sample"] == name], sample_axes[name]
        (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
        expected = sample.correlation.to_numpy().reshape(sample.patch.max(), -1).T
        np.testing.assert_array_equal(mesh.get_array(), expected)
        low, high = mesh.get_clim()
        assert low == -high < -np.abs(expected).max()
        assert [label.get_text() for label in ax.get_yticklabels()] == [f"$v_{{{f}}}$" for f in sample.feature.unique()]
        assert ax.get_ylim()[0] == expected.shape[0]
    assert list(table.feature.unique()) == ["1", "1,1", "1,2", "1,3", "2", "2,1", "2,2", "2,3"]
    assert sample_axes["scale"].get_ylabel().startswith("correlation")
    assert sample_axes["hard"].get_xlabel() == "patch $p$"


def test_strips_tell_what_each_patch_holds(tables, sample_axes) -> None:
    table = tables["data_model"].drop_duplicates(["sample", "patch"])
    colors = {"common feature": "common", "rare feature": "rare", "feature noise": "common"}
    for name in KINDS:
        boxes = [patch for patch in sample_axes[name].patches if isinstance(patch, Rectangle)]
        holds = table[table["sample"] == name].holds
        assert [box.get_label() for box in boxes] == list(holds)
        for patch, (box, held) in enumerate(zip(boxes, holds, strict=True)):
            assert patch < box.get_x() < box.get_x() + box.get_width() < patch + 1
            assert same_color(box.get_edgecolor(), style.PALETTE[colors.get(held, "noise")])
            assert same_color(box.get_facecolor(), "white") == (held in ("feature noise", "noise"))
    (legend,) = sample_axes["easy"].figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["c: common feature", "r: rare feature", "f: feature noise", "d: dominant noise", "noise only"]


def test_trees_show_the_path_beside_the_rows(tables, sample_axes) -> None:
    table = tables["data_model"]
    features, leaf = list(table.feature.unique()), table.leaf.iloc[0]
    for name in KINDS:
        ax = sample_axes[f"{name} tree"]
        nodes = {drawn.get_label(): drawn for drawn in ax.get_lines() if drawn.get_label() in features}
        assert list(nodes) == features
        filled = {feature for feature, node in nodes.items() if not same_color(node.get_markerfacecolor(), "white")}
        assert filled == {leaf, leaf[0]}
        for row, (feature, node) in enumerate(nodes.items()):
            assert node.get_xydata().tolist() == [[feature.count(",") + 1, row + 0.5]]
            assert same_color(node.get_markeredgecolor(), style.PALETTE["rare" if "," in feature else "common"])
        assert ax.get_ylim() == sample_axes[name].get_ylim()


# --- the command --------------------------------------------------------------------------------------------------


def test_command_loads_finished_runs_and_writes_every_figure(results, folder, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("theory_sim.experiment.choose_device", lambda device: torch.device("cpu"))
    monkeypatch.setattr("theory_sim.experiment._run", lambda *_: pytest.fail("ran again"))
    options = ["--config", str(folder / "tiny.yaml"), "--results", str(folder / "results"), "--out", str(tmp_path)]
    assert main(options) == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.{s}" for n in GALLERY for s in ("csv", "pdf", "png")}
    assert "theorems" in capsys.readouterr().out


def test_absent_runs_are_made_and_show_their_progress(folder, tmp_path, capsys) -> None:
    config = load_config(folder / "tiny.yaml", ["training.steps=2"], replicas=1)
    assert make(config, tmp_path).coarse.sizes["replica"] == 1
    shown = capsys.readouterr().err
    assert "tiny: training 2/2" in shown


def test_command_refuses_wrong_input_in_one_line(tmp_path, capsys) -> None:
    assert main(["--config", str(tmp_path / "absent.yaml"), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: cannot read the configuration")
    with pytest.raises(SystemExit) as refused:
        main(["theorem", "--out", str(tmp_path)])
    assert refused.value.code == 2
    assert "no figure theorem; there are data_model, theorems" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_figures_are_outside_pyplot(tables) -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    assert isinstance(style.paint(theorems, tables["theorems"]), Figure)
    assert plt.get_fignums() == before
