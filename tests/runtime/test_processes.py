"""The environment of processes that are started, and that of this process afterwards."""

import os
from contextlib import suppress

import pytest

from theory_sim.runtime.processes import PYTHON_FIRST, starting_processes


@pytest.mark.parametrize("before", [None, "0"])
def test_variables_are_as_before_afterwards(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    (name,) = PYTHON_FIRST
    monkeypatch.delenv(name, raising=False)
    if before is not None:
        monkeypatch.setenv(name, before)
    with suppress(KeyError), starting_processes(MALLOC_MMAP_THRESHOLD_="1"):
        assert (os.environ[name], os.environ["MALLOC_MMAP_THRESHOLD_"]) == ("1", "1")
        raise KeyError
    assert os.environ.get(name) == before
    assert "MALLOC_MMAP_THRESHOLD_" not in os.environ


def test_what_is_set_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEORY_SIM_OTHER", "before")
    with starting_processes():
        os.environ["THEORY_SIM_OTHER"] = "meanwhile"
    assert os.environ["THEORY_SIM_OTHER"] == "meanwhile"
