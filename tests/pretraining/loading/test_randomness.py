"""Random numbers of images: known answers of splitmix64, their law, and that neither keys nor streams share any."""

import numpy as np
import pytest
from scipy import stats

from theory_sim.pretraining.loading import randomness
from theory_sim.pretraining.loading.randomness import crop_draws, mirrored, uniform

N = 20_000
GAMMA = 0x9E3779B97F4A7C15


def test_the_answers_of_splitmix64():
    """The first five numbers from the state 1234567, as published with the reference implementation's ports."""
    state = np.array([(1234567 + i * GAMMA) % 2**64 for i in range(5)], dtype=np.uint64)
    assert randomness._mixed(state).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize("stream", [0, 1, 21])
def test_numbers_are_uniform_over_positions_and_over_seeds(stream):
    for keys in ([(3, i) for i in range(N)], [(i, 3) for i in range(N)]):
        numbers = uniform(keys, stream)
        assert 0 <= numbers.min() < numbers.max() < 1
        assert stats.kstest(numbers, "uniform").pvalue > 1e-4
        assert stats.kstest(numbers * 1024 % 1, "uniform").pvalue > 1e-4, "the lower bits too"
        assert len(np.unique(numbers)) == N


def test_a_number_is_a_function_of_its_key_and_stream_alone():
    keys = [(s, p) for s in range(20) for p in range(50)]
    together = uniform(keys, 4)
    assert [float(uniform([key], 4)[0]) for key in keys[::97]] == together[::97].tolist()
    # None of another stream, seed or position is the same, and none follows from another.
    streams = np.stack([uniform(keys, stream) for stream in range(6)])
    assert len(np.unique(streams)) == streams.size
    correlation = np.corrcoef(streams) - np.eye(6)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(keys))
    shifted = np.corrcoef(uniform([(0, p) for p in range(N)], 0), uniform([(0, p + 1) for p in range(N)], 0))[0, 1]
    assert abs(shifted) < 5 / np.sqrt(N)


def test_half_of_the_images_are_mirrored():
    keys = [(0, i) for i in range(N)]
    flipped = mirrored(keys)
    assert stats.binomtest(int(flipped.sum()), N).pvalue > 1e-4
    assert np.array_equal(flipped, uniform(keys, 0) < 0.5)


def test_a_crop_has_two_numbers_for_its_place_and_two_for_each_try():
    draws = crop_draws([(0, 0), (0, 1), (7, 0)])
    assert draws.shape == (3, 2 + 2 * randomness._TRIES)
    assert len(np.unique(draws)) == draws.size
    assert not np.isin(draws, uniform([(0, 0), (0, 1), (7, 0)], 0)).any(), "mirroring is independent of the crop"
