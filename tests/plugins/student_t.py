"""A theory of one's own: the paper's, in heavy-tailed noise."""

from dataclasses import replace

from scipy import stats

import theory_sim as ts

paper = ts.THEORIES["label-granularity"]


class Parameters(ts.Section):
    """Parameters of the law."""

    degrees: float = 3.0
    """Degrees of freedom of Student's t."""


def law(config: ts.Config) -> ts.PatchLaw:
    """Every coordinate of noise follows Student's t, scaled to the same norm."""
    noise = ts.Coordinates(stats.t(config.law["degrees"]), config.data.noise)
    return replace(paper.law_at(config), noise=noise)


theory = ts.register_theory(ts.Theory(name="student-t", law=law, parameters=Parameters, claims=paper.claims))
