"""Sums over the noise of many patches, in one pass: a compiled loop, since each number enters several sums."""

from typing import no_type_check

import numpy as np

from theory_sim.runtime.compiled import compiled

EDGE, PER_UNIT = 6, 64
"""Numbers are counted in bins of 1/64 σ, from −6 σ to 6 σ; those beyond are in the last."""
BINS = 2 * EDGE * PER_UNIT


@compiled()
@no_type_check
def add_up(z, leaf, place, bins, squares, by_leaf, by_place, norms):
    """Add patches to sums, in place.

    Args:
        z: standard normal numbers, (patch, coordinate).
        leaf: of each patch, a row of `by_leaf`.
        place: likewise.
        bins: how many numbers each bin has.
        squares: Σ z² of each coordinate.
        by_leaf: Σ z of each leaf and coordinate.
        by_place: likewise.
        norms: becomes ‖z‖² of each patch.

    Returns:
        Σ z⁴.
    """
    fourth = 0.0
    last = len(bins) - 1
    for i in range(z.shape[0]):
        row, of_leaf, of_place = z[i], by_leaf[leaf[i]], by_place[place[i]]
        norm = 0.0
        for j in range(len(row)):
            value = np.float64(row[j])
            square = value * value
            norm += square
            fourth += square * square
            squares[j] += square
            of_leaf[j] += value
            of_place[j] += value
        for j in range(len(row)):
            inside = min(max(row[j], -EDGE), EDGE)  # as a float: a large one is no integer
            bins[min(np.int64((inside + EDGE) * PER_UNIT), last)] += 1
        norms[i] = norm
    return fourth
