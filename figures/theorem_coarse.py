"""The first theorem: training on coarse labels leaves hard samples misclassified."""

from functools import partial

from theory_sim.figures import theorem
from theory_sim.figures.theorem import LAYOUT, SIZE, draw, needs

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "theorem_coarse"
CAPTION = theorem.CAPTION.format(
    model="coarse",
    more=f"{theorem.GROWTH} Weak features of other classes in hard samples can push the error above chance.",
)
compute = partial(theorem.compute, "coarse")
