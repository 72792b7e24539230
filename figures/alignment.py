"""Alignment with the target: groups of subclasses inside the coarse classes against groups that cut across them."""

from functools import partial

from theory_sim.figures import labelled, study
from theory_sim.figures.labelled import LAYOUT, compute, draw
from theory_sim.figures.labelled import size as SIZE  # noqa: N812 - the module's size is that function

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "alignment"
CAPTION = labelled.CAPTION.format(
    more="Must pretraining labels align with the target? Groups of whole subclasses, and k-means clusters, inside the coarse"
    " classes against as many that cut across them, on a finite training set.",
    readout="a linear probe",
)
needs = partial(study.needs, NAME)
