"""Where a judged number stands in a drawn table."""

from __future__ import annotations

from results.judging.claimed import column_name
from results.judging.model import Judged, Judgements
from results.method_spec import MethodTableSpec
from results.table import ColumnGroup, Row, RowGroup, Table
from results.table_spec import PaperSpec, TableSpec, TotalSpec


class JudgedPlaces:
    """Finds what is said of a cell of the table of a specification."""

    def __init__(self, spec: PaperSpec, found: Judgements) -> None:
        self.spec = spec
        self.numbers = {
            (each.place.group, each.place.task, each.place.method, each.place.metric): each for each in found.numbers
        }

    def of(self, table: Table, group: RowGroup | None, row: Row, column: ColumnGroup) -> Judged | None:
        """The verdict on a row and column; `group` is None for the table's own total."""
        spec = self.spec
        if isinstance(spec, MethodTableSpec):
            return None if group is None else self._of_method(spec, group, row, column)
        assert isinstance(spec, TableSpec)
        total = _total(spec, row) if group is None or row.total else None
        task = row.header.key if total is None else total.label
        metric = spec.metric if total is None else total.metric or spec.metric
        return self.numbers.get(("", task, column.header.text, metric))

    def _of_method(self, spec: MethodTableSpec, group: RowGroup, row: Row, column: ColumnGroup) -> Judged | None:
        task = next(each.task for each in spec.groups if each.key == group.header.key)
        label = next(each.label for each in spec.rows if each.key == row.header.key)
        metric = column_name(next(each for each in spec.columns if each.key == column.header.key))
        return self.numbers.get((group.header.key, task, label, metric))


def _total(spec: TableSpec, row: Row) -> TotalSpec | None:
    totals = [spec.total, *(group.total for group in spec.groups)]
    return next((total for total in totals if total is not None and total.label == row.header.text), None)
