"""A theory of one's own: hard samples have two patches of dominant noise."""

from dataclasses import replace

import theory_sim as ts

paper = ts.THEORIES["label-granularity"]


def law(config: ts.Config) -> ts.PatchLaw:
    """The group of dominant noise has two patches in place of one."""
    base = paper.law_at(config)
    hard = [replace(group, patches=2) if group.noise is not None else group for group in base.kinds["hard"]]
    return replace(base, kinds={**base.kinds, "hard": hard})


theory = ts.register_theory(ts.Theory(name="two-dominant", law=law, claims=paper.claims, regime=paper.regime))
