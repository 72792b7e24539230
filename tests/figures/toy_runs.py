"""Every figure at toy size: its runs are made once, and the tests read the tables, the panels or the folder of the runs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import made_up
import pandas as pd
import pytest
import yaml

import theory_sim as ts
from theory_sim.config import Config
from theory_sim.figures import FIGURES, coverage, dimension, phase
from theory_sim.figures.gallery.making import tables
from theory_sim.figures.gallery.source import SMOKE, Source
from theory_sim.testing.figures import as_drawn

TINY = SMOKE.replace(
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

DRAWN = [name for name in FIGURES if FIGURES[name].cost is None]
"""Figures whose runs are made here; studies have made-up tables."""

_FEWER = {
    (phase, "FEATURE_NOISE"): (0.0, 1.0, 4.0),
    (phase, "DOMINANT_NOISE"): (0.0, 1.0),
    (phase, "SHARES"): (0.0, 0.1),
    (phase, "SUBCLASSES"): (0, 1),
    (dimension, "SCALES"): {1 / 2: 10, 1: None, 2: 3},
    (coverage, "DRAWS"): 10,
}
"""Fewer cells, dimensions and draws than are published: each costs time."""


@contextmanager
def fewer_cells(loaded: dict[Path, ts.Results]) -> Iterator[None]:
    """Fewer cells, and each finished run read from disk once."""
    load = ts.load_results

    def load_once(folder: str | Path, config: Config | None = None) -> ts.Results:
        if Path(folder) not in loaded:
            loaded[Path(folder)] = load(folder, config)
        return loaded[Path(folder)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("theory_sim.figures.gallery.making.load_results", load_once)
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
    loaded: dict[Path, ts.Results]

    def at_hand(self) -> AbstractContextManager[None]:
        """A context in which the gallery finds the runs that were made."""
        return fewer_cells(self.loaded)

    @property
    def source(self) -> Source:
        """Where the figures come from."""
        return Source(self.config, self.folder, "cpu")

    def runs(self, name: str) -> list[ts.Results]:
        """The runs of one figure."""
        with self.at_hand():
            return [ts.run(run, self.folder, "cpu") for run in FIGURES[name].needs(self.config).runs]


def make(folder: Path) -> Made:
    """Run everything that the figures need, and make up the tables of studies."""
    loaded: dict[Path, ts.Results] = {}
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(TINY.model_dump(mode="json")))
    source = Source(TINY, folder / "results", "cpu")
    figures = [FIGURES[name] for name in DRAWN]
    for name in {study for figure in figures for study in figure.needs(TINY).image_studies}:
        made_up.write_images(name, source.out)
    for name in {study for figure in figures for study in figure.needs(TINY).studies}:
        made_up.write(name, source.out)
    for name in {grid for figure in figures for grid in figure.needs(TINY).grids}:
        made_up.write_grid(name, source.out)
    with fewer_cells(loaded):
        computed = {figure.name: table for figure, table in tables(figures, source)}
    drawn = {name: as_drawn(table) for name, table in computed.items()}
    return Made(TINY, file, source.out, computed, drawn, loaded)
