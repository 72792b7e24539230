"""Shared by all tests."""

import pytest
import torch
from hypothesis import HealthCheck, settings

# Tests run beside each other on few cores.
torch.set_num_threads(1)

settings.register_profile(
    "theory_sim", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("theory_sim")


def devices() -> list[str]:
    """Everything that this machine can compute on."""
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=devices())
def device(request: pytest.FixtureRequest) -> str:
    return request.param
