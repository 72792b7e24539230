"""The correlations of neurons with features over training, packed for a page: a map for each network, replica, head and step.

A page holds at most `MOST_VALUES` correlations. Where a run has more, the page shows some replicas, heads and neurons: the
neurons with the largest final correlations, and a random rest. `NeuronMap.shown` says which.

Correlations are rounded to multiples of their largest size ÷ `LEVELS`, and packed as differences from the step before, 16 bits
each, little-endian, by zlib, in base64; steps vary fastest.
"""

import base64
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from theory_sim.runs.results import Results

MOST_VALUES = 1_500_000
"""Correlations in a page, of all networks together."""
LEVELS = 4095
"""The largest correlation, in units of the rounding."""
_MOST = {"replica": 10, "head": 24, "feature": 60, "neuron": 80}
"""Replicas, heads, features and neurons of a head that are shown at most."""
_BY_SIZE = 0.75
"""Share of the neurons shown that are chosen by size; the others are random."""


@dataclass(frozen=True)
class NeuronMap:
    """The correlations of one network.

    Attributes:
        network: its name.
        labels: the label function that it was trained on.
        shown: what is shown of all there is, as a sentence; empty: all.
        steps: the recorded steps.
        replicas: those that are shown.
        heads: names of the heads that are shown.
        features: names of the features.
        neurons: number of each neuron in its head, (replica, head, neuron), flat.
        unit: correlations are multiples of it.
        values: the multiples, packed; (replica, head, neuron, feature, step).
        lucky: indices of the lucky pairs among the flat (replica, head, neuron, feature).
    """

    network: str
    labels: str
    shown: str
    steps: list[int]
    replicas: list[int]
    heads: list[str]
    features: list[str]
    neurons: list[int]
    unit: float
    values: str
    lucky: list[int]

    @property
    def size(self) -> int:
        """The number of its correlations."""
        return len(self.neurons) * len(self.features) * len(self.steps)


def neuron_maps(results: Results, room: int = MOST_VALUES) -> list[NeuronMap]:
    """The maps of all networks of a run.

    Args:
        results: the run.
        room: the largest number of correlations in all.
    """
    by_size = sorted(results.records.items(), key=lambda item: item[1].correlation.size)
    found: dict[str, NeuronMap] = {}
    for left, (name, data) in zip(range(len(by_size), 0, -1), by_size, strict=True):
        found[name] = _packed(name, data, room // left)  # what a small network leaves is for the larger ones
        room -= found[name].size
    return [found[name] for name in results.records]


def _packed(network: str, data: xr.Dataset, room: int) -> NeuronMap:
    sizes = {name: int(data.sizes[name]) for name in _MOST}
    kept = {name: min(size, _MOST[name]) for name, size in sizes.items()}
    each = kept["feature"] * data.sizes["step"]
    while kept["replica"] > 1 and kept["replica"] * kept["head"] * kept["neuron"] * each > room:
        kept["replica"] -= 1
    while kept["head"] > 1 and kept["replica"] * kept["head"] * kept["neuron"] * each > room:
        kept["head"] -= 1
    kept["neuron"] = min(kept["neuron"], max(1, room // (kept["replica"] * kept["head"] * each)))
    parts = data.isel({name: slice(kept[name]) for name in ("replica", "head", "feature")})
    chosen = _neurons(parts.correlation.values[:, -1], kept["neuron"])  # (replica, head, neuron)
    values = np.take_along_axis(parts.correlation.values, chosen[:, None, :, :, None], 3)
    lucky = np.take_along_axis(parts.lucky.values, chosen[..., None], 2)
    unit = float(np.abs(values).max(initial=0)) / LEVELS or 1.0
    whole = np.rint(np.moveaxis(values, 1, -1) / unit).astype("<i2")
    packed = zlib.compress(np.diff(whole, prepend=np.int16(0)).astype("<i2").tobytes(), 9)
    return NeuronMap(
        network=network,
        labels=str(data.attrs["labels"]),
        shown=_shown(sizes, kept),
        steps=data.step.values.tolist(),
        replicas=list(range(kept["replica"])),
        heads=[_head(head, int(parent)) for head, parent in enumerate(parts.head_parent.values)],
        features=[str(name) for name in parts.feature_name.values],
        neurons=chosen.ravel().tolist(),
        unit=unit,
        values=base64.b64encode(packed).decode("ascii"),
        lucky=np.flatnonzero(lucky).tolist(),
    )


def _neurons(final: np.ndarray, n: int) -> np.ndarray:
    """The neurons of each head that are shown, in the order of the feature that each learned most: (replica, head, n).

    Args:
        final: correlations at the end, (replica, head, neuron, feature).
        n: how many.
    """
    size = np.abs(final).max(-1)
    order = np.argsort(-size, axis=-1, kind="stable")
    largest = n if n == size.shape[-1] else max(1, round(_BY_SIZE * n))
    generator = np.random.default_rng(0)
    rest = generator.permuted(order[..., largest:], axis=-1)[..., : n - largest]
    chosen = np.concatenate([order[..., :largest], rest], -1)
    of = np.take_along_axis(np.abs(final).argmax(-1), chosen, -1)
    strength = np.take_along_axis(size, chosen, -1)
    by_feature = np.lexsort((-strength, of), axis=-1)
    return np.take_along_axis(chosen, by_feature, -1)


def _head(head: int, parent: int) -> str:
    return f"head {head + 1} (coarse class {parent + 1})"


def _shown(sizes: dict[str, int], kept: dict[str, int]) -> str:
    parts = list(_less(sizes, kept))
    return f"The page shows {'; '.join(parts)}." if parts else ""


def _less(sizes: dict[str, int], kept: dict[str, int]) -> Iterator[str]:
    for name in ("replica", "head", "feature"):
        if kept[name] < sizes[name]:
            yield f"the first {kept[name]} of {sizes[name]:,} {name}s"
    if kept["neuron"] < sizes["neuron"]:
        largest = max(1, round(_BY_SIZE * kept["neuron"]))
        rest = kept["neuron"] - largest
        chosen = (
            f"{kept['neuron']} of {sizes['neuron']:,} neurons of each head, the {largest} with the largest final correlations"
        )
        yield chosen + (f" and {rest} at random" if rest else "")
