"""The neurons that a feature patch can make fire, drawn out of m without drawing the others.

A neuron u ~ N(0, I_d) is a *candidate* where g_f = ⟨u, v_f⟩ > z for some feature f. The g_f are independent, so of the
neurons that are no candidate for features before f, each is one for f with probability Q(z), alone: their numbers are
binomial, one after the other, and given its first feature f a candidate has g_f from the Gaussian tail above z, g_i ≤ z
for the features before, and everything else free, as N(0, 1). So a neuron near several features is drawn as often as
it occurs.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.special import log_ndtr, ndtri_exp
from scipy.stats import norm
from torch import Tensor

from theory_sim.runtime.streams import Streams

COPIED = 2**25
"""Largest number of weights that are copied at once: a copy of all, which may be many gigabytes, would double the memory."""


@dataclass
class Candidates:
    """Candidates of one replica, in order of the first feature that they are near, then of their head.

    Attributes:
        weight: w.
        bias: b.
        output: a.
        head: which head each belongs to.
        slot: place among the neurons of its head.
        correlation: ⟨w, v⟩ of every feature.
        norm: ‖w‖₂.
        moved: whether the neuron is not as it was drawn.
        near: which features it was drawn near.
        other: the largest ⟨w, v⟩ of the features that it was not drawn near, at least 0.
    """

    weight: Float[Tensor, "n d"]
    bias: Float[Tensor, " n"]
    output: Float[Tensor, " n"]
    head: Int[Tensor, " n"]
    slot: Int[Tensor, " n"]
    correlation: Float[Tensor, "n feature"]
    norm: Float[Tensor, " n"]
    moved: Bool[Tensor, " n"]
    near: Bool[Tensor, "n feature"]
    other: Float[Tensor, " n"]

    def clone(self) -> "Candidates":
        """A copy that can be trained on its own."""
        return Candidates(**{f.name: getattr(self, f.name).clone() for f in fields(self)})

    @cached_property
    def near_pairs(self) -> tuple[Int[Tensor, " pair"], Int[Tensor, " pair"]]:
        """Feature and neuron of each pair that was drawn near, feature by feature."""
        feature, neuron = self.near.T.nonzero(as_tuple=True)
        return feature, neuron

    def parts(self, rows: Int[Tensor, " some"]) -> tuple[Int[Tensor, " few"], ...]:
        """Neurons in parts whose weights may be copied (`COPIED`)."""
        parts: tuple[Tensor, ...] = rows.split(max(1, COPIED // self.weight.shape[1]))
        return parts

    def look_again(self, rows: Int[Tensor, " some"], vectors: Float[Tensor, "feature d"]) -> None:
        """Recompute the norms and correlations of neurons from their weights."""
        for part in self.parts(rows):
            weight = self.weight[part]
            correlation = weight @ vectors.T
            self.norm[part] = weight.norm(dim=-1)
            self.correlation[part] = correlation
            self.other[part] = correlation.masked_fill_(self.near[part], 0).amax(-1).clamp_(min=0)


def tail(rng: np.random.Generator, cut: float, size: int) -> np.ndarray:
    """N(0, 1) given that it is above `cut`: Q⁻¹(U · Q(z)), on a logarithmic scale, so that it holds far out."""
    log_u = -rng.standard_exponential(size)  # ln U
    return np.asarray(-ndtri_exp(log_ndtr(-cut) + log_u))


def counts(rng: np.random.Generator, heads: int, neurons: int, features: int, cut: float) -> np.ndarray:
    """Number of candidates by head and by the first feature that they are near: (head, feature)."""
    probability = float(norm.sf(cut))
    found, left = np.zeros((heads, features), dtype=np.int64), np.full(heads, neurons, dtype=np.int64)
    for f in range(features):
        found[:, f] = rng.binomial(left, probability)
        left -= found[:, f]
    return found


def draw(
    stream: Streams,
    vectors: Float[Tensor, "feature d"],
    canonical: bool,
    heads: int,
    neurons: int,
    cut: float,
    std: float,
    threshold: float,
) -> Candidates:
    """Draw one replica's candidates; a stream of its own gives the same ones in every run.

    Args:
        stream: of the replica's initial weights.
        vectors: v, orthonormal; their device and dtype are those of the weights.
        canonical: v_j = e_j.
        heads: number of heads.
        neurons: m, neurons per head.
        cut: z.
        std: σ_0.
        threshold: τ.
    """
    features, dim = vectors.shape
    (rng,) = stream.numpy()
    found = counts(rng, heads, neurons, features, cut)
    by_feature = found.T.ravel()  # feature by feature, within one head by head
    first = np.repeat(np.repeat(np.arange(features), heads), by_feature)
    head = np.repeat(np.tile(np.arange(heads), features), by_feature)
    n = len(first)
    near = rng.standard_normal((n, features))
    near[np.arange(n), first] = tail(rng, cut, n)
    # Not near an earlier feature: by rejection, which at a cut of use hardly ever happens.
    earlier = np.arange(features) < first[:, None]
    while (again := earlier & (near > cut)).any():
        near[again] = rng.standard_normal(int(again.sum()))

    weight = stream.normal(n, dim, dtype=vectors.dtype)[0]
    g = torch.from_numpy(near).to(weight)
    if canonical:
        weight[:, :features] = g
    else:
        weight += (g - weight @ vectors.T) @ vectors
    weight *= std
    order = np.argsort(head, kind="stable")
    slot = np.empty(n, dtype=np.int64)
    slot[order] = np.arange(n) - np.repeat(np.cumsum(found.sum(1)) - found.sum(1), found.sum(1))
    drawn = Candidates(
        weight=weight,
        bias=torch.full((n,), -std * threshold, device=weight.device, dtype=weight.dtype),
        output=torch.ones(n, device=weight.device, dtype=weight.dtype),
        head=torch.from_numpy(head).to(weight.device),
        slot=torch.from_numpy(slot).to(weight.device),
        correlation=weight.new_empty(n, features),
        norm=weight.new_empty(n),
        moved=torch.zeros(n, dtype=torch.bool, device=weight.device),
        near=torch.from_numpy(near > cut).to(weight.device),
        other=weight.new_empty(n),
    )
    drawn.look_again(torch.arange(n, device=weight.device), vectors)
    return drawn
