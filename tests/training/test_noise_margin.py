"""How near noise comes to firing a neuron, recorded where a configuration asks for it."""

from typing import Any

import numpy as np
import pytest
import torch

import theory_sim as ts
from theory_sim.data.latents import NOISE
from theory_sim.training import noise
from theory_sim.training.noise import largest_on, noise_margin

CONFIG = ts.Config().replace(
    {
        "replicas": 2,
        "tree.subclasses": 2,
        "data.dim": 16,
        "data.patches": 20,
        "network.neurons": 3,
        "training.batch": 8,
        "training.steps": 9,
        "training.checkpoint_every": 4,
        "test.samples": 20,
        "test.curve_samples": 5,
        "record.points": 4,
        "record.noise": True,
    }
)


def by_loops(training: ts.Training, name: str, r: int) -> float:
    """Every neuron and every noise patch, one after the other."""
    batch = training.sampler.sample(training.streams("noise"), training.config.training.batch, 0.0)
    p, largest = training.models[name].engine.parameters, -np.inf
    for head in range(p.bias.shape[1]):
        for neuron in range(p.bias.shape[2]):
            for x, content in zip(batch.x[r].flatten(0, 1), batch.content[r].flatten(), strict=True):
                if int(content) == NOISE:
                    pre = float(p.weight[r, head, neuron].double() @ x.double()) + float(p.bias[r, head, neuron])
                    largest = max(largest, pre)
    return largest / training.config.network.init_std


@pytest.mark.parametrize("most", [1, 100, 2**22])
def test_the_largest_of_all_neurons_and_noise_patches(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "_MOST", most)
    training = ts.Training(CONFIG)
    for _ in range(3):
        training.step()
    for name, seen in noise_margin(training).items():
        assert seen.tolist() == pytest.approx([by_loops(training, name, r) for r in range(2)], abs=1e-4)


def test_a_record_holds_it_at_every_step_and_nothing_else_changes(tmp_path: Any) -> None:
    results = ts.run(CONFIG, tmp_path, "cpu")
    plain = ts.run(CONFIG.replace({"record.noise": False}), tmp_path, "cpu")
    training = ts.Training(CONFIG)
    for name, data in results.records.items():
        assert (data.noise_margin.dims, data.noise_margin.units) == (("replica", "step"), "1")
        np.testing.assert_array_equal(data.noise_margin[:, 0], noise_margin(training)[name])
        assert (np.diff(data.noise_margin.values) != 0).any()
        assert data.drop_vars("noise_margin").drop_attrs().identical(plain.records[name].drop_attrs())


def test_without_a_patch_of_noise_there_is_none() -> None:
    training = ts.Training(CONFIG)
    held = torch.tensor([[True, False], [False, False]])
    found = largest_on(training.models["fine"].engine.parameters, torch.zeros(2, 2, 16), held)
    assert found.tolist() == pytest.approx([-0.01 * 1.6, np.nan], nan_ok=True)


def test_the_engine_that_draws_no_noise_patch_refuses(tmp_path: Any) -> None:
    lucky = {"training.engine": "lucky", "network.threshold": 5.0, "data.noise": 0.05, "hard.noise": 0.1}
    ts.Config().replace(lucky)
    with pytest.raises(ts.InputError, match=r"^record.noise: training.engine 'lucky' bounds it"):
        ts.Config().replace(lucky | {"record.noise": True})
