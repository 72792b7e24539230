"""The fast generator and trainer against the slow, literal transcription in `reference`."""

import pytest
import reference
import torch

from theory_sim.config import load_config
from theory_sim.training.trainer import Training

MODELS = ("coarse", "fine")

SMALL = [
    "replicas=2",
    "tree.subclasses=3",
    "data.dim=12",
    "data.patches=10",
    "data.feature_patches=2",
    "data.noise=0.6",
    "network.neurons=5",
    "network.init_std=0.1",
    "network.threshold=0.5",
    "training.batch=6",
    "training.steps=20",
    "training.step_size.coarse=0.3",
    "training.step_size.fine=0.5",
    "training.dtype=float64",
]
VARIANTS = {
    "default": [],
    "rotated": ["data.basis=rotated"],
    "independent patches": ["data.patch_law=independent", "data.feature_noise_patches=1"],
    "weak, mixed with hard": ["hard.common=weak", "data.hard_share=0.5"],
    "three classes, noisy labels": [
        "tree.coarse=3",
        "tree.subclasses=[1,2,3]",
        "data.label_noise=0.3",
        "data.feature_noise_patches=2",
    ],
    "deeper tree": ["tree.subclasses=[[2,1],2]", "data.hard_share=0.3"],
    "trained outputs": ["network.train_output=true"],
    "many fire": ["network.threshold=0.0", "data.noise=2.0"],
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("hard_share", [0.0, 1.0])
def test_sampler(variant, hard_share):
    training = Training(load_config(overrides=SMALL + VARIANTS[variant]))
    sampler = training.sampler
    draws = sampler.draw(training.streams("check"), 8)
    normal = (draws.normal / sampler.drawn_std).tolist()
    batch = sampler.assemble(draws, hard_share)
    for r in range(2):
        vectors = training.dictionary.vectors[r].tolist()
        for b in range(8):
            u = {name: draws.uniform[r, b, columns].tolist() for name, columns in sampler.columns.items()}
            expected = reference.sample(training.config, vectors, u, normal[r][b], hard_share)
            torch.testing.assert_close(batch.x[r, b], torch.tensor(expected.x, dtype=torch.float64), rtol=1e-12, atol=1e-14)
            for name in ("coarse", "leaf", "labelled_leaf", "hard", "content"):
                assert getattr(batch, name)[r, b].tolist() == getattr(expected, name), name
            assert batch.strength[r, b].tolist() == pytest.approx(expected.strength, rel=1e-12)


@pytest.mark.usefixtures("step")
@pytest.mark.parametrize("variant", VARIANTS)
def test_twenty_steps_of_training(variant):
    """Weights, biases, outputs and losses within 1e-10 relative, for both models and every replica."""
    config = load_config(overrides=SMALL + VARIANTS[variant])
    fast, data = Training(config), Training(config)  # the second only draws the same batches again
    slow = {
        (name, r): reference.Network(
            *(getattr(fast.models[name].engine.parameters, key)[r].tolist() for key in ("weight", "bias", "output"))
        )
        for name in MODELS
        for r in range(config.replicas)
    }
    moved = {name: fast.models[name].engine.parameters.weight.clone() for name in MODELS}
    for _ in range(config.training.steps):
        reports, batch = fast.step(), data.next_batch()
        for (name, r), network in slow.items():
            labels = fast.models[name].labels.assign(batch)[r].tolist()
            step_size = config.training.step_size[name]
            loss = network.step(batch.x[r].tolist(), labels, step_size, config.bias_decay, config.network.train_output)
            assert float(reports[name].loss[r]) == pytest.approx(loss, rel=1e-10)
    for (name, r), network in slow.items():
        parameters = fast.models[name].engine.parameters
        for key in ("weight", "bias", "output"):
            expected = torch.tensor(getattr(network, key), dtype=torch.float64)
            error = (getattr(parameters, key)[r] - expected).norm() / expected.norm()
            assert error < 1e-10, (name, r, key)
        assert (parameters.weight[r] - moved[name][r]).norm() > 1e-3, "nothing was trained"
