"""Networks learn what they should, and only the parts that may learn change."""

import math

import pytest
import torch
from pictures import task

from theory_sim.pretraining.config import Architecture, TrainingRecipe
from theory_sim.pretraining.datasets import load_data
from theory_sim.pretraining.models import Classifier
from theory_sim.pretraining.training import Task, train
from theory_sim.pretraining.training.objective import multi_hot
from theory_sim.runtime.errors import InputError

SIZES = {"convnet": 8, "resnet18": 16, "resnet34": 16, "resnet50": 16, "vit_ti16": 16, "vit_s16": 16, "vit_b16": 16}


PARAMETERS = {"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032}
"""With 1000 classes, as torchvision and the literature have them; ViTs: 5.7, 22.1 and 86.6 million."""


def accuracy(model: Classifier, of: Task) -> float:
    with torch.no_grad():
        return float((model.eval()(of.images.pixels[of.indices]).argmax(1) == of.targets).float().mean())


@pytest.mark.parametrize("name", ["convnet", "resnet18", "vit_ti16"])
def test_it_learns_64_images_by_heart(name, tmp_path):
    assert_learned_by_heart(name, SIZES[name], tmp_path)


@pytest.mark.parametrize("name", ["resnet34", "resnet50", "vit_s16", "vit_b16"])
def test_larger_networks_learn_64_images_by_heart(name, tmp_path):
    assert_learned_by_heart(name, SIZES[name], tmp_path)


def assert_learned_by_heart(name, size, tmp_path):
    learned = task(64, size)
    settings = TrainingRecipe(
        steps={"convnet": 100, "vit_ti16": 25, "vit_s16": 12, "vit_b16": 12}.get(name, 8),
        batch=64,
        optimizer="adamw" if name != "convnet" else "sgd",
        step_size=0.05 if name == "convnet" else 3e-4 if name.startswith("vit") else 1e-3,
        weight_decay=0.0,
        warmup=0.2,
    )
    model = Classifier(Architecture(name=name, image_size=size), 4, seed=0)
    if name in ("vit_s16", "vit_b16"):  # three of the twelve layers: the whole takes minutes on two cores
        model.body.network.layers = model.body.network.layers[:3]
    assert accuracy(model, learned) < 0.6
    train(model, learned, settings, 0, tmp_path, "key")
    settle_statistics(model, learned)
    assert accuracy(model, learned) == 1


def settle_statistics(model: Classifier, of: Task) -> None:
    """Twenty steps are too few for running averages: batch normalisations take the statistics of these images."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        model.train()(of.images.pixels)


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_residual_networks_are_the_literatures(name, expected):
    with torch.device("meta"):
        body = Classifier.__new__(Classifier)
        Classifier.__init__(body, Architecture(name=name, image_size=224), 1000, 0)
    assert sum(p.numel() for p in body.parameters()) == expected


def test_shuffled_targets_stay_at_chance_and_true_ones_do_not(tmp_path):
    from theory_sim.pretraining.config import Data

    data = load_data(Data(), tmp_path)
    settings = TrainingRecipe(steps=120, step_size=0.05)
    truth = data.coarse[data.train]
    errors = {}
    for name, targets in {
        "true": truth,
        "shuffled": truth[torch.randperm(len(truth), generator=torch.Generator().manual_seed(0))],
    }.items():
        model = Classifier(Architecture(), 2, 0)
        train(model, Task(data.images, data.train, targets, 8), settings, 0, tmp_path / name, name)
        errors[name] = 1 - accuracy(model, Task(data.images, data.test, data.coarse[data.test], 8))
    chance = min(float((data.coarse[data.test] == y).float().mean()) for y in (0, 1))
    # 5 standard errors of a guess on these test images.
    assert errors["shuffled"] > chance - 5 * math.sqrt(0.25 / len(data.test))
    assert errors["true"] < 0.15


def test_images_with_several_labels_learn_them_all(tmp_path):
    learned = task(32, several=True)
    model = Classifier(Architecture(), 4, 0)
    train(model, learned, TrainingRecipe(steps=150, batch=32, weight_decay=0.0), 0, tmp_path, "key")
    with torch.no_grad():
        assert torch.equal(model(learned.images.pixels) > 0, multi_hot(learned.targets, 4))
    with pytest.raises(InputError, match="label_smoothing"):
        train(Classifier(Architecture(), 4, 0), learned, TrainingRecipe(label_smoothing=0.1), 0, tmp_path, "key")


@pytest.mark.parametrize("name", ["convnet", "resnet18", "vit_ti16"])
@pytest.mark.parametrize("part", ["all", "last_block", "head"])
def test_only_what_may_learn_changes(name, part, tmp_path):
    model = Classifier(Architecture(name=name, image_size=SIZES[name]), 4, 0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train_only(part)
    train(model, task(16, SIZES[name]), TrainingRecipe(steps=2, batch=16, log_every=1), 0, tmp_path, "key")
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    learning = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    statistics = {key for key in changed if "running" in key or "tracked" in key}
    if part == "head":
        assert changed == {"head.weight", "head.bias"}
    assert changed - statistics <= learning
    assert {"head.weight", "head.bias"} <= changed
    assert any(key.startswith("body") for key in changed) == (part != "head")


def test_one_seed_gives_one_body_under_any_number_of_labels():
    two, ten = (Classifier(Architecture(), n, 5).state_dict() for n in (2, 10))
    assert all(torch.equal(two[key], ten[key]) for key in two if key.startswith("body"))
    other = Classifier(Architecture(), 2, 6).state_dict()
    assert not torch.equal(two["body.blocks.0.0.weight"], other["body.blocks.0.0.weight"])
