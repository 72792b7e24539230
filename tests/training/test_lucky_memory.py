"""The theory-scale engine copies few weights at once, and multiplies dominant noise with the neurons alone that it could fire."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from theory_sim.config import load_config
from theory_sim.data.latents import DOMINANT_NOISE, NOISE
from theory_sim.data.sampler import Batch
from theory_sim.training import trainer
from theory_sim.training.engines.lucky import candidates, engine
from theory_sim.training.trainer import Training

SETTINGS = [
    "training.engine=lucky",
    "training.dtype=float64",
    "replicas=2",
    "tree.subclasses=3",
    "data.dim=24",
    "data.patches=12",
    "data.feature_patches=2",
    "data.noise=0.04",
    "hard.noise=0.2",
    "network.neurons=3000",
    "network.threshold=3.2",
    "network.init_std=0.03",
    "training.batch=20",
    "training.steps=12",
    "training.step_size.coarse=0.1",
    "training.step_size.fine=0.3",
    "test.samples=50",
    "test.curve_samples=20",
]


def trained(steps: int = 4) -> Training:
    training = Training(load_config(overrides=SETTINGS))
    with torch.no_grad():
        for _ in range(steps):
            training.step()
    return training


@pytest.mark.parametrize("copied", [1, 24 * 7])
def test_numbers_do_not_depend_on_how_much_is_copied_at_once(copied: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained()
    sizes: list[int] = []
    plain = engine.LuckyEngine._move

    def counted(self: engine.LuckyEngine, r: int, pairs: engine.Pairs, slope: Tensor, x: Tensor) -> Tensor:
        sizes.append(len(pairs.neuron))
        return plain(self, r, pairs, slope, x)

    monkeypatch.setattr(candidates, "COPIED", copied)
    monkeypatch.setattr(engine, "COPIED", copied)
    monkeypatch.setattr(engine.LuckyEngine, "_move", counted)
    parts = trained()
    assert len(sizes) > 4 * 2 * 2, "changes are made in more than one part"
    hard = next(iter(whole.test_batches("hard")))
    for name, model in whole.models.items():
        own, other = model.engine, parts.models[name].engine
        assert isinstance(own, engine.LuckyEngine)
        assert isinstance(other, engine.LuckyEngine)
        for field in ("weight", "bias"):
            for a, b in zip(own.drawn, other.drawn, strict=True):
                np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(own.heads(hard), other.heads(hard), rtol=1e-10, atol=1e-12)


def dominant_meetings(model: engine.LuckyEngine, batch: Batch, r: int) -> set[int]:
    """The neurons that meet patches of dominant noise, each once."""
    content = batch.content[r].flatten()
    met = [m for m in model._meetings(r, batch) if len(m.patches) and int(content[m.patches[0]]) == DOMINANT_NOISE]
    neurons = [int(n) for meeting in met for n in meeting.neurons]
    assert len(neurons) == len(set(neurons))
    return set(neurons)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("copied", [1, 2**25])
def test_dominant_noise_meets_what_it_could_fire(share: float, copied: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are charged: ½ exp(−t²/2) for each patch, with t = −b √d / (σ*√d ‖w‖)."""
    monkeypatch.setattr(candidates, "COPIED", copied)
    training = trained()
    model, batch = training.models["fine"].engine, next(iter(training.test_batches("hard")))
    assert isinstance(model, engine.LuckyEngine)
    c = model.drawn[0]
    t = [float(-b * math.sqrt(24) / (0.2 * w.norm())) for w, b in zip(c.weight, c.bias, strict=True)]
    model.design = replace(model.design, reach=sorted(t)[int(share * (len(t) - 1))] * (1 + 1e-9) if share else min(t) / 2)
    model.ledger.limit, before = math.inf, model.ledger.spent[0].copy()
    found = dominant_meetings(model, batch, 0)
    assert found == {n for n, each in enumerate(t) if each <= model.design.reach}
    assert (len(found) > 0) == (share > 0)
    patches = int((batch.content[0] == DOMINANT_NOISE).sum())
    charged = patches * sum(math.exp(-(each**2) / 2) / 2 for each in t if each > model.design.reach)
    quiet = [float(-c.bias[n] * math.sqrt(24) / (0.04 * c.weight[n].norm())) for n in c.moved.nonzero()[:, 0].tolist()]
    noise = batch.x.shape[1] * 12 - int((batch.content[0] != NOISE).sum())
    charged += noise * sum(math.exp(-(each**2) / 2) / 2 for each in quiet)
    assert model.ledger.spent[0, 2] - before[2] == pytest.approx(charged, rel=1e-6, abs=1e-300)


def test_a_training_is_made_without_a_copy_of_all_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of a protocol reads every property, and `parameters` fills a second array of all weights.

    Only engines of users are checked. (Under pytest the annotations are checked too, so that the property cannot be watched.)
    """
    monkeypatch.setattr(trainer, "expect_type", lambda what, *_: pytest.fail(f"{what} is checked"))
    trained(0)
