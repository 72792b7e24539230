"""How pictures look where a user wants another look than the gallery's: width, style of matplotlib, colours of the roles."""

import logging
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import seaborn as sns
from matplotlib.colors import to_hex

from theory_sim.runtime.errors import InputError

NARROWEST, WIDEST = 3.3, 40.0
"""Widths in inches that figures can have: from a column of a two-column paper to a poster."""

ROLES = ("common", "rare", "coarse", "fine")
"""The roles whose colours a palette replaces, in its order; noise stays grey, and bounds stay black."""

# The width decides the size of a picture, and pictures are made without a window.
_NOT_USED = re.compile(
    r"figure\.(figsize|autolayout|constrained_layout\..*|subplot\..*)|savefig\.(bbox|pad_inches|format)"
    r"|backend(_fallback)?|interactive|toolbar"
)


@dataclass(frozen=True)
class Look:
    """How pictures look. The numbers that are drawn do not depend on it.

    Attributes:
        width: inches, from `NARROWEST` to `WIDEST`; None: each figure's own. Where panels do not fit side by side, they are put
            below each other.
        style: a style file of matplotlib, or the name of one of its styles, applied on top of the gallery's. Its size of figures
            is not used.
        palette: name of a palette of seaborn, or colours separated by commas, for `ROLES`; None: the gallery's, which is chosen
            for all kinds of colour vision.

    Raises:
        InputError: there is no such style, palette or colour, a style has a wrong line, or the width is out of its range.
    """

    width: float | None = None
    style: str | Path | None = None
    palette: str | None = None

    def __post_init__(self) -> None:
        if self.width is not None and not NARROWEST <= self.width <= WIDEST:
            raise InputError(f"width {self.width:g}: figures are {NARROWEST:g} to {WIDEST:g} inches wide")
        _ = self.settings, self.colors

    @cached_property
    def settings(self) -> Any:
        """The settings of matplotlib that the style has: a dictionary."""
        if self.style is None:
            return {}
        found = {key: value for key, value in _read(self.style).items() if _NOT_USED.fullmatch(key) is None}
        if found.get("text.usetex") and shutil.which("latex") is None:
            raise InputError(f"style {self.style}: text.usetex needs LaTeX, and there is no command latex: install it or drop it")
        return found

    @cached_property
    def colors(self) -> dict[str, str]:
        """The colour of each of `ROLES` that the palette has."""
        if self.palette is None:
            return {}
        return dict(zip(ROLES, _colors(self.palette), strict=True))


def _read(style: str | Path) -> Any:
    """The settings in a style file, or of a style of matplotlib."""
    library: Any = matplotlib.style.library
    if str(style) in library:
        return library[str(style)]
    if not Path(style).is_file():
        names = ", ".join(name for name in sorted(library) if not name.startswith("_"))
        raise InputError(f"style '{style}' is no file and no style of matplotlib; its styles are {names}")
    said = _Said()
    logger = logging.getLogger("matplotlib")
    logger.addHandler(said)
    try:
        read = matplotlib.rc_params_from_file(style, fail_on_error=True, use_default_template=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"style {style}: {' '.join(str(error).split())}") from None
    finally:
        logger.removeHandler(said)
    if said.lines:
        raise InputError(f"style {style}: {said.lines[0]}")
    return read


class _Said(logging.Handler):
    """Keeps the first line of what matplotlib warns of: it skips wrong lines of a style file with a warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first line of a message."""
        self.lines.append(record.getMessage().strip().splitlines()[0])


def _colors(palette: str) -> list[str]:
    """As many different colours as there are roles."""
    given = [color.strip() for color in palette.split(",")]
    try:
        if len(given) == 1:
            given = [to_hex(color) for color in sns.color_palette(palette, len(ROLES))]
        colors = [to_hex(color) for color in given]
    except ValueError as error:
        raise InputError(f"palette '{palette}': {str(error).rstrip('.')}: name a palette of seaborn, or colours") from None
    if len(set(colors)) != len(colors) or len(colors) != len(ROLES):
        raise InputError(
            f"palette '{palette}' has {len(set(colors))} different colours: it needs {len(ROLES)}, for {', '.join(ROLES)}"
        )
    return colors
