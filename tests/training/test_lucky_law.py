"""The lucky engine's results have the dense engine's law: two-sample tests over 200 replicas; a wrong draw is found out."""

import numpy as np
import pytest
import torch
from scipy import stats

from theory_sim.config import load_config
from theory_sim.stats import holm
from theory_sim.training.engines.lucky import candidates
from theory_sim.training.readouts import QUICK_READOUTS, correctness, quick_readouts
from theory_sim.training.trainer import Training

MODELS = ("coarse", "fine")

REPLICAS, RUNS = 200, 5
SMALL = [
    "tree.subclasses=2",
    "data.dim=16",
    "data.patches=6",
    "data.feature_patches=2",
    "data.noise=0.06",
    "hard.noise=0",
    "hard.feature_noise=[0.5, 0.9]",
    "network.neurons=1200",
    "network.threshold=3.1",
    "network.init_std=0.05",
    "training.batch=8",
    "training.steps=4",
    "training.step_size.coarse=0.2",
    "training.step_size.fine=0.25",
]


def measured(engine, cut, seed, replicas):
    """One number per replica and statistic."""
    training = Training(load_config(overrides=[*SMALL, f"training.engine={engine}"], replicas=replicas, seed=seed))
    config, out = training.config, {}
    tree = config.label_tree
    start = {name: model.engine.correlation(training.dictionary) for name, model in training.models.items()}
    start = {name: c.clone() / config.network.init_std for name, c in start.items()}
    reports = [training.step() for _ in range(config.training.steps)]
    tests = {
        kind: training.sampler.sample(training.streams(f"test {kind}"), 40, float(kind == "hard")) for kind in ("easy", "hard")
    }
    final = training.next_losses()
    for name, model in training.models.items():
        correlation, bias = model.engine.correlation(training.dictionary), model.engine.bias
        response = (correlation + bias[..., None]).relu().sum(2)
        own, rare = model.labels.leaf_label, torch.tensor(tree.leaves)
        values = {
            "candidates": (start[name] > cut).sum((1, 2, 3)),
            "candidates of one pair": (start[name][:, 0, :, 0] > cut).sum(1),
            "candidates for any": (start[name] > cut).any(-1).sum((1, 2)),
            "lucky": (start[name] > config.threshold).sum((1, 2, 3)),
            "furthest at first": start[name].amax((1, 2, 3)),
            "correlation, largest": correlation.amax((1, 2, 3)),
            "correlation, own rare": correlation.amax(2)[:, own, rare].mean(1),
            "norm of the largest": model.engine.norm().amax((1, 2)),
            "bias, lowest": bias.amin((1, 2)),
            "response, common": response[:, own, tree.coarse_of_leaf].mean(1),
            "response, own rare": response[:, own, rare].mean(1),
            "response, all": response.mean((1, 2)),
            "loss, step 2": reports[1][name].loss,
            "loss, end": final[name].mean(1),
            "largest update": torch.stack([report[name].update for report in reports]).amax(0),
        }
        for kind, batch in tests.items():
            answer = quick_readouts(training, model)[QUICK_READOUTS[0]](batch, model.engine.heads(batch))
            values[f"{kind} error"] = 1 - correctness(answer, batch.coarse).mean(1)
        out |= {(name, key): value.double().numpy() for key, value in values.items()}
    return out


def lucky(seed, runs=RUNS):
    """Replicas of the lucky engine, 200 without `runs`; the certificate of one run allows for 50."""
    runs = [measured("lucky", CUT, seed + run, REPLICAS // RUNS) for run in range(runs)]
    return {key: np.concatenate([run[key] for run in runs]) for key in runs[0]}


def p_values(a, b):
    """Kolmogorov–Smirnov and Mann–Whitney for every statistic, corrected together."""
    tests = {}
    for key, values in a.items():
        tests[*key, "shape"] = stats.ks_2samp(values, b[key], method="asymp").pvalue
        tests[*key, "place"] = stats.mannwhitneyu(values, b[key], method="asymptotic").pvalue
    return dict(zip(tests, holm(list(tests.values())), strict=True))


CUT = 2.8
"""Above every model's own cut, so that both engines hold all neurons beyond it."""


@pytest.fixture(scope="module")
def dense():
    with torch.no_grad():
        return measured("dense", CUT, 1000, REPLICAS)


@torch.no_grad()
def test_no_statistic_tells_the_engines_apart(dense):
    sample = lucky(1)
    for name in MODELS:
        assert Training(load_config(overrides=[*SMALL, "training.engine=lucky"], replicas=1)).models[name].engine.design.cut < CUT
    # What is compared varies, and training did something.
    assert not [key for key, values in sample.items() if np.ptp(values) == 0]
    assert sample["fine", "loss, end"].mean() < sample["fine", "loss, step 2"].mean() - 0.1
    rejected = {key: p for key, p in p_values(dense, sample).items() if p < 0.01}
    assert not rejected


@torch.no_grad()
@pytest.mark.parametrize("error", ["too far", "too many"])
def test_an_error_in_the_conditioned_draw_is_found(dense, error, monkeypatch):
    counts = candidates.counts
    if error == "too far":  # the half normal above the cut instead of the normal given that it lies above
        monkeypatch.setattr(candidates, "tail", lambda rng, cut, size: cut + np.abs(rng.standard_normal(size)))
    else:  # the odds of either side
        monkeypatch.setattr(candidates, "counts", lambda rng, h, m, f, cut: 2 * counts(rng, h, m, f, cut))
    assert min(p_values(dense, lucky(1, runs=2)).values()) < 1e-3
