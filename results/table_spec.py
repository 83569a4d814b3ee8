"""What every table's specification says, and which rows (tasks) and columns (methods) a table of tasks has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchmarks.base import unknown
from results.selection import Scope
from results.spec_file import Part, Text

STATISTICS = {
    "last": "at the last evaluation",
    "final10": "mean of the final ten evaluations",
    "best": "at the best evaluation",
}
"""The statistics of a run that a table may show, and how its caption says so."""

Decimals = Annotated[int, Field(ge=0, le=6)]


class RowSpec(Part):
    """A task of ours, and its name among the claims (None: nothing published).

    `random` is the score of uniformly random actions: a run at or below twice that did not learn (statistics, section 3).
    """

    task: Text
    claim: str | None = None
    random: float | None = None


class GroupSpec(Part):
    """Rows that belong together, under a head if they have one."""

    label: str = ""
    rows: Annotated[list[RowSpec], Field(min_length=1)]


class TotalSpec(Part):
    """The total's head, and its task and metric among the claims."""

    label: Text
    claim: str | None = None
    metric: str | None = None


class ColumnSpec(Part):
    """A variant of our runs (`id`), its head, and the method's name among the claims (None: nothing published).

    An `optional` column is shown only where it has runs.
    """

    id: Text
    label: Text
    claim: str | None = None
    optional: bool = False


class ClaimsSpec(Part):
    """Where published numbers come from: per statistic the claim tables, the first that has a number wins (none: nothing is
    published).

    `dataset` names the data behind them, `data_kind` the kind of data on which ours may be compared with them; `environment` the
    version of the environments (`v2`) where that matters.
    """

    dataset: Text
    data_kind: Text
    environment: Text | None = None
    tables: Annotated[dict[str, list[Text]], Field(min_length=1)]


class PaperSpec(Part):
    """A table of a paper, whatever its layout. The first statistic under `claims.tables` is the default one.

    `under_test` are the paper's own methods, by the ids of their variants: it claims that they beat the others.
    """

    id: Text
    title: Text
    family: Text
    metric: Text
    metric_label: Text
    decimals: Decimals = 1
    claims: ClaimsSpec
    under_test: list[Text] = []

    @model_validator(mode="after")
    def _known_statistics(self) -> PaperSpec:
        for statistic in self.claims.tables:
            if statistic not in STATISTICS:
                raise ValueError(f"claims.tables has no statistic '{statistic}'; valid: {', '.join(STATISTICS)}")
        for name in self.under_test:
            if name not in self.variants:
                raise ValueError(f"under_test names '{name}', which is no variant of this table")
        return self

    @property
    def tasks(self) -> list[str]:
        """Our tasks, in the paper's order."""
        raise NotImplementedError

    @property
    def variants(self) -> list[str]:
        """The variants of our runs that have a place in the table."""
        raise NotImplementedError

    @property
    def scope(self) -> Scope:
        """What its runs may be."""
        return Scope(f"table {self.id}", self.family, self.metric, self.tasks, self.variants)

    def statistic(self, name: str | None) -> str:
        """The statistic asked for, or the default one; raises RepriseError where this table does not know it."""
        if name is None:
            return next(iter(self.claims.tables))
        if name not in self.claims.tables:
            raise unknown("statistic", name, self.claims.tables, f"table {self.id}")
        return name


class TableSpec(PaperSpec):
    """A table whose rows are tasks and whose columns are methods."""

    layout: Literal["tasks"] = "tasks"
    higher_is_better: bool
    groups: Annotated[list[GroupSpec], Field(min_length=1)]
    total: TotalSpec | None = None
    columns: Annotated[list[ColumnSpec], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> TableSpec:
        refuse_twice("task", self.tasks)
        refuse_twice("column", self.variants)
        return self

    @property
    def variants(self) -> list[str]:
        return [column.id for column in self.columns]

    @property
    def tasks(self) -> list[str]:
        return [row.task for group in self.groups for row in group.rows]


def refuse_twice(kind: str, names: Sequence[str]) -> None:
    """Raise ValueError where a name is listed twice."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{kind} '{name}' is listed twice")
