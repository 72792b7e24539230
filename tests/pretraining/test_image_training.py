"""Networks learn, resume to the same numbers, and see the same images in one process or many."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from theory_sim.pretraining.config import Model, Training
from theory_sim.pretraining.hierarchies import multi_hot
from theory_sim.pretraining.images import ArrayImages
from theory_sim.pretraining.loading import Batch, Order, Share, batches
from theory_sim.pretraining.models import Classifier
from theory_sim.pretraining.training import Task, loss_of, step_size, swap_neighbours, train
from theory_sim.runtime.errors import DivergedError, InputError
from theory_sim.runtime.progress import Progress

SIZES = {"convnet": 8, "resnet18": 16, "resnet34": 16, "resnet50": 16, "vit_ti16": 16, "vit_s16": 16, "vit_b16": 16}
PARAMETERS = {"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032}
"""With 1000 classes, as torchvision and the literature have them; ViTs: 5.7, 22.1 and 86.6 million."""


def pictures(n: int, size: int, seed: int = 0) -> ArrayImages:
    return ArrayImages(
        torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    )


def task(n: int = 64, size: int = 8, classes: int = 4, several: bool = False) -> Task:
    targets = torch.arange(n) % classes
    if several:
        targets = torch.stack([targets, (targets + 1) % classes, torch.full((n,), -1)], 1)
    return Task(pictures(n, size), torch.arange(n), targets, size)


def accuracy(model: Classifier, of: Task) -> float:
    with torch.no_grad():
        return float((model.eval()(of.images.pixels[of.indices]).argmax(1) == of.targets).float().mean())


@pytest.mark.parametrize(("name", "size"), SIZES.items(), ids=SIZES)
def test_each_network_learns_64_images_by_heart(name, size, tmp_path):
    learned = task(64, size)
    settings = Training(
        steps={"convnet": 100, "vit_ti16": 25, "vit_s16": 12, "vit_b16": 12}.get(name, 8),
        batch=64,
        optimizer="adamw" if name != "convnet" else "sgd",
        step_size=0.05 if name == "convnet" else 3e-4 if name.startswith("vit") else 1e-3,
        weight_decay=0.0,
        warmup=0.2,
    )
    model = Classifier(Model(name=name, image_size=size), 4, seed=0)
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
        Classifier.__init__(body, Model(name=name, image_size=224), 1000, 0)
    assert sum(p.numel() for p in body.parameters()) == expected


def test_shuffled_targets_stay_at_chance_and_true_ones_do_not(tmp_path):
    from theory_sim.pretraining.config import Data
    from theory_sim.pretraining.datasets import load_data

    data = load_data(Data(), tmp_path)
    settings = Training(steps=120, step_size=0.05)
    truth = data.coarse[data.train]
    errors = {}
    for name, targets in {
        "true": truth,
        "shuffled": truth[torch.randperm(len(truth), generator=torch.Generator().manual_seed(0))],
    }.items():
        model = Classifier(Model(), 2, 0)
        train(model, Task(data.images, data.train, targets, 8), settings, 0, tmp_path / name, name)
        errors[name] = 1 - accuracy(model, Task(data.images, data.test, data.coarse[data.test], 8))
    chance = min(float((data.coarse[data.test] == y).float().mean()) for y in (0, 1))
    # 5 standard errors of a guess on these test images.
    assert errors["shuffled"] > chance - 5 * math.sqrt(0.25 / len(data.test))
    assert errors["true"] < 0.15


class Killed(Exception):  # noqa: N818 - no error
    pass


EVERYTHING = Training(
    steps=24,
    batch=16,
    accumulate=2,
    optimizer="adamw",
    step_size=1e-3,
    mixup=0.4,
    average=0.9,
    crop="shift",
    flip=True,
    label_smoothing=0.1,
    clip_norm=1.0,
    precision="bf16",
    log_every=5,
    checkpoint_every=7,
)
SETTINGS = {
    "everything": EVERYTHING,
    "sgd": Training(steps=24, batch=16, log_every=5, checkpoint_every=7),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("kill_at", [3, 7, 18])
def test_a_killed_run_goes_on_to_the_same_numbers(name, kill_at, tmp_path):
    def run(folder: Path, show=lambda progress: None) -> Classifier:
        return train(Classifier(Model(width=4), 4, 0), task(40), SETTINGS[name], 3, folder, "key", show=show)

    def kill(progress: Progress) -> None:
        if progress.done == kill_at:
            raise Killed

    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "killed", kill)
    with (tmp_path / "killed" / "log.jsonl").open("a") as log:
        log.write('{"step": 21, "loss"')
    first = []
    resumed = run(tmp_path / "killed", lambda progress: first.append(progress.done))
    assert first[0] == kill_at // 7 * 7 + 1
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    logs = [[json.loads(line) for line in (tmp_path / k / "log.jsonl").read_text().splitlines()] for k in ("whole", "killed")]
    for a, b in zip(*logs, strict=True):
        assert (a["step"], a["loss"], a["step_size"]) == (b["step"], b["loss"], b["step_size"])
    assert [line["step"] for line in logs[0]] == [5, 10, 15, 20, 24]


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    def kill(progress: Progress) -> None:
        if progress.done == 8:
            raise Killed

    settings = SETTINGS["sgd"]
    with pytest.raises(Killed):
        train(Classifier(Model(width=4), 4, 0), task(40), settings, 3, tmp_path, "key", show=kill)
    with pytest.raises(InputError, match="is the checkpoint of another configuration"):
        train(Classifier(Model(width=4), 4, 0), task(40), settings, 3, tmp_path, "other")
    content = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(content[:-8] + b"\0damage\0")
    with pytest.raises(InputError, match="damaged checkpoint"):
        train(Classifier(Model(width=4), 4, 0), task(40), settings, 3, tmp_path, "key")


def test_divergence_stops_with_the_step(tmp_path):
    with pytest.raises(DivergedError, match=r"training: the loss is nan at step \d+"):
        train(
            Classifier(Model(width=4), 4, 0),
            task(40),
            Training(steps=40, step_size=1e12, warmup=0, log_every=1),
            0,
            tmp_path,
            "k",
        )


def kept(read: Iterator[Batch]) -> list[Batch]:
    """Batches of workers are good until the next is asked for."""
    return [replace(batch, images=batch.images.clone()) for batch in read]


def test_workers_write_over_no_batch_that_is_in_use():
    """More batches than there is room for, taken slowly and fast."""
    settings = Training(steps=60, batch=6, crop="shift", flip=True)
    images = pictures(30, 8)
    expected = list(batches(images, torch.arange(30), settings, 8, 1, Share()))
    for pause in (0, 0.005):
        for place, batch in enumerate(batches(images, torch.arange(30), settings, 8, 1, Share(), workers=2)):
            time.sleep(pause)
            assert torch.equal(batch.images, expected[place].images)
            assert torch.equal(batch.places, expected[place].places)
        assert place == 59


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_and_parts_share_the_same_batches(workers):
    settings = Training(steps=5, batch=12, crop="shift", flip=True)
    images = pictures(30, 8)

    def read(of: int, accumulate: int, first_step: int = 0) -> list[torch.Tensor]:
        streams = [
            kept(batches(images, torch.arange(30), settings, 8, 1, Share(rank, of, accumulate), first_step, workers))
            for rank in range(of)
        ]
        rows = []
        for step in range(5 - first_step):
            for stream in streams:
                rows += stream[step * accumulate : (step + 1) * accumulate]
        return [torch.cat([getattr(row, field) for row in rows]) for field in ("images", "flip", "places")]

    whole = read(1, 1)
    for of, accumulate in ((2, 1), (2, 3), (1, 4)):
        assert all(map(torch.equal, whole, read(of, accumulate)))
    assert all(torch.equal(a[24:], b) for a, b in zip(whole, read(1, 1, first_step=2), strict=True))
    assert sorted(whole[2][:30].tolist()) == list(range(30))
    assert not torch.equal(whole[2][:30], whole[2][30:60])
    with pytest.raises(InputError, match="batch: 12 images cannot be shared by 5 processes of 1 parts each"):
        Share(0, 5, 1).parts(12)


@given(st.integers(1, 20), st.integers(0, 5), st.integers(0, 60), st.integers(1, 50))
def test_the_order_is_permutations_in_a_row(n, seed, start, count):
    whole = Order(n, seed)(0, start + count)
    assert torch.equal(Order(n, seed)(start, count), whole[start:])
    for epoch in range((start + count) // n):
        assert sorted(whole[epoch * n : (epoch + 1) * n].tolist()) == list(range(n))


def test_step_sizes_rise_and_fall_to_zero():
    settings = Training(steps=100, warmup=0.1, step_size=2.0)
    sizes = [step_size(settings, step) for step in range(100)]
    np.testing.assert_allclose(sizes[:10], 0.2 * np.arange(1, 11))
    np.testing.assert_allclose(sizes[10:], 1 + np.cos(np.pi * np.arange(90) / 90))


def test_losses_are_their_formulas():
    draw = torch.Generator().manual_seed(0)
    logits, share = torch.randn(6, 5, generator=draw), torch.rand(3, generator=draw).repeat_interleave(2)
    targets = torch.tensor([0, 1, 4, 2, 3, 3])
    assert torch.equal(swap_neighbours(targets), torch.tensor([1, 0, 2, 4, 3, 3]))
    soft = share[:, None] * functional.one_hot(targets, 5) + (1 - share[:, None]) * functional.one_hot(
        swap_neighbours(targets), 5
    )
    torch.testing.assert_close(loss_of(logits, targets, share), functional.cross_entropy(logits, soft))
    rows = torch.tensor([[0, 1], [2, -1], [3, 4], [0, -1], [1, 2], [4, -1]])
    hot = torch.zeros(6, 5)
    for place, row in enumerate(rows.tolist()):
        hot[place, [label for label in row if label >= 0]] = 1
    assert torch.equal(multi_hot(rows, 5).float(), hot)
    expected = -(hot * logits.sigmoid().log() + (1 - hot) * (-logits).sigmoid().log()).sum(1).mean()
    torch.testing.assert_close(loss_of(logits, rows), expected)


def test_images_with_several_labels_learn_them_all(tmp_path):
    learned = task(32, several=True)
    model = Classifier(Model(), 4, 0)
    train(model, learned, Training(steps=150, batch=32, weight_decay=0.0), 0, tmp_path, "key")
    with torch.no_grad():
        assert torch.equal(model(learned.images.pixels) > 0, multi_hot(learned.targets, 4))
    with pytest.raises(InputError, match="label_smoothing"):
        train(Classifier(Model(), 4, 0), learned, Training(label_smoothing=0.1), 0, tmp_path, "key")


@pytest.mark.parametrize("name", ["convnet", "resnet18", "vit_ti16"])
@pytest.mark.parametrize("part", ["all", "last_block", "head"])
def test_only_what_may_learn_changes(name, part, tmp_path):
    model = Classifier(Model(name=name, image_size=SIZES[name]), 4, 0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train_only(part)
    train(model, task(16, SIZES[name]), Training(steps=2, batch=16, log_every=1), 0, tmp_path, "key")
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    learning = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    statistics = {key for key in changed if "running" in key or "tracked" in key}
    if part == "head":
        assert changed == {"head.weight", "head.bias"}
    assert changed - statistics <= learning
    assert {"head.weight", "head.bias"} <= changed
    assert any(key.startswith("body") for key in changed) == (part != "head")


def test_one_seed_gives_one_body_under_any_number_of_labels():
    two, ten = (Classifier(Model(), n, 5).state_dict() for n in (2, 10))
    assert all(torch.equal(two[key], ten[key]) for key in two if key.startswith("body"))
    other = Classifier(Model(), 2, 6).state_dict()
    assert not torch.equal(two["body.blocks.0.0.weight"], other["body.blocks.0.0.weight"])
