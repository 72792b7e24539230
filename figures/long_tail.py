"""Subclasses of unequal size and number."""

from functools import partial

from theory_sim.figures import against, study
from theory_sim.figures.against import draw
from theory_sim.figures.against import layout as LAYOUT  # noqa: N812 - both are functions of the table
from theory_sim.figures.against import size as SIZE  # noqa: N812

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "long_tail"
CAPTION = against.CAPTION.format(
    more="Unequal subclasses: the c-th of eight has a share ∝ c^−t of its class, t the tail exponent; dotted, "
    "diamond: classes of four and of twelve equal subclasses.",
    where="Right",
)
needs = partial(study.needs, NAME)
compute = partial(against.compute, keys=("tree.tail",), series="tree.subclasses")
