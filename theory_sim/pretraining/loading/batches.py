"""Batches whose order depends on the seed and the step alone: a resumed run, or one of more processes, reads the same."""

import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from theory_sim.pretraining.config import TrainingRecipe
from theory_sim.pretraining.loading.images import Images, View
from theory_sim.pretraining.loading.randomness import Key, mirrored
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.processes import starting_processes


@dataclass(frozen=True)
class ImageBatch:
    """One process's part of a step, or a part of that.

    Attributes:
        images: cropped.
        flip: which of them are to be mirrored.
        places: places in the list of training images.
    """

    images: UInt8[Tensor, "n 3 side side"]
    flip: Bool[Tensor, " n"]
    places: Int[Tensor, " n"]


@dataclass(frozen=True)
class Share:
    """Which part of each step's batch a process computes.

    Attributes:
        rank: number of this process.
        of: how many there are.
        accumulate: parts that each computes its share in.
    """

    rank: int = 0
    of: int = 1
    accumulate: int = 1

    def parts(self, batch: int) -> list[range]:
        """Positions in the batch, one range per part; `TrainingRecipe.check_parts` has checked that the parts are equal."""
        size = batch // (self.of * self.accumulate)
        first = self.rank * self.accumulate
        return [range(size * part, size * (part + 1)) for part in range(first, first + self.accumulate)]


class Order:
    """The endless sequence of images: one permutation of all n after the other.

    Args:
        n: number of images.
        seed: of the permutations.
    """

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed
        # Made once per epoch, not once per step; a batch may hold the end of one and the start of the next.
        self._permutation = lru_cache(2)(lambda epoch: np.random.default_rng([seed, epoch, 2]).permutation(n))

    def __call__(self, start: int, count: int) -> Int[Tensor, " count"]:
        """Places `start` to `start + count − 1` of the sequence."""
        epochs = range(start // self.n, (start + count - 1) // self.n + 1)
        stream = np.concatenate([self._permutation(epoch) for epoch in epochs])
        return torch.from_numpy(stream[start - epochs[0] * self.n :][:count])


def batches(
    images: Images,
    indices: Int[Tensor, " n"],
    training: TrainingRecipe,
    image_size: int,
    seed: int,
    share: Share,
    first_step: int = 0,
    workers: int = 0,
    pin: bool = False,
) -> Iterator[ImageBatch]:
    """Batches of this process from `first_step` to the last step, `share.accumulate` of them for each.

    With workers a batch's images are good until the next batch is asked for: their memory is then written again.

    Args:
        images: where images are read.
        indices: the training images.
        training: batch, steps, crop and flip.
        image_size: side of the images.
        seed: of order, crops and flips.
        share: which part is this process's.
        first_step: where to go on.
        workers: processes that read ahead; 0: read here.
        pin: put batches where a GPU copies them from fastest.
    """
    reader = _Reader(images, indices, View(image_size, training.crop), training, seed)
    parts = share.parts(training.batch)
    requests = ((step, part) for step in range(first_step, training.steps) for part in parts)
    if workers == 0:
        yield from map(reader.read, requests)
        return
    from torch.utils.data import DataLoader

    # As many batches are on their way as workers may read ahead, and one is with the caller. Each has a place in shared
    # memory, which is used again: fresh memory costs more to touch than the images to write.
    room = workers * (_AHEAD + 1)
    shape = (room, len(parts[0]), 3, image_size, image_size)
    shared = torch.empty(shape, dtype=torch.uint8).share_memory_()
    loader = DataLoader(
        _Requests(reader, shared),
        batch_sampler=_Listed((number % room, request) for number, request in enumerate(requests)),
        num_workers=workers,
        collate_fn=_as_it_is,
        prefetch_factor=_AHEAD,
    )
    for answer in _answers(loader):
        if isinstance(answer, Exception):  # as this process would have raised it
            raise answer
        place, flip, places = answer
        read = shared[place]
        yield ImageBatch(read.pin_memory(), flip.pin_memory(), places) if pin else ImageBatch(read, flip, places)


_AHEAD = 4
"""Batches that each worker reads ahead."""


@dataclass(frozen=True)
class _Reader:
    images: Images
    indices: Tensor
    view: View
    training: TrainingRecipe
    seed: int

    @cached_property
    def order(self) -> Order:
        return Order(len(self.indices), self.seed)  # made where it is used: a worker process makes its own

    def read(self, request: tuple[int, range], out: Tensor | None = None) -> ImageBatch:
        step, part = request
        start = step * self.training.batch + part.start
        places = self.order(start, len(part))
        keys: list[Key] = [(self.seed, position) for position in range(start, start + len(part))]
        flip = torch.from_numpy(mirrored(keys) & self.training.flip)
        return ImageBatch(self.images.batch(self.indices[places].tolist(), self.view, keys, out), flip, places)


_Read = tuple[int, Tensor, Tensor]
"""A batch's place in shared memory, where its images are, and its `ImageBatch.flip` and `ImageBatch.places`."""


class _Requests(torch.utils.data.Dataset[Any]):
    """A whole batch for one request: the workers have nothing to put together, the main process nothing but to copy."""

    def __init__(self, reader: _Reader, shared: UInt8[Tensor, "room n 3 side side"]) -> None:
        self.reader, self.shared = reader, shared

    def __getitems__(self, requests: list[tuple[int, tuple[int, range]]]) -> _Read | Exception:
        place, request = requests[0]
        try:
            batch = self.reader.read(request, self.shared[place])
        except Exception as error:
            error.add_note(traceback.format_exc())  # which is lost on the way
            return as_sent(error)  # PyTorch would put its own words and a traceback before the reason
        return place, batch.flip, batch.places

    def __getitem__(self, request: tuple[int, tuple[int, range]]) -> _Read | Exception:
        return self.__getitems__([request])


def as_sent(error: Exception) -> Exception:
    """An error as another process can receive it: itself, or where it cannot be pickled its kind and message."""
    try:
        if str(ForkingPickler.loads(ForkingPickler.dumps(error))) == str(error):
            return error
    except Exception:  # noqa: S110 - objects decide themselves how they fail
        pass
    for kind in (InputError, MemoryError, OSError):
        if isinstance(error, kind):
            return kind(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")


def _answers(loader: Iterable[Any]) -> Iterator[_Read | Exception]:
    """What the workers answer.

    Raises:
        ChildProcessError: a worker died; most often the system ended it for want of memory.
    """
    try:
        with starting_processes():
            answers = iter(loader)
        yield from answers
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        reason = " ".join(str(error).split())
        raise ChildProcessError(f"a process that reads images died; fewer workers need less memory ({reason})") from None


class _Listed(torch.utils.data.Sampler[Any]):
    def __init__(self, requests: Iterator[Any]) -> None:
        self.requests = requests

    def __iter__(self) -> Iterator[Any]:
        return ([request] for request in self.requests)


def _as_it_is(read: Any) -> Any:
    return read
