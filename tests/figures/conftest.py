"""Every figure at toy size: its runs are made once, and each test reads the tables, the panels or the folder of the runs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import made_up
import matplotlib

matplotlib.use("Agg")

import pandas as pd
import pytest
import yaml
from drawn import panels_of, read_back
from matplotlib.axes import Axes

from theory_sim.config import Config
from theory_sim.figures import dimension, gallery, phase, style
from theory_sim.runs.run import run as experiment

TINY = gallery.SMOKE.replace(
    {
        "name": "tiny",
        "tree.subclasses": 4,
        "data.dim": 32,
        "data.patches": 12,
        "training.steps": 8,
        "transfer.samples": 30,
        "transfer.steps": 2,
        "record.points": 4,
    }
)
"""Even smaller than ``--smoke``. Its own run is the middle one of the figure of dimensions."""

DRAWN = {name: module for name, module in gallery.GALLERY.items() if name not in gallery.DEAR}
"""Figures whose runs are made here; studies have made-up tables."""

_FEWER = {
    (phase, "_FEATURE_NOISE"): (0.0, 1.0, 4.0),
    (phase, "_DOMINANT_NOISE"): (0.0, 1.0),
    (phase, "_SHARES"): (0.0, 0.1),
    (phase, "_SUBCLASSES"): (0, 1),
    (dimension, "_SCALES"): {1 / 2: 10, 1: None, 2: 3},
}
"""Fewer cells and dimensions than are published: each costs a run."""


@contextmanager
def _tiny(loaded: dict[Path, experiment.Results]) -> Iterator[None]:
    """Fewer cells, and each finished run read from disk once."""
    load = experiment.load_results

    def load_once(folder: str | Path, config: Config | None = None) -> experiment.Results:
        if Path(folder) not in loaded:
            loaded[Path(folder)] = load(folder, config)
        return loaded[Path(folder)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "load_results", load_once)
        for (module, name), value in _FEWER.items():
            patch.setattr(module, name, value)
        yield


@dataclass(frozen=True)
class Made:
    """All runs, made once.

    Attributes:
        config: what they derive from.
        file: the same as YAML.
        folder: where they lie.
        computed: the tables as computed.
        tables: the tables as drawn: read back from CSV.
        loaded: the runs that were read already.
    """

    config: Config
    file: Path
    folder: Path
    computed: dict[str, pd.DataFrame]
    tables: dict[str, pd.DataFrame]
    loaded: dict[Path, experiment.Results]

    def at_hand(self) -> AbstractContextManager[None]:
        """For whoever asks the gallery for what was made."""
        return _tiny(self.loaded)

    @property
    def source(self) -> gallery.Source:
        """Where the figures come from."""
        return gallery.Source(self.config, self.folder, "cpu")

    def runs(self, name: str) -> list[experiment.Results]:
        """The runs of one figure."""
        with self.at_hand():
            return [experiment.run(run, self.folder, "cpu") for run in gallery.GALLERY[name].needs(self.config).runs]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, loaded = tmp_path_factory.mktemp("figures"), {}
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(TINY.model_dump(mode="json")))
    source = gallery.Source(TINY, folder / "results", "cpu")
    made_up.write_images("digits", source.out)
    for name in {study for module in DRAWN.values() for study in module.needs(TINY).studies}:
        made_up.write(name, source.out)
    with _tiny(loaded):
        computed = {module.NAME: table for module, table in gallery.tables(DRAWN.values(), source)}
    tables = {name: read_back(table) for name, table in computed.items()}
    return Made(TINY, file, source.out, computed, tables, loaded)


@pytest.fixture
def tiny(made: Made) -> Iterator[Made]:
    """As `made`, while the gallery finds it."""
    with made.at_hand():
        yield made


@pytest.fixture(scope="session")
def result(made: Made) -> experiment.Results:
    """The run of the configuration itself."""
    return made.runs("correlations")[0]


@pytest.fixture(scope="module", autouse=True)
def _style() -> Iterator[None]:
    with matplotlib.rc_context():
        style.use()
        yield


@pytest.fixture(scope="module")
def panels(made: Made, request: pytest.FixtureRequest) -> dict[str, Axes]:
    """The panels of the figure that the test module is named after."""
    name = request.module.__name__.removeprefix("test_").removesuffix("_drawn")
    return panels_of(gallery.GALLERY[name], made.tables[name])


@pytest.fixture(scope="module")
def table(made: Made, request: pytest.FixtureRequest) -> pd.DataFrame:
    """The table of the figure that the test module is named after."""
    return made.tables[request.module.__name__.removeprefix("test_").removesuffix("_drawn")]
