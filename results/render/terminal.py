"""The terminal: a column per group, its columns as lines of a row, folded into panels where the width is short."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from results.render.stacked import lines, says_something
from results.render.wording import TIED, aside, head, legend
from results.table import DASH, Cell, ColumnGroup, Mark, Row, Table, figure

PLAIN_WIDTH = 120
"""Characters of a line where no terminal says how many it has."""

GAP = 2
"""Characters between columns."""

STYLES = {Mark.BEST: "bold", Mark.SECOND: "underline", None: ""}
SIGNS = {Mark.BEST: "*", Mark.SECOND: "'", None: ""}
"""What stands behind a number where there are no styles."""


def print_table(table: Table, console: Console | None = None) -> None:
    """Print to a terminal, with styles where it has them."""
    console = console or terminal()
    console.print(_document(table, console.width, plain=console.color_system is None))


def render_text(table: Table, width: int = PLAIN_WIDTH) -> str:
    """Plain text, at most `width` wide where the columns allow; signs instead of styles."""
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(_document(table, width, plain=True))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def terminal() -> Console:
    """The console of standard output, as wide as it is, or PLAIN_WIDTH where it is a file."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def _document(table: Table, width: int, plain: bool) -> Group:
    columns = [_Column(table, group, plain) for group in table.columns]
    parts: list[RenderableType] = [Text(table.title, style="bold"), Text(table.caption), Text()]
    for panel in _panels(columns, width - _stub_width(table)):
        parts += [_grid(table, panel), Text()]
    return Group(*parts, _statements(table, plain))


def _panels(columns: Sequence[_Column], room: int) -> Iterator[list[_Column]]:
    """Columns in runs that fit the room, each with one at least."""
    panel: list[_Column] = []
    for column in columns:
        if panel and sum(each.width + GAP for each in [*panel, column]) > room:
            yield panel
            panel = []
        panel.append(column)
    yield panel


def _grid(table: Table, columns: Sequence[_Column]) -> Grid:
    grid = Grid(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="bold")
    grid.add_column(Text(_stub_head(table)), no_wrap=True)
    for column in columns:
        grid.add_column(Text(column.head.rjust(column.width)), no_wrap=True)
    for group in table.groups:
        if group.header.text:
            grid.add_row(Text(_noted(group.header.text, group.header.footnotes), style="italic"))
        for row in group.rows:
            if row.total:
                grid.add_section()
            _add_row(grid, table, row, columns)
        grid.add_section()
    if table.total is not None:
        _add_row(grid, table, table.total, columns)
    return grid


def _add_row(grid: Grid, table: Table, row: Row, columns: Sequence[_Column]) -> None:
    """The first line stands beside the row's head, the others beside their own."""
    for index, line in enumerate(lines(table, row)):
        first = _noted(row.header.text, row.header.footnotes)
        name = Text(first) if index == 0 else Text(f"  {line.header.text}", style="dim")
        cells = [line.cells[table.columns.index(column.group)] for column in columns]
        if index > 0 and not says_something(cells):
            continue
        grid.add_row(name, *(column.text(cell, dim=index > 0) for column, cell in zip(columns, cells, strict=True)))
        if any(cell is not None and (cell.remark or cell.interval) and not cell.words for cell in cells):
            grid.add_row("", *(column.remark(cell) for column, cell in zip(columns, cells, strict=True)))


def _statements(table: Table, plain: bool) -> Grid:
    best, second = (
        (f"marked {SIGNS[Mark.BEST]}", f"marked {SIGNS[Mark.SECOND]}") if plain else ("in bold", "underlined")
    )
    marks = legend(table, best, second)
    grid = Grid.grid(padding=(0, GAP, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for footnote in table.footnotes:
        grid.add_row(Text(footnote.mark, justify="right"), Text(footnote.text))
    for subject, text in [*((note.subject, note.text) for note in table.notes), *([("Marks", marks)] if marks else [])]:
        grid.add_row(Text(subject), Text(text))
    return grid


class _Column:
    """A column group as one column of text: its numbers stand with their decimals and their ± below each other."""

    def __init__(self, table: Table, group: ColumnGroup, plain: bool) -> None:
        self.group, self.decimals, self.plain = group, table.decimals_of(group), plain
        place = table.columns.index(group)
        filled = [cell for row in table.rows() for line in lines(table, row) if (cell := line.cells[place]) is not None]
        cells = [cell for cell in filled if not cell.words]
        self.means = max((len(self._mean(cell)) for cell in cells), default=0)
        self.spreads = max((len(self._spread(cell)) for cell in cells), default=0)
        longest = max((len(self._spread(cell) + self._tail(cell)) for cell in cells), default=0)
        self.tails = longest - self.spreads
        self.head = _noted(head(group.header), group.header.footnotes)
        words = max((len(cell.words + self._tail(cell)) for cell in filled if cell.words), default=0)
        remarks = max((len(aside(cell, self.decimals)) for cell in cells), default=0)
        self.width = max(self.means + self.spreads + self.tails, len(self.head), words, remarks)

    def text(self, cell: Cell | None, dim: bool) -> Text:
        """A cell, padded to the column's parts."""
        if cell is None:
            return Text()
        if cell.words:
            return Text((cell.words + self._tail(cell)).rjust(self.width))
        mean, rest = self._mean(cell), self._spread(cell)
        room = self.width - self.means - self.spreads - self.tails
        style = "" if self.plain else STYLES[cell.mark]
        left = " " * (room + self.means - len(mean))
        return Text.assemble(left, (mean + rest, style), self._tail(cell), style="dim" if dim else "")

    def remark(self, cell: Cell | None) -> Text:
        """What is said of a cell, on the line below it."""
        return Text(aside(cell, self.decimals).rjust(self.width) if cell and not cell.words else "", style="dim")

    def _mean(self, cell: Cell) -> str:
        return DASH if cell.value is None else figure(cell.value, self.decimals)

    def _spread(self, cell: Cell) -> str:
        return "" if cell.spread is None else "±" + figure(cell.spread, self.decimals)

    def _tail(self, cell: Cell) -> str:
        signs = (SIGNS[cell.mark] if self.plain else "") + (TIED if cell.tied else "")
        return signs + "".join(f"[{mark}]" for mark in cell.footnotes)


def _stub_head(table: Table) -> str:
    """`task (ours, n = 3)`: what the first line of every row holds is said once, at the top."""
    first = table.leaves[0][1].text
    return _noted(table.stub.text, table.stub.footnotes) + (f" ({first})" if first else "")


def _stub_width(table: Table) -> int:
    heads = [
        _stub_head(table),
        *(_noted(row.header.text, row.header.footnotes) for row in table.rows()),
        *(f"  {leaf.text}" for _, leaf in table.leaves),
    ]
    return max(map(len, [*heads, *(_noted(group.header.text, group.header.footnotes) for group in table.groups)]))


def _noted(text: str, marks: Sequence[str]) -> str:
    return text + "".join(f"[{mark}]" for mark in marks)
