"""What a study leaves: predictions of every network for each image, and networks that can be loaded."""

import json

import pandas as pd
import pytest
import torch

import theory_sim as ts
from theory_sim.pretraining import cells as cells_module
from theory_sim.pretraining import study
from theory_sim.pretraining.config import Architecture, load_study
from theory_sim.pretraining.datasets import load_data
from theory_sim.pretraining.loading.images import View
from theory_sim.pretraining.models import bytes_of
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
    megabytes = {name: bytes_of(Architecture(name=name, image_size=32, width=16)) / 1e6 for name in ("convnet", "resnet18")}
    assert megabytes == pytest.approx({"convnet": 0.25, "resnet18": 44.7}, rel=0.05)
    quick = [*settings, "seeds=1", "transfer.modes=[finetune]", "labels.functions=[leaf]"]
    outcome = run(quick, tmp_path / "out", "keep=none")
    kept = sorted(
        json.loads((path.parent / "cell.json").read_text())["what"]
        for path in (tmp_path / "out/_images/cells").glob("*/weights.safetensors")
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


@pytest.mark.parametrize("average", [0, 0.9])
def test_a_longer_training_continues_a_shorter_one(average, settings, tmp_path, monkeypatch):
    """With a constant step size, to the numbers of a run of that length from the beginning."""
    own = [*settings, "seeds=1", "labels.functions=[leaf]", "transfer.modes=[finetune]", "pretraining.log_every=4"]
    own += ["pretraining.schedule=constant", "pretraining.warmup=0", f"pretraining.average={average}", "pretraining.crop=shift"]
    whole = run(own, tmp_path / "whole", "pretraining.steps=11")
    run(own, tmp_path / "out")
    steps = []

    def on_progress(progress):
        if steps[-1:] != [progress.done]:  # testing is no step
            steps.append(progress.done)

    again = study.run_study(load_study(None, [*own, "pretraining.steps=11"]), tmp_path / "out", on_progress)
    pd.testing.assert_frame_equal(again.results, whole.results)
    assert steps == [*range(9, 14), *range(13 + 7, 13 + 14)], "baseline from step 8, pretraining from step 6, and the transfer"
    logs = []
    for place in ("whole", "out"):
        cells = {}
        for path in (tmp_path / place / "_images/cells").glob("*/cell.json"):
            identity = json.loads(path.read_text())
            if identity.get("baseline", identity.get("training"))["steps"] in (13, 11):
                cells[identity["what"]] = path.parent
        logs.append([])
        for what in ("baseline of 13 steps, seed 0", "leaf, seed 0"):
            lines = [json.loads(line) for line in (cells[what] / "log.jsonl").read_text().splitlines()]
            logs[-1] += [(line["step"], line["loss"]) for line in lines]
    assert logs[0] == logs[1]
    assert [step for step, _ in logs[0]] == [4, 8, 12, 13, 4, 8, 11]
    assert again.notes == ()


def test_a_longer_training_that_cannot_continue_says_why(settings, tmp_path):
    own = [*settings, "seeds=1", "labels.functions=[leaf]", "transfer.modes=[finetune]"]
    assert run(own, tmp_path / "out").notes == ()
    (note,) = run(own, tmp_path / "out", "pretraining.steps=9").notes
    assert note.startswith("leaf, seed 0: 9 steps begin anew after the 6 of an earlier run")
    assert "with pretraining.schedule=constant and pretraining.warmup=0" in note
    warm = [*own, "pretraining.schedule=constant", "pretraining.warmup=0.5"]
    run(warm, tmp_path / "out")
    assert len(run(warm, tmp_path / "out", "pretraining.steps=9").notes) == 1
    assert run(warm, tmp_path / "out", "pretraining.steps=9").notes == (), "it is not trained again"


def test_controls_are_loaded_too(settings, tmp_path):
    """Their weights were kept, and could not be loaded; the wider one is another network."""
    own = ["seeds=1", "controls=[width, augmentation]", "transfer.modes=[finetune]", "labels.functions=[leaf]"]
    outcome = run(settings, tmp_path / "out", *own)
    wide = ts.load_classifier(outcome.folder, labels="control: width")
    assert (wide.head.in_features, wide.classes) == (24, ("birds", "fish"))
    assert ts.load_classifier(outcome.folder, labels="control: augmentation").head.in_features == 16
    data = load_data(outcome.study.data, tmp_path / "keep")
    with torch.no_grad():
        predicted = wide(data.images.batch(data.test.tolist(), View(wide.side))).argmax(1)
    assert torch.equal(predicted, outcome.controls["width", 8][0]["test"].predicted)


def test_a_study_of_another_name_has_the_same_cells(settings, tmp_path, monkeypatch):
    """Label functions and cells belonged to the study's name: under a new one everything was trained again."""
    first = run(settings, tmp_path / "out", "seeds=1")
    monkeypatch.setattr(cells_module, "train", lambda *a: pytest.fail("trained again"))
    other = run(settings, tmp_path / "out", "seeds=1", "name=other")
    assert other.folder.parent.name == "other"
    pd.testing.assert_frame_equal(other.results, first.results)
    assert ts.load_classifier(other.folder, labels="leaf").classes == ("birds", "fish")
