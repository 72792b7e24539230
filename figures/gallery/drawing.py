"""Writes figures: PDF, PNG, and the numbers as CSV."""

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from theory_sim.figures.common import style
from theory_sim.figures.common.figure import FIGURES, Figure
from theory_sim.runtime import plugins
from theory_sim.runtime.outputs import write_output
from theory_sim.runtime.processes import starting_processes

_FEW = 4
"""From this number of figures on, processes of their own are worth their start."""


def files(figure: Figure, folder: Path) -> list[Path]:
    """The files of a figure: numbers, then pictures."""
    return [folder / f"{figure.name}.{suffix}" for suffix in ("csv", "pdf", "png")]


def draw(made: Iterable[tuple[Figure, pd.DataFrame]], folder: Path) -> None:
    """Write figures from their tables; many are drawn in other processes, while the tables of the next are computed."""
    made = iter(made)
    first = list(islice(made, _FEW))
    if len(first) < _FEW:
        for figure, table in first:
            save(figure, table, folder)
        return
    # Processes are not forked: PyTorch's threads would not survive that.
    cores = min(2, os.cpu_count() or 1)
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        drawn = []
        for figure, table in chain(first, made):
            entry = FIGURES.entry(figure.name)
            if entry.is_core or entry.plugin is not None:
                with starting_processes():
                    drawn.append(pool.submit(_save, figure.name, entry.plugin, table, folder))
            else:  # registered by a session, whose code another process does not have
                save(figure, table, folder)
        for each in drawn:
            each.result()


def _save(name: str, plugin: str | None, table: pd.DataFrame, folder: Path) -> None:
    plugins.load([] if plugin is None else [plugin])
    save(FIGURES[name], table, folder)


def save(figure: Figure, table: pd.DataFrame, folder: Path) -> None:
    """Write a figure and its numbers. The same table gives the same bytes.

    Raises:
        InputError: as `theory_sim.runtime.outputs.write_output`.
    """
    numbers, *pictures = files(figure, folder)
    write_output(numbers, lambda part: table.to_csv(part, index=False))
    with style.applied():  # matplotlib reads some settings only when it saves
        picture = figure.paint(pd.read_csv(numbers))
        # Both files get the layout of the PNG, whose letters are the wider ones.
        picture.draw_without_rendering()
        picture.set_layout_engine("none")
        about: dict[str, Any] = {"CreationDate": None, "Title": figure.name, "Subject": figure.caption}
        for path, metadata in zip(pictures, (about, {}), strict=True):

            def write(part: Path, path: Path = path, metadata: dict[str, Any] = metadata) -> None:
                picture.savefig(part, format=path.suffix[1:], metadata=metadata)

            write_output(path, write)
