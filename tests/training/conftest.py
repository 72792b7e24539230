"""What the tests of training share."""

import pytest

from theory_sim.training.engines import small


@pytest.fixture(params=["small", "ordinary"])
def step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of these tests are small: each test is run with the step of small networks, and with that of all others."""
    if request.param == "ordinary":
        monkeypatch.setattr(small, "MOST", 0)
