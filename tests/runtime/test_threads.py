"""Blocks shared among cores."""

import threading

import pytest
import torch

from theory_sim.config import load_config
from theory_sim.runtime.threads import cores_share_blocks, map_blocks
from theory_sim.training.trainer import Training


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_order_is_kept_and_several_threads_work(two_threads):
    meet = threading.Barrier(2, timeout=30)

    def compute(item):
        meet.wait()  # passes only if two items are computed at once
        return item, torch.get_num_threads()

    with cores_share_blocks():
        assert map_blocks(compute, range(6)) == [(i, 1) for i in range(6)]


def test_threads_are_given_back_even_after_an_error(two_threads):
    def fail():
        with cores_share_blocks():
            assert torch.get_num_threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == 2
    assert map_blocks(lambda item: threading.current_thread(), range(3)) == [threading.current_thread()] * 3


@pytest.mark.timeout(30)
def test_blocks_within_blocks_do_not_wait_for_each_other(two_threads):
    with cores_share_blocks():
        sums = map_blocks(lambda i: sum(map_blocks(lambda j: i * j, range(4))), range(8))
    assert sums == [6 * i for i in range(8)]


def test_an_error_in_a_block_is_raised(two_threads):
    with cores_share_blocks(), pytest.raises(ZeroDivisionError):
        map_blocks(lambda item: 1 / item, [1, 0])


def test_numbers_do_not_depend_on_the_cores(two_threads):
    config = load_config(overrides=["replicas=3", "data.dim=64", "network.neurons=20", "training.batch=33"])

    def trained():
        training = Training(config)
        for _ in range(5):
            training.step()
        return training.state()

    with cores_share_blocks():
        shared = trained()
    torch.set_num_threads(1)
    for key, value in trained().items():
        assert torch.equal(value, shared[key]), key
