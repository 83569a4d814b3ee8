"""The narrow arrangement: columns that stand side by side under one head become lines below each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from results.table import Cell, HeaderCell, Row, Table


class Line(NamedTuple):
    """One line of a row: its head (`ours`) and per column group a cell, None where the group has no such column."""

    header: HeaderCell
    cells: tuple[Cell | None, ...]


def lines(table: Table, row: Row) -> list[Line]:
    """The lines of a row, one per distinct column key, in the order of the columns.

    A line of nothing but dashes is left out unless it is the first.
    """
    heads = {column.key: column for _, column in reversed(table.leaves)}
    order = dict.fromkeys(column.key for _, column in table.leaves)
    places = {
        (group.header.key, column.key): cell for (group, column), cell in zip(table.leaves, row.cells, strict=True)
    }
    found = [Line(heads[key], tuple(places.get((group.header.key, key)) for group in table.columns)) for key in order]
    return [found[0], *(line for line in found[1:] if says_something(line.cells))]


def says_something(cells: Iterable[Cell | None]) -> bool:
    """Whether any of some cells is more than a dash."""
    return any(cell is not None and cell != Cell() for cell in cells)
