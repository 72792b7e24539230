"""Rows and groups of tables. The stubs of pandas type a row's attributes and a group's key as any scalar: here they are `Any`."""

from collections.abc import Iterator
from typing import Any

import pandas as pd


def rows(table: pd.DataFrame) -> Iterator[Any]:
    """The rows, as named tuples of their index and columns."""
    return iter(table.itertuples())


def grouped(table: pd.DataFrame, by: Any, sort: bool = True) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Pairs of key and rows.

    Args:
        table: the table.
        by: a column, or a list of them; the key is then a tuple.
        sort: whether in the order of the keys; otherwise in the order of the rows.
    """
    return iter(table.groupby(by, sort=sort))


def of_part(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """The rows whose column ``part`` has this value, with a new index from 0."""
    return table[table.part == part].reset_index(drop=True)
