"""Random numbers: known answers, laws, and streams that depend on nothing but their name."""

import math

import numpy as np
import pytest
import torch
from numba import njit
from scipy import stats

from theory_sim.runtime import philox
from theory_sim.runtime import streams as seeding
from theory_sim.runtime.streams import streams
from theory_sim.runtime.threads import cores_share_blocks, torch_threads

N = 200_000


@njit
def rounds(c0, c1, c2, c3, k0, k1):
    return philox.philox(c0, c1, c2, c3, k0, k1)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_answers_of_random123(counter, key, words):
    assert tuple(rounds(*(np.uint32(v) for v in (*counter, *key)))) == words


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_laws(dtype):
    own = streams(0, "check", 1)
    uniform, normal = own.uniform(N, dtype=dtype)[0].numpy(), own.normal(N, dtype=dtype)[0].numpy()
    assert 0 <= uniform.min() < uniform.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 1e-4
    assert stats.kstest(normal, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(normal[:-64], normal[64:])[0, 1]) < 5 / math.sqrt(N), "the two numbers of a pair"
    assert abs(np.corrcoef(normal[:-64] ** 2, normal[64:] ** 2)[0, 1]) < 5 / math.sqrt(N)
    beyond = int((np.abs(normal) > 3).sum())
    assert stats.binomtest(beyond, N, 2 * stats.norm.sf(3)).pvalue > 1e-4


def test_single_and_double_precision_are_the_same_numbers():
    for law, near in (("normal", 1e-6), ("uniform", 2.0**-24)):
        single, double = (getattr(streams(3, "check", 2), law)(N, dtype=t) for t in (torch.float32, torch.float64))
        torch.testing.assert_close(single.double(), double, rtol=0, atol=near)


def test_no_number_depends_on_cores_blocks_or_other_replicas(monkeypatch):
    three = streams(1, "training", 3).normal(1000, dtype=torch.float32)
    assert torch.equal(streams(1, "training", 1).normal(1000, dtype=torch.float32)[0], three[0])
    monkeypatch.setattr(seeding, "_BLOCK", 1)
    with torch_threads(2), cores_share_blocks():
        assert torch.equal(streams(1, "training", 3).normal(1000, dtype=torch.float32), three)
    assert len({*three.flatten().tolist()}) > 2990


def test_streams_go_on_where_they_stood():
    own, other = streams(0, "check", 2), streams(0, "check", 2)
    own.normal(300, dtype=torch.float32)
    state = {name: value.clone() for name, value in own.state().items()}
    expected = own.uniform(10, dtype=torch.float64)
    other.restore(state)
    assert torch.equal(other.uniform(10, dtype=torch.float64), expected)
    one = streams(0, "check", 2)
    one.one(1).normal(300, dtype=torch.float32)
    later = one.uniform(10, dtype=torch.float64)
    assert torch.equal(later[1], expected[1])
    assert not torch.equal(later[0], expected[0])


def test_integers_are_uniform():
    values = streams(0, "check", 1).integers(7, 70_000)[0].numpy()
    assert stats.chisquare(np.bincount(values, minlength=7)).pvalue > 1e-4
    assert values.max() == 6


def test_no_numbers_are_no_tile():
    own = streams(0, "check", 2)
    assert own.normal(0, 5, dtype=torch.float32).shape == (2, 0, 5)
    assert torch.equal(own.uniform(3, dtype=torch.float32), streams(0, "check", 2).uniform(3, dtype=torch.float32))
