"""Estimated costs of runs, for the progress bar."""

from theory_sim.config import Config

_CANDIDATES = 40_000
"""About the number of neurons per replica that the engine `lucky` draws (35,093 to 57,267 in ``configs/theory_scale.yaml``)."""


def cost_of_run(run: Config) -> float:
    """A number about proportional to the time of a run: it counts products of patches and neurons, and drawn patches."""
    samples = run.training.steps * run.batch + run.record.points * run.test.curve_samples
    return _of_samples(run, samples) + cost_of_test(run)


def cost_of_test(run: Config) -> float:
    """The part of `cost_of_run` that is spent on the test at the end."""
    return _of_samples(run, run.test.samples)


def _of_samples(run: Config, samples: int) -> float:
    heads = run.label_tree.n_coarse + run.label_tree.n_leaves
    neurons = heads * run.neurons if run.training.engine == "dense" else _CANDIDATES
    return float(run.replicas * samples * run.data.patches * run.data.dim * (neurons + 300))
