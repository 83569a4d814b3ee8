"""GitHub-flavoured Markdown: a column per group, its columns as lines of a row."""

from __future__ import annotations

import re
from collections.abc import Sequence

from results.render.stacked import lines
from results.render.wording import TIED, aside, head, legend, number
from results.table import DASH, Cell, HeaderCell, Mark, Row, RowGroup, Table


def render_markdown(table: Table) -> str:
    """Title, caption, table, footnotes and notes, with no HTML but `<u>` and `<sup>`."""
    parts = [f"### {_escape(table.title)}", _escape(table.caption), markdown_grid(table)]
    if table.footnotes:
        parts.append("  \n".join(f"<sup>{note.mark}</sup> {_escape(note.text)}" for note in table.footnotes))
    notes = [f"- **{_escape(note.subject)}.** {_escape(note.text)}" for note in table.notes]
    marks = legend(table, "in **bold**", "<u>underlined</u>")
    parts.append("\n".join([*notes, *([f"- **Marks.** {marks}"] if marks else [])]))
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_grid(table: Table) -> str:
    """The table alone, without title, caption, footnotes and notes."""
    between = _between(table, [""])
    heads = [_head(table.stub), *between, *(_head(group.header) for group in table.columns)]
    body = [row for group in table.groups for row in _rows(table, group)]
    if table.total is not None:
        body += _lines(table, table.total, bold=True)
    aligned = ["---", *("---" for _ in between), *("--:" for _ in table.columns)]
    return "\n".join([_line(heads), _line(aligned), *body])


def _rows(table: Table, group: RowGroup) -> list[str]:
    found = [line for row in group.rows for line in _lines(table, row, bold=row.total)]
    if not group.header.text:
        return found
    empty = [*_between(table, [""]), *("" for _ in table.columns)]
    return [_line([f"*{_escape(head(group.header))}*{_marks(group.header.footnotes)}", *empty]), *found]


def _lines(table: Table, row: Row, bold: bool = False) -> list[str]:
    found = []
    for index, line in enumerate(lines(table, row)):
        name = f"**{_escape(row.header.text)}**" if bold else _escape(row.header.text)
        stub = name + _marks(row.header.footnotes) if index == 0 else ""
        between = _between(table, [_escape(line.header.text)])
        cells = zip(table.columns, line.cells, strict=True)
        found.append(_line([stub, *between, *(_cell(cell, table.decimals_of(group)) for group, cell in cells)]))
    return found


def _between(table: Table, column: list[str]) -> list[str]:
    """The column of line heads; there is none where no line has a head."""
    return column if any(leaf.text for _, leaf in table.leaves) else []


def _cell(cell: Cell | None, decimals: int) -> str:
    if cell is None:
        return ""
    if cell.value is None:
        return _escape(cell.words or DASH) + _marks(cell.footnotes)
    text = number(cell, decimals)
    text = {Mark.BEST: f"**{text}**", Mark.SECOND: f"<u>{text}</u>", None: text}[cell.mark]
    beside = aside(cell, decimals)
    remark = f" ({_escape(beside)})" if beside else ""
    return text + (TIED if cell.tied else "") + _marks(cell.footnotes) + remark


def _head(header: HeaderCell) -> str:
    return _escape(head(header)) + _marks(header.footnotes)


def _marks(marks: Sequence[str]) -> str:
    return f"<sup>{', '.join(marks)}</sup>" if marks else ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", text)
