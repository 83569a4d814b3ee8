"""The published numbers that a table has a place for, and our scores for each place; one form for both layouts of tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from results.judging.model import Place
from results.method_claims import MethodClaims, PublishedFigure
from results.method_spec import FigureColumn, MethodGroup, MethodRow, MethodTableSpec
from results.published import Claim, first
from results.run_figures import RunFigures
from results.table_spec import TableSpec

STATED_GAIN = re.compile(r"gain (\d+(?:\.\d+)?) on an assumed baseline")
"""How a source is described that states a gain and neither of the two figures."""


@dataclass(frozen=True)
class Placed:
    """A published number with its place. `variant`, `over` and `times` are ids of ours: `over` for a gain, `times` for a
    multiple. `metric` is that of our runs and is divided by `divisor`. A `reference` competes with none.
    """

    place: Place
    variant: str | None
    claims: tuple[Claim, ...]
    value: float
    metric: str
    over: str | None = None
    times: str | None = None
    divisor: float = 1.0
    reference: bool = False

    @property
    def judged(self) -> bool:
        """Whether every claim behind it may be judged (`read` or `quoted`)."""
        return all(claim.certainty in ("read", "quoted") for claim in self.claims)

    @property
    def alone(self) -> bool:
        """Whether it is a figure of one method, and neither a gain nor a multiple."""
        return self.over is None and self.times is None

    def ours(self, figures: RunFigures) -> dict[int, float]:
        """Seed -> our figure, or what it is to that of the other method with the same seed."""
        if self.variant is None:
            return {}
        found = figures.of(self.place.task, self.variant, self.metric)
        if self.over is not None:
            base = figures.of(self.place.task, self.over, self.metric)
            return {seed: (value - base[seed]) / self.divisor for seed, value in found.items() if seed in base}
        if self.times is not None:
            base = figures.of(self.place.task, self.times, self.metric)
            return {seed: value / base[seed] for seed, value in found.items() if base.get(seed)}
        return {seed: value / self.divisor for seed, value in found.items()}


def of_tasks(spec: TableSpec, claims: pd.DataFrame, statistic: str) -> list[Placed]:
    """Of a table with a row per task and a column per method, without its total."""
    found = []
    for row in (row for group in spec.groups for row in group.rows):
        for column in spec.columns:
            claim = claim_of(spec, claims, statistic, row.claim, column.claim, spec.metric)
            if claim is not None:
                place = Place(row.key, column.label, spec.metric)
                found.append(Placed(place, column.id, (claim,), claim.value, spec.metric))
    return found


def claim_of(
    spec: TableSpec, claims: pd.DataFrame, statistic: str, task: str | None, method: str | None, metric: str
) -> Claim | None:
    """The number of a cell, from the first claim table that has it."""
    if task is None or method is None:
        return None
    return first(claims, spec.claims.tables[statistic], task, method, statistic, metric)


def of_methods(spec: MethodTableSpec, claims: pd.DataFrame, statistic: str) -> list[Placed]:
    """Of a table with a row per method and a column per figure."""
    known = MethodClaims(spec, claims, statistic)
    return [
        placed
        for group in spec.groups
        for row in spec.rows
        for column in spec.columns
        for placed in _figure(known, group, row, column)
    ]


def _figure(known: MethodClaims, group: MethodGroup, row: MethodRow, column: FigureColumn) -> Iterator[Placed]:
    found = known.figure(group, row, column)
    if found is None:
        return
    if column.over is not None:
        found = _as_stated(found)
    yield Placed(
        Place(group.task, row.label, column_name(column), group.key),
        row.id,
        found.claims,
        found.value,
        group.metric(column),
        column.over,
        column.times,
        column.divisor,
        reference=row.reference,
    )


def column_name(column: FigureColumn) -> str:
    """The metric of a column as places name it: `AP over plain` for a gain."""
    if column.over is not None:
        return f"{column.metric} over {column.over}"
    return column.metric if column.times is None else f"{column.metric} times {column.times}"


def _as_stated(gain: PublishedFigure) -> PublishedFigure:
    """A gain that its source states itself was read, though the two figures it is shown by are derived."""
    stated = STATED_GAIN.search(gain.claims[0].source)
    if stated is None:
        return gain
    return PublishedFigure(float(stated[1]), (replace(gain.claims[0], certainty="read"),))
