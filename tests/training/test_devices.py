"""Whole runs on every device that there is, and on one that only says that it is one (`pretended`)."""

import pytest
import torch
from pretended import PRETENDED, pretended_device

import theory_sim as ts
from theory_sim.runs.cells import run_cells
from theory_sim.runs.folder import results_folder

OPTIONS = [
    ["data.basis=rotated", "transfer.readouts=[linear_probe, finetuning, argmax_parent]"],
    ["data.training_samples=64", "labels.fine=cluster(6)", "data.label_noise=0.2"],
    ["data.training_samples=32", "labels.fine=sample-id", "network.train_output=true"],
    ["data.patch_law=independent", "training.dtype=float64", "data.hard_share=0.2"],
    ["data.feature_noise_patches=1", "target.feature_noise=[0.4, 0.8]", "labels.fine=misaligned(3)"],
    [
        "training.engine=gradient",
        "engine={activation: z^3, pooling: mean, biases: trained, phases: [{samples: balanced, steps: 3, momentum: 0.9}, {}]}",
        "data.training_samples=64",
        "data.hard_share=0.3",
        "training.batch=full",
        "training.step_size={coarse: 0.5, fine: 0.5}",
        "transfer.readouts=[sum_logits, finetuning]",
        "test.noisy_labels=true",
    ],
    ["training.engine=gradient", "engine={biases: frozen, init: uniform}", "network.train_output=true"],
    [
        "training.engine=gradient",
        "engine={activation: z^2, init: uniform, init_scale: 0.5, phases: [{steps: 9, step_size: 0.01}, {momentum: 0.5}]}",
        "data.basis=rotated",
    ],
    [
        "training.engine=lucky",
        "data.dim=256",
        "data.noise=0.02",
        "network.threshold=theory",
        "network.neurons=theory",
        "training.steps=5",
        "training.step_size.fine=0.1",
    ],
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options[0])
def test_a_run(options, config_file, tmp_path, monkeypatch, device):
    monkeypatch.setattr("theory_sim.runs.run.choose_device", torch.device)
    config = ts.load_config(config_file, options)
    results = ts.run(config, tmp_path, device)
    assert results.environment["device"] == device
    assert all(0 <= error <= 1 for error in results.fine.test_error.values.flat)
    assert len(ts.evaluate_claims(results)) == 9
    assert all(check.passed for check in ts.check_data(config, 200, device=device))


@pytest.mark.parametrize(
    ("theory", "changes"),
    [
        ("benign-overfitting", {"data.basis": "rotated"}),
        ("benign-overfitting", {"law.orthogonal": True, "law.reversed_test": True}),
        ("spurious-features", {"law.agreement": 0.8, "data.training_samples": 100}),
    ],
    ids=str,
)
def test_a_run_of_another_theory(theory, changes, tmp_path, monkeypatch, device):
    monkeypatch.setattr("theory_sim.runs.run.choose_device", torch.device)
    sizes = {"replicas": 2, "training.steps": 4, "test.samples": 40, "test.curve_samples": 4, "record.points": 2}
    config = ts.load_config(theory=theory).replace(sizes | changes)
    results = ts.run(config, tmp_path, device)
    assert results.environment["device"] == device
    assert all(0 <= error <= 1 for error in results.records["network"].test_error.values.flat)
    assert len(ts.evaluate_claims(results)) >= 2
    assert all(check.passed for check in ts.check_data(config, device=device))


@pytest.mark.parametrize(
    "options",
    [
        ["data.training_samples=64", "data.label_noise=0.2", "data.basis=rotated"],
        ["network.train_output=true", "target.feature_noise=[0.4, 0.8]", "data.patch_law=independent"],
    ],
    ids=lambda options: options[0],
)
def test_cells_side_by_side(options, config_file, tmp_path, monkeypatch, device):
    cells = [ts.load_config(config_file, options).replace({"hard.noise": noise}) for noise in (0.0, 4.0)]
    block = run_cells({results_folder(cell).name: cell for cell in cells}, tmp_path, torch.device(device))
    assert not block.failed
    monkeypatch.setattr("theory_sim.runs.run.choose_device", torch.device)
    for cell in cells:
        alone, ours = ts.run(cell, tmp_path / "alone", device), block.results(results_folder(cell).name)
        assert ours.environment["device"] == device
        for name, record in alone.records.items():
            assert (ours.records[name].test_error == record.test_error).all()


def test_networks_are_tested_on_another_device(config_file, tmp_path, monkeypatch, device):
    """Where a run was made and where it is tested need not be the same: random streams differ in kind, networks do not."""
    for module in ("run", "evaluate"):
        monkeypatch.setattr(f"theory_sim.runs.{module}.choose_device", torch.device)
    config = ts.load_config(config_file)
    for made, tested in ((device, "cpu"), ("cpu", device)):
        results = ts.run(config, tmp_path / made / tested, made)
        found = ts.evaluate_on(results, config.replace({"hard.noise": 0.0}), tested)
        assert (found.test_error.sel(model="fine", kind="easy") < 0.2).all()


def test_a_pretended_device_refuses_what_a_gpu_does(monkeypatch):
    with pretended_device(monkeypatch):
        there, here = torch.ones(3, device=PRETENDED), torch.ones(3)
        mixed = (lambda: there + here, lambda: there.add_(here), lambda: torch.stack([there, here]), lambda: here[there.long()])
        for call in mixed:
            with pytest.raises(RuntimeError, match="all tensors on one device"):
                call()
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        assert there.cpu().numpy().sum() == 3
        assert there[torch.tensor([0, 2])].device == PRETENDED
        assert (there * torch.tensor(2.0)).tolist() == [2, 2, 2]
        moved = there.cpu()
        moved += 1
        assert there.tolist() == [1, 1, 1]
