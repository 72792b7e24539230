"""Where figures come from: a configuration, a folder of results, and the studies found there."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from theory_sim.config import Config
from theory_sim.figures.common.figure import StudyTables
from theory_sim.figures.gallery.studies import find_study, grid_table

SMOKE = Config().replace(
    {
        "name": "smoke",
        "replicas": 2,
        "tree.subclasses": 3,
        "data.dim": 64,
        "data.patches": 16,
        "data.feature_patches": 2,
        "network.neurons": 8,
        "training.batch": 16,
        "training.steps": 20,
        "transfer.samples": 50,
        "transfer.steps": 3,
        "test.samples": 40,
        "test.curve_samples": 10,
        "record.points": 5,
    }
)
"""The configuration of ``--smoke``: all figures from nothing in about two minutes, to show that they draw."""


@dataclass(frozen=True)
class Source:
    """Where figures come from.

    Attributes:
        config: the configuration that all runs derive from.
        out: folder of all results.
        device: see `theory_sim.runtime.devices.choose_device`.
        smoke: whether studies have their small size, at which the gallery runs them itself.
    """

    config: Config
    out: Path = Path("results")
    device: str = "auto"
    smoke: bool = False
    _found: dict[str, StudyTables] = field(default_factory=dict, compare=False)

    def study(self, name: str) -> StudyTables:
        """The tables of a study, read once. Errors are those of `theory_sim.figures.gallery.studies.find_study`."""
        if name not in self._found:
            self._found[name] = find_study(name, self.out, self.device, self.smoke)
        return self._found[name]

    def grid(self, name: str) -> pd.DataFrame:
        """The table of a grid. Errors are those of `theory_sim.figures.gallery.studies.grid_table`."""
        return grid_table(name, self.out, self.smoke)
