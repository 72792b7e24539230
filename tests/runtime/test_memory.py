"""Memory that is lent again belongs to one tensor at a time."""

import platform
import subprocess
import sys
import tracemalloc

import pytest
import torch

from theory_sim.config import load_config
from theory_sim.runtime.memory import ReusableBuffer, peak_memory, total_memory
from theory_sim.training.trainer import Training

_CPU = {"device": torch.device("cpu"), "dtype": torch.float32}


def test_memory_is_lent_again_only_when_nobody_holds_it():
    memory = ReusableBuffer()
    first = memory.empty(3, 4, **_CPU)
    place = first.data_ptr()
    view = first[1]
    second = memory.empty(3, 4, **_CPU)
    assert second.data_ptr() != place
    del first, second
    assert memory.empty(3, 4, **_CPU).data_ptr() != view.data_ptr() - 16
    view.fill_(7)
    third = memory.empty(2, 2, device=torch.device("cpu"), dtype=torch.float64)
    place = third.data_ptr()
    del third
    assert memory.empty(2, 3, **_CPU).data_ptr() == place  # smaller, and of another type
    assert (view == 7).all()


def test_a_view_alone_keeps_its_memory():
    memory = ReusableBuffer()
    array = memory.empty(8, **_CPU).fill_(1)[2:].numpy()
    memory.empty(8, **_CPU).fill_(2)
    assert (array == 1).all()


def test_tensors_outlive_their_buffer():
    tensor = ReusableBuffer().empty(8, **_CPU).fill_(1)
    ReusableBuffer().empty(8, **_CPU).fill_(2)
    assert (tensor == 1).all()


def test_one_free_block_is_kept_and_it_is_the_largest():
    memory, size = ReusableBuffer(), 1 << 20
    tracemalloc.start()
    lent = [memory.empty(n * size // 4, **_CPU) for n in (1, 3, 2)]
    place, held = lent[1].data_ptr(), tracemalloc.get_traced_memory()[0]
    assert held > 6 * size
    lent.clear()
    assert 3 * size < tracemalloc.get_traced_memory()[0] < 3.1 * size
    tracemalloc.stop()
    assert memory.empty(3 * size // 4, **_CPU).data_ptr() == place


def test_a_batch_is_not_overwritten_by_the_next():
    training = Training(load_config(overrides=["replicas=2", "data.dim=32"]))
    batch = training.next_batch()
    half, kept = batch.slice(0, 8), batch.x[:, :8].clone()
    del batch
    for _ in range(3):
        training.next_batch()
    assert torch.equal(half.x, kept)


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_freed_memory_is_used_again_without_page_faults():
    """A block of 40 MB cost a fault for each of its pages every time, in threads of their own too.

    The heap first grows, by 3 to 14 blocks, until a free part of it fits; it does so again for the first other thread.
    """
    code = """
import resource, threading
import torch
from theory_sim.runtime.memory import keep_freed_memory
torch.set_num_threads(1)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(10_000_000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
def in_thread():
    thread = threading.Thread(target=faults)
    thread.start(); thread.join()
faults()
keep_freed_memory()
for where in (faults, in_thread):
    where()  # the heap grows
    where()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, _, after, _, in_thread = map(int, done.stdout.split())
    assert before > 20 * 9000
    assert after < 1000
    assert in_thread < 1000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not report the peak memory of a process")
def test_the_peak_counts_each_worker_as_the_largest():
    subprocess.run([sys.executable, "-c", "x = b'x' * 10**8"], check=True)
    own = peak_memory()
    assert 10**8 < own < total_memory(torch.device("cpu"))  # PyTorch alone takes more
    assert peak_memory(2) - own >= 2 * 10**8
