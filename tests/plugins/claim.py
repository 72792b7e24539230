"""A claim of one's own about the paper's theory: neurons that are unlucky for every feature hardly move."""

import numpy as np

import theory_sim as ts


def largest_move(results: ts.Results) -> ts.Estimate:
    """Mean ‖w‖ of unlucky neurons of the fine model at the end ÷ at the start, over replicas."""
    record = results.fine
    unlucky = ~record.lucky.any("feature").values
    start, end = (record.norm.isel(step=step).values for step in (0, -1))
    return ts.mean([np.mean(e[u]) / np.mean(s[u]) for s, e, u in zip(start, end, unlucky, strict=True)])


claim = ts.register_claim(
    ts.Claim(
        id="fine-unlucky-stay",
        statement="Neurons of the fine model that no feature fires at initialisation hardly grow.",
        theorem="Theorem 2: fine labels",
        estimate=largest_move,
        side="≤",
        bound=1.5,
        theory="label-granularity",
    )
)
