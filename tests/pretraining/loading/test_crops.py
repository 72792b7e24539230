"""Random crops and flips."""

import shutil

import numpy as np
import pyarrow
import pytest
import torch
from image_folders import load_tree
from PIL import Image
from scipy import stats

from theory_sim.pretraining.datasets import Data, load_data
from theory_sim.pretraining.loading.images import ArrayImages, FileImages, View, crop_box
from theory_sim.pretraining.loading.randomness import crop_draws, mirrored, uniform
from theory_sim.runtime.errors import InputError


def test_resized_crops_follow_their_law():
    """Area uniform in [0.08, 1] and the logarithm of the aspect ratio uniform, where every try fits; then a uniform place."""
    draws = crop_draws([(3, position) for position in range(4000)])
    boxes = np.array([crop_box((4000, 3000), View(32, "resized"), row) for row in draws])
    left, top, right, bottom = boxes.T
    assert (boxes >= 0).all()
    assert right.max() <= 4000
    assert bottom.max() <= 3000
    area, ratio = (right - left) * (bottom - top) / 12e6, (right - left) / (bottom - top)
    small = area < 0.5  # all of these fit, whatever their aspect ratio
    for values, low, high in (
        (area[small], 0.08, 0.5),
        (np.log(ratio[small]), np.log(3 / 4), np.log(4 / 3)),
        ((left / (4000 - right + left))[small], 0, 1),
        ((top / (3000 - bottom + top))[small], 0, 1),
    ):
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3
    assert 0.05 < area.min() + 0.01 < 0.1
    assert area.max() > 0.9


def test_random_crops_hang_on_the_key_alone(folder, tmp_path):
    data = load_tree(folder, tmp_path)
    view = View(8, "resized")
    one = data.images.batch([3, 7], view, [(0, 5), (0, 6)])
    assert torch.equal(data.images.batch([7], view, [(0, 6)])[0], one[1])
    assert not torch.equal(data.images.batch([7], view, [(0, 7)])[0], one[1])
    digits = load_data(Data(), tmp_path)
    moved = digits.images.batch([0, 1], View(8, "shift"), [(0, 1), (0, 2)])
    assert torch.equal(digits.images.batch([1], View(8, "shift"), [(0, 2)])[0], moved[1])
    whole = digits.images.pixels[:1].repeat(200, 1, 1, 1)
    shifted = ArrayImages(whole).batch(list(range(200)), View(8, "shift"), [(1, i) for i in range(200)])
    assert len({tuple(image.ravel().tolist()) for image in shifted}) == 9


def test_what_is_random_about_a_sample_is_uniform_and_independent():
    draws = np.stack([uniform([(seed, i) for i in range(4000)], stream) for seed in (0, 1, 2**62) for stream in (0, 1, 2)])
    assert 0 <= draws.min() < draws.max() < 1
    for row in draws:
        counts = np.histogram(row, 10, (0, 1))[0]
        assert ((counts - 400) ** 2 / 400).sum() < 35  # χ² with 9 degrees of freedom: p ≈ 6e-5
        assert abs(np.corrcoef(row[1:], row[:-1])[0, 1]) < 5 / np.sqrt(4000)
    assert np.abs(np.corrcoef(draws) - np.eye(9)).max() < 5 / np.sqrt(4000)
    assert abs(mirrored([(0, i) for i in range(4000)]).mean() - 0.5) < 0.04


def test_image_file_that_is_gone_is_named(folder, tmp_path):
    data = load_tree(folder, tmp_path / "keep")
    shutil.rmtree(folder)
    with pytest.raises(InputError, match=r"cannot read .*birds/gulls/000_0.jpg"):
        data.images.batch([0], View(8))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 30), (30, 1), (3, 2)])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_random_crops_of_tiny_images_have_pixels(size, suffix, tmp_path):
    """6 % of the crops of one pixel were empty, and every training run failed."""
    Image.new("RGB", size, (80, 80, 80)).save(tmp_path / f"a.{suffix}")
    images = FileImages(pyarrow.array([str(tmp_path / f"a.{suffix}")]))
    for crop in ("resized", "shift", "none"):
        read = images.batch([0] * 200, View(8, crop), [(0, position) for position in range(200)])
        assert (read.int() - 80).abs().max() <= 1
