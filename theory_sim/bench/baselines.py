"""Baselines for the bench: the same training, written as others would write it.

Both train one replica after the other with an `nn.Module`, einsum, autograd and SGD, and differ in their data:

* `PlainLoop` draws them as a plain script does: a dataset whose every sample is made by itself, patch by patch, as the data
  model reads, and batches by PyTorch's `DataLoader`;
* `VectorisedLoop` draws a batch by as few calls as can be, which is close to the floor, so that little can be gained on it.
"""

import math
import random
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from theory_sim.config import Config
from theory_sim.data.law import PatchLaw, described
from theory_sim.data.parts import Node, Uniform, gaussian_norm
from theory_sim.data.setup import law_of
from theory_sim.training.network import Parameters


class AutogradNet(nn.Module):
    """The network as one would write it down, for the bench alone."""

    def __init__(self, weight: Float[Tensor, "head m d"], bias: Float[Tensor, "head m"]) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.register_buffer("bias", bias.clone())
        self.bias: Tensor

    def forward(self, x: Float[Tensor, "B P d"]) -> Float[Tensor, "B head"]:
        """F(X)."""
        pre = torch.einsum("crd,bpd->bcrp", self.weight, x) + self.bias[..., None]
        return pre.relu().sum((2, 3))


class AutogradLoop:
    """Training as in a script: replica after replica, autograd, SGD; a subclass says where data come from.

    Args:
        config: the model.
        parameters: where to start.
        step_size: η.
    """

    def __init__(self, config: Config, parameters: Parameters, step_size: float) -> None:
        self.config, self.step_size = config, step_size
        self.networks = [AutogradNet(w, b) for w, b in zip(parameters.weight, parameters.bias, strict=True)]

    def step(self) -> None:
        """One step of every replica."""
        for network in self.networks:
            x, labels = self.data(network.weight.device)
            loss = nn.functional.cross_entropy(network(x), labels)
            network.zero_grad()
            loss.backward()
            with torch.no_grad():
                assert network.weight.grad is not None  # noqa: S101 - backward has just filled it
                change = -self.step_size * network.weight.grad
                network.weight.add_(change)
                network.bias.sub_(self.config.bias_decay * change.norm(dim=-1))

    def data(self, device: torch.device) -> tuple[Float[Tensor, "B P d"], Int[Tensor, " B"]]:
        """A fresh batch of easy samples and their leaves."""
        raise NotImplementedError


class SampleStream(IterableDataset[tuple[Tensor, int]]):
    """Samples of the law's first kind without end, each made by itself: patches α v + ζ of every group, the rest ζ."""

    def __init__(self, config: Config) -> None:
        self.law, self.dim = plain_law(config), config.data.dim
        self.groups = node_groups(self.law)
        self.noise = gaussian_norm(self.law.noise, "bench") / math.sqrt(self.dim)
        self.features = torch.eye(self.law.n_features, self.dim)

    def __iter__(self) -> Iterator[tuple[Float[Tensor, "P d"], int]]:
        while True:
            yield self.sample()

    def sample(self) -> tuple[Float[Tensor, "P d"], int]:
        """One sample and its leaf."""
        leaf = random.randrange(self.law.tree.n_leaves)  # noqa: S311 - no secrets here, nor below
        x = self.noise * torch.randn(self.law.patches, self.dim)
        places = iter(random.sample(range(self.law.patches), sum(patches for _, patches, _ in self.groups)))
        for level, patches, strength in self.groups:
            node = self.law.tree.paths[leaf, level - 1]
            for _ in range(patches):
                x[next(places)] += random.uniform(strength.low, strength.high) * self.features[node]  # noqa: S311
        return x, leaf


class PlainLoop(AutogradLoop):
    """Data sample by sample, one loader for all replicas."""

    def __init__(self, config: Config, parameters: Parameters, step_size: float) -> None:
        super().__init__(config, parameters, step_size)
        self._batches = iter(DataLoader(SampleStream(config), batch_size=config.batch))

    def data(self, device: torch.device) -> tuple[Float[Tensor, "B P d"], Int[Tensor, " B"]]:
        """The loader's next batch."""
        x, leaf = next(self._batches)
        return x.to(device), leaf.to(device)


class VectorisedLoop(AutogradLoop):
    """Data of a batch by vectorised calls."""

    def __init__(self, config: Config, parameters: Parameters, step_size: float) -> None:
        super().__init__(config, parameters, step_size)
        self.law = plain_law(config)
        self.groups = node_groups(self.law)

    def data(self, device: torch.device) -> tuple[Float[Tensor, "B P d"], Int[Tensor, " B"]]:
        """A batch, all samples together."""
        law, dim, batch = self.law, self.config.data.dim, self.config.batch
        leaf = torch.randint(law.tree.n_leaves, (batch,), device=device)
        path = law.tree.paths.to(device)[leaf]
        x = torch.randn(batch, law.patches, dim, device=device) * (gaussian_norm(law.noise, "bench") / math.sqrt(dim))
        place = torch.rand(batch, law.patches, device=device).argsort(1)
        rows = torch.arange(batch, device=device)[:, None]
        first = 0
        for level, patches, strength in self.groups:
            alpha = strength.low + (strength.high - strength.low) * torch.rand(batch, patches, device=device)
            x[rows, place[:, first : first + patches], path[:, level - 1, None]] += alpha
            first += patches
        return x, leaf


def plain_law(config: Config) -> PatchLaw:
    """The law of samples, which the rivals read.

    Raises:
        InputError: it samples by a function of its own.
    """
    return described(law_of(config), "bench")


def node_groups(law: PatchLaw) -> list[tuple[int, int, Uniform]]:
    """Level, number of patches and strength of the groups of the law's first kind that hold nodes of the path."""
    groups = next(iter(law.kinds.values()))
    return [
        (group.holds.level, group.patches, group.strength)
        for group in groups
        if isinstance(group.holds, Node) and isinstance(group.strength, Uniform)
    ]
