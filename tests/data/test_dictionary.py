"""Dictionaries by hand: correlations of any shape, patches with and without a feature, and the law of rotated features."""

import numpy as np
import pytest
import torch
from scipy import stats

import theory_sim as ts
from theory_sim.data.dictionary import Dictionary, canonical_dictionary, rotated_dictionary

DOUBLE, CPU = torch.float64, torch.device("cpu")


def made(canonical: bool, replicas: int = 2, features: int = 4, dim: int = 6) -> Dictionary:
    if canonical:
        return canonical_dictionary(replicas, features, dim, CPU, DOUBLE)
    return rotated_dictionary(ts.streams(0, "dictionary", replicas), features, dim, DOUBLE)


@pytest.mark.parametrize("canonical", [True, False])
@pytest.mark.parametrize("shape", [(), (3,), (3, 5), (3, 5, 7)])
def test_correlations_are_inner_products_with_each_replicas_own_features(canonical, shape):
    dictionary = made(canonical)
    weight = torch.randn(2, *shape, 6, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    if not shape:
        weight = weight[:, None]
    found = dictionary.correlation(weight)
    torch.testing.assert_close(found, torch.einsum("r...d,rfd->r...f", weight, dictionary.vectors))


@pytest.mark.parametrize("canonical", [True, False])
def test_features_are_added_where_there_are_any(canonical):
    dictionary = made(canonical)
    x = torch.randn(2, 3, 5, 6, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    content = torch.randint(-3, 4, (2, 3, 5), generator=torch.Generator().manual_seed(1))
    strength = torch.rand(2, 3, 5, dtype=DOUBLE, generator=torch.Generator().manual_seed(2)) * (content >= 0)
    expected = x.clone()
    for r, b, p in np.ndindex(2, 3, 5):
        if content[r, b, p] >= 0:
            expected[r, b, p] += strength[r, b, p] * dictionary.vectors[r, content[r, b, p]]
    dictionary.add_to(x, content, strength)
    torch.testing.assert_close(x, expected)


def test_canonical_features_are_axes():
    assert torch.equal(made(True).vectors, torch.eye(6, dtype=DOUBLE)[:4].expand(2, 4, 6))


def test_rotated_features_are_haar_distributed():
    """A coordinate of a uniform unit vector in R^d, squared, is Beta(1/2, (d − 1)/2); and each sign is as likely."""
    vectors = made(False, replicas=400, features=3, dim=5).vectors
    torch.testing.assert_close(vectors @ vectors.mT, torch.eye(3, dtype=DOUBLE).expand(400, 3, 3), rtol=0, atol=1e-12)
    for feature in range(3):
        for coordinate in range(5):
            of = vectors[:, feature, coordinate].numpy()
            assert stats.kstest(of**2, stats.beta(0.5, 2).cdf).pvalue > 1e-4
            assert stats.binomtest(int((of > 0).sum()), 400).pvalue > 1e-4
