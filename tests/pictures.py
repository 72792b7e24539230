"""Random pictures and a task to learn on them."""

import torch

from theory_sim.pretraining.loading.images import ArrayImages
from theory_sim.pretraining.training import Task


def pictures(n: int, size: int, seed: int = 0) -> ArrayImages:
    return ArrayImages(
        torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    )


def task(n: int = 64, size: int = 8, classes: int = 4, several: bool = False) -> Task:
    targets = torch.arange(n) % classes
    if several:
        targets = torch.stack([targets, (targets + 1) % classes, torch.full((n,), -1)], 1)
    return Task(pictures(n, size), torch.arange(n), targets, size)
