"""The contract `Figure`, what it needs and gets, and the registry of all figures."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Required, TypedDict

import matplotlib.figure
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from theory_sim.config import Config
from theory_sim.figures.common import fitting, style
from theory_sim.figures.common.look import Look
from theory_sim.figures.common.restack import restack
from theory_sim.runs.results import Results
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.registry import Registry
from theory_sim.studies.decision import StudyAnswer

Size = tuple[float, float]
"""Width and height, in inches."""

Panels = Mapping[str, Axes]
"""The panels of a figure by the names in its layout."""


class Layout(TypedDict, total=False):
    """Arguments of `matplotlib.figure.Figure.subplot_mosaic`."""

    mosaic: Required[list[list[str]]]
    """Names of the panels, row by row; ``"."`` leaves a place empty."""
    width_ratios: list[float]
    height_ratios: list[float]
    sharex: bool
    sharey: bool


@dataclass(frozen=True)
class Needs:
    """What a figure is drawn from.

    Attributes:
        runs: configurations to train.
        evaluations: (index of a run, configuration of the test samples): further tests of that run's networks.
        image_studies: names of studies on real images (``theory-sim pretrain``).
        studies: names of the simulator's studies (``theory-sim study``).
        grids: names of grids of small networks (``theory-sim study``, `theory_sim.studies.grids`).
        configuration: whether the page of figures states a configuration for this one.
    """

    runs: list[Config] = field(default_factory=list)
    evaluations: list[tuple[int, Config]] = field(default_factory=list)
    image_studies: list[str] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)
    grids: list[str] = field(default_factory=list)
    configuration: bool = True

    @property
    def made_by_study(self) -> list[str]:
        """What ``theory-sim study`` makes."""
        return [*self.studies, *self.grids]


@dataclass(frozen=True)
class StudyTables:
    """A finished study of the simulator.

    Attributes:
        config: the configuration that its cells share.
        keys: of its grids, which are columns of all three tables.
        cells: one row per cell and claim, see `theory_sim.studies.tables`.
        replicas: one row per cell, replica, model, kind of test samples and readout, see there.
        measures: one row per cell and replica, with a column for each measure of the theory.
        answer: the study's answer, decided anew from the tables: bounds and comparisons may change while the tables do not.
    """

    config: Config
    keys: Sequence[str]
    cells: pd.DataFrame
    replicas: pd.DataFrame
    measures: pd.DataFrame
    answer: StudyAnswer


@dataclass(frozen=True)
class Inputs:
    """What a figure gets: the results of each entry of its `Needs`, in the same order.

    Attributes:
        runs: results of the runs.
        evaluations: the further tests, as `theory_sim.runs.evaluate.evaluate_on` returns them.
        image_studies: the tables ``results.csv`` of the image studies, those of all sizes of the training set together.
        image_folders: the folder of each with the largest training set, where other tables are beside this one.
        studies: the tables of the simulator's studies.
        grids: the tables of grids, see `theory_sim.studies.grids`.
    """

    runs: Sequence[Results] = ()
    evaluations: Sequence[xr.Dataset] = ()
    image_studies: Sequence[pd.DataFrame] = ()
    studies: Sequence[StudyTables] = ()
    grids: Sequence[pd.DataFrame] = ()
    image_folders: Sequence[Path] = ()


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        name: file name without suffix, and the name on the command line.
        summary: one sentence for ``theory-sim figures --list``.
        caption: explains the picture to a reader who has no other text.
        size: width and height in inches, the width `theory_sim.figures.common.style.PAGE` or ``COLUMN``; a function of the
            table if the number of rows decides the height.
        layout: the panels; a function of the table if its rows decide how many there are.
        needs: returns the runs, evaluations and studies that the figure is drawn from, given the configuration that all runs
            derive from.
        compute: returns a tidy table of the numbers to draw. It gets the same configuration and what `needs` asked for; it
            does not train.
        draw: draws the table, and nothing else, into the panels. It gets the table read back from its CSV file, so that the
            file holds exactly the numbers that are drawn.
        check: refuses, before anything is run, a configuration that `compute` does not cover, by an `InputError`.
        cost: time and memory that the runs take, in words, if they are too expensive to make unless the figure is named.
    """

    name: str
    summary: str
    caption: str
    size: Size | Callable[[pd.DataFrame], Size]
    layout: Layout | Callable[[pd.DataFrame], Layout]
    needs: Callable[[Config], Needs]
    compute: Callable[[Config, Inputs], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Panels], None]
    check: Callable[[Config], None] = lambda config: None
    cost: str | None = None

    def size_of(self, table: pd.DataFrame) -> Size:
        """Width and height in inches for a table."""
        return self.size(table) if callable(self.size) else self.size

    def layout_of(self, table: pd.DataFrame) -> Layout:
        """The panels for a table."""
        return self.layout(table) if callable(self.layout) else self.layout

    def paint(self, table: pd.DataFrame, look: Look | None = None) -> matplotlib.figure.Figure:
        """The picture of a table. It is made outside pyplot: no window opens, and nothing has to be closed.

        Args:
            table: as `compute` returns it, or read from a CSV file of the gallery.
            look: another width, style or palette than the gallery's. At another width panels are put below each other where
                they do not fit side by side, texts are wrapped, and the height is what the panels need.
        """
        look, natural, layout = look or Look(), self.size_of(table), self.layout_of(table)
        with style.applied(look):
            if look.style is None and look.width in (None, natural[0]):
                picture = matplotlib.figure.Figure(figsize=natural, layout="constrained")
                self.draw(table, picture.subplot_mosaic(**_arguments(layout)))
                return picture
            width, most = look.width or natural[0], None
            while True:
                stack = restack(layout, natural, width, most)
                picture = matplotlib.figure.Figure(figsize=(width, sum(stack.heights)), layout="constrained")
                panels = picture.subplot_mosaic(**_arguments(stack.layout))
                self.draw(table, panels)
                fitting.label_stacked(panels, stack)
                fitting.fit(picture, panels, stack)
                if stack.across == 1 or not fitting.is_crowded(panels):
                    break
                most = stack.across - 1
        return picture


def _arguments(layout: Layout) -> dict[str, Any]:
    return {**layout}


FIGURES: Registry[Figure] = Registry(
    "figure",
    [
        f"theory_sim.figures.{module}"
        for module in (
            "data_model",
            "correlations",
            "prediction",
            "times",
            "tightness",
            "theorems",
            "responses",
            "rare_growth",
            "dimension",
            "phase",
            "lucky_sets",
            "readouts",
            "imagenet21k_levels",
            "granularity",
            "real_granularity",
            "image_examples",
            "image_confusion",
            "studies",
            "assumptions",
            "theory_scale",
            "coverage",
            "dimension_trends",
            "noise_control",
            "benign_overfitting",
            "spurious_features",
        )
    ],
)
"""All figures by name, in the order of the gallery; a plugin's come last."""


def register(figure: Figure) -> Figure:
    """Add a figure to the gallery.

    Raises:
        InputError: its name is no plain file name, or another module has registered it.
    """
    if re.fullmatch(r"[a-z]\w*", figure.name) is None:
        raise InputError(f"figure '{figure.name}': a name is a lower-case letter, then letters, digits and underscores")
    return FIGURES.add(figure.name, figure, source=figure.compute)
