"""scikit-learn's 1,797 images of 8 × 8 pixels; the coarse target is whether a digit has a closed loop [ours]."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from theory_sim.pretraining.datasets.base import Data, ImageData, image_source
from theory_sim.pretraining.datasets.hierarchies import Hierarchy
from theory_sim.pretraining.datasets.splitting import split_arrays
from theory_sim.runtime.progress import OnProgress

_WITH_LOOP = (0, 6, 8, 9)


@image_source("digits", "scikit-learn's 1,797 digits of 8 × 8 pixels", needs_path=False)
def load(data: Data, keep: Path, on_progress: OnProgress) -> ImageData:
    """Coarse classes ``loop`` (0, 6, 8, 9) and ``no loop``, leaves the ten digits; ``group(parity)`` cuts across."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = torch.from_numpy((digits.images * 255 / 16).round().astype(np.uint8))
    paths = [("loop" if digit in _WITH_LOOP else "no loop", str(digit)) for digit in range(10)]
    hierarchy = Hierarchy.of_paths(paths, "digits", ("loop", "digit"))
    of_digit = torch.tensor([hierarchy.leaf[path] for path in paths])
    parity = torch.zeros(10, dtype=torch.long)
    parity[of_digit] = torch.arange(10) % 2
    hierarchy = replace(hierarchy, groups={"parity": parity})
    pixels = grey[:, None].expand(-1, 3, -1, -1).contiguous()
    return split_arrays(data, hierarchy, pixels, of_digit[torch.from_numpy(digits.target)])
