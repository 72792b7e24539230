"""A meaningful hierarchy: true subclasses against labels that split the coarse classes otherwise."""

from functools import partial

from theory_sim.figures import labelled, study
from theory_sim.figures.labelled import LAYOUT, compute, draw
from theory_sim.figures.labelled import size as SIZE  # noqa: N812 - the module's size is that function

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "hierarchy"
CAPTION = labelled.CAPTION.format(
    more="Must the hierarchy of pretraining labels be meaningful? True subclasses (leaf) against as many labels that split each"
    " coarse class at random, that k-means finds in each, or that are random altogether, on a finite training set.",
    readout="a linear probe",
)
needs = partial(study.needs, NAME)
