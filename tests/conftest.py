"""Shared by all tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from pretended import PRETENDED, pretended_device
from tiny import TINY

# Tests run beside each other on few cores.
torch.set_num_threads(1)

settings.register_profile(
    "theory_sim", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("theory_sim")


SLOW = frozenset((Path(__file__).parent / "slow.txt").read_text().split())
"""Files and folders whose tests take longest; ``make test-fast`` leaves them out."""
THOROUGH = frozenset((Path(__file__).parent / "thorough.txt").read_text().splitlines())
"""Tests, or single cases of them in brackets, that take so long that ``make test-all`` alone has them."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """``make test-fast`` does not import slow files, which takes as long as its tests."""
    name = collection_path.relative_to(Path(__file__).parents[1]).as_posix()
    return True if config.option.markexpr == "not slow" and name in SLOW else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.path.relative_to(Path(__file__).parents[1]).as_posix()
        thorough = not THOROUGH.isdisjoint({f"{file}::{getattr(item, 'originalname', item.name)}", f"{file}::{item.name}"})
        if thorough or any(place in SLOW for place in (file, *map(str, Path(file).parents))):
            item.add_marker(pytest.mark.slow)
        if thorough:
            item.add_marker(pytest.mark.thorough)


def devices() -> list[str]:
    """Everything that this machine can compute on, and a mock device backend."""
    return ["cpu", *(["cuda"] if torch.cuda.is_available() else []), str(PRETENDED)]


@pytest.fixture(params=devices())
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param != str(PRETENDED):
        yield request.param
        return
    with pytest.MonkeyPatch.context() as patch, pretended_device(patch):
        yield request.param


@pytest.fixture(scope="session")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration that is run in a second."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def _finished(config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from theory_sim.config import load_config
    from theory_sim.runs.run import run

    out = tmp_path_factory.mktemp("finished")
    run(load_config(config_file), out, "cpu")
    return out


@pytest.fixture(scope="session")
def small_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of studies at their small size, on the CPU: all processes of a test run share them, and run each cell once."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small-studies"


@pytest.fixture
def finished(_finished: Path, tmp_path: Path) -> Path:
    """The only results folder of `config_file`, run on the CPU below ``tmp_path / "results"``; each test has its own."""
    shutil.copytree(_finished, tmp_path / "results")
    return next((tmp_path / "results").glob("*/*"))
