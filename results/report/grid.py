"""A table with one cell per place: ours, what is published and what is said of the two, together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from results.judging.model import Judged
from results.judging.places import JudgedPlaces
from results.paper_table import OURS, PUBLISHED
from results.render.wording import aside, number
from results.report.table_view import TableView
from results.table import Cell, ColumnGroup, HeaderCell, Mark, Row, RowGroup, figure
from results.verdict.words import Verdict

MINUS = "\N{MINUS SIGN}"

SILENT = (Verdict.NOT_COMPARABLE, Verdict.NOT_RUN, Verdict.NOT_JUDGED)
"""The words under which no difference is shown."""


@dataclass(frozen=True)
class Shown:
    """One number as a page shows it: `value` sorts, the rest is text. `mark` is `best`, `second` or empty."""

    value: float | None = None
    text: str = ""
    spread: str = ""
    mark: str = ""
    tied: bool = False
    remark: str = ""
    footnotes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.text


@dataclass(frozen=True)
class Said:
    """The verdict on a place. `text` is ours minus published where the verdict rests on it."""

    word: str = ""
    reason: str = ""
    value: float | None = None
    text: str = ""
    interval: str = ""

    @property
    def css(self) -> str:
        """The word as the name of a class."""
        return self.word.replace(" ", "-")


@dataclass(frozen=True)
class Square:
    """One place of the grid. `number` is that of its details on the page, None where there are none."""

    ours: Shown
    published: Shown
    said: Said
    judged: Judged | None
    column: HeaderCell
    number: int | None = None


@dataclass(frozen=True)
class Line:
    """A row: its head, the key of its group, and its places. A `total` sums rows."""

    header: HeaderCell
    group: str
    squares: tuple[Square, ...]
    total: bool = False


@dataclass(frozen=True)
class Block:
    """Rows under one head."""

    header: HeaderCell
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Grid:
    """The table of a page. `total` stands below all blocks."""

    columns: tuple[HeaderCell, ...]
    blocks: tuple[Block, ...]
    total: Line | None

    @property
    def spreads(self) -> tuple[bool, ...]:
        """Whether a column has any spread: its numbers then stand in line."""
        lines = [*(line for block in self.blocks for line in block.lines), *([self.total] if self.total else [])]
        return tuple(
            any(line.squares[place].ours.spread or line.squares[place].published.spread for line in lines)
            for place in range(len(self.columns))
        )

    def squares(self) -> Iterator[tuple[Line, Square]]:
        """Every place with its row, the total last."""
        lines = [line for block in self.blocks for line in block.lines]
        for line in [*lines, *([self.total] if self.total else [])]:
            for square in line.squares:
                yield line, square

    def measured(self) -> Grid:
        """Its rows and columns that hold a number of ours; the whole grid where none does."""

        def ours(line: Line, places: Iterable[int]) -> bool:
            return any(line.squares[place].ours.value is not None for place in places)

        every = range(len(self.columns))
        lines = [line for block in self.blocks for line in block.lines]
        kept = [place for place in every if any(ours(line, [place]) for line in lines)]
        if not kept:
            return self

        def cut(line: Line) -> Line:
            return replace(line, squares=tuple(line.squares[place] for place in kept))

        blocks = [
            replace(block, lines=tuple(cut(line) for line in block.lines if ours(line, every))) for block in self.blocks
        ]
        total = None if self.total is None or not ours(self.total, every) else cut(self.total)
        return Grid(
            tuple(self.columns[place] for place in kept), tuple(block for block in blocks if block.lines), total
        )

    @property
    def modes(self) -> list[str]:
        """What there is to switch between."""
        ours = any(not square.ours.empty for _, square in self.squares())
        published = any(not square.published.empty for _, square in self.squares())
        if ours and published:
            return ["both", "ours", "published", "difference"]
        return ["ours"] if ours else ["published", "difference"] if published else ["ours"]


def grid(view: TableView) -> Grid:
    """The grid of a view, without columns of nothing but dashes. Details are numbered in reading order, for every place that
    holds anything.
    """
    return _Builder(view).grid()


class _Builder:
    def __init__(self, view: TableView) -> None:
        self.table = view.table
        self.judged = JudgedPlaces(view.spec, view.judgements)
        self.count = 0
        self.columns = tuple(group for place, group in enumerate(self.table.columns) if self.says_something(place))

    def says_something(self, place: int) -> bool:
        """Whether a column group has more than dashes."""
        wanted = self.table.columns[place]
        return any(
            cell.value is not None or cell.words
            for row in self.table.rows()
            for (group, _), cell in zip(self.table.leaves, row.cells, strict=True)
            if group is wanted
        )

    def grid(self) -> Grid:
        blocks = tuple(
            Block(group.header, tuple(self.line(row, group) for row in group.rows))
            for group in self.table.groups
            if group.rows
        )
        total = None if self.table.total is None else self.line(self.table.total, None)
        return Grid(tuple(group.header for group in self.columns), blocks, total)

    def line(self, row: Row, group: RowGroup | None) -> Line:
        """A row; `group` is None for the table's own total."""
        cells: dict[str, dict[str, Cell]] = {}
        for (column, leaf), cell in zip(self.table.leaves, row.cells, strict=True):
            cells.setdefault(column.header.key, {})[leaf.key] = cell
        squares = tuple(self.square(row, group, column, cells[column.header.key]) for column in self.columns)
        return Line(row.header, "" if group is None else group.header.key, squares, row.total or group is None)

    def square(self, row: Row, group: RowGroup | None, column: ColumnGroup, cells: dict[str, Cell]) -> Square:
        decimals = self.table.decimals_of(column)
        ours, theirs = (shown(cells.get(key, Cell()), decimals) for key in (OURS, PUBLISHED))
        judged = self.judged.of(self.table, group, row, column)
        said = Said() if judged is None else said_of(judged, decimals)
        number = None
        if not ours.empty or not theirs.empty:
            number, self.count = self.count, self.count + 1
        return Square(ours, theirs, said, judged, column.header, number)


def shown(cell: Cell, decimals: int) -> Shown:
    """A cell in words; empty where it says nothing."""
    if cell.value is None:
        return Shown(text=cell.words, footnotes=cell.footnotes)
    mean, _, spread = number(cell, decimals, minus=MINUS, plus_minus="±").partition("±")
    mark = "" if cell.mark is None else {Mark.BEST: "best", Mark.SECOND: "second"}[cell.mark]
    return Shown(cell.value, mean, spread, mark, cell.tied, aside(cell, decimals, minus=MINUS), cell.footnotes)


def said_of(judged: Judged, decimals: int) -> Said:
    """A verdict in words. Where nothing was judged there is no difference: none would mean anything."""
    outcome = judged.outcome
    word, reason = outcome.verdict.value, outcome.reason
    if outcome.verdict in SILENT or outcome.difference is None:
        return Said(word, reason)
    ends = ""
    if outcome.interval is not None and all(map(math.isfinite, outcome.interval)):
        low, high = (signed(end, decimals) for end in outcome.interval)
        ends = f"{low} to {high}"
    return Said(word, reason, outcome.difference, signed(outcome.difference, decimals), ends)


def signed(value: float, decimals: int) -> str:
    """A difference with its sign; a zero has none."""
    text = figure(value, decimals)
    if text.startswith("-"):
        return text.replace("-", MINUS)
    return text if float(text) == 0 else f"+{text}"
