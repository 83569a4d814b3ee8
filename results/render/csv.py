"""Tidy CSV: a line per cell that holds a number (with every digit) or words; notes and captions stay in the other formats."""

from __future__ import annotations

import csv
import io

from results.table import Cell, Row, Table

COLUMNS = (
    "group",
    "row",
    "column_group",
    "column",
    "value",
    "spread",
    "n",
    "mark",
    "remark",
    "footnotes",
    "low",
    "high",
    "tied",
)


def render_csv(table: Table) -> str:
    """One header line, then the cells row by row; `column_group` and `column` are the keys of the heads."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for group in table.groups:
        for row in group.rows:
            writer.writerows(_lines(table, group.header.text, row))
    if table.total is not None:
        writer.writerows(_lines(table, "", table.total))
    return file.getvalue()


def _lines(table: Table, group: str, row: Row) -> list[list[object]]:
    texts = {footnote.mark: footnote.text for footnote in table.footnotes}
    return [
        [group, row.header.key, columns.header.key, column.key, *_fields(cell, texts)]
        for (columns, column), cell in zip(table.leaves, row.cells, strict=True)
        if cell.value is not None or cell.words
    ]


def _fields(cell: Cell, texts: dict[str, str]) -> list[object]:
    mark = cell.mark.value if cell.mark else ""
    notes = " ".join(texts[name] for name in cell.footnotes)
    return [
        "" if cell.value is None else cell.value,
        "" if cell.spread is None else cell.spread,
        "" if cell.n is None else cell.n,
        mark,
        cell.remark,
        notes,
        *(cell.interval or ("", "")),
        "true" if cell.tied else "",
    ]
