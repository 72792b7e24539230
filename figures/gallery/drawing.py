"""Writes figures: pictures, and the numbers as CSV."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Picture

from theory_sim.figures.common import style
from theory_sim.figures.common.figure import FIGURES, Figure
from theory_sim.figures.common.look import Look
from theory_sim.figures.gallery.formats import FORMATS, metadata
from theory_sim.runtime import plugins
from theory_sim.runtime.errors import InputError
from theory_sim.runtime.outputs import write_output
from theory_sim.runtime.processes import starting_processes

_FEW = 4
"""From this number of figures on, processes of their own are worth their start."""
READ_FROM = "read_from"
"""The attribute of a table that was read from a file: the file's path."""


def files(figure: Figure, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """The files of a figure: numbers, then pictures."""
    return [folder / f"{figure.name}.{suffix}" for suffix in ("csv", *formats)]


def draw(
    made: Iterable[tuple[Figure, pd.DataFrame]], folder: Path, look: Look | None = None, formats: Sequence[str] = FORMATS
) -> None:
    """Write figures from their tables; many are drawn in other processes, while the tables of the next are computed.

    Args:
        made: the figures with their tables.
        folder: of the files.
        look: how the pictures look.
        formats: of the pictures, as `theory_sim.figures.gallery.formats.chosen` returns them.

    Raises:
        InputError: as `save`.
    """
    made = iter(made)
    first = list(islice(made, _FEW))
    if len(first) < _FEW:
        for figure, table in first:
            save(figure, table, folder, look, formats)
        return
    # Processes are not forked: PyTorch's threads would not survive that.
    cores = min(2, os.cpu_count() or 1)
    with starting_processes():  # the first pool starts Python's tracker of semaphores
        pool = ProcessPoolExecutor(cores, get_context("spawn"))
    with pool:
        drawn = []
        for figure, table in chain(first, made):
            entry = FIGURES.entry(figure.name)
            if entry.is_core or entry.plugin is not None:
                with starting_processes():
                    drawn.append(pool.submit(_save, figure.name, entry.plugin, table, folder, look, formats))
            else:  # registered by a session, whose code another process does not have
                save(figure, table, folder, look, formats)
        for each in drawn:
            each.result()


def _save(name: str, plugin: str | None, table: pd.DataFrame, folder: Path, look: Look | None, formats: Sequence[str]) -> None:
    plugins.load([] if plugin is None else [plugin])
    save(FIGURES[name], table, folder, look, formats)


def save(figure: Figure, table: pd.DataFrame, folder: Path, look: Look | None = None, formats: Sequence[str] = FORMATS) -> None:
    """Write a figure and its numbers. The same table gives the same bytes, in the formats that have no date.

    Args:
        figure: the figure.
        table: its numbers.
        folder: of the files.
        look: how the pictures look.
        formats: of the pictures.

    Raises:
        InputError: as `theory_sim.runtime.outputs.write_output`, or the table was read from a file and is of another version.
    """
    numbers, *pictures = files(figure, folder, formats)
    read_from = table.attrs.get(READ_FROM)
    if read_from is None:
        write_output(numbers, partial(table.to_csv, index=False))
    with style.applied(look):  # matplotlib reads some settings only when it saves
        picture = _paint(figure, pd.read_csv(read_from or numbers), look, read_from)
        if read_from is not None:  # a table that cannot be drawn is not copied
            write_output(numbers, partial(copyfile, read_from))
        # All files get the layout of the PNG, whose letters are the wider ones.
        picture.draw_without_rendering()
        picture.set_layout_engine("none")
        for path in pictures:
            _write(picture, path, metadata(path.suffix[1:], figure))


def _paint(figure: Figure, table: pd.DataFrame, look: Look | None, read_from: Path | None) -> Picture:
    """The picture of a table, which may come from a file that a user has named."""
    try:
        return figure.paint(table, look)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        if read_from is None:
            raise
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"{read_from} is no table of this version of the figure {figure.name}: {what}") from None


def _write(picture: Picture, path: Path, options: dict[str, Any]) -> None:
    """Write one file. PGF code names the files of images, which lie beside it: they are written first."""
    name = path.suffix[1:]
    if name != "pgf":
        write_output(path, lambda part: picture.savefig(part, format=name, **options))
        return
    with TemporaryDirectory() as place:
        picture.savefig(Path(place) / path.name)
        for file in sorted(Path(place).iterdir(), key=lambda file: file.name == path.name):
            write_output(path.with_name(file.name), partial(copyfile, file))


def read_tables(figures: Iterable[Figure], folder: Path) -> list[tuple[Figure, pd.DataFrame]]:
    """Pairs of each figure and its table, read from the CSV files of a gallery; `save` copies the files to the byte.

    Args:
        figures: the figures.
        folder: of the files.

    Raises:
        InputError: a file is not there, or cannot be read.
    """
    found = []
    for figure in figures:
        path = files(figure, folder)[0]
        try:
            table = pd.read_csv(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
            raise InputError(f"cannot read {path}: {reason}") from None
        table.attrs[READ_FROM] = path
        found.append((figure, table))
    return found


def without_table(figure: Figure, folder: Path) -> str | None:
    """Why a figure is not drawn from a folder of CSV files; None if it is."""
    path = files(figure, folder)[0]
    return None if path.is_file() else f"there is no {path}"
