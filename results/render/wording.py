"""Words that every format shares."""

from __future__ import annotations

from results.table import Cell, Mark, Table, figure


def number(cell: Cell, decimals: int, minus: str = "-", plus_minus: str = " ± ") -> str:
    """`38.2 ± 6.1`, or the number alone where there is no spread. The cell must have a value."""
    if cell.value is None:
        raise ValueError("a cell without a value has no number")
    text = figure(cell.value, decimals).replace("-", minus)
    return text if cell.spread is None else text + plus_minus + figure(cell.spread, decimals)


def aside(cell: Cell, decimals: int, minus: str = "-") -> str:
    """What stands beside a number: its interval, then its remark."""
    if cell.interval is None:
        return cell.remark
    low, high = (figure(end, decimals).replace("-", minus) for end in cell.interval)
    return f"{low} to {high}" + (f", {cell.remark}" if cell.remark else "")


def legend(table: Table, best: str, second: str) -> str:
    """How marks are to be read; empty where the table has none."""
    marks = {cell.mark for row in table.rows() for cell in row.cells}
    if Mark.BEST not in marks:
        return ""
    also = f", second {second}" if Mark.SECOND in marks else ""
    return f"Best {best}{also}: {table.contest}, among ours and among the published values shown, never across."
