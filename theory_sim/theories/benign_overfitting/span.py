"""Many networks of benign overfitting, trained and tested by inner products alone.

**Training.** The training patches of a replica are ±s e_1 and ξ_1 … ξ_n. With u_0 = e_1, u_i = ξ_i, the derivative of the loss by
a weight vector w is a sum of training patches times numbers, so that gradient descent keeps

    w = w_0 + Σ_j c_j u_j,     c = 0 at the start,

and reads w only by q_j = ⟨w, u_j⟩ = ⟨w_0, u_j⟩ + Σ_k c_k K_kj, K_kj = ⟨u_k, u_j⟩. With ν = 1 (sum over patches) or 1/2 (mean),
σ_i the sign of sample i's signal and slopes ℓ_{i,c} = (p_c − 1{c = y_i})/n, a neuron of class c moves by

    Δc_0 = −η ν Σ_i ℓ_{i,c} σ_i s 1{σ_i s q_0 + b > 0},     Δc_i = −η ν ℓ_{i,c} 1{q_i + b > 0},     Δq = K Δc,
    Δb = −η ν Σ_i ℓ_{i,c} (1{σ_i s q_0 + b > 0} + 1{q_i + b > 0}).

A step costs (n + 1)² multiplications for each neuron, whatever d is. These are the numbers of the engine `gradient` for the same
seeds, up to rounding; here they are computed in double precision.

**Test.** A fresh sample is ±s e_1 and ξ' ~ N(0, σ_p² I), independent of the weights. Given all weight vectors w_r, the numbers
⟨w_r, ξ'⟩ are jointly normal with mean 0 and covariance σ_p² S, S_rt = ⟨w_r, w_t⟩, and ⟨w_r, ±s e_1⟩ = ±s q_{r,0} is known. So the
heads on a test sample are a function of 2m normal numbers instead of d, with exactly the law of the heads on a full sample. With
the initial products S_0 and Q_0 = (⟨w_{0,r}, u_j⟩), S = S_0 + C Q_0ᵀ + Q Cᵀ. Where ξ' is orthogonal to e_1, S − q_0 q_0ᵀ takes
its place. The rank of either may be less than 2m, as with 2m > d. The test is not that of a run sample by sample: other random
numbers, the same law.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theory_sim.config import Config
from theory_sim.config.values import StepSize
from theory_sim.data.sampler import Batch, make_sampler
from theory_sim.data.setup import law_of, make_dictionary
from theory_sim.runtime.compiled import compiled
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.settings import Section, checked
from theory_sim.runtime.streams import Streams, streams
from theory_sim.theories.benign_overfitting.law import NAME, NETWORK, LawSettings
from theory_sim.training.engines.gradient import GradientEngine, GradientSettings, Phase
from theory_sim.training.network import Parameters
from theory_sim.training.nonlinearity import Pooling


class Reading(Section):
    """One reading of a published script where its text leaves doubt: how patches are pooled, and η."""

    pooling: Pooling
    step_size: StepSize

    def __str__(self) -> str:
        return f"{self.pooling}, step {self.step_size:g}"


@dataclass(frozen=True)
class Trained:
    """What a test needs of trained networks.

    Attributes:
        weight_products: ⟨w_r, w_t⟩ of all pairs of neurons of a network, heads one after the other.
        signal: ⟨w_r, e_1⟩.
        bias: b_r.
        loss: training loss.
    """

    weight_products: Float[np.ndarray, "R neuron neuron"]
    signal: Float[np.ndarray, "R neuron"]
    bias: Float[np.ndarray, "R neuron"]
    loss: Float[np.ndarray, " R"]


@dataclass(frozen=True)
class _Start:
    """Inner products of a cell's initial weights and training patches, and what else training reads."""

    products: Float[np.ndarray, "R neuron neuron"]
    with_patches: Float[np.ndarray, "R neuron u"]
    gram: Float[np.ndarray, "R u u"]
    bias: Float[np.ndarray, "R neuron"]
    sign: Float[np.ndarray, "R n"]
    label: Float[np.ndarray, "R n"]


class Cell:
    """The networks of one configuration, its replicas side by side.

    Args:
        config: of the theory benign-overfitting.

    Raises:
        InputError: its network or optimiser are others than those that the equations above cover.
    """

    def __init__(self, config: Config) -> None:
        check_covered(config)
        self.config = config
        self._law = LawSettings.model_validate(config.law)
        dictionary = make_dictionary(config, torch.device("cpu"))
        law = law_of(config)
        sampler = make_sampler(law, dictionary)
        batch = sampler.sample(self._streams("training set"), config.data.training_samples, law.training_shares)
        own = streams(config.seed_of("init"), f"init {NETWORK}", config.replicas)
        step_size = config.training.step_size[NETWORK]
        parameters = GradientEngine.initial(config, law, own, 2, step_size, dictionary).parameters
        self._start = _start(batch, parameters, dictionary.vectors)

    def train(self, pooling: Pooling, step_size: float) -> Trained:
        """The networks after ``training.steps`` steps, with this pooling and step size in place of the configuration's.

        Raises:
            InputError: there is no such pooling, or no such step size.
        """
        checked(Reading, {"pooling": pooling, "step_size": step_size})
        start, share = self._start, 1.0 if pooling == "sum" else 0.5
        q, bias = start.with_patches.copy(), start.bias.copy()
        c, loss = np.zeros_like(q), np.empty(len(q))
        _train(
            q, c, bias, loss, start.gram, start.sign, start.label, self._law.signal, step_size, share, self.config.training.steps
        )
        products = start.products + c @ start.with_patches.swapaxes(1, 2) + q @ c.swapaxes(1, 2)
        return Trained((products + products.swapaxes(1, 2)) / 2, q[..., 0].copy(), bias, loss)

    def test(self, networks: Sequence[Trained]) -> Float[np.ndarray, "network R"]:
        """The error on ``test.samples`` samples of each replica, all networks on the same random numbers.

        An answer is correct if the larger head is that of the label, which is flipped with the law's probability.
        """
        config, law, half = self.config, self._law, self.config.neurons
        own = self._streams("test span")
        dtype = getattr(torch, config.training.dtype)
        uniform = own.uniform(config.test.samples, 2, dtype=dtype)
        normal = own.normal(config.test.samples, 2 * half, dtype=dtype)
        upper = uniform[..., 0] < 0.5  # whether the class is the first, whose signal is +s e_1
        flipped = uniform[..., 1] < law.flip
        above = torch.cat([torch.ones(half), -torch.ones(half)]).to(dtype)
        found = []
        for trained in networks:
            covariance = trained.weight_products
            if law.orthogonal:
                covariance = covariance - trained.signal[:, :, None] * trained.signal[:, None]
            factor = _factor(torch.from_numpy(covariance)).to(dtype) * law.noise_std
            bias = torch.from_numpy(trained.bias).to(dtype)
            noise = torch.baddbmm(bias[:, None], normal, factor.mT).relu_() @ above
            along = torch.from_numpy(trained.signal).to(dtype) * law.signal * (-1 if law.reversed_test else 1)
            first, second = ((sign * along + bias).relu() @ above for sign in (1, -1))
            difference = noise + torch.where(upper, first[:, None], second[:, None])
            right = torch.where(upper ^ flipped, difference > 0, difference < 0).to(dtype)
            right = torch.where(difference == 0, torch.full_like(right, 0.5), right)
            found.append(1 - right.mean(1, dtype=torch.float64).numpy())
        return np.stack(found)

    def _streams(self, name: str) -> Streams:
        return streams(self.config.seed_of("data"), name, self.config.replicas)


def check_covered(config: Config) -> None:
    """Refuse configurations that the equations do not cover.

    Raises:
        InputError: the message names the key to change.
    """
    if config.theory != NAME:
        raise InputError(f"theory: only {NAME} is covered, got {config.theory}")
    if config.training.engine != "gradient" or config.training.batch != "full" or config.network.train_output:
        raise InputError("training: needs the engine gradient, batch: full, and network.train_output: false")
    if config.labels[NETWORK] != "leaf" or not config.test.noisy_labels:
        raise InputError(f"needs labels.{NETWORK}: leaf, and test.noisy_labels: true")
    options = GradientSettings.model_validate(config.engine)
    if options.activation != "relu" or options.biases != "trained" or options.phases != [Phase()]:
        raise InputError("engine: needs activation: relu, biases: trained, and no phases of its own")


def _factor(covariance: Float[Tensor, "R neuron neuron"]) -> Float[Tensor, "R neuron neuron"]:
    """A, A Aᵀ = `covariance`: Cholesky's; where that does not exist, as with more neurons than dimensions, from eigenvectors."""
    found: tuple[Tensor, Tensor] = torch.linalg.cholesky_ex(covariance)
    factor, failed = found
    if failed.any():
        values, vectors = torch.linalg.eigh(covariance)
        factor = torch.where(failed[:, None, None] > 0, vectors * values.clamp_min(0).sqrt()[:, None], factor)
    return factor


def _start(batch: Batch, parameters: Parameters, vectors: Float[Tensor, "R 1 d"]) -> _Start:
    first = batch.content[..., :1] >= 0  # whether the signal is in the first patch
    noise = torch.where(first, batch.x[:, :, 1], batch.x[:, :, 0])
    patches = torch.cat([vectors, noise], 1).double()
    weight = parameters.weight.flatten(1, 2).double()
    arrays = (
        weight @ weight.mT,
        weight @ patches.mT,
        patches @ patches.mT,
        parameters.bias.flatten(1).double(),
        1.0 - 2.0 * batch.coarse.double(),
        batch.labelled_leaf.double(),
    )
    return _Start(*(array.contiguous().numpy() for array in arrays))


_fast = compiled(fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")


@_fast
@no_type_check
def _train(q, c, bias, loss, gram, sign, label, signal, step_size, share, steps):
    """Train all networks one after the other, in place; `loss` gets the loss of the trained networks."""
    slope, moved = np.empty(q.shape[2] - 1), np.empty(q.shape[2])
    for net in range(len(q)):
        along = sign[net] * signal
        for _ in range(steps):
            _slopes(q[net], bias[net], along, label[net], share, slope)
            _step(q[net], c[net], bias[net], gram[net], along, slope, step_size * share, moved)
        loss[net] = _slopes(q[net], bias[net], along, label[net], share, slope)


@_fast
@no_type_check
def _slopes(q, bias, along, label, share, slope):
    """The loss, and its derivative by the first head of each sample; that by the second is minus this."""
    neurons, n, total = len(q), len(label), 0.0
    for i in range(n):
        difference = 0.0  # of the two heads
        for r in range(neurons):
            h = max(0.0, along[i] * q[r, 0] + bias[r]) + max(0.0, q[r, 1 + i] + bias[r])
            difference += h if r < neurons // 2 else -h
        margin = share * difference * (1 - 2 * label[i])  # of the right label over the wrong one
        total += np.log1p(np.exp(-abs(margin))) + max(0.0, -margin)
        slope[i] = (2 * label[i] - 1) / (1 + np.exp(margin)) / n
    return total / n


@_fast
@no_type_check
def _step(q, c, bias, gram, along, slope, rate, moved):
    """One step of all neurons; `moved` is memory for Δc of a neuron."""
    neurons, patches = q.shape
    for r in range(neurons):
        own = -rate if r < neurons // 2 else rate
        b, by_bias, by_signal = bias[r], 0.0, 0.0
        for i in range(patches - 1):
            if along[i] * q[r, 0] + b > 0:
                by_signal += slope[i] * along[i]
                by_bias += slope[i]
            fires = q[r, 1 + i] + b > 0
            moved[1 + i] = own * slope[i] if fires else 0.0
            by_bias += slope[i] if fires else 0.0
        moved[0] = own * by_signal
        bias[r] += own * by_bias
        for j in range(patches):
            if moved[j] != 0:
                c[r, j] += moved[j]
                for k in range(patches):
                    q[r, k] += moved[j] * gram[j, k]
