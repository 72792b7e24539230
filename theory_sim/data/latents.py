"""From uniform numbers to the latents of samples: their kinds and classes, and the contents and strengths of their patches.

The groups of a kind of sample are laid out as P slots: as many as each group has patches, the rest plain noise. Fixed patch
counts: a random permutation says which patch has which slot. Independent patches: each has a uniform slot of its own, so that
the counts are binomial: each patch belongs to a group of s patches with probability s/P. Groups with exact counts are placed
first, on e patches in all, which leaves the mean s (1 − e/P) to the others.

It is done on the CPU, whatever device the patches are on: the same numbers are the same latents everywhere.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory_sim.data.law import PatchLaw
from theory_sim.data.parts import Extra, Group, Node, Nothing, OtherClass, Uniform
from theory_sim.runtime.compiled import compiled
from theory_sim.runtime.threads import map_blocks

NOISE = -1
"""`Batch.content` of a patch that holds noise alone, of the law's own kind."""
DOMINANT_NOISE = -2
"""`Batch.content` of a patch of the first noise law that a group has of its own; −3, −4, … of the further ones."""

_OTHER_CLASS = -1000
"""Content of a slot whose feature is another class's; a uniform number says which class."""
_BLOCK = 1024
"""Samples that are worth a thread of their own."""

_PLUS, _RANDOM, _CLASS, _MINUS_CLASS = range(4)
_SIGNS = {"+": _PLUS, "random": _RANDOM, "class": _CLASS, "-class": _MINUS_CLASS}

_LEAF, _TAG, _KIND, _FLIP, _FLIPPED_LEAF, _OF_PATCHES = range(6)
"""Columns of the uniform numbers; from the last on there are P for each of those below, then one for each random sign."""
_BY_SAMPLE = ("leaf", "tag", "kind", "flip", "flipped leaf")
_BY_PATCH = ("order", "strength", "other class", "content")


class Tables(NamedTuple):
    """A law as numbers, for the compiled loop. Slots are those of the first kind of sample, of the second, …, then exact ones.

    Attributes:
        leaf_edges: cumulated probabilities of all leaves but the last.
        coarse_of_leaf: coarse class of each leaf.
        held: content of each slot in samples of each leaf, (leaf, slot).
        low: lower end of the strength of each slot.
        width: upper end − lower end.
        sign: how each slot's sign comes about.
        sign_column: which column of random signs is its.
        exact: slots of the exact groups, (kind, place), −1 where a kind has fewer.
        label_noise: probability of a random leaf's label.
        patches: P, as a number of the type of the uniform numbers.
        other_classes: K − 1, likewise.
        independent: whether each patch draws its slot by itself.
    """

    leaf_edges: np.ndarray
    coarse_of_leaf: np.ndarray
    held: np.ndarray
    low: np.ndarray
    width: np.ndarray
    sign: np.ndarray
    sign_column: np.ndarray
    exact: np.ndarray
    label_noise: np.floating
    patches: np.floating
    other_classes: np.floating
    independent: bool


class Arrays(NamedTuple):
    """What the compiled loop fills: see `theory_sim.data.sampler.Batch`. Few, since each costs a microsecond to pass.

    Attributes:
        by_sample: leaf, labelled leaf, coarse class and kind of each sample, (4, R, B).
        content: of each patch.
        strength: of each patch.
        slot: of each patch; without samples unless it is asked for.
    """

    by_sample: np.ndarray
    content: np.ndarray
    strength: np.ndarray
    slot: np.ndarray


class Latents:
    """Draws the latents of a law's samples.

    Args:
        law: the law.
        dtype: of the uniform numbers and of strengths.

    Attributes:
        columns: which uniform numbers of a sample say what.
        width: how many there are.
    """

    def __init__(self, law: PatchLaw, dtype: torch.dtype) -> None:
        self.law = law
        by_patch = _BY_PATCH if law.independent else _BY_PATCH[:-1]
        self.columns = {name: slice(i, i + 1) for i, name in enumerate(_BY_SAMPLE)}
        for i, name in enumerate(by_patch):
            self.columns[name] = slice(_OF_PATCHES + i * law.patches, _OF_PATCHES + (i + 1) * law.patches)
        self.width = _OF_PATCHES + len(by_patch) * law.patches
        signed = max(sum(group.sign == "random" for group in groups) for groups in law.kinds.values())
        if signed:
            self.columns["sign"] = slice(self.width, self.width + signed)
            self.width += signed
        self._slots = _slots(law)
        self._tables = _tables(law, self._slots, np.dtype(str(dtype).removeprefix("torch.")))
        self._curved = {
            place: slot.group.strength for place, slot in enumerate(self._slots) if not isinstance(slot.group.strength, Uniform)
        }

    def of(self, uniform: Float[Tensor, "R B column"], shares: Mapping[str, float]) -> dict[str, Tensor]:
        """All of a `Batch` but its patches, on the CPU.

        Args:
            uniform: U[0, 1), on the CPU.
            shares: probability of every kind of sample.
        """
        numbers = uniform.numpy()
        shape = numbers.shape[:2]
        of_patches = (*shape, self.law.patches)
        slot = np.empty(of_patches if self._curved else (0, 0, 0), np.int32)
        by_sample, content = np.empty((4, *shape), np.int64), np.empty(of_patches, np.int64)
        out = Arrays(by_sample, content, np.empty(of_patches, numbers.dtype), slot)
        kinds = np.array([shares[kind] for kind in self.law.kinds], numbers.dtype)
        n = math.prod(shape)

        def fill(first: int) -> None:
            _fill(numbers, kinds, self._tables, out, first, min(first + _BLOCK, n))

        map_blocks(fill, range(0, n, _BLOCK))
        for place, law in self._curved.items():  # the loop left its uniform number there, with its sign
            here = slot == place
            value = out.strength[here]
            out.strength[here] = np.copysign(1, value) * np.asarray(law.ppf(np.abs(value)))
        values = (*out.by_sample, out.content, out.strength)
        names = ("leaf", "labelled_leaf", "coarse", "kind", "content", "strength")
        latents = {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}
        return latents | {"tag": uniform[..., _TAG], "index": torch.arange(shape[1]).expand(shape)}


class _Slot(NamedTuple):
    """A place for one patch.

    Attributes:
        group: what is there.
        kind: number of the kind of sample.
        sign_column: which of the sample's random signs is its.
        exact: whether it is beyond the P slots that patches draw.
    """

    group: Group
    kind: int
    sign_column: int
    exact: bool


def _slots(law: PatchLaw) -> list[_Slot]:
    """The P slots of each kind, one kind after the other; then the exact ones."""
    drawn: list[_Slot] = []
    exact: list[_Slot] = []
    for kind, groups in enumerate(law.kinds.values()):
        column, laid = 0, 0
        for group in groups:
            aside = law.independent and group.exact
            (exact if aside else drawn).extend([_Slot(group, kind, column, aside)] * group.patches)
            laid += group.patches * (not aside)
            column += group.sign == "random"
        drawn += [_Slot(Group(Nothing(), 1), kind, 0, False)] * (law.patches - laid)
    return drawn + exact


def _tables(law: PatchLaw, slots: Sequence[_Slot], number: np.dtype) -> Tables:
    tree, own_noises = law.tree, law.own_noises
    held = np.empty((tree.n_leaves, len(slots)), np.int64)
    paths = tree.paths.numpy()
    for place, (group, *_) in enumerate(slots):
        if isinstance(group.holds, Node):
            held[:, place] = paths[:, group.holds.level - 1]
        elif isinstance(group.holds, OtherClass):
            held[:, place] = _OTHER_CLASS
        elif isinstance(group.holds, Extra):
            held[:, place] = law.feature_of(group.holds)
        else:
            held[:, place] = NOISE if group.noise is None else DOMINANT_NOISE - own_noises.index(group.noise)
    strengths = [slot.group.strength for slot in slots]
    ends = [(law.low, law.high) if isinstance(law, Uniform) else (0.0, 1.0) for law in strengths]
    low, high = np.array(ends).astype(number).T.copy()
    places: list[list[int]] = [[] for _ in law.kinds]
    for place, slot in enumerate(slots):
        if slot.exact:
            places[slot.kind].append(place)
    exact = np.full((len(places), max(map(len, places))), -1, np.int64)
    for kind, of_kind in enumerate(places):
        exact[kind, : len(of_kind)] = of_kind
    return Tables(
        leaf_edges=np.cumsum(tree.leaf_probability)[:-1].astype(number),
        coarse_of_leaf=tree.coarse_of_leaf.numpy(),
        held=held,
        low=low,
        width=high - low,
        sign=np.array([_SIGNS[slot.group.sign] for slot in slots], np.int64),
        sign_column=np.array([slot.sign_column for slot in slots], np.int64),
        exact=exact,
        label_noise=number.type(law.label_noise),
        patches=number.type(law.patches),
        other_classes=number.type(tree.n_coarse - 1),
        independent=law.independent,
    )


@compiled()
@no_type_check
def _fill(uniform, kinds, tables, out, first, last):
    """Samples first … last − 1 of all replicas."""
    samples, n = out.content.shape[1:]
    order = np.empty(n, np.int64)
    signs = _OF_PATCHES + (4 if tables.independent else 3) * n
    others = np.int64(tables.other_classes)
    for i in range(first, last):
        r, b = i // samples, i % samples
        u = uniform[r, b]
        leaf = _searched(tables.leaf_edges, u[_LEAF])
        y = tables.coarse_of_leaf[leaf]
        kind = _kind(kinds, u[_KIND])
        out.by_sample[0, r, b], out.by_sample[2, r, b], out.by_sample[3, r, b] = leaf, y, kind
        out.by_sample[1, r, b] = _searched(tables.leaf_edges, u[_FLIPPED_LEAF]) if u[_FLIP] < tables.label_noise else leaf
        _sort(u[_OF_PATCHES : _OF_PATCHES + n], order)
        for p in range(n):
            slot = np.int64(u[_OF_PATCHES + 3 * n + p] * tables.patches) if tables.independent else order[p]
            slot += n * kind
            if order[p] < tables.exact.shape[1] and tables.exact[kind, order[p]] >= 0:
                slot = tables.exact[kind, order[p]]
            what = tables.held[leaf, slot]
            if what == _OTHER_CLASS:
                step = 1 + min(np.int64(u[_OF_PATCHES + 2 * n + p] * tables.other_classes), others - 1)
                what = (y + step) % (others + 1)
            out.content[r, b, p] = what
            # A leaf near the root has plain noise where deeper ones have features.
            strength = tables.low[slot] + tables.width[slot] * u[_OF_PATCHES + n + p]
            if what < 0:
                strength -= strength
            elif tables.sign[slot] != _PLUS:
                up = y == 0
                if tables.sign[slot] == _RANDOM:
                    up = u[signs + tables.sign_column[slot]] < 0.5
                elif tables.sign[slot] == _MINUS_CLASS:
                    up = y != 0
                if not up:
                    strength = -strength
            out.strength[r, b, p] = strength
            if out.slot.size:
                out.slot[r, b, p] = slot


@compiled()
@no_type_check
def _kind(shares, value):
    """The last kind has the numbers below its share, the one before it those from there on, …, the first all others."""
    kind, edge = len(shares) - 1, shares[len(shares) - 1]
    while kind > 0 and not value < edge:
        kind -= 1
        edge += shares[kind]
    return kind


@compiled()
@no_type_check
def _searched(edges, value):
    """How many edges are not above a value."""
    i = 0
    while i < len(edges) and edges[i] <= value:
        i += 1
    return i


@compiled()
@no_type_check
def _sort(values, order):
    """The places of the values in ascending order, by insertion: there are few."""
    for i in range(len(values)):
        j = i
        while j and values[order[j - 1]] > values[i]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
