"""Image files that are decoded once: where all images of a set fit in memory, they are kept there for all cells of a study."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from theory_sim.pretraining.loading.decoding import Decoded, decode_whole, head_of
from theory_sim.pretraining.loading.images import FileImages, Images, View, crop_box, looked_at, resized
from theory_sim.pretraining.loading.orientation import Turn
from theory_sim.pretraining.loading.randomness import Key, crop_draws
from theory_sim.runtime.memory import total_memory
from theory_sim.runtime.progress import Progress, ignore

if TYPE_CHECKING:
    from theory_sim.pretraining.datasets.base import ImageData

_SHARE = 0.25
"""Largest share of the machine's memory that decoded images take; while they are decoded they take twice as much."""
_CHUNK = 64


@dataclass(frozen=True)
class KeptImages:
    """Decoded images; a batch of them is the same as a batch of their files, number by number.

    Attributes:
        files: where they come from.
        pixels: of all images one after the other, as they are stored.
        offset: where each image begins; −1 for one that is not kept.
        size: height and width of each.
        turns: what turns images upright, of those that are not.
    """

    files: FileImages
    pixels: UInt8[Tensor, " value"]
    offset: Int[np.ndarray, " n"]
    size: Int[np.ndarray, "n 2"]
    turns: dict[int, Turn]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.files)

    def name(self, index: int) -> str:
        """As `FileImages.name`."""
        return self.files.name(index)

    def batch(
        self, indices: list[int], view: View, keys: list[Key] | None = None, out: UInt8[Tensor, "n 3 side side"] | None = None
    ) -> UInt8[Tensor, "n 3 side side"]:
        """As `FileImages.batch`; parts of the same size are resized together."""
        if out is None:
            out = torch.empty(len(indices), 3, view.size, view.size, dtype=torch.uint8)
        if (keys is None or view.crop == "none") and self._squares is not None and self._squares.shape[-1] == view.size:
            return out.copy_(self._squares[self.offset[indices] // self._squares[0].numel()])
        draws = [None] * len(indices) if keys is None or view.crop == "none" else list(crop_draws(keys))
        together: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
        for place, index in enumerate(indices):
            if self.offset[index] < 0:
                out[place] = self.files.read(index, view, draws[place])
                continue
            image = self._decoded(index)
            if draws[place] is None and image.pixels.shape[0] == image.pixels.shape[1]:
                part = image.turn.upright(image.pixels)  # the middle square is all of it
            else:
                part = image.part(partial(crop_box, view=view, draws=draws[place]))
            together.setdefault(part.shape, []).append((place, part))
        for parts in together.values():
            stacked = torch.from_numpy(np.stack([part for _, part in parts])).permute(0, 3, 1, 2)
            out[[place for place, _ in parts]] = resized(stacked, view.size)
        return out

    @cached_property
    def _squares(self) -> UInt8[Tensor, "kept 3 side side"] | None:
        """The images, where all are kept, upright, and squares of one size."""
        side = int(self.size.max())
        if self.turns or (self.offset < 0).any() or (self.size != side).any():
            return None
        return self.pixels.view(-1, side, side, 3).permute(0, 3, 1, 2)

    def _decoded(self, index: int) -> Decoded:
        start, (height, width) = self.offset[index], self.size[index]
        pixels = self.pixels[start : start + 3 * height * width].numpy().reshape(height, width, 3)
        return Decoded(pixels, self.turns.get(index, Turn()))


class ImageMemory:
    """Decodes the images of a data set when they are first asked for, once for all threads.

    Args:
        side: of the squares that are made of them.
        on_progress: called as images are decoded.
        processes: that share the machine's memory.
    """

    def __init__(self, side: int, on_progress: Callable[[Progress], None], processes: int = 1) -> None:
        self.side, self.on_progress = side, on_progress
        self.room = _SHARE * total_memory(torch.device("cpu")) / processes
        self._lock = threading.Lock()
        self._kept: dict[str, Images] = {}

    def __call__(self, data: "ImageData") -> Images:
        """The images of a data set, from memory if they fit there.

        Raises:
            InputError: a file is gone or can no longer be read.
        """
        with self._lock:
            if data.fingerprint not in self._kept:
                used = torch.cat([data.train, data.validation, data.test]).sort().values
                images = data.images
                if isinstance(images, FileImages) and fits(images, used, self.side, self.room):
                    images = decoded(images, used, self.side, self.on_progress)
                self._kept[data.fingerprint] = images
            return self._kept[data.fingerprint]


def fits(files: FileImages, used: Int[Tensor, " n"], side: int, room: float) -> bool:
    """Whether all images fit, by the heads of some of them, none of which may be decoded at less than its own size.

    Args:
        files: the images.
        used: those that are read.
        side: of the squares that are made of them.
        room: bytes.

    Raises:
        InputError: a file is gone or can no longer be read.
    """
    heads = [files.look(index, partial(head_of, side=side)) for index in looked_at(used)]
    bytes_of_all = 3 * float(np.mean([pixels for pixels, _ in heads])) * len(used)
    return bytes_of_all <= room and not any(may_shrink for _, may_shrink in heads)


def decoded(
    files: FileImages, used: Int[Tensor, " n"], side: int, on_progress: Callable[[Progress], None] = ignore
) -> KeptImages:
    """Decode images; those that are not used, and those that may be decoded at less than their own size, stay in their files.

    Args:
        files: the images.
        used: those that are read.
        side: of the squares that are made of them.
        on_progress: called as images are decoded.

    Raises:
        InputError: a file is gone or can no longer be read.
    """
    offset = np.full(len(files), -1)
    size = np.zeros((len(files), 2), dtype=int)
    turns: dict[int, Turn] = {}
    blocks, end, done = [np.empty(0, dtype=np.uint8)], 0, 0
    whole = partial(decode_whole, side=side, value_range=files.value_range)

    def read(indices: Int[Tensor, " n"]) -> list[tuple[int, Decoded | None]]:
        return [(index, files.look(index, whole)) for index in indices.tolist()]

    # Threads take many images at a time: for each small one they would wait for the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for block in used.split(_CHUNK * (os.cpu_count() or 1)):
            for index, image in chain.from_iterable(pool.map(read, block.split(_CHUNK))):
                if image is None:
                    continue
                offset[index], size[index] = end, image.pixels.shape[:2]
                end += image.pixels.size
                blocks.append(image.pixels.reshape(-1))
                if image.turn != Turn():
                    turns[index] = image.turn
            done += len(block)
            on_progress(Progress("decoding images", done, len(used)))
    return KeptImages(files, torch.from_numpy(np.concatenate(blocks)), offset, size, turns)
