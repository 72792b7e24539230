"""Hard samples in training, from none to all of them."""

from functools import partial

from theory_sim.figures import against, study
from theory_sim.figures.against import draw
from theory_sim.figures.against import layout as LAYOUT  # noqa: N812 - both are functions of the table
from theory_sim.figures.against import size as SIZE  # noqa: N812

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "hard_share"
CAPTION = against.CAPTION.format(
    more="Training samples of which a share ρ is hard, as the hard test samples are.",
    where="Right",
)
needs = partial(study.needs, NAME)
compute = partial(against.compute, keys=("data.hard_share",))
