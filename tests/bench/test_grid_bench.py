"""``theory-sim bench grid``: what is compared is the same model."""

import numpy as np
import pytest
import torch

from theory_sim.bench import grid
from theory_sim.studies.grids import BENIGN_OVERFITTING


def test_both_loops_are_the_model() -> None:
    """Their errors, over networks, are ours: at the cell d = 30, s = 3, within 4.5 standard errors."""
    where = (BENIGN_OVERFITTING, 30, 3.0, 100)
    errors = {
        draw: torch.tensor([grid._loop(*where, seed, draw) for seed in range(40)]) for draw in (grid._one_by_one, grid._at_once)
    }
    ours = torch.from_numpy(np.concatenate([grid._ours(*where, seed)[0] for seed in range(6)]))
    for own in errors.values():
        error = (own.var() / len(own) + ours.var() / len(ours)).sqrt()
        assert abs(float(own.mean() - ours.mean())) < 4.5 * float(error)


def test_rivals_are_warm_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """All three run once before they are timed: a first run of the plain loop takes several times as long as the next ones."""
    made: list[str] = []
    monkeypatch.setattr(grid, "_ours", lambda *_: made.append("ours"))
    monkeypatch.setattr(grid, "_loop", lambda *_, draw: made.append(draw.__name__))
    grid.measure(1, [(30, 2.0)])
    assert made == 2 * ["ours", "_one_by_one", "_at_once"]


def test_it_measures() -> None:
    (found,) = grid.measure(1, [(30, 2.0)], steps=2)
    assert (found.dim, found.signal) == (30, 2.0)
    assert found.ours > 0
    assert 0 < found.vectorised < found.plain
