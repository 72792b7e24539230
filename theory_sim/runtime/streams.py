"""Random streams: each replica and purpose has its own, so that replica r is the same in every run that holds it."""

import hashlib
import math

import numpy as np
import torch
from jaxtyping import Float, Int, UInt64
from torch import Generator, Tensor

from theory_sim.runtime import philox
from theory_sim.runtime.threads import map_blocks

_IDS = {
    "dictionary": 0,
    "init coarse": 1,
    "init fine": 2,
    "training": 3,
    "training set": 4,
    "curve easy": 5,
    "curve hard": 6,
    "test easy": 7,
    "test hard": 8,
    "probe": 9,
    "finetuning": 10,
    "check": 11,
    "alignment": 12,
}
"""A number for each purpose, for good: a new purpose may be added anywhere. Other names have the number that their text gives."""
PURPOSES = tuple(_IDS)
"""The purposes that have a number."""
_FIRST_OF_TEXTS = 2**32
"""Numbers from here on come from names: they are none of those above."""
_BLOCK = 2048
"""Tiles that are worth a thread of their own."""


class Streams:
    """One random stream for each of R replicas, drawn from together.

    Numbers are those of `theory_sim.runtime.philox`; each call begins a new tile, and no number depends on how many cores or
    replicas
    there are. Where the device is no CPU, normal numbers are drawn there, by a generator of PyTorch for each stream.

    Args:
        keys: 64 bits for each replica.
        device: the device that normal numbers are drawn on.
        tiles: number of tiles that each stream has used; 0 without it. It is counted on in place.
        generators: PyTorch's generators of a device that is no CPU; made from the keys without it.
    """

    def __init__(
        self,
        keys: UInt64[np.ndarray, " R"],
        device: torch.device | str = "cpu",
        tiles: UInt64[np.ndarray, " R"] | None = None,
        generators: list[Generator] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self._keys, self._tiles = keys, np.zeros_like(keys) if tiles is None else tiles
        self._generators = generators
        if self.device.type != "cpu" and generators is None:
            self._generators = [Generator(self.device).manual_seed(int(key)) for key in keys]

    def __len__(self) -> int:
        return len(self._keys)

    def one(self, replica: int) -> "Streams":
        """The stream of one replica; numbers drawn from it are gone from here too."""
        return self.part(slice(replica, replica + 1))

    def part(self, here: slice) -> "Streams":
        """The streams of some replicas; numbers drawn from them are gone from here too."""
        generators = None if self._generators is None else self._generators[here]
        return Streams(self._keys[here], self.device, self._tiles[here], generators)

    def normal_(self, out: Float[Tensor, "R *n"], std: float | Float[np.ndarray, " R"] = 1.0) -> Float[Tensor, "R *n"]:
        """Fill a contiguous tensor with N(0, std²), replica r from stream r; each replica may have its own std."""
        if self._generators is None:
            self._fill(philox.fill_normal, out, std)
        else:
            of_each = np.broadcast_to(std, len(self)).tolist()
            for part, generator, own in zip(out, self._generators, of_each, strict=True):
                part.normal_(std=own, generator=generator)
        return out

    def normal(self, *shape: int, dtype: torch.dtype) -> Float[Tensor, "R *shape"]:
        """N(0, 1) of a shape for each replica."""
        return self.normal_(torch.empty(len(self), *shape, device=self.device, dtype=dtype))

    def uniform(self, *shape: int, dtype: torch.dtype) -> Float[Tensor, "R *shape"]:
        """U[0, 1) of a shape for each replica, on the CPU."""
        out = torch.empty(len(self), *shape, dtype=dtype)
        self._fill(philox.fill_uniform, out, 1.0)
        return out

    def integers(self, below: int, n: int) -> Int[Tensor, "R n"]:
        """`n` integers from 0 to `below` − 1 for each replica, on the CPU; their probabilities are equal within 2⁻³²."""
        return (self.uniform(n, dtype=torch.float64) * below).long()

    def numpy(self) -> list[np.random.Generator]:
        """A generator of NumPy for each replica, for laws that are not drawn here."""
        return [np.random.default_rng(entropy) for entropy in self.integers(2**32, 4).tolist()]

    def state(self) -> dict[str, Tensor]:
        """The positions of the streams."""
        state = {"tiles": torch.from_numpy(self._tiles.astype(np.int64))}
        if self._generators is not None:
            state["generators"] = torch.stack([g.get_state() for g in self._generators])
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state` of the same kind of device."""
        self._tiles[:] = state["tiles"].numpy()
        for generator, own in zip(self._generators or [], state.get("generators", []), strict=True):
            generator.set_state(own.clone())  # it does not look at where a view begins

    def _fill(self, law: philox.Fills, out: Tensor, scale: float | Float[np.ndarray, " R"]) -> None:
        rows = out.view(len(self), -1).numpy()
        if not rows.size:
            return
        each = math.ceil(rows.shape[1] / philox.TILE)
        fill, of_rows = law[rows.dtype], np.full(len(rows), scale, rows.dtype)
        tiles = each * len(rows)
        map_blocks(
            lambda first: fill(rows, self._keys, self._tiles, of_rows, first, min(first + _BLOCK, tiles)), range(0, tiles, _BLOCK)
        )
        self._tiles += np.uint64(each)


def keys_of(seed: int, name: str, replicas: int) -> UInt64[np.ndarray, " R"]:
    """The keys of a purpose's streams, one for each replica."""
    purpose = _IDS[name] if name in _IDS else _FIRST_OF_TEXTS + int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)
    return np.array([np.random.SeedSequence([seed, purpose, r]).generate_state(1, np.uint64)[0] for r in range(replicas)])


def streams(seed: int, name: str, replicas: int, device: torch.device | str = "cpu") -> Streams:
    """The streams of a purpose at their beginning; every name has streams of its own, whatever other names there are."""
    return Streams(keys_of(seed, name, replicas), device)
