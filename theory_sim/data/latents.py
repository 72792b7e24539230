"""From uniform numbers to the truth about samples: their classes, and what each of their patches holds, and how strongly.

A sample's patches have P slots, an easy one's and a hard one's each their own. In this order: s for each node on the leaf's path,
s† of feature noise, one of dominant noise, the rest plain noise. Fixed patch counts: a random permutation says which patch has
which slot. Independent patches: each has a uniform slot of its own, so that the counts are binomial with the same means.

It is done on the CPU, whatever device the patches are on: the same numbers are the same truth everywhere.
"""

import math
from collections.abc import Sequence
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor

from theory_sim.config import Config
from theory_sim.runtime.threads import map_blocks

NOISE = -1
"""`Batch.content` of a patch that holds ζ alone."""
DOMINANT_NOISE = -2
"""`Batch.content` of a patch that holds ζ*."""

_FEATURE_NOISE = -3
"""What a slot holds whose feature is another class's: which, a uniform number says."""
_NO_STRENGTH = (0.0, 0.0)
_BLOCK = 1024
"""Samples that are worth a thread of their own."""

Slot = tuple[int, Sequence[float]]
"""What it holds, a level of the leaf's path or one of the above, and the range of strengths."""

_LEAF, _TAG, _HARD, _FLIP, _FLIPPED_LEAF, _OF_PATCHES = range(6)
"""Columns of the uniform numbers; from the last on there are P for each of those below."""
_BY_PATCH = ("order", "strength", "other class", "content")


class Slots:
    """Both kinds of slots of a configuration.

    Args:
        config: the configuration.

    Attributes:
        columns: which uniform numbers of a sample say what.
        width: how many there are.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        data, tree = config.data, config.label_tree
        groups = _BY_PATCH if data.patch_law == "independent" else _BY_PATCH[:-1]
        names = ("leaf", "tag", "hard", "flip", "flipped leaf")
        self.columns = {name: slice(i, i + 1) for i, name in enumerate(names)}
        for i, name in enumerate(groups):
            self.columns[name] = slice(_OF_PATCHES + i * data.patches, _OF_PATCHES + (i + 1) * data.patches)
        self.width = _OF_PATCHES + len(groups) * data.patches

        slots = [slot for kind in _both_kinds(config) for slot in kind]
        # What no leaf says stands behind its path, each at its own negative place.
        others = torch.tensor([_FEATURE_NOISE, DOMINANT_NOISE, NOISE]).expand(tree.n_leaves, -1)
        held = torch.cat([tree.paths, others], 1)[:, [what for what, _ in slots]]
        number = np.dtype(config.training.dtype)
        low, high = np.array([strength for _, strength in slots]).astype(number).T.copy()
        edges = np.cumsum(tree.leaf_probability)[:-1].astype(number)
        laws = (number.type(law) for law in (data.label_noise, data.patches, tree.n_coarse - 1))
        independent = data.patch_law == "independent"
        tables = (edges, tree.coarse_of_leaf.numpy(), held.numpy(), low, high - low)
        self._law = (*laws, independent, independent and config.hard.noise > 0, *tables)

    def truth(self, uniform: Float[Tensor, "R B column"], hard_share: float) -> dict[str, Tensor]:
        """All of a `Batch` but its patches, on the CPU.

        Args:
            uniform: U[0, 1), on the CPU.
            hard_share: each sample is hard with this probability.
        """
        numbers = uniform.numpy()
        shape = numbers.shape[:2]
        of_patches = (*shape, self._config.data.patches)
        out = {name: np.empty(shape, np.int64) for name in ("leaf", "labelled_leaf", "coarse")}
        out |= {"hard": np.empty(shape, np.bool_), "content": np.empty(of_patches, np.int64)}
        out["strength"] = np.empty(of_patches, numbers.dtype)
        share, n = numbers.dtype.type(hard_share), math.prod(shape)

        def fill(first: int) -> None:
            _truth(numbers, share, *self._law, *out.values(), first, min(first + _BLOCK, n))

        map_blocks(fill, range(0, n, _BLOCK))
        truth = {name: torch.from_numpy(value) for name, value in out.items()}
        return truth | {"tag": uniform[..., _TAG], "index": torch.arange(shape[1]).expand(shape)}


def _both_kinds(config: Config) -> tuple[list[Slot], list[Slot]]:
    """The P slots of easy samples, and those of hard ones."""
    data, hard, depth = config.data, config.hard, config.label_tree.depth
    full = math.sqrt(1 - data.strength_spread), math.sqrt(1 + data.strength_spread)
    rare: list[Slot] = [(level, full) for level in range(1, depth) for _ in range(data.feature_patches)]
    common: Slot = (NOISE, _NO_STRENGTH) if hard.common == "missing" else (0, hard.weak_strength)
    # Of independent patches any one holds the dominant noise, whatever its slot.
    loud: list[Slot] = [(DOMINANT_NOISE, _NO_STRENGTH)] if hard.noise > 0 and data.patch_law == "fixed" else []
    easy = [(0, full)] * data.feature_patches + rare + [(_FEATURE_NOISE, data.feature_noise)] * data.feature_noise_patches
    foreign: list[Slot] = [(_FEATURE_NOISE, hard.feature_noise)] * hard.feature_noise_patches
    plain: list[Slot] = [(NOISE, _NO_STRENGTH)] * data.patches
    held = ([*easy, *plain], [*[common] * data.feature_patches, *rare, *foreign, *loud, *plain])
    return held[0][: data.patches], held[1][: data.patches]


@njit(nogil=True, cache=True)
@no_type_check
def _truth(
    uniform, hard_share, label_noise, patches, others, independent, loud, edges, coarse_of_leaf, held, low, width,
    leaf, labelled_leaf, coarse, hard, content, strength, first, last,
):  # fmt: skip
    """Samples first … last − 1 of all replicas; `patches` and `others`, the other classes, are of the numbers' own type."""
    samples, n = content.shape[1:]
    order = np.empty(n, np.int64)
    for i in range(first, last):
        r, b = i // samples, i % samples
        u = uniform[r, b]
        own_leaf = _searched(edges, u[_LEAF])
        y = coarse_of_leaf[own_leaf]
        is_hard = u[_HARD] < hard_share
        leaf[r, b], coarse[r, b], hard[r, b] = own_leaf, y, is_hard
        labelled_leaf[r, b] = _searched(edges, u[_FLIPPED_LEAF]) if u[_FLIP] < label_noise else own_leaf
        _sort(u[_OF_PATCHES : _OF_PATCHES + n], order)
        for p in range(n):
            strong, other = u[_OF_PATCHES + n + p], u[_OF_PATCHES + 2 * n + p]
            slot = np.int64(u[_OF_PATCHES + 3 * n + p] * patches) if independent else order[p]
            slot += n * is_hard
            what = held[own_leaf, slot]
            if what == _FEATURE_NOISE:
                step = 1 + min(np.int64(other * others), np.int64(others) - 1)
                what = (y + step) % (np.int64(others) + 1)
            if loud and is_hard and order[p] == 0:  # any one patch
                what = DOMINANT_NOISE
            content[r, b, p] = what
            # A leaf near the root has plain noise where deeper ones have features.
            strength[r, b, p] = low[slot] + width[slot] * strong if what >= 0 else 0


@njit(nogil=True, cache=True)
@no_type_check
def _searched(edges, value):
    """How many edges are not above a value."""
    i = 0
    while i < len(edges) and edges[i] <= value:
        i += 1
    return i


@njit(nogil=True, cache=True)
@no_type_check
def _sort(values, order):
    """The places of the values in ascending order, by insertion: there are few."""
    for i in range(len(values)):
        j = i
        while j and values[order[j - 1]] > values[i]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
