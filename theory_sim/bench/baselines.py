"""Rivals for the bench: the same training, written as others would write it.

Both train one replica after the other with an `nn.Module`, einsum, autograd and SGD, and differ in their data:

* `PlainLoop` draws them as a plain script does: a dataset whose every sample is made by itself, patch by patch, as the data
  model reads, and batches by PyTorch's `DataLoader`;
* `VectorisedLoop` draws a batch by as few calls as can be, which is close to the floor: what we gain on it is what is left.
"""

import math
import random
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from theory_sim.config import Config
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


class Samples(IterableDataset[tuple[Tensor, int]]):
    """Easy samples without end, each made by itself: for every node on the leaf's path s patches α v + ζ, the rest ζ."""

    def __init__(self, config: Config) -> None:
        data = config.data
        self.data, self.tree = data, config.label_tree
        self.strengths = math.sqrt(1 - data.strength_spread), math.sqrt(1 + data.strength_spread)
        self.features = torch.eye(self.tree.n_nodes, data.dim)

    def __iter__(self) -> Iterator[tuple[Float[Tensor, "P d"], int]]:
        while True:
            yield self.sample()

    def sample(self) -> tuple[Float[Tensor, "P d"], int]:
        """One sample and its leaf."""
        leaf = random.randrange(self.tree.n_leaves)  # noqa: S311 - no secrets here, nor below
        x = self.data.noise / math.sqrt(self.data.dim) * torch.randn(self.data.patches, self.data.dim)
        places = iter(random.sample(range(self.data.patches), self.tree.depth * self.data.feature_patches))
        for node in self.tree.paths[leaf]:
            for _ in range(self.data.feature_patches):
                x[next(places)] += random.uniform(*self.strengths) * self.features[node]  # noqa: S311
        return x, leaf


class PlainLoop(AutogradLoop):
    """Data sample by sample, one loader for all replicas."""

    def __init__(self, config: Config, parameters: Parameters, step_size: float) -> None:
        super().__init__(config, parameters, step_size)
        self._batches = iter(DataLoader(Samples(config), batch_size=config.training.batch))

    def data(self, device: torch.device) -> tuple[Float[Tensor, "B P d"], Int[Tensor, " B"]]:
        """The loader's next batch."""
        x, leaf = next(self._batches)
        return x.to(device), leaf.to(device)


class VectorisedLoop(AutogradLoop):
    """Data of a batch by vectorised calls."""

    def data(self, device: torch.device) -> tuple[Float[Tensor, "B P d"], Int[Tensor, " B"]]:
        """A batch, all samples together."""
        data, tree = self.config.data, self.config.label_tree
        batch, s = self.config.training.batch, data.feature_patches
        leaf = torch.randint(tree.n_leaves, (batch,), device=device)
        path = tree.paths.to(device)[leaf]
        x = torch.randn(batch, data.patches, data.dim, device=device) * (data.noise / math.sqrt(data.dim))
        place = torch.rand(batch, data.patches, device=device).argsort(1)
        rows = torch.arange(batch, device=device)[:, None]
        low, high = math.sqrt(1 - data.strength_spread), math.sqrt(1 + data.strength_spread)
        for level in range(tree.depth):
            alpha = low + (high - low) * torch.rand(batch, s, device=device)
            x[rows, place[:, level * s : (level + 1) * s], path[:, level, None]] += alpha
        return x, leaf
