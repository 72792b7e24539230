"""Batches: the same in one process or many, with workers or without."""

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pictures import pictures

from theory_sim.pretraining.config import TrainingRecipe
from theory_sim.pretraining.loading.batches import ImageBatch, Order, Share, batches


def kept(read: Iterator[ImageBatch]) -> list[ImageBatch]:
    """Batches of workers are good until the next is asked for."""
    return [replace(batch, images=batch.images.clone()) for batch in read]


def test_workers_write_over_no_batch_that_is_in_use():
    """More batches than there is room for, taken slowly and fast."""
    settings = TrainingRecipe(steps=60, batch=6, crop="shift", flip=True)
    images = pictures(30, 8)
    expected = list(batches(images, torch.arange(30), settings, 8, 1, Share()))
    for pause in (0, 0.005):
        for place, batch in enumerate(batches(images, torch.arange(30), settings, 8, 1, Share(), workers=2)):
            time.sleep(pause)
            assert torch.equal(batch.images, expected[place].images)
            assert torch.equal(batch.places, expected[place].places)
        assert place == 59


def test_workers_that_are_spawned_do_not_import_a_file_named_as_a_module_of_python(tmp_path, monkeypatch):
    """Where processes are not forked, as on macOS, a worker begins with Python's own modules, not with what is here."""
    (tmp_path / "signal.py").write_text("raise ImportError\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = TrainingRecipe(steps=2, batch=6, crop="shift", flip=True)
    images = pictures(30, 8)
    expected = list(batches(images, torch.arange(30), settings, 8, 1, Share()))
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        read = kept(batches(images, torch.arange(30), settings, 8, 1, Share(), workers=1))
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert [batch.images.tolist() for batch in read] == [batch.images.tolist() for batch in expected]


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_and_parts_share_the_same_batches(workers):
    settings = TrainingRecipe(steps=5, batch=12, crop="shift", flip=True)
    images = pictures(30, 8)

    def read(of: int, accumulate: int, first_step: int = 0) -> list[torch.Tensor]:
        streams = [
            kept(batches(images, torch.arange(30), settings, 8, 1, Share(rank, of, accumulate), first_step, workers))
            for rank in range(of)
        ]
        rows = []
        for step in range(5 - first_step):
            for stream in streams:
                rows += stream[step * accumulate : (step + 1) * accumulate]
        return [torch.cat([getattr(row, field) for row in rows]) for field in ("images", "flip", "places")]

    whole = read(1, 1)
    for of, accumulate in ((2, 1), (2, 3), (1, 4)):
        assert all(map(torch.equal, whole, read(of, accumulate)))
    assert all(torch.equal(a[24:], b) for a, b in zip(whole, read(1, 1, first_step=2), strict=True))
    assert sorted(whole[2][:30].tolist()) == list(range(30))
    assert not torch.equal(whole[2][:30], whole[2][30:60])


@given(st.integers(1, 20), st.integers(0, 5), st.integers(0, 60), st.integers(1, 50))
def test_the_order_is_permutations_in_a_row(n, seed, start, count):
    whole = Order(n, seed)(0, start + count)
    assert torch.equal(Order(n, seed)(start, count), whole[start:])
    for epoch in range((start + count) // n):
        assert sorted(whole[epoch * n : (epoch + 1) * n].tolist()) == list(range(n))
