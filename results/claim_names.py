"""Names in a table's specification that no claim has: each is a fault, said with its line and the nearest name there is."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from benchmarks.base import unknown
from results.spec_file import Place
from results.table_spec import PaperSpec, TableSpec, TotalSpec


def refuse_name(spec: PaperSpec, place: Place, kind: str, name: str, valid: Iterable[str]) -> None:
    """Raise RepriseError with file, line and place where a name is none of the valid ones."""
    names = set(valid)
    if name not in names:
        raise unknown(kind, name, names, f"{spec.where(*place)}: {'.'.join(map(str, place))}")


def shown_claims(spec: PaperSpec, claims: pd.DataFrame) -> pd.DataFrame:
    """The claims of every table that a specification names; raises RepriseError for a table that no claim has."""
    for statistic, tables in spec.claims.tables.items():
        for index, name in enumerate(tables):
            refuse_name(spec, ("claims", "tables", statistic, index), "claim table", name, claims["table"])
    named = {name for tables in spec.claims.tables.values() for name in tables}
    return claims[claims["table"].isin(named)]


def refuse_unknown(spec: TableSpec, claims: pd.DataFrame) -> None:
    """Raise RepriseError where the specification names a table, task, method or metric that no claim has."""
    shown = shown_claims(spec, claims)
    for i, group in enumerate(spec.groups):
        for j, row in enumerate(group.rows):
            if row.claim is not None:
                refuse_name(spec, ("groups", i, "rows", j, "claim"), "published task", row.claim, shown["task"])
        _refuse_total(spec, ("groups", i, "total"), group.total, shown)
    _refuse_total(spec, ("total",), spec.total, shown)
    for i, column in enumerate(spec.columns):
        if column.claim is not None:
            refuse_name(spec, ("columns", i, "claim"), "published method", column.claim, shown["method"])


def _refuse_total(spec: TableSpec, place: Place, total: TotalSpec | None, shown: pd.DataFrame) -> None:
    if total is None or total.claim is None:
        return
    refuse_name(spec, (*place, "claim"), "published task", total.claim, shown["task"])
    if total.metric is not None:
        refuse_name(spec, (*place, "metric"), "published metric", total.metric, shown["metric"])
