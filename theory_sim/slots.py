"""What a patch of a sample holds by its slot, as tables: the layout of easy and hard samples in the data model."""

import math
from collections.abc import Sequence
from itertools import islice, repeat

import torch
from torch import Tensor

from theory_sim.config import Config

NOISE = -1
"""`Batch.content` of a patch that holds ζ alone."""
DOMINANT_NOISE = -2
"""`Batch.content` of a patch that holds ζ*."""

_NO_STRENGTH = (0.0, 0.0)
Slot = tuple[int, Sequence[float]]
"""A role and the range of strengths."""


class Slots:
    """The P slots of easy samples, and after them the P slots of hard ones.

    In this order: s for each node on the leaf's path, s† of feature noise, one of dominant noise, the rest plain noise.
    What a slot holds is its role: a level of the path, feature noise, plain or dominant noise.

    Args:
        config: the configuration.
        like: its device and dtype are those of the tables.

    Attributes:
        role: of each slot.
        low: least strength of the feature in a slot; 0 where there is none.
        width: how much more it can be.
        content: what `Batch.content` says of role i in a sample of leaf j, at place ``i + roles * j``; of feature noise, where
            that is not for the leaf to say, it says plain noise.
        roles: how many there are.
        feature_noise: the role of feature noise.
        has_feature_noise: whether any slot has that role.
    """

    def __init__(self, config: Config, like: Tensor) -> None:
        data, hard, tree = config.data, config.hard, config.label_tree
        self.feature_noise, plain, dominant = range(tree.depth, tree.depth + 3)
        self.roles = dominant + 1
        full = math.sqrt(1 - data.strength_spread), math.sqrt(1 + data.strength_spread)
        common: Slot = (plain, _NO_STRENGTH) if hard.common == "missing" else (0, hard.weak_strength)
        rare: list[Slot] = [(level, full) for level in range(1, tree.depth) for _ in range(data.feature_patches)]
        # Of independent patches any one holds the dominant noise, whatever its slot.
        loud: list[Slot] = [(dominant, _NO_STRENGTH)] if hard.noise > 0 and data.patch_law == "fixed" else []
        easy_slots: list[Slot] = [(0, full)] * data.feature_patches + rare
        easy_slots += [(self.feature_noise, data.feature_noise)] * data.feature_noise_patches
        hard_slots: list[Slot] = [common] * data.feature_patches + rare
        hard_slots += [(self.feature_noise, hard.feature_noise)] * hard.feature_noise_patches + loud

        slots = [
            slot
            for held in (easy_slots, hard_slots)
            for slot in islice([*held, *repeat((plain, _NO_STRENGTH), data.patches)], data.patches)
        ]
        low, high = torch.tensor([strength for _, strength in slots], dtype=torch.float64).to(like).T.contiguous()
        self.low, self.width = low, high - low
        self.role = torch.tensor([role for role, _ in slots], device=like.device)
        self.has_feature_noise = bool((self.role == self.feature_noise).any())
        others = torch.tensor([NOISE, NOISE, DOMINANT_NOISE]).expand(tree.n_leaves, -1)
        self.content = torch.cat([tree.paths, others], 1).flatten().to(like.device)
