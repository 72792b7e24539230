"""The second theorem: training on fine labels classifies hard samples too."""

from functools import partial

from theory_sim.figures import theorem
from theory_sim.figures.theorem import LAYOUT, SIZE, draw, needs

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "theorem_fine"
CAPTION = theorem.CAPTION.format(
    model="fine", more=f"{theorem.GROWTH} Transfer gain: hard error with coarse labels minus that with fine labels."
)
compute = partial(theorem.compute, "fine")
