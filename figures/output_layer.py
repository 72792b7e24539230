"""The output layer trained or frozen."""

from functools import partial

from theory_sim.figures import against, study
from theory_sim.figures.against import draw
from theory_sim.figures.against import layout as LAYOUT  # noqa: N812 - both are functions of the table
from theory_sim.figures.against import size as SIZE  # noqa: N812

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "output_layer"
CAPTION = against.CAPTION.format(
    more="Models whose output weights are trained with the same step size (yes), or frozen at a = 1 as in the paper (no).",
    where="Right",
)
needs = partial(study.needs, NAME)
compute = partial(against.compute, keys=("network.train_output",))
