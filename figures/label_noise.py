"""Wrong labels in training."""

from functools import partial

from theory_sim.figures import against, study
from theory_sim.figures.against import draw
from theory_sim.figures.against import layout as LAYOUT  # noqa: N812 - both are functions of the table
from theory_sim.figures.against import size as SIZE  # noqa: N812

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "label_noise"
CAPTION = against.CAPTION.format(
    more="Training samples of which a share carries the label of a uniformly drawn leaf, and so in part still the right one.",
    where="Right",
)
needs = partial(study.needs, NAME)
compute = partial(against.compute, keys=("data.label_noise",))
