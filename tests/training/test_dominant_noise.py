"""The law that replaces undrawn neurons on dominant noise: its moments and its sums against neurons that are all drawn."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.stats import norm

from theory_sim.config import load_config
from theory_sim.data.setup import law_of
from theory_sim.training.engines.lucky.certificate import feature_bound
from theory_sim.training.engines.lucky.design import Design, check_law
from theory_sim.training.engines.lucky.dominant import relu_moments

FEATURES, CUT, ORDERS = 8, 2.5, (1, 2, 3)


def moments_without_cut(k):
    """E (Z − k)₊^p of Z ~ N(0, 1): the moments of a neuron that may lie near features too."""
    density, above = norm.pdf(k), norm.sf(k)
    return np.array([density - k * above, (1 + k**2) * above - k * density, (k**2 + 2) * density - k * (k**2 + 3) * above])


def test_without_features_the_moments_are_those_of_a_rectified_normal_number():
    k = np.array([0.0, 0.5, 2.0, 4.0])
    np.testing.assert_allclose(relu_moments(k, np.zeros((4, 0)), CUT), moments_without_cut(k), rtol=1e-10)


@pytest.mark.parametrize("along", [0.95, -0.9, 0.3])
@pytest.mark.parametrize("k", [0.5, 2.0])
def test_with_one_feature_they_are_an_integral_over_its_cut_off_projection(along, k):
    rest = np.sqrt(1 - along**2)

    def given(g, p):
        return norm.pdf(g) / norm.cdf(CUT) * rest**p * moments_without_cut((k - along * g) / rest)[p - 1]

    exact = [integrate.quad(given, -12, CUT, args=(p,), epsabs=0, epsrel=1e-11, limit=200)[0] for p in ORDERS]
    np.testing.assert_allclose(relu_moments(np.array([k]), np.array([[along]]), CUT)[:, 0], exact, rtol=1e-8)


@pytest.mark.parametrize("dim", [16, 64, 256])
def test_moments_are_those_of_densely_drawn_neurons_that_lie_near_no_feature(dim):
    """Means over 300,000 neurons of all d coordinates; 4.5 standard errors, 9 tests: they exceed it once in 16,000 times.

    That neurons lie near no feature matters: at d = 16 the moments of an unconditioned normal number are far outside.
    """
    rng, n, k = np.random.default_rng(dim), 300_000, 1.5
    noise = rng.standard_normal(dim)
    noise /= np.linalg.norm(noise)
    kept = []
    for _ in range(10):
        u = rng.standard_normal((n // 10, dim), dtype=np.float32)
        kept.append(u[(u[:, :FEATURES] <= CUT).all(1)] @ noise)
    h = np.maximum(np.concatenate(kept) - k, 0)
    exact = relu_moments(np.array([k]), noise[None, :FEATURES], CUT)[:, 0]
    error = np.array([(h**p).std() / np.sqrt(len(h)) for p in ORDERS])
    found = np.array([(h**p).mean() for p in ORDERS])
    assert (np.abs(found - exact) < 4.5 * error).all()
    if dim == 16:
        assert (np.abs(found - moments_without_cut(k)) > 10 * error).all()


def test_bounds_of_feature_patches_never_fall_with_the_strength():
    """At a small cut the part of the integral where g < 0, which falls with α, once outweighed the rest."""
    for cut, tau, norm_, dim in ((0.2, 2.0, 1.0, 6), (1.0, 2.0, 0.7, 6), (5.2, 6.0, 0.03, 512)):
        bounds = feature_bound(np.linspace(0, tau / cut, 100), cut, tau, norm_, dim)
        assert (np.diff(bounds) >= 0).all()
        assert (bounds > 0).all()


@pytest.mark.parametrize("dim", [16, 64, 256])
def test_sums_over_undrawn_neurons_have_the_stated_law(dim):
    """300 heads of 3000 dense neurons, 20 patches each: mean and variance are the stated law's, the shape is within the bound.

    The mean's standard error is 1/√6000 = 0.013 where patches are independent, and is taken from the heads' means. That undrawn
    neurons lie near no feature moves the mean at d = 16 by 0.3. An empirical distribution of 6000 values is off by more than 0.03
    once in 20,000 times.
    """
    design, noise = planned(dim), np.random.default_rng(1).standard_normal((20, dim)) * 8 / np.sqrt(dim)
    rng, sums, counts = np.random.default_rng(dim), [], []
    for _ in range(300):
        u = rng.standard_normal((3000, dim), dtype=np.float32)
        u = u[(u[:, :FEATURES] <= design.cut).all(1)]
        sums.append(design.std * np.maximum(u @ noise.T.astype(np.float32) - design.threshold, 0).sum(0, dtype=np.float64))
        counts.append(len(u))
    mean, std, error = design.dominant_sum(np.linalg.norm(noise, axis=1), np.array(counts), noise[:, :FEATURES])
    z = (np.array(sums).T - mean) / std  # (patch, head)
    for values, expected in ((z, 0), (z**2, 1)):
        by_head = values.mean(0)
        assert abs(by_head.mean() - expected) < 4.5 * by_head.std() / np.sqrt(300)
    assert 0.01 < error < 0.05
    assert stats.kstest(z.ravel(), "norm").statistic < error + 0.03


def planned(dim):
    """A plan at a low threshold: many of the neurons that dominant noise fires lie near a feature, and are drawn."""
    options = ["training.engine=lucky", "tree.subclasses=3", "data.patches=12", "data.feature_patches=2", "data.noise=0.04"]
    sizes = ["network.neurons=3000", "network.threshold=3.2", "hard.noise=8", "training.batch=20", "training.steps=12"]
    tests = ["test.samples=50", "test.curve_samples=20"]
    config = load_config(overrides=[*options, *sizes, *tests, f"data.dim={dim}"])
    law = check_law(law_of(config))
    assert law.n_features == FEATURES
    return Design.of(config, law, heads=2)
