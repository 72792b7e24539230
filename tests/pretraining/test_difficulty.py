"""Hard and easy images: a split that treats both kinds of networks alike, the older one that leans, gains, and controls."""

import numpy as np
import pytest
from scipy import stats

from theory_sim.pretraining import report, study
from theory_sim.pretraining.config import load_study
from theory_sim.pretraining.controls import changed
from theory_sim.pretraining.difficulty import error_within, gain_within, split_images
from theory_sim.stats import NO_P, mcnemar

HOW = ("both", "misclassified", "unconfident")


def test_images_are_split_by_the_majorities_of_the_other_seeds():
    coarse = np.array([[0, 0, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 1]], dtype=bool)
    fine = np.array([[1, 0, 1, 0, 0], [0, 0, 1, 1, 0], [0, 1, 0, 1, 0]], dtype=bool)
    kinds = split_images("both", coarse, coarse.astype(float), fine)
    # For seed 0 the coarse networks of seeds 1 and 2 are right in 0, 1, 2, 1, 1 cases, the fine ones in 0, 1, 1, 2, 0.
    assert kinds["hard"][0].tolist() == [True, False, False, False, False]
    assert kinds["easy"][0].tolist() == [False] * 5
    # For seed 2 the coarse ones in 0, 1, 2, 2, 0 cases, the fine ones in 1, 0, 2, 1, 0.
    assert kinds["hard"][2].tolist() == [False, False, False, False, True]
    assert kinds["easy"][2].tolist() == [False, False, True, False, False]
    assert (kinds["hard"].astype(int) + kinds["easy"] + kinds["mixed"] == 1).all()
    old = split_images("misclassified", coarse, coarse.astype(float), fine)
    assert old["hard"][0].tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("how", HOW)
def test_no_seed_decides_its_own_images(how):
    draw = np.random.default_rng(0)
    correct, compared, confidence = draw.random((3, 40)) < 0.7, draw.random((3, 40)) < 0.7, draw.random((3, 40))
    kinds = split_images(how, correct, confidence, compared)
    for seed in range(3):
        others = [rows.copy() for rows in (correct, confidence, compared)]
        for rows in others:
            rows[seed] = 1 - rows[seed]
        again = split_images(how, *others)
        assert all(np.array_equal(kinds[kind][seed], again[kind][seed]) for kind in kinds)
    assert split_images(how, correct[:1], confidence[:1], compared[:1]) == {}
    if how == "unconfident":
        others_mean, hard = confidence[[1, 2]].mean(0), kinds["hard"][0]
        assert hard.sum() == 10
        assert others_mean[hard].max() <= others_mean[~hard].min()


def test_the_split_by_both_kinds_is_the_same_for_both():
    draw = np.random.default_rng(1)
    one, other = draw.random((4, 60)) < 0.6, draw.random((4, 60)) < 0.6
    first, second = split_images("both", one, one * 1.0, other), split_images("both", other, other * 1.0, one)
    assert all(np.array_equal(first[kind], second[kind]) for kind in ("hard", "easy", "mixed"))


def test_the_split_by_baselines_alone_leans_and_the_other_does_not():
    """Two kinds of networks of equal accuracy, each with errors that its seeds share."""
    draw = np.random.default_rng(2)
    shared, kinds = draw.normal(size=20_000), draw.normal(size=(2, 20_000))
    coarse, fine = (shared + kinds[kind] + draw.normal(size=(2, 20_000)) > -1 for kind in (0, 1))
    assert abs(coarse.mean() - fine.mean()) < 0.01

    def gains(how):
        split = split_images(how, coarse, coarse * 1.0, fine)
        return [fine[split[kind]].mean() - coarse[split[kind]].mean() for kind in ("hard", "easy")]

    hard, easy = gains("misclassified")
    assert hard > 0.05
    assert easy < -0.01
    assert np.abs(gains("both")).max() < 0.02


def sample(seeds):
    draw = np.random.default_rng(1)
    return [draw.random((seeds, 1000)) < p for p in (0.5, 0.8, 0.4)]


def test_gains_within_are_paired_by_image():
    before, after, chosen = sample(5)
    estimate = gain_within(before, after, chosen)
    gains = after[chosen].astype(float) - before[chosen]
    assert estimate.value == pytest.approx(gains.mean())
    assert estimate.low < gains.mean() < estimate.high
    assert 0.1 < gains.mean() < 0.5
    by_seed = [after[s][chosen[s]].mean() - before[s][chosen[s]].mean() for s in range(5)]
    across = stats.ttest_1samp(by_seed, 0, alternative="greater")
    assert mcnemar(np.where(chosen, after.astype(int) - before, 0).sum(0)) < across.pvalue == pytest.approx(estimate.p)
    assert np.isnan(gain_within(before, after, np.zeros_like(chosen)).value)
    errors = [1 - row[inside].mean() for row, inside in zip(after, chosen, strict=True)]
    assert error_within(after, chosen).value == pytest.approx(np.mean(errors))


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_gains_of_few_seeds_have_no_p_value(seeds):
    """McNemar's test of pooled images gave one, below 1e-20, that knew nothing of other seeds."""
    before, after, chosen = sample(seeds)
    estimate = gain_within(before, after, chosen)
    assert estimate.p is None
    assert NO_P in estimate.notes
    assert "few seeds" in estimate.notes
    assert "McNemar" not in estimate.method
    some = np.concatenate([chosen, np.zeros((5 - seeds, 1000), dtype=bool)])  # seeds without such an image do not count
    more = [np.concatenate([rows, np.zeros((5 - seeds, 1000), dtype=bool)]) for rows in (before, after)]
    assert gain_within(*more, some).p is None


def test_controls_differ_in_what_they_are_named_by():
    own = load_study(None, ["model.width=16", "pretraining.crop=shift"])
    model, recipe = changed(own, "width")
    assert (model.width, recipe) == (24, own.pretraining)
    model, recipe = changed(own, "augmentation")
    assert (model, recipe.crop) == (own.model, "none")
    assert changed(load_study(None, ["model.name=resnet34"]), "width")[0].name == "resnet18"
    for crop in ("none", "resized"):
        assert changed(load_study(None, [f"pretraining.crop={crop}"]), "augmentation")[1].crop == "shift"


def test_gains_stand_beside_those_of_controls(settings, tmp_path):
    more = ["controls=[width, augmentation, split]", "splits=[both, misclassified]", "pretraining.step_size=0.001"]
    own = load_study(None, [*settings, *more, "transfer.modes=[finetune]", "transfer.training.step_size=0.001"])
    outcome = study.run_study(own, tmp_path / "out")
    assert outcome.study.labels.functions == ["level(1)", "leaf", "split(1, 2)"]
    table = outcome.results
    assert {"control: width", "control: augmentation", "split(1, 2)"} <= set(table.label_function)
    for samples in ("all", "hard-both", "easy-both", "hard-misclassified"):
        rows = table[table.samples == samples].set_index("label_function")
        for control, row in (("width", "control: width"), ("augmentation", "control: augmentation"), ("split", "split(1, 2)")):
            assert rows.loc["leaf", f"control_{control}"] == pytest.approx(rows.loc[row, "gain"], nan_ok=True)
    assert table[table.kind == "control"].p_holm.isna().all()
    console_table = report.results_for_people(outcome)
    assert console_table.row_count == 1 + 2 + 3
    again = study.run_study(load_study(outcome.folder / "config.yaml"), tmp_path / "out")
    assert again.folder == outcome.folder
