"""McNemar's test, and Holm's correction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory_sim import stats


def test_mcnemar_counts_signs_alone():
    assert stats.mcnemar(np.array([0.5, 1, 0.1, -1, 0, 0])) == pytest.approx(5 / 16)
    assert stats.mcnemar(np.array([-1.0, -1, -0.5, 1])) == pytest.approx(15 / 16)
    assert stats.mcnemar(np.zeros(5)) == 1
    assert stats.mcnemar(np.ones(10)) == pytest.approx(2**-10)


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert len(stats.holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_step_down_procedure_rejects(p, alpha):
    """By its definition: the i-th smallest of n is rejected while every one up to it is below α / (n − i + 1)."""
    adjusted = stats.holm(p)
    order = sorted(range(len(p)), key=lambda i: p[i])
    rejected = set()
    for rank, i in enumerate(order):
        if p[i] * (len(p) - rank) >= alpha:
            break
        rejected.add(i)
    assert {i for i in range(len(p)) if adjusted[i] < alpha} == rejected
    assert all(value <= ours <= 1 for value, ours in zip(p, adjusted, strict=True))
