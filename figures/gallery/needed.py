"""What figures need, and what of it is missing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theory_sim.config import Config
from theory_sim.figures.common.figure import FIGURES, Figure
from theory_sim.figures.gallery.source import Source
from theory_sim.figures.gallery.studies import NotMadeError, image_table
from theory_sim.runs.folder import evaluation_path, is_finished, results_folder
from theory_sim.runtime.devices import choose_device
from theory_sim.runtime.errors import InputError


@dataclass(frozen=True)
class Work:
    """What some figures need, each item once.

    Attributes:
        runs: by results folder.
        evaluations: (results folder of the run, configuration), by the file that holds the result.
        studies: by name, of the simulator and on images: why its tables cannot be read, None if they can.
    """

    runs: dict[Path, Config]
    evaluations: dict[Path, tuple[Path, Config]]
    studies: dict[str, InputError | None]

    def left(self) -> "Work":
        """What is not on disk yet."""
        return Work(
            {folder: run for folder, run in self.runs.items() if not is_finished(folder)},
            {path: what for path, what in self.evaluations.items() if not path.exists()},
            {name: why for name, why in self.studies.items() if why is not None},
        )


def chosen(names: Sequence[str] = ()) -> list[Figure]:
    """The figures with these names, each once, or all figures.

    Raises:
        InputError: there is no such figure.
    """
    return [FIGURES[name] for name in dict.fromkeys(names or FIGURES)]


def work(figures: Iterable[Figure], source: Source) -> Work:
    """All that the figures need."""
    kind = choose_device(source.device)
    runs: dict[Path, Config] = {}
    evaluations: dict[Path, tuple[Path, Config]] = {}
    studies: dict[str, InputError | None] = {}
    for figure in figures:
        needs = figure.needs(source.config)
        folders = [results_folder(run, source.out, kind) for run in needs.runs]
        runs |= zip(folders, needs.runs, strict=True)
        for index, other in needs.evaluations:
            evaluations[evaluation_path(folders[index], other)] = (folders[index], other)
        studies |= {name: _why_not(image_table, name, source.out) for name in needs.image_studies}
        studies |= {name: _why_not(source.study, name) for name in needs.studies}
        studies |= {name: _why_not(source.grid, name) for name in needs.grids}
    return Work(runs, evaluations, studies)


def waiting(figure: Figure, source: Source) -> str | None:
    """Why a figure is not drawn unless it is named; None if it is."""
    left, own = work([figure], source).left(), figure.needs(source.config).made_by_study
    for name, why in left.studies.items():
        if not (source.smoke and name in own and isinstance(why, NotMadeError)):
            return str(why)
    if figure.cost is not None and (left.runs or left.evaluations):
        return f"its runs take {figure.cost}; theory-sim figures {figure.name} makes them"
    return None


def _why_not(read: Callable[..., Any], *arguments: Any) -> InputError | None:
    try:
        read(*arguments)
    except InputError as error:
        return error
    return None
