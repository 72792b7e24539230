"""The rival in JAX: the same training as one would write it there, compiled by XLA.

One replica is a function of its weights, its labels and its patches; `jax.grad` derives its loss, `jax.vmap` maps a step over the
replicas, `jax.lax.scan` runs several steps in a compiled loop, and `jax.jit` compiles the whole. Every step draws fresh samples
by JAX's own generator, by as few calls as `theory_sim.bench.baselines.VectorisedLoop`.

Needs ``pip install theory-sim[bench]``. JAX is imported by `JaxLoop` alone.
"""

import importlib.util
import math
import os
import sys
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from theory_sim.bench.baselines import node_groups, plain_law
from theory_sim.config import Config
from theory_sim.data.parts import gaussian_norm
from theory_sim.runtime.errors import InputError
from theory_sim.training.network import Parameters

STEPS = 10
"""Steps in a call: enough that the call itself does not count."""
_ONE_CORE = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "NPROC": "1"}
"""What makes XLA compute on one core; it is read when JAX starts."""


def is_installed() -> bool:
    """Whether there is JAX."""
    return importlib.util.find_spec("jax") is not None


class JaxLoop:
    """Training of R replicas side by side on the CPU, on one core if JAX was not in use before.

    Args:
        config: the model.
        parameters: where to start.
        step_size: η.

    Raises:
        InputError: JAX is not installed; the message says which install line brings it.
    """

    def __init__(self, config: Config, parameters: Parameters, step_size: float) -> None:
        if not is_installed():
            raise InputError("this benchmark needs jax: pip install 'theory-sim[bench]'")
        if "jax" not in sys.modules:
            for name, value in _ONE_CORE.items():
                os.environ.setdefault(name, value)
        import jax

        self._jax, self._law = jax, plain_law(config)
        self.config, self.step_size = config, step_size
        self._cpu = jax.devices("cpu")[0]
        # Copies: JAX may keep memory that it is given, and ours is overwritten by training.
        arrays = (parameters.weight.cpu().numpy().copy(), parameters.bias.cpu().numpy().copy())
        self._state = tuple(jax.device_put(array, self._cpu) for array in arrays)
        self._keys = jax.random.split(jax.device_put(jax.random.key(0), self._cpu), len(parameters.weight))
        self._steps = jax.jit(jax.vmap(self._some_steps))
        self._on = jax.jit(jax.vmap(self._step))

    def step(self) -> None:
        """`STEPS` steps of every replica, each on fresh samples."""
        self._state, self._keys = self._jax.block_until_ready(self._steps(self._state, self._keys))

    def step_on(self, x: Float[np.ndarray, "R B P d"], labels: Int[np.ndarray, "R B"]) -> None:
        """One step of every replica on given samples."""
        self._state = self._on(self._state, *(self._jax.device_put(array, self._cpu) for array in (x, labels)))

    @property
    def weight(self) -> Float[np.ndarray, "R head m d"]:
        """Weights, w."""
        return np.asarray(self._state[0])

    @property
    def bias(self) -> Float[np.ndarray, "R head m"]:
        """Biases, b."""
        return np.asarray(self._state[1])

    def _some_steps(self, state: Any, key: Any) -> Any:
        def one(carry: Any, _: None) -> Any:
            state, key = carry
            key, own = self._jax.random.split(key)
            return (self._step(state, *self._samples(own)), key), None

        return self._jax.lax.scan(one, (state, key), None, length=STEPS)[0]

    def _step(self, state: Any, x: Any, labels: Any) -> Any:
        """One step of one replica."""
        jnp, (weight, bias) = self._jax.numpy, state
        change = -self.step_size * self._jax.grad(self._loss)(weight, bias, x, labels)
        return weight + change, bias - self.config.bias_decay * jnp.sqrt((change**2).sum(-1))

    def _loss(self, weight: Any, bias: Any, x: Any, labels: Any) -> Any:
        jnp, nn = self._jax.numpy, self._jax.nn
        pre = jnp.einsum("crd,bpd->bcrp", weight, x) + bias[..., None]
        logits = nn.relu(pre).sum((2, 3))
        right = jnp.take_along_axis(nn.log_softmax(logits), labels[:, None], 1)
        return -right.mean()

    def _samples(self, key: Any) -> Any:
        """A batch of easy samples and their leaves."""
        jnp, random = self._jax.numpy, self._jax.random
        law, dim, batch = self._law, self.config.data.dim, self.config.batch
        of_leaf, of_noise, of_place, *of_strength = random.split(key, 3 + len(node_groups(law)))
        leaf = random.randint(of_leaf, (batch,), 0, law.tree.n_leaves)
        path = jnp.asarray(law.tree.paths.numpy())[leaf]
        x = random.normal(of_noise, (batch, law.patches, dim)) * (gaussian_norm(law.noise, "bench") / math.sqrt(dim))
        place = random.uniform(of_place, (batch, law.patches)).argsort(1)
        rows, first = jnp.arange(batch)[:, None], 0
        for own, (level, patches, strength) in zip(of_strength, node_groups(law), strict=True):
            alpha = random.uniform(own, (batch, patches), minval=strength.low, maxval=strength.high)
            x = x.at[rows, place[:, first : first + patches], path[:, level - 1, None]].add(alpha)
            first += patches
        return x, leaf
