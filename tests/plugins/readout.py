"""A readout of one's own: the coarse class of the largest product of its heads' probabilities."""

import torch

import theory_sim as ts


@ts.register_readout("mean_log_probability")
def mean_log_probability(heads: torch.Tensor, parents: ts.HeadGroups) -> torch.Tensor:
    """Geometric means, so that classes of more heads have no advantage."""
    return ts.choose(parents.sum(heads.log_softmax(-1)) / parents.sum(torch.ones_like(heads)))
