"""A table on its side: methods or settings as rows and tasks as columns, as some papers print."""

from __future__ import annotations

from dataclasses import replace

from results.table import Cell, ColumnGroup, HeaderCell, Row, RowGroup, Table


def transposed(table: Table) -> Table:
    """The table with its column groups as rows, each row's leaves beside each other. Groups of rows lose their heads.

    Raises ValueError for a table with totals, which would have to stand beside the columns.
    """
    rows = list(table.rows())
    if table.total is not None or any(row.total for row in rows):
        raise ValueError(f"table {table.name} has totals and cannot be transposed")
    leaves = {leaf.key: leaf for _, leaf in reversed(table.leaves)}
    heads = tuple(leaves[key] for key in dict.fromkeys(leaf.key for _, leaf in table.leaves))

    def line(column: ColumnGroup) -> Row:
        places = {leaf.key: place for place, (group, leaf) in enumerate(table.leaves) if group is column}
        cells = (row.cells[places[head.key]] if head.key in places else Cell() for row in rows for head in heads)
        return Row(column.header, tuple(cells))

    return replace(
        table,
        columns=tuple(ColumnGroup(row.header, heads) for row in rows),
        groups=(RowGroup(HeaderCell(""), tuple(line(column) for column in table.columns)),),
        contest="in each column",
    )
