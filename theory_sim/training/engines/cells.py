"""The dense engine for several cells of a sweep: networks of the same shapes, each cell with its own η and κ.

Every number is that of the cell alone, bit for bit: a cell's replicas are divided into the same parts as alone, or they are one
part alone, and such cells are computed together; a part's operations treat each replica by itself.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.training.engines.base import HeadGroups
from theory_sim.training.engines.dense import ALONE, BLOCK, Block, DenseEngine, Rates
from theory_sim.training.network import Parameters

_ON_GPU = 2**26
"""Pre-activations computed together on a GPU, which many small products fill."""
Rate = tuple[float, float]
"""η and κ of a cell."""


class DenseCells(DenseEngine):
    """The networks of several cells in training, cell after cell.

    Args:
        parameters: where to start, (cell · replica, …); `step` overwrites them.
        rates: η and κ of each cell.
        train_output: whether a is trained too.
    """

    def __init__(self, parameters: Parameters, rates: Sequence[Rate], train_output: bool = False) -> None:
        super().__init__(parameters, *rates[0], train_output)
        self.rates = list(rates)
        self.each = len(parameters.bias) // len(rates)

    @classmethod
    def joined(cls, engines: Sequence[DenseEngine]) -> "DenseCells":
        """The networks of cells that have been made one by one."""
        names = ("weight", "bias", "output")
        parts = {name: torch.cat([getattr(engine.parameters, name) for engine in engines]) for name in names}
        rates = [(engine.step_size, engine.bias_decay) for engine in engines]
        return cls(Parameters(**parts), rates, engines[0].train_output)

    def take(self, cells: Sequence[int]) -> "DenseCells":
        """A copy with some of the cells, in any order and as often as they are named."""
        rows = rows_of(cells, self.each)
        p = self.parameters
        taken = Parameters(p.weight[rows], p.bias[rows], p.output[rows])
        return DenseCells(taken, [self.rates[cell] for cell in cells], self.train_output)

    def regrouped(self, step_size: float, group: HeadGroups) -> "DenseCells":
        """As `theory_sim.training.engines.base.Engine.regrouped`."""
        own = self.take(range(len(self.rates)))
        own.rates = [(step_size, bias_decay) for _, bias_decay in self.rates]
        own._head_groups = group
        return own

    def silence(self, cell: int) -> None:
        """Let no neuron of a cell fire any more, as when its training has diverged: NaN fires, and would cost time."""
        rows = slice(cell * self.each, (cell + 1) * self.each)
        for name, value in (("weight", 0.0), ("bias", -1.0), ("output", 0.0)):
            getattr(self.parameters, name)[rows] = value

    def _rates(self, replicas: slice) -> list[Rates]:
        stop = min(replicas.stop, len(self.parameters.bias))
        spans, row = [], replicas.start
        cells = range(replicas.start // self.each, -(-stop // self.each))
        for (step_size, bias_decay), same in groupby(cells, lambda cell: self.rates[cell]):
            end = min(stop, self.each * (list(same)[-1] + 1))
            spans.append((slice(row - replicas.start, end - replicas.start), step_size, bias_decay))
            row = end
        return spans

    def _cells(self, replicas: int) -> int:
        return max(1, replicas // self.each)

    def _blocks(self, x: Float[Tensor, "R B P d"], most: int | None = None) -> Iterator[Block]:
        """The parts of each cell; cells of one part are computed together."""
        alone = list(super()._blocks(x[: self.each], most))
        replicas, n = len(x), 1
        if len({block[0].start for block in alone}) == 1:
            samples = alone[0][1].stop - alone[0][1].start
            pairs = self.parameters.bias[0].numel() * x.shape[2]
            most_at_once = BLOCK if x.device.type == "cpu" else _ON_GPU
            n = max(1, most_at_once // (self.each * samples * pairs))
            if self.each == 1 and samples * pairs > ALONE:
                n = 1
        for first in range(0, replicas, n * self.each):
            for block, samples_of in alone:
                if n > 1:
                    yield slice(first, min(replicas, first + n * self.each)), samples_of
                else:
                    yield slice(first + block.start, min(first + block.stop, first + self.each)), samples_of


def rows_of(cells: Sequence[int], each: int) -> Int[Tensor, " row"]:
    """The replicas of some cells of `each` replicas."""
    return (torch.tensor(cells)[:, None] * each + torch.arange(each)).flatten()
