"""A target whose samples follow another law than the training samples."""

from functools import partial

from theory_sim.figures import against, study
from theory_sim.figures.against import draw
from theory_sim.figures.against import layout as LAYOUT  # noqa: N812 - both are functions of the table
from theory_sim.figures.against import size as SIZE  # noqa: N812

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "shift"
CAPTION = against.CAPTION.format(
    more="Models trained on one law of samples and tested on another: more noise, strengths that vary more, "
    "features of the other classes in easy samples, and stronger ones in hard samples; each alone, the grey line at its value "
    "in training.",
    where="Right",
)
needs = partial(study.needs, NAME)
compute = partial(
    against.compute,
    keys=("target.noise", "target.strength_spread", "target.feature_noise_patches", "hard.feature_noise"),
)
