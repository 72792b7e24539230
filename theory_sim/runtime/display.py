"""How objects are shown: lists of results as lines of text, and as tables where a notebook shows HTML."""

import html
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

_SHORT = 8
"""Letters of a word that are kept together in a table."""


def new_console(stderr: bool = False) -> Console:
    """A console on standard output, or on standard error; without a terminal it is wide enough that lines are not wrapped.

    Names, paths and values are printed as they are: no brackets are read as markup, and no ``:word:`` as a picture.
    """
    file = sys.stderr if stderr else sys.stdout
    # With its file a console knows the encoding: it draws tables in ASCII where there is nothing else.
    return Console(file=file, width=None if file.isatty() else 160, markup=False, emoji=False)


class _PlainTable(Table):
    """A table whose texts cannot steer the terminal: names and values come from files that others have written.

    Where the terminal is too narrow for names in the first column and short words in the others, rows become lines: one for each
    cell.
    """

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row; control characters in texts are escaped."""
        super().add_row(*(without_controls(cell) if isinstance(cell, str) else cell for cell in cells), **options)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType | Segment]:
        """The table, or its rows as lines."""
        if self._least_width() <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        if self.title is not None:
            yield Text(str(self.title), "bold")
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            for column, cell in zip(self.columns, cells, strict=True):
                first, text = column is self.columns[0], cell if isinstance(cell, Text) else str(cell)
                if str(cell):
                    line = Text.assemble("" if first else f"{column.header}: ", text, overflow="fold")
                    yield line if first else Padding(line, (0, 0, 0, 2))

    def _least_width(self) -> int:
        """With less no cell can be read."""
        names, *others = ([str(column.header), *map(str, column.cells)] for column in self.columns)
        least = [min(_SHORT, max(len(word) for text in own for word in [*text.split(), ""])) for own in others]
        return sum(least) + max(map(len, names)) + 3 * len(self.columns) + 1


def without_controls(text: str) -> str:
    """A text whose control characters, but for line breaks and tabs, are escaped."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda control: f"\\x{ord(control[0]):02x}", text)


def new_table(*columns: str, title: str | None = None) -> Table:
    """A table of which no cell is cut: where it is wider than the terminal, cells of all columns but the first are wrapped."""
    table = _PlainTable(title=None if title is None else without_controls(title))
    for place, column in enumerate(columns):
        table.add_column(without_controls(column), overflow="fold", no_wrap=place == 0)
    return table


@runtime_checkable
class Row(Protocol):
    """What can be a row of a table."""

    def row(self) -> Mapping[str, str]:
        """Its cells by column."""


T = TypeVar("T", bound=Row)


class Shown(list[T]):
    """A list that is shown with one line for each item, and as an HTML table in notebooks; otherwise it is a plain list."""

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "[]"

    def _repr_html_(self) -> str:
        return table_html([item.row() for item in self])


def table_html(rows: Sequence[Mapping[str, str]]) -> str:
    """A table in HTML; its columns are those of the first row."""
    if not rows:
        return "<i>none</i>"
    head = "".join(f"<th>{html.escape(column)}</th>" for column in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.values()) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
