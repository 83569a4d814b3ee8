"""Words that every format shares."""

from __future__ import annotations

from results.table import Cell, HeaderCell, Mark, Table, figure

TIED = "\N{ALMOST EQUAL TO}"
"""The sign of a number that cannot be told from the best, and of the best where there is such a number."""

ARROWS = {"higher": " \N{UPWARDS ARROW}", "lower": " \N{DOWNWARDS ARROW}", "": ""}
"""What a head says of the numbers below it: which of them are better."""


def counted(number: int, noun: str) -> str:
    """`1 task`, `12 tasks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def head(header: HeaderCell) -> str:
    """The text of a head, with its arrow."""
    return header.text + ARROWS[header.better]


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
    tied = any(cell.tied for row in table.rows() for cell in row.cells)
    also += f", {TIED} the best and what cannot be told from it" if tied else ""
    return f"Best {best}{also}: {table.contest}, among ours and among the published values shown, never across."
