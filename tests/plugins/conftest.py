"""Shared by the tests of plugins: what they register is gone after each module of tests."""

from collections.abc import Iterator

import pytest

from theory_sim.labels.functions import LABEL_FUNCTIONS
from theory_sim.runtime import plugins
from theory_sim.runtime.contracts import ENGINES, READOUTS, SETUPS
from theory_sim.theories.claims import CLAIMS
from theory_sim.theories.theory import THEORIES


@pytest.fixture(scope="module", autouse=True)
def _registries_as_they_were() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for registry in (CLAIMS, ENGINES, LABEL_FUNCTIONS, READOUTS, SETUPS, THEORIES):
            registry.load()
            patch.setattr(registry, "_entries", dict(registry._entries))
        patch.setattr(plugins, "_files", {})
        yield
