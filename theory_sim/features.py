"""The dictionary: an orthonormal set of features in R^d, one per node of the label tree.

One common feature v_y per coarse class and one rare feature v_{y,c} per subclass [paper]; deeper trees have one per
node [ours].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor


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
        """x_p ← x_p + α v_content, in place, wherever content ≥ 0."""
        replica, sample, patch = torch.nonzero(content >= 0, as_tuple=True)
        feature, alpha = content[replica, sample, patch], strength[replica, sample, patch]
        if self.canonical:
            x[replica, sample, patch, feature] += alpha
        else:
            x[replica, sample, patch] += alpha[:, None] * self.vectors[replica, feature]


def canonical_dictionary(replicas: int, features: int, dim: int, device: torch.device, dtype: torch.dtype) -> Dictionary:
    """v_j = e_j in every replica."""
    eye = torch.eye(features, dim, device=device, dtype=dtype)
    return Dictionary(eye.expand(replicas, -1, -1), canonical=True)


def rotated_dictionary(generators: Sequence[Generator], features: int, dim: int, dtype: torch.dtype) -> Dictionary:
    """A Haar-random orthonormal set for each generator.

    The Q of a Gaussian matrix's QR decomposition is Haar-distributed once the signs of R's diagonal are made positive
    (Mezzadri, *How to generate random matrices from the classical compact groups*, 2007).
    """
    vectors = []
    for generator in generators:
        normal = torch.randn(dim, features, generator=generator, device=generator.device, dtype=torch.float64)
        q, r = torch.linalg.qr(normal)
        vectors.append((q * r.diagonal().sign()).T)
    return Dictionary(torch.stack(vectors).to(dtype), canonical=False)
