"""What a network makes of its pre-activations z_p = ⟨w, x_p⟩ + b: φ(z), summed or averaged over the patches.

    h(X) = Σ_p φ(z_p)  or  (1/P) Σ_p φ(z_p),     φ(z) = max(0, z)  or  z^q,     φ′(z) = 1{z > 0}  or  q z^(q−1).

The engines `dense` and `lucky` have ReLU and the sum [paper], `theory_sim.training.engines.gradient` has all of them.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

RELU = "relu"
ACTIVATION = r"^(relu|z\^([2-9]|1[0-9]))$"
"""The names of activations: ``relu``, or ``z^q`` with a whole number q from 2 to 19."""
Pooling = Literal["sum", "mean"]


@dataclass(frozen=True)
class Nonlinearity:
    """The activation and the pooling of a network.

    Attributes:
        activation: φ: ``relu`` or ``z^q``.
        pooling: over the patches of a sample.
    """

    activation: str = RELU
    pooling: Pooling = "sum"

    def of(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """φ(z)."""
        return z.relu() if self.activation == RELU else z**self._power

    def slope(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """φ′(z); 0 at the ReLU's kink."""
        return (z > 0).to(z) if self.activation == RELU else self._power * z ** (self._power - 1)

    def share(self, patches: int) -> float:
        """Factor before the sum over the patches: 1, or 1/P."""
        return 1.0 if self.pooling == "sum" else 1.0 / patches

    def pooled(self, values: Tensor, dim: int = -1) -> Tensor:
        """Sum or mean over the patches, which are the axis `dim`."""
        pooled: Tensor = values.sum(dim) if self.pooling == "sum" else values.mean(dim)
        return pooled

    @property
    def _power(self) -> int:
        return int(self.activation.removeprefix("z^"))


RELU_SUM = Nonlinearity()
"""Of the paper's network [paper]."""


def nonlinearity_of(engine: object) -> Nonlinearity:
    """The nonlinearity of an engine; ReLU and the sum where it names none."""
    own: Nonlinearity = getattr(engine, "nonlinearity", RELU_SUM)
    return own
