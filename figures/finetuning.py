"""Turning a pretrained model to the coarse target: finetuning of more and more steps, and reading it as it is."""

from functools import partial

from theory_sim.figures import against, study
from theory_sim.figures.against import draw
from theory_sim.figures.against import layout as LAYOUT  # noqa: N812 - both are functions of the table
from theory_sim.figures.against import size as SIZE  # noqa: N812

__all__ = ["CAPTION", "LAYOUT", "NAME", "SIZE", "compute", "draw", "needs"]

NAME = "finetuning"
CAPTION = against.CAPTION.format(
    more="Pretrained models finetuned on coarse labels, all weights, for so many steps; read by a linear probe or "
    "by the sum of logits they do not depend on them.",
    where="Right",
)
needs = partial(study.needs, NAME)
compute = partial(against.compute, keys=("transfer.steps",), readouts=("finetuning", "linear_probe", "sum_logits"))
