"""The formats in which pictures are written, and a check that they can be written here."""

import shutil
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure as Picture

from theory_sim.figures.common import style
from theory_sim.figures.common.figure import Figure
from theory_sim.figures.common.look import Look
from theory_sim.runtime.errors import InputError

FORMATS = ("pdf", "png")
"""Those of the gallery."""

SHOWN = ("png", "svg", "webp", "jpg", "jpeg", "gif", "avif")
"""Formats that a page can show, the best first."""


def chosen(text: str, look: Look) -> tuple[str, ...]:
    """The formats in a list such as ``pdf,png``, each once, after writing a tiny picture in each.

    Raises:
        InputError: matplotlib has no such format, or cannot write it here: pgf needs LaTeX, some need a library.
    """
    known = FigureCanvasBase.get_supported_filetypes()
    found = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    for name in found:
        if name == "csv":
            raise InputError("format 'csv': the numbers are always written as CSV; name formats of the pictures")
        if name not in known:
            raise InputError(f"unknown format '{name}'; there are {', '.join(sorted(known))}")
        with style.applied(look):
            _check(name)
    return found


def _check(name: str) -> None:
    """Write a tiny picture in a format."""
    program = str(matplotlib.rcParams["pgf.texsystem"])
    if name == "pgf" and shutil.which(program) is None:
        raise InputError(
            f"format 'pgf' needs LaTeX, and there is no command {program}: install it, or name another one (pgf.texsystem) in a"
            " style file"
        )
    picture = Picture(figsize=(0.2, 0.2))
    picture.text(0, 0, "a")  # which LaTeX sets, where it is needed
    try:
        picture.savefig(BytesIO(), format=name)
    except Exception as error:  # whatever an optional library raises
        raise InputError(f"format '{name}' cannot be written here: {' '.join(str(error).split())}") from None


def metadata(name: str, figure: Figure) -> dict[str, Any]:
    """Options of ``savefig`` that write a title and no date, so that the same table gives the same bytes."""
    if name == "pdf":
        return {"metadata": {"CreationDate": None, "Title": figure.name, "Subject": figure.caption}}
    if name in ("svg", "svgz"):
        return {"metadata": {"Date": None, "Title": figure.name, "Description": figure.caption}}
    return {}


def shown(formats: Sequence[str]) -> str | None:
    """The format that a page shows; None if none can be shown."""
    return next((name for name in SHOWN if name in formats), None)
