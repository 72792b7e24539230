"""A three-level tree: each level as pretraining labels, and mixed levels."""

from functools import partial

from theory_sim.figures import labelled, study
from theory_sim.figures.labelled import LAYOUT, compute, draw
from theory_sim.figures.labelled import size as SIZE  # noqa: N812 - the module's size is that function

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "deep_tree"
CAPTION = labelled.CAPTION.format(
    more="A label tree of three levels: two coarse classes of three families of three leaves each. Every level as pretraining"
    " labels, and mixed levels, another one in each coarse class.",
    readout="the coarse class of the highest head",
)
needs = partial(study.needs, NAME)
