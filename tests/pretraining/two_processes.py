"""Run by two processes: a residual network with batch normalisation over both, against one that sees the whole batch."""

import copy

import torch
import torch.distributed as dist
from torch.nn import functional

from theory_sim.pretraining.config import Architecture
from theory_sim.pretraining.distributed import with_global_batch_norm
from theory_sim.pretraining.models import Classifier

torch.set_num_threads(1)
dist.init_process_group("gloo")
rank, processes = dist.get_rank(), dist.get_world_size()
draw = torch.Generator().manual_seed(0)
# Double precision: batch normalisation of few pixels magnifies the rounding of single precision.
images = torch.randn(8, 3, 32, 32, dtype=torch.float64, generator=draw)
labels = torch.randint(0, 512, (8,), generator=draw)
whole = Classifier(Architecture(name="resnet18", image_size=32), 4, 0).body.double()
shared = torch.nn.parallel.DistributedDataParallel(with_global_batch_norm(copy.deepcopy(whole), torch.device("cpu")))
for step in range(3):
    losses = []
    for network, part in ((whole, slice(None)), (shared, slice(8 * rank // processes, 8 * (rank + 1) // processes))):
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
        loss = functional.cross_entropy(network(images[part]), labels[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    dist.all_reduce(losses[1])
    if rank == 0:
        print(f"step {step}: {float(losses[0]):.15g} {float(losses[1]) / processes:.15g}")
dist.barrier()  # gloo aborts a process whose last messages the other has not waited for
dist.destroy_process_group()
