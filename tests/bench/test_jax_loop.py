"""The rival in JAX: the same steps, samples of the same law, and one line where JAX is absent.

JAX runs in a process of its own: where it was imported, a later fork warns.
"""

import subprocess
import sys

import pytest

from theory_sim.bench import jax_loop
from theory_sim.bench import simulator as bench
from theory_sim.runtime.errors import InputError
from theory_sim.training.trainer import Training

BEGIN = """
import numpy as np, torch
from theory_sim.bench import simulator as bench
from theory_sim.bench.jax_loop import STEPS, JaxLoop
from theory_sim.training.trainer import Training
"""

STEPS_AGREE = """
config = bench.configuration(bench.Size(12, 6, 4, 4, 5, (3,)), 3)
training = Training(config)
engine = training.models["fine"].engine
loop, start = JaxLoop(config, engine.parameters, engine.step_size), engine.parameters.weight.clone()
for _ in range(5):
    batch = training.next_batch()
    engine.step(batch, batch.leaf)
    loop.step_on(batch.x.numpy(), batch.leaf.numpy())
assert float((engine.parameters.weight - start).norm()) > 1e-2
for ours, theirs in ((engine.parameters.weight, loop.weight), (engine.parameters.bias, loop.bias)):
    torch.testing.assert_close(torch.from_numpy(theirs.copy()), ours)
"""

SAMPLES_ARE_OF_THE_LAW = """
import jax
config = bench.configuration(bench.Size(64, 16, 4, 4, 2000, (1,)), 1)
loop = JaxLoop(config, Training(config).models["fine"].engine.parameters, 0.1)
x, leaf = (torch.from_numpy(np.asarray(array).copy()) for array in loop._samples(jax.random.key(1)))
assert x.shape == (2000, 16, 64)
assert torch.bincount(leaf, minlength=4).min() > 400
tree, s = config.label_tree, config.data.feature_patches
# Patches of a feature in random places, s of them for each: noise alone lies 5 standard deviations below 0.6.
held = (x.gather(2, tree.paths[leaf.long()][:, None].expand(-1, 16, -1)) > 0.6).float()
assert abs(float(held.sum(1).mean()) - s) < 0.01 * s
assert (held.mean(0) - s / 16).abs().max() < 0.05
noise = x[(x.abs() < 0.5).all(-1)]
assert abs(float(noise.square().sum(-1).mean()) ** 0.5 - config.data.noise) < 0.01
"""

STEPS_ARE_MADE = """
line = bench.measure("tiny", 2, torch.device("cpu"), rounds=1, size=bench.Size(12, 6, 4, 4, 5, (2,)))
assert 0 < line.jax < 10
assert "jax ÷ ours" in line.ratios(bench.SIZES["A"])
config = bench.configuration(bench.Size(12, 6, 4, 4, 5, (3,)), 3)
loop = JaxLoop(config, Training(config).models["fine"].engine.parameters, 0.05)
first = loop.weight.copy()
loop.step()
second = loop.weight.copy()
loop.step()
moved = [np.abs(a - b).max((1, 2, 3)) for a, b in ((second, first), (loop.weight, second))]
assert (np.array(moved) > 1e-4).all()
assert len({*moved[0], *moved[1]}) == 6, "each replica and each call has samples of its own"
"""


@pytest.mark.skipif(not jax_loop.is_installed(), reason="no JAX")
@pytest.mark.parametrize("script", [STEPS_AGREE, SAMPLES_ARE_OF_THE_LAW, STEPS_ARE_MADE], ids=["steps", "samples", "measured"])
def test_it_trains_as_ours_does(script):
    done = subprocess.run([sys.executable, "-c", BEGIN + script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_jax_it_is_one_line(monkeypatch):
    monkeypatch.setattr(jax_loop, "is_installed", lambda: False)
    config = bench.configuration(bench.Size(12, 6, 4, 4, 5, (1,)), 1)
    engine = Training(config).models["fine"].engine
    with pytest.raises(InputError, match=r"needs jax: pip install 'theory-sim\[bench\]'"):
        jax_loop.JaxLoop(config, engine.parameters, 0.1)
