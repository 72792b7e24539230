"""Cells side by side: every number is that of the cell trained alone, bit for bit."""

import json
from dataclasses import asdict
from typing import Any

import pytest
import torch
import xarray as xr

from theory_sim.config import Config, load_config
from theory_sim.data.latents import Latents
from theory_sim.runtime.errors import DivergedError
from theory_sim.training.cells import CellsTraining, Distinct
from theory_sim.training.engines import small
from theory_sim.training.engines.firing import JoinedFiring, ListedFiring, firing
from theory_sim.training.recording import Recorder
from theory_sim.training.shapes import shape_of
from theory_sim.training.trainer import Training

STEPS = 8
NUMBERS: list[dict[str, Any]] = [
    {},
    {"seed": 7},
    {"seeds.init": 3},
    {"data.noise": 0.3},
    {"data.noise": 0.0},
    {"data.strength_spread": 0.9},
    {"data.hard_share": 0.3},
    {"data.label_noise": 0.2},
    {"data.feature_noise_patches": 2},
    {"data.patch_law": "independent"},
    {"tree.tail": 1.0},
    {"hard.noise": 0.0},
    {"hard.noise": 9.0},
    {"hard.feature_noise": [0.1, 0.2]},
    {"hard.common": "weak"},
    {"network.init_std": 0.1},
    {"network.threshold": 0.0},  # more than the listed share fires, also beside cells where few fire
    {"network.threshold": 4.0},
    {"training.step_size.fine": 0.3},
    {"training.step_size.coarse": 0.3},
    {"training.bias_decay": 0.3},
]
"""A mixed grid: each number alone."""
ALL: dict[str, dict[str, Any]] = {
    "fresh samples": {},
    "a finite training set": {"data.training_samples": 40},
    "rotated, double": {"data.basis": "rotated", "training.dtype": "float64"},
    "a trained output": {"network.train_output": True},
    "a shifted target": {"target.noise": 0.7},
    "one replica": {"replicas": 1},
    "three replicas": {"replicas": 3},
    "fitted readouts": {
        "transfer.readouts": ["linear_probe", "finetuning", "argmax_parent"],
        "transfer.samples": 60,
        "transfer.steps": 3,
    },
    "noise margins": {"record.noise": True},
}
"""What all cells of a grid have in common."""


def tiny(values: dict[str, Any]) -> Config:
    config = load_config(overrides=["training.steps=8", "test.samples=30"]).replace({"name": "tiny"})
    small: dict[str, Any] = {
        "replicas": 2,
        "tree.subclasses": 3,
        "data.dim": 32,
        "data.patches": 12,
        "data.feature_patches": 3,
        "network.neurons": 5,
        "training.batch": 16,
        "training.steps": STEPS,
        "transfer.readouts": ["sum_logits"],
        "test.curve_samples": 10,
        "record.points": 3,
    }
    return config.replace(small | values)


def trained(training: Training) -> tuple[dict[str, xr.Dataset], Training]:
    with torch.no_grad():
        recorder = Recorder(training)
        recorder.record_step()
        while training.steps_done < training.config.training.steps:
            recorder.losses(training.step())
            recorder.record_step()
        return recorder.finish(), training


def assert_same(together: xr.Dataset, alone: xr.Dataset, rows: slice) -> None:
    for name in alone.data_vars:
        ours, own = together[name].values[rows], alone[name].values
        assert ours.dtype == own.dtype, name
        assert (ours == own).all(), name


@pytest.mark.parametrize("common", ALL)
def test_every_number_is_that_of_the_cell_alone(common: str) -> None:
    assert_cells_are_those_alone(dict(ALL[common]), common)


@pytest.mark.parametrize("common", ["fresh samples", "a finite training set", "a trained output"])
def test_so_it_is_with_the_step_of_larger_networks(common: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "MOST", 0)
    assert_cells_are_those_alone(dict(ALL[common]), common)


def assert_cells_are_those_alone(values: dict[str, Any], common: str) -> None:
    numbers = [own for own in NUMBERS if common != "noise margins" or "network.init_std" not in own]
    cells = [tiny(values | own) for own in numbers]
    if "data.training_samples" in values:
        cells.append(tiny(values | {"data.training_samples": 25}))
    assert len({shape_of(cell) for cell in cells}) == 1
    records, training = trained(CellsTraining(cells))
    assert isinstance(training, CellsTraining)
    for index, cell in enumerate(cells):
        for name, alone in trained(Training(cell))[0].items():
            assert_same(records[name], alone, training.rows(index))
            assert json.loads(alone.attrs["alignment"]) == asdict(training.alignments(name)[index])


def test_what_cells_have_in_common_is_computed_once() -> None:
    cells = [tiny({"hard.noise": noise}) for noise in (0.0, 4.0, 8.0)] + [tiny({"training.step_size.fine": 0.3})]
    training = CellsTraining(cells)
    assert len(training.next_batch().leaf) == 2  # one source of training samples, two replicas
    trained_networks = {name: len(model.engine.bias) for name, model in training._models.items()}
    assert trained_networks == {"coarse": 2, "fine": 4}
    assert {name: len(model.engine.bias) for name, model in training.models.items()} == {"coarse": 8, "fine": 8}


def test_a_state_goes_on_to_the_same_numbers() -> None:
    cells = [tiny({"hard.noise": 1.0}), tiny({"hard.noise": 2.0}), tiny({"seed": 4})]
    whole, _ = trained(CellsTraining(cells))
    first = CellsTraining(cells)
    recorder = Recorder(first)
    recorder.record_step()
    for _ in range(3):
        recorder.losses(first.step())
        recorder.record_step()
    stored = {key: value.clone() for key, value in (first.state() | recorder.state()).items()}
    second = CellsTraining(cells)
    later = Recorder(second)
    second.restore(stored)
    later.restore(stored)
    with torch.no_grad():
        while second.steps_done < STEPS:
            later.losses(second.step())
            later.record_step()
        for name, data in later.finish().items():
            assert_same(data, whole[name], slice(None))


def test_a_cell_that_diverges_fails_alone_with_the_reason_that_it_has_alone() -> None:
    wild = {"training.step_size.fine": 1e30}
    cells = [tiny({}), tiny(wild), tiny({"hard.noise": 0.0} | wild), tiny({"data.noise": 0.3})]
    records, training = trained(CellsTraining(cells))
    assert isinstance(training, CellsTraining)
    with pytest.raises(DivergedError) as alone:
        trained(Training(cells[1]))
    assert training.failed == {1: str(alone.value), 2: str(alone.value)}
    for index in (0, 3):
        for name, own in trained(Training(cells[index]))[0].items():
            assert_same(records[name], own, training.rows(index))


@pytest.mark.parametrize(
    "values",
    [
        {"data.dim": 64},
        {"replicas": 3},
        {"tree.subclasses": 2},
        {"labels.fine": "split(1, 3)"},
        {"training.batch": 8},
        {"training.steps": 9},
        {"network.train_output": True},
        {"data.training_samples": 30},
        {"transfer.readouts": ["argmax_parent"]},
        {"target.noise": 1.0},
        {"test.samples": 31},
    ],
)
def test_other_shapes(values: dict[str, Any]) -> None:
    assert shape_of(tiny(values)) not in (None, shape_of(tiny({})))


@pytest.mark.parametrize("values", [{"training.engine": "lucky"}, {"labels.fine": "cluster(6)", "data.training_samples": 40}])
def test_cells_that_are_trained_alone(values: dict[str, Any]) -> None:
    assert shape_of(tiny(values)) is None


def test_equal_keys_are_alike_and_equal_texts_are_not_enough() -> None:
    class Hidden:
        def __init__(self, value: int) -> None:
            self.value = value

        def __repr__(self) -> str:
            return "Hidden()"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Hidden) and self.value == other.value

        __hash__ = None  # type: ignore[assignment]

    found = Distinct.by([(Hidden(1),), (Hidden(2),), (Hidden(1),)])
    assert (found.first, found.of, found.all_differ) == ([0, 1], [0, 1, 0], False)


def test_each_cell_takes_the_form_that_it_takes_alone() -> None:
    few = torch.full((1, 4, 3, 10), -1.0)
    few[..., 0] = 1
    assert isinstance(firing(torch.cat([few, few]), 2), ListedFiring)
    mixed = firing(torch.cat([few, few.abs()]), 2)
    assert isinstance(mixed, JoinedFiring)
    assert [type(cell).__name__ for cell in mixed.cells] == ["ListedFiring", "DenseFiring"]


def test_cells_that_differ_in_the_noise_alone_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    base = load_config(overrides=["replicas=2", "training.batch=8", "test.samples=10", "test.curve_samples=4"])
    training = CellsTraining([base.replace({"data.noise": noise}) for noise in (0.1, 0.2, 0.3)])
    replicas: list[int] = []
    of = Latents.of

    def counted(self: Latents, uniform: torch.Tensor, shares: Any) -> Any:
        replicas.append(len(uniform))
        return of(self, uniform, shares)

    monkeypatch.setattr(Latents, "of", counted)
    batch = training.next_batch()
    assert replicas == [6]
    spread = [float(x[content < 0].std()) for x, content in zip(batch.x, batch.content, strict=True)]
    ratios = torch.tensor(spread[::2]) / spread[0]
    torch.testing.assert_close(ratios, torch.tensor([1.0, 2.0, 3.0]), rtol=0.03, atol=0)
