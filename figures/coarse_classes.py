"""More than two coarse classes: errors against their number."""

from functools import partial

from theory_sim.figures import against, study
from theory_sim.figures.against import draw
from theory_sim.figures.against import layout as LAYOUT  # noqa: N812 - both are functions of the table
from theory_sim.figures.against import size as SIZE  # noqa: N812

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "coarse_classes"
CAPTION = against.CAPTION.format(
    more="Beyond the paper's two coarse classes: K of them, with eight subclasses each; errors of guessing would be 1 − 1/K.",
    where="Right",
)
needs = partial(study.needs, NAME)
compute = partial(against.compute, keys=("tree.coarse",))
