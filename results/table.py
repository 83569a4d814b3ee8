"""A small table model: grouped headers, groups of rows, a total, marks, notes. It knows no format and no runs."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

DASH = "\N{EN DASH}"
"""What stands where there is no number."""

Better = Literal["", "higher", "lower"]
"""Which numbers are better, if any are."""


class Mark(StrEnum):
    """A distinction among the cells that compete."""

    BEST = "best"
    SECOND = "second"


@dataclass(frozen=True)
class HeaderCell:
    """The head of a row, column or group: `text` for people, `key` for programs; `footnotes` are marks.

    `better` says which numbers below it are better; empty where none are.
    """

    text: str
    key: str = ""
    footnotes: tuple[str, ...] = ()
    better: Better = ""


@dataclass(frozen=True)
class Cell:
    """A number with its spread, words, or nothing.

    `remark` is a short text shown beside the number (`2 of 3 seeds`), or in its place where there is none (`agrees`).
    `interval` holds the ends of a confidence interval; what kind of interval, the table's notes say. `tied`: among the cells it
    competes with, it is the best or cannot be told from the best; by which test, the notes say.
    """

    value: float | None = None
    spread: float | None = None
    n: int | None = None
    mark: Mark | None = None
    remark: str = ""
    footnotes: tuple[str, ...] = ()
    interval: tuple[float, float] | None = None
    tied: bool = False

    @property
    def words(self) -> str:
        """What stands in the cell in place of a number."""
        return self.remark if self.value is None else ""


@dataclass(frozen=True)
class ColumnGroup:
    """Columns under one common head. `decimals` are those of their numbers, None: the table's."""

    header: HeaderCell
    columns: tuple[HeaderCell, ...]
    decimals: int | None = None


@dataclass(frozen=True)
class Row:
    """A head and one cell per column. A `total` sums the rows of its group above it."""

    header: HeaderCell
    cells: tuple[Cell, ...]
    total: bool = False


@dataclass(frozen=True)
class RowGroup:
    """Rows under one common head."""

    header: HeaderCell
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Footnote:
    """A note that cells and heads refer to by its mark."""

    mark: str
    text: str


@dataclass
class Footnotes:
    """Footnotes in the order in which they are first needed; equal texts share a mark."""

    texts: list[str] = field(default_factory=list)

    def mark(self, text: str) -> str:
        """The mark of a text."""
        if text not in self.texts:
            self.texts.append(text)
        number = self.texts.index(text)
        letters = string.ascii_lowercase
        return letters[number] if number < 26 else letters[number // 26 - 1] + letters[number % 26]

    def all(self) -> tuple[Footnote, ...]:
        """Every footnote, for the table."""
        return tuple(Footnote(self.mark(text), text) for text in list(self.texts))


@dataclass(frozen=True)
class Note:
    """A statement about the whole table: what it is about (`Data`) and what it says."""

    subject: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table as data. `stub` heads the column of row heads; numbers are shown with `decimals` decimals.

    `contest` says among which cells marks tell the best. Raises ValueError where a row does not fit the columns or a footnote
    mark has no footnote.
    """

    name: str
    title: str
    caption: str
    stub: HeaderCell
    columns: tuple[ColumnGroup, ...]
    groups: tuple[RowGroup, ...]
    total: Row | None = None
    notes: tuple[Note, ...] = ()
    footnotes: tuple[Footnote, ...] = ()
    decimals: int = 1
    contest: str = "in each row"

    def __post_init__(self) -> None:
        width = len(self.leaves)
        known = {footnote.mark for footnote in self.footnotes}
        for row in self.rows():
            if len(row.cells) != width:
                raise ValueError(f"row '{row.header.text}' has {len(row.cells)} cells for {width} columns")
        used = {mark for part in self._parts() for mark in part.footnotes}
        if used - known:
            raise ValueError(f"no footnote for the mark '{min(used - known)}'")

    @property
    def leaves(self) -> tuple[tuple[ColumnGroup, HeaderCell], ...]:
        """Every column with its group, left to right."""
        return tuple((group, column) for group in self.columns for column in group.columns)

    def decimals_of(self, group: ColumnGroup) -> int:
        """How many decimals the numbers of a column group have."""
        return self.decimals if group.decimals is None else group.decimals

    def rows(self) -> Iterator[Row]:
        """Every row, the total last."""
        for group in self.groups:
            yield from group.rows
        if self.total is not None:
            yield self.total

    def _parts(self) -> Iterator[HeaderCell | Cell]:
        yield self.stub
        for group in self.columns:
            yield group.header
            yield from group.columns
        for rows in self.groups:
            yield rows.header
        for row in self.rows():
            yield row.header
            yield from row.cells


def figure(number: float, decimals: int) -> str:
    """A number as tables print it; a zero never has a sign."""
    text = f"{number:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def ranked(values: Sequence[float | None], higher_is_better: bool, decimals: int) -> list[Mark | None]:
    """Best and second of the numbers that compete, as they are printed: what reads equal is marked equal.

    After a tie for the best there is no second; a number that competes with none has no mark.
    """
    printed = [None if value is None else float(figure(value, decimals)) for value in values]
    field = sorted((value for value in printed if value is not None), reverse=higher_is_better)
    if len(field) < 2:
        return [None] * len(printed)
    best, second = field[0], field[1]
    marks: list[Mark | None] = []
    for value in printed:
        if value is None or value not in (best, second):
            marks.append(None)
        else:
            marks.append(Mark.BEST if value == best else Mark.SECOND)
    return marks
