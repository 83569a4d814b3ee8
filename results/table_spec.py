"""What every table's specification says, and which rows (tasks) and columns (methods) a table of tasks has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchmarks.base import Json, near, unknown
from results.selection import Alias, Scope
from results.spec_file import Misplaced, Part, Place, Text

STATISTICS = {
    "last": "at the last evaluation",
    "final10": "mean of the final ten evaluations",
    "best": "at the best evaluation",
}
"""The statistics of a run that a table may show, and how its caption says so."""

Decimals = Annotated[int, Field(ge=0, le=6)]


class RowSpec(Part):
    """A task of ours (None: none is), and its name among the claims (None: nothing published). `label`: its head.

    `random` is the score of uniformly random actions: a run at or below twice that did not learn (statistics, section 3).
    """

    task: Text | None = None
    claim: Text | None = None
    label: Text | None = None
    random: float | None = None
    footnote: Text | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> RowSpec:
        if self.task is None and self.claim is None:
            raise ValueError("a row needs a task or a claim, or it can show nothing")
        return self

    @property
    def key(self) -> str:
        """What programs call the row."""
        return self.task or self.claim or ""

    @property
    def head(self) -> str:
        """What people read."""
        return self.label or self.key


class TotalSpec(Part):
    """The total's head, and its task and metric among the claims."""

    label: Text
    claim: Text | None = None
    metric: Text | None = None
    footnote: Text | None = None


class GroupSpec(Part):
    """Rows that belong together, under a head if they have one, and their total."""

    label: str = ""
    rows: Annotated[list[RowSpec], Field(min_length=1)]
    total: TotalSpec | None = None
    footnote: Text | None = None

    @property
    def tasks(self) -> list[str]:
        """Our tasks among its rows."""
        return [row.task for row in self.rows if row.task is not None]


class ColumnSpec(Part):
    """A variant of our runs (`id`), its head, and the method's name among the claims (None: nothing published).

    An `optional` column is shown only where it has runs; one without an id only among published values alone. Runs of the variant
    `also` count as this one where their settings are `settings`: a sweep over a setting has the default one under two names.
    """

    id: Text | None = None
    label: Text
    claim: Text | None = None
    optional: bool = False
    also: Text | None = None
    settings: dict[str, Json] = {}
    footnote: Text | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> ColumnSpec:
        if self.id is None and self.claim is None:
            raise ValueError(f"column '{self.label}' needs an id or a claim, or it can show nothing")
        if bool(self.settings) != (self.also is not None) or (self.also is not None and self.id is None):
            raise ValueError(f"column '{self.label}': 'also' and 'settings' go together, and with an id")
        return self

    @property
    def key(self) -> str:
        """What programs call the column."""
        return self.id or self.claim or ""


class ClaimsSpec(Part):
    """Where published numbers come from: per statistic the claim tables, the first that has a number wins (none: nothing is
    published).

    `dataset` names the data behind them (`datasets`, where claims of several stand in one table), `data_kind` the kind of data on
    which ours may be compared with them; `environment` the version of the environments (`v2`) where that matters.
    """

    dataset: Text
    datasets: list[Text] = []
    data_kind: Text
    environment: Text | None = None
    tables: Annotated[dict[str, list[Text]], Field(min_length=1)]

    @property
    def data(self) -> list[str]:
        """Every name of data that the claims may have."""
        return self.datasets or [self.dataset]


class PaperSpec(Part):
    """A table of a paper, whatever its layout. The first statistic under `claims.tables` is the default one.

    `under_test` are the paper's own methods, by the ids of their variants: it claims that they beat the others. `remarks` are
    notes under the table.
    """

    id: Text
    title: Text
    family: Text
    metric: Text
    metric_label: Text
    decimals: Decimals = 1
    claims: ClaimsSpec
    under_test: list[Text] = []
    remarks: list[Text] = []

    @model_validator(mode="after")
    def _known_statistics(self) -> PaperSpec:
        for statistic in self.claims.tables:
            if statistic not in STATISTICS:
                message = f"claims.tables has no statistic '{statistic}'; {near(statistic, STATISTICS)}"
                raise Misplaced(message, "claims", "tables", statistic)
        for place, name in enumerate(self.under_test):
            if name not in self.variants:
                message = f"under_test names '{name}', which is no variant of this table; {near(name, self.variants)}"
                raise Misplaced(message, "under_test", place)
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
    def metric_words(self) -> str:
        """What the numbers are, with an arrow where all of them are better in one direction."""
        return self.metric_label

    @property
    def scope(self) -> Scope:
        """What its runs may be."""
        return Scope(f"table {self.id}", self.family, self.metric, self.tasks, self.variants, self.aliases)

    @property
    def aliases(self) -> list[Alias]:
        """Under which other names runs of its variants may be known."""
        return []

    def statistic(self, name: str | None) -> str:
        """The statistic asked for, or the default one; raises RepriseError where this table does not know it."""
        if name is None:
            return next(iter(self.claims.tables))
        if name not in self.claims.tables:
            raise unknown("statistic", name, self.claims.tables, f"table {self.id}")
        return name


class TableSpec(PaperSpec):
    """A table whose rows are tasks and whose columns are methods, or the values of a setting (`ilq[delta=-2]`).

    `transposed`: the paper prints the tasks as columns; `stub` then heads the rows.
    """

    layout: Literal["tasks"] = "tasks"
    stub: Text = "task"
    transposed: bool = False
    higher_is_better: bool
    groups: Annotated[list[GroupSpec], Field(min_length=1)]
    total: TotalSpec | None = None
    columns: Annotated[list[ColumnSpec], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> TableSpec:
        rows = [
            (row.key, ("groups", i, "rows", j))
            for i, group in enumerate(self.groups)
            for j, row in enumerate(group.rows)
        ]
        totals = [self.total, *(group.total for group in self.groups)]
        if self.transposed and any(total is not None for total in totals):
            raise Misplaced("a table with totals cannot be transposed", "transposed")
        refuse_twice("task", rows)
        refuse_twice("column", [(column.key, ("columns", place)) for place, column in enumerate(self.columns)])
        return self

    @property
    def metric_words(self) -> str:
        return f"{self.metric_label} {'↑' if self.higher_is_better else '↓'}"

    @property
    def variants(self) -> list[str]:
        return [column.id for column in self.columns if column.id is not None]

    @property
    def tasks(self) -> list[str]:
        return [task for group in self.groups for task in group.tasks]

    @property
    def aliases(self) -> list[Alias]:
        return [
            Alias(column.also, column.settings, column.id)
            for column in self.columns
            if column.also is not None and column.id is not None
        ]


def refuse_twice(kind: str, names: Sequence[tuple[str, Place]]) -> None:
    """Raise Misplaced at the second of two equal names; each has its place."""
    seen = set()
    for name, place in names:
        if name in seen:
            raise Misplaced(f"{kind} '{name}' is listed twice", *place)
        seen.add(name)
