"""Fixtures of the figures' tests: all runs at toy size, and the panels and the table of the figure under test."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import pandas as pd
import pytest
import toy_runs
from drawn import panels_of
from matplotlib.axes import Axes
from toy_runs import Made

import theory_sim as ts
from theory_sim.figures import FIGURES
from theory_sim.figures.common import style


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return toy_runs.make(tmp_path_factory.mktemp("figures"))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def tiny(made: Made) -> Iterator[Made]:
    """As `made`, while the gallery finds it."""
    with made.at_hand():
        yield made


@pytest.fixture(scope="session")
def result(made: Made) -> ts.Results:
    """The run of the configuration itself."""
    return made.runs("correlations")[0]


@pytest.fixture(scope="module", autouse=True)
def _style() -> Iterator[None]:
    with style.applied():
        yield


@pytest.fixture(scope="module")
def panels(made: Made, request: pytest.FixtureRequest) -> dict[str, Axes]:
    """The panels of the figure that the test module is named after."""
    name = request.module.__name__.removeprefix("test_").removesuffix("_drawn")
    return panels_of(FIGURES[name], made.tables[name])


@pytest.fixture(scope="module")
def table(made: Made, request: pytest.FixtureRequest) -> pd.DataFrame:
    """The table of the figure that the test module is named after."""
    return made.tables[request.module.__name__.removeprefix("test_").removesuffix("_drawn")]
