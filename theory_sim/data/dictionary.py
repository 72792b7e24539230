"""The dictionary: an orthonormal set of features in R^d, those of the label tree's nodes and then those of no class.

The paper's law has one common feature v_y per coarse class and one rare feature v_{y,c} per subclass [paper]; deeper trees have
one per node, and a law may have features of no class, or none of nodes [ours].
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theory_sim.runtime.streams import Streams


@dataclass(frozen=True)
class Dictionary:
    """Features of R replicas.

    Attributes:
        vectors: v, orthonormal within each replica.
        canonical: feature j is the axis e_j; lets patches be filled by writing one coordinate.
    """

    vectors: Float[Tensor, "R feature d"]
    canonical: bool

    def correlation(self, weight: Float[Tensor, "R *neuron d"]) -> Float[Tensor, "R *neuron feature"]:
        """⟨w, v⟩ for every neuron and feature."""
        flat = weight.flatten(1, -2) @ self.vectors.mT
        return flat.view(*weight.shape[:-1], -1)

    def add_to(self, x: Float[Tensor, "R B P d"], content: Int[Tensor, "R B P"], strength: Float[Tensor, "R B P"]) -> None:
        """x_p ← x_p + α v_content, in place, wherever content ≥ 0; elsewhere α is 0."""
        if self.canonical:
            x.scatter_add_(-1, content.clamp(min=0)[..., None], strength[..., None])
        else:
            replica, sample, patch = torch.nonzero(content >= 0, as_tuple=True)
            alpha = strength[replica, sample, patch, None]
            x[replica, sample, patch] += alpha * self.vectors[replica, content[replica, sample, patch]]


def canonical_dictionary(replicas: int, features: int, dim: int, device: torch.device, dtype: torch.dtype) -> Dictionary:
    """v_j = e_j in every replica."""
    eye = torch.eye(features, dim, device=device, dtype=dtype)
    return Dictionary(eye.expand(replicas, -1, -1), canonical=True)


def rotated_dictionary(streams: Streams, features: int, dim: int, dtype: torch.dtype) -> Dictionary:
    """A Haar-random orthonormal set for each stream.

    The Q of a Gaussian matrix's QR decomposition is Haar-distributed once the signs of R's diagonal are made positive
    (Mezzadri, *How to generate random matrices from the classical compact groups*, 2007).
    """
    q, r = torch.linalg.qr(streams.normal(dim, features, dtype=torch.float64))
    vectors = (q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None]).mT
    return Dictionary(vectors.contiguous().to(dtype), canonical=False)
