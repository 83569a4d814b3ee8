"""The published side of a table of methods: the claim of a cell, a published gain, and names that no claim has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from benchmarks.base import unknown
from results.method_spec import FigureColumn, MethodGroup, MethodRow, MethodTableSpec
from results.published import Claim, lookup


@dataclass(frozen=True)
class PublishedFigure:
    """A published number or difference, and the claims it is made of."""

    value: float
    claims: tuple[Claim, ...]


class MethodClaims:
    """The claims that a table may show. Raises RepriseError where its specification names one that does not exist."""

    def __init__(self, spec: MethodTableSpec, claims: pd.DataFrame, statistic: str) -> None:
        self.spec, self.statistic = spec, statistic
        self.tables = spec.claims.tables[statistic]
        _refuse_unknown(spec, claims, self.tables)
        rows = claims[claims["table"].isin(self.tables)]
        self.rows = dict(iter(rows.groupby(["table", "task", "method", "metric"], sort=False)))

    def figure(self, group: MethodGroup, row: MethodRow, column: FigureColumn) -> PublishedFigure | None:
        """What is published for a cell: by the group's first task, and there by the first table, that has it."""
        if row.claim is None or column.claim is None or (column.over is not None and row.reference):
            return None
        for task in column.claims or group.claims:
            for table in self.tables:
                found = self._claim(table, task, row.claim, column.claim)
                if found is not None:
                    return self._shown(found, column)
        return None

    def _shown(self, claim: Claim, column: FigureColumn) -> PublishedFigure | None:
        """A claim as the column shows it: as it stands, or beside that of another row in the same table."""
        if column.over is not None:
            return self._gain(claim, column)
        return PublishedFigure(claim.value, (claim,)) if column.times is None else self._multiple(claim, column)

    def _multiple(self, claim: Claim, column: FigureColumn) -> PublishedFigure | None:
        """How many times the row's own claim a claim is, whichever tables of this specification they stand in."""
        assert column.times is not None
        name = self.spec.row(column.times).claim
        for table in self.tables:
            base = None if name is None else self._claim(table, claim.task, name, claim.metric)
            if base is not None:
                return PublishedFigure(claim.value / base.value, (claim, base))
        return None

    def _gain(self, claim: Claim, column: FigureColumn) -> PublishedFigure | None:
        """A claim less that of the reference in the same table; a gain over another table's would be none."""
        assert column.over is not None
        reference = self.spec.row(column.over).claim
        base = None if reference is None else self._claim(claim.table, claim.task, reference, claim.metric)
        return None if base is None else PublishedFigure(round(claim.value - base.value, 6), (claim, base))

    def _claim(self, table: str, task: str, method: str, metric: str) -> Claim | None:
        rows = self.rows.get((table, task, method, metric))
        return None if rows is None else lookup(rows, table, task, method, self.statistic, metric)


def _refuse_unknown(spec: MethodTableSpec, claims: pd.DataFrame, tables: list[str]) -> None:
    """Raise where the specification names a table, task, method or metric that no claim has."""
    where = f"table {spec.id}"
    for name in tables:
        _refuse("claim table", name, claims["table"], where)
    shown = claims[claims["table"].isin(tables)]
    for group in spec.groups:
        for task in group.claims:
            _refuse("published task", task, shown["task"], f"{where}, {group.task}")
    tasks = {task for group in spec.groups for task in group.claims} | {
        task for column in spec.columns for task in column.claims
    }
    shown = shown[shown["task"].isin(tasks)]
    if not tasks:
        return
    for row in spec.rows:
        if row.claim is not None:
            _refuse("published method", row.claim, shown["method"], f"{where}, row '{row.label}'")
    for column in spec.columns:
        if column.claim is not None:
            _refuse("published metric", column.claim, shown["metric"], f"{where}, column '{column.label}'")


def _refuse(kind: str, name: str, valid: Iterable[str], where: str) -> None:
    names = set(valid)
    if name not in names:
        raise unknown(kind, name, names, where)
