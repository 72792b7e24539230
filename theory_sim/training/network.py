"""The two-layer convolutional network, F_c(X) = Σ_{r≤m} a_{c,r} Σ_{p≤P} ReLU(⟨w_{c,r}, x_p⟩ + b_{c,r}) [paper].

Other activations than ReLU, and a mean over patches, are a `theory_sim.training.nonlinearity.Nonlinearity`.

Notation (paper's symbol → name): w `weight`, b `bias`, a `output`; c head, r neuron, p patch.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from theory_sim.runtime.streams import Streams
from theory_sim.training.nonlinearity import RELU_SUM, Nonlinearity


@dataclass(frozen=True)
class Parameters:
    """Parameters of R networks with `head` outputs of m neurons each."""

    weight: Float[Tensor, "R head m d"]
    bias: Float[Tensor, "R head m"]
    output: Float[Tensor, "R head m"]

    @classmethod
    def initial(
        cls, streams: Streams, heads: int, neurons: int, dim: int, std: float, threshold: float, dtype: torch.dtype
    ) -> "Parameters":
        """Initial parameters: w ~ N(0, σ_0² I), b = −σ_0 τ, a = 1; one stream per replica.

        Args:
            streams: their number is R.
            heads: number of outputs.
            neurons: m, neurons per head.
            dim: d.
            std: σ_0.
            threshold: τ.
            dtype: of all parameters.
        """
        weight = streams.normal_(torch.empty(len(streams), heads, neurons, dim, device=streams.device, dtype=dtype), std)
        bias = weight.new_full(weight.shape[:-1], -std * threshold)
        return cls(weight, bias, torch.ones_like(bias))


def placed(
    weight: Float[Tensor, "n d"], bias: Float[Tensor, " n"], output: Float[Tensor, " n"], head: Int[Tensor, " n"], heads: int
) -> Parameters:
    """One network whose neurons are listed with their heads; heads with fewer are filled up with neurons that are 0."""
    order = torch.argsort(head, stable=True)
    count = torch.bincount(head, minlength=heads)
    slot = torch.arange(len(head)) - (count.cumsum(0) - count)[head[order]]
    like = weight.new_zeros(1, heads, max(1, int(count.max())))
    parameters = Parameters(weight.new_zeros(*like.shape, weight.shape[1]), like.clone(), torch.ones_like(like))
    for name, values in (("weight", weight), ("bias", bias), ("output", output)):
        getattr(parameters, name)[0, head[order], slot] = values[order]
    return parameters


class TwoLayerConvNet(nn.Module):
    """One network, as a module to use, inspect or train with any other tool.

    Args:
        weight: w.
        bias: b.
        output: a; registered as a buffer, since the paper freezes it.
        nonlinearity: activation and pooling.
    """

    def __init__(
        self,
        weight: Float[Tensor, "head m d"],
        bias: Float[Tensor, "head m"],
        output: Float[Tensor, "head m"],
        nonlinearity: Nonlinearity = RELU_SUM,
    ) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())
        self.register_buffer("output", output.detach().clone())
        self.output: Tensor

    @classmethod
    def of(cls, parameters: Parameters, replica: int, nonlinearity: Nonlinearity = RELU_SUM) -> "TwoLayerConvNet":
        """The network of one replica."""
        return cls(parameters.weight[replica], parameters.bias[replica], parameters.output[replica], nonlinearity)

    def forward(self, x: Float[Tensor, "*B P d"]) -> Float[Tensor, "*B head"]:
        """F(X) for samples of P patches."""
        pre = torch.einsum("crd,...pd->...crp", self.weight, x) + self.bias[..., None]
        return (self.output * self.nonlinearity.pooled(self.nonlinearity.of(pre))).sum(-1)
