"""Tables for looking at images: pixels and answers are those of the study."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from theory_sim.pretraining import study
from theory_sim.pretraining.config import load_study
from theory_sim.pretraining.datasets import load_data

MORE = ["seeds=3", "labels.functions=[level(1), leaf, random(3)]"]
MORE += ["pretraining.step_size=0.001", "transfer.training.step_size=0.001"]  # some are right and some are wrong


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from image_folders import make_folder

    folder = tmp_path_factory.mktemp("study")
    data = f"{{source: tree, path: {make_folder(folder / 'images')}, test_share: 0.3, validation_share: 0.2}}"
    settings = ["name=tiny", "controls=[]", f"data={data}", "model={width: 4, image_size: 8}"]
    settings += ["pretraining={steps: 6, batch: 8}", "transfer={modes: [finetune, none], steps: [2, 4], training: {batch: 8}}"]
    outcome = study.run_study(load_study(None, [*settings, *MORE]), folder / "out")
    return outcome, load_data(outcome.study.data, folder / "out" / "_images")


def test_the_confusion_counts_every_test_image(made):
    outcome, data = made
    table = pd.read_csv(outcome.folder / "confusion.csv")
    assert table.images.sum() == 3 * len(data.test)
    assert set(table.true) == {"birds/gulls", "birds/owls", "fish/cod", "fish/rays"}
    assert (table.true.str.split("/").str[0] == table.true_coarse).all()
    (found,) = (of for of in outcome.transferred if (of.labels.name, of.transfer) == ("leaf", "argmax_parent"))
    right = sum(int((answers["test"].label == data.leaf[data.test]).sum()) for answers in found.answers.values())
    assert table.images[table.true == table.predicted].sum() == right
    within = table.images[table.true_coarse == table.predicted_coarse].sum()
    assert within == sum(int(answers["test"].correct.sum()) for answers in found.answers.values())


def test_examples_are_easy_and_hard_and_shown_as_the_networks_see_them(made):
    outcome, data = made
    table = pd.read_csv(outcome.folder / "examples.csv")
    assert len(table)
    assert set(table.seed) == {0}
    assert list(dict.fromkeys(table.label_function)) == ["baseline", "leaf", "random(3)", "level(1)"]
    names = {data.images.name(int(index)): (place, int(index)) for place, index in enumerate(data.test)}
    leaf = next(of for of in outcome.transferred if (of.labels.name, of.steps) == ("leaf", 4))
    both = [outcome.baselines[10], leaf.answers]
    for row in table.itertuples():
        place, index = names[row.file]
        right = [np.mean([bool(of[seed]["test"].correct[place]) for seed in (1, 2)]) for of in both]
        assert all(share > 0.5 for share in right) if row.samples == "easy" else all(share < 0.5 for share in right)
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(row.png))))
        from theory_sim.pretraining.loading.images import View

        np.testing.assert_array_equal(pixels, data.images.batch([index], View(8))[0].permute(1, 2, 0).numpy())
        assert row.true == row.leaf.split("/")[0]
        if row.label_function in ("baseline", "leaf"):
            said = both[row.label_function == "leaf"][0]["test"]
            assert row.predicted == ("birds", "fish")[int(said.predicted[place])]
            assert row.confidence == pytest.approx(float(said.highest[place]))
