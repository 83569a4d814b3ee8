"""The published side of a table of methods: the claim of a cell, a published gain, and names that no claim has."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from results.claim_names import refuse_name, shown_claims
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
        _refuse_unknown(spec, claims)
        self.claims = claims

    def figure(self, group: MethodGroup, row: MethodRow, column: FigureColumn) -> PublishedFigure | None:
        """What is published for a cell: by the group's first task, and there by the first table, that has it."""
        trivial = column.times is not None and column.times == row.id  # once itself: nobody's claim
        if trivial or row.claim is None or column.claim is None or (column.over is not None and row.reference):
            return None
        for task in column.claims or group.claims:
            for table in self.tables:
                found = self._claim(table, task, row.claim, column.claim, column.dataset)
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
            base = None if name is None else self._claim(table, claim.task, name, claim.metric, column.dataset)
            if base is not None:
                return PublishedFigure(claim.value / base.value, (claim, base))
        return None

    def _gain(self, claim: Claim, column: FigureColumn) -> PublishedFigure | None:
        """A claim less that of the reference in the same table; a gain over another table's would be none."""
        assert column.over is not None
        reference = self.spec.row(column.over).claim
        if reference is None:
            return None
        base = self._claim(claim.table, claim.task, reference, claim.metric, column.dataset)
        return None if base is None else PublishedFigure(round(claim.value - base.value, 6), (claim, base))

    def _claim(self, table: str, task: str, method: str, metric: str, dataset: str | None) -> Claim | None:
        return lookup(self.claims, table, task, method, self.statistic, metric, dataset)


def _refuse_unknown(spec: MethodTableSpec, claims: pd.DataFrame) -> None:
    """Raise where the specification names a table, task, method, metric or data set that no claim has."""
    shown = shown_claims(spec, claims)
    named = {("groups", i): group.claims for i, group in enumerate(spec.groups)}
    named |= {("columns", i): column.claims for i, column in enumerate(spec.columns)}
    for place, names in named.items():
        for i, name in enumerate(names):
            refuse_name(spec, (*place, "claims", i), "published task", name, shown["task"])
    tasks = {name for names in named.values() for name in names}
    shown = shown[shown["task"].isin(tasks)]
    if not tasks:
        return
    for i, row in enumerate(spec.rows):
        if row.claim is not None:
            refuse_name(spec, ("rows", i, "claim"), "published method", row.claim, shown["method"])
    for i, column in enumerate(spec.columns):
        if column.claim is not None:
            refuse_name(spec, ("columns", i, "claim"), "published metric", column.claim, shown["metric"])
        if column.dataset is not None:
            refuse_name(spec, ("columns", i, "dataset"), "published data set", column.dataset, shown["dataset"])
