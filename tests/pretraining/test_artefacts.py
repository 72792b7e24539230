"""What a study leaves: predictions of every network for each image, and networks that can be loaded."""

import json

import pandas as pd
import pytest
import torch

import theory_sim as ts
from theory_sim.pretraining import cells as cells_module
from theory_sim.pretraining import study
from theory_sim.pretraining.config import load_study
from theory_sim.pretraining.datasets import load_data
from theory_sim.pretraining.loading.images import View
from theory_sim.runtime.errors import InputError


def run(settings, out, *more):
    return study.run_study(load_study(None, [*settings, *more]), out)


def test_predictions_are_those_of_the_loaded_networks(settings, tmp_path):
    outcome = run(settings, tmp_path / "out")
    table = pd.read_parquet(outcome.folder / "predictions.parquet")
    data = load_data(outcome.study.data, tmp_path / "keep")
    for labels, mode, name in (("leaf", "finetune", "finetune"), ("baseline", "baseline", "baseline")):
        steps = 2 if labels == "leaf" else 8
        model = ts.load_classifier(outcome.folder, labels=labels, seed=1, mode=mode, steps=steps)
        assert model.classes == ("birds", "fish")
        assert not model.training
        rows = table[(table.label_function == labels) & (table["mode"] == name) & (table.seed == 1) & (table.split == "test")]
        rows = rows[(rows.transfer_steps == steps) | (rows.pretraining_steps == steps)]
        assert rows.file.tolist() == [data.images.path(int(index)) for index in data.test]
        assert rows.true.tolist() == [model.classes[place] for place in data.coarse[data.test]]
        with torch.no_grad():
            probability = model(data.images.batch(data.test.tolist(), View(model.side))).softmax(1)
        highest, predicted = probability.max(1)
        assert rows.predicted.tolist() == [model.classes[place] for place in predicted]
        torch.testing.assert_close(torch.tensor(rows.confidence.to_numpy()), highest)
        true = probability.gather(1, data.coarse[data.test][:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(rows.true_confidence.to_numpy()), true)
    modes = {"finetune", "sum_logits", "sum_probabilities", "argmax_parent"}
    networks = table.groupby(["label_function", "mode", "transfer_steps", "pretraining_steps", "seed"], observed=True).ngroups
    assert networks == 2 * 2 * len(modes) + 2 * 2
    assert set(table["mode"]) == modes | {"baseline"}
    assert len(table) == networks * (len(data.test) + len(data.validation))
    whole = outcome.results[outcome.results.samples == "all"].set_index(["label_function", "transfer"])
    own = table[(table.split == "test") & (table.label_function == "leaf") & (table["mode"] == "finetune")]
    assert (own.true != own.predicted).mean() == pytest.approx(whole.loc[("leaf", "finetune"), "error"])


def test_a_network_as_it_was_pretrained(settings, tmp_path):
    outcome = run(settings, tmp_path / "out", "seeds=1")
    model = ts.load_classifier(outcome.folder, labels="leaf", mode="none")
    assert model.classes == ("0", "1", "2", "3")
    assert ts.load_classifier(outcome.folder, labels="leaf").classes == ("birds", "fish"), "the one transferred network"
    assert len(ts.load_classifier(outcome.folder, steps=8).classes) == 2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"labels": "cluster(3)"}, r"has no networks of labels=cluster\(3\), seed=0; there are labels=baseline, seed=0"),
        ({}, "has 2 networks of labels=baseline, seed=0, mode=baseline; there are .* steps=6; .* steps=8"),
        ({"labels": "leaf", "seed": 7}, "has no networks of labels=leaf, seed=7"),
    ],
)
def test_networks_that_are_not_there_or_several(keys, message, settings, tmp_path):
    folder = run(settings, tmp_path / "out", "seeds=1").folder
    with pytest.raises(InputError, match=message):
        ts.load_classifier(folder, **keys)
    with pytest.raises(InputError, match="is not the results folder of an image study"):
        ts.load_classifier(folder.parent, **keys)


def test_weights_are_kept_where_they_are_wanted(settings, tmp_path, monkeypatch):
    """By default those of the small network; wanted afterwards, they are computed again to the same answers."""
    assert load_study(None, ["model.name=convnet"]).keeps_weights
    assert not load_study(None, ["model.name=resnet18"]).keeps_weights
    quick = [*settings, "seeds=1", "transfer.modes=[finetune]", "labels.functions=[leaf]"]
    outcome = run(quick, tmp_path / "out", "keep=none")
    kept = sorted(
        json.loads((path.parent / "cell.json").read_text())["what"]
        for path in (tmp_path / "out/tiny/cells").glob("*/weights.safetensors")
    )
    assert kept == ["leaf, seed 0"], "a transfer starts from it"
    with pytest.raises(InputError, match="the weights were not kept"):
        ts.load_classifier(outcome.folder)
    trained = []
    honest = cells_module.train
    monkeypatch.setattr(cells_module, "train", lambda *a: trained.append(a[6]) or honest(*a))
    again = run(quick, tmp_path / "out", "keep=weights")
    assert trained == ["baseline of 8 steps, seed 0", "leaf, seed 0, finetune"]
    pd.testing.assert_frame_equal(again.results, outcome.results)
    assert again.folder == outcome.folder
    assert ts.load_classifier(outcome.folder).classes == ("birds", "fish")
