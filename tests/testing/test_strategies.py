"""Hypothesis measures no compilation: strategies have compiled what their examples run."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from hypothesis import given, settings
from numba.core.dispatcher import Dispatcher
from theory_sim import testing
from theory_sim.training.trainer import Training

def compiled():
    modules = [module for name, module in sys.modules.items() if name.startswith("theory_sim")]
    loops = {id(loop): loop for module in modules for loop in vars(module).values() if isinstance(loop, Dispatcher)}
    return {loop.py_func.__qualname__: len(loop.signatures) for loop in loops.values()}

strategies = [testing.drawn_batches(), testing.drawn_batches(of=testing.configs(**{"training.dtype": "float64"}))]
before = compiled()
assert sum(before.values()) > 5, before
for strategy in strategies:
    @settings(max_examples=30, deadline=None, database=None, derandomize=True)
    @given(strategy)
    def one_step(drawn):
        Training(drawn.config).step()
    one_step()
after = compiled()
assert after == before, {name: (before.get(name), n) for name, n in after.items() if n != before.get(name)}
"""


def test_the_first_example_compiles_nothing(tmp_path: Path) -> None:
    """A test that trains one step otherwise misses the default deadline on its first example."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
