"""Which groups, rows (methods) and columns (figures) a table of methods has: the layout in which detection papers print."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchmarks.base import near
from results.spec_file import Misplaced, Part, Text
from results.table_spec import Decimals, PaperSpec, refuse_twice


class MethodGroup(Part):
    """A task of ours as rows under one head (`label`, by default the task with an arrow for `->`).

    `claims` are its names among the published tasks, the first that has a number wins; none: nothing is published. `suffix`:
    what follows the name of a `measured` column's metric in this group (`:orig`), where one run is tested in several ways;
    a row then needs one of these figures. `always`: shown beside other groups of its task even where none of our runs has any.
    """

    task: Text
    label: str = ""
    claims: list[Text] = []
    suffix: str = ""
    always: bool = False
    footnote: Text | None = None

    @property
    def head(self) -> str:
        """The head in words."""
        return self.label or self.task.replace("->", " → ")

    @property
    def key(self) -> str:
        """What programs call the group."""
        return self.task + self.suffix

    def metric(self, column: FigureColumn) -> str:
        """The metric of the runs that a column shows in this group."""
        return column.metric + self.suffix if column.measured else column.metric


class MethodRow(Part):
    """A method: a variant of our runs (`id`), the method's name among the claims, or both.

    `carried` maps a column's metric to the metric under which every run of the group carries this row's figure (a teacher is
    no run of its own). A `reference` neither competes nor has a gain. An `optional` row needs runs to be shown.
    """

    id: Text | None = None
    label: Text
    claim: Text | None = None
    carried: dict[str, Text] = {}
    reference: bool = False
    optional: bool = False
    footnote: Text | None = None

    @property
    def key(self) -> str:
        """What programs call the row."""
        return self.id or self.label

    @model_validator(mode="after")
    def _has_a_source(self) -> MethodRow:
        if self.id is None and self.claim is None and not self.carried:
            raise ValueError(f"row '{self.label}' needs an id, a claim or carried metrics, or it can show nothing")
        return self


class FigureColumn(Part):
    """A metric of the runs, and its name among the claims (None: nothing published is shown).

    `over` makes the column the gain of that metric over the row of that id, `times` its multiple of that row's. Ours is divided
    by `divisor` before it is shown. Without `higher_is_better` nothing is marked; without `spread` no deviation over seeds is
    shown. `claims`: the column's own names among the published tasks, where a group's are not (a model's cost). `dataset`: the
    data of its claims, where one task and metric are published for several. `measured`: the metric's name ends in the group's
    suffix.
    """

    metric: Text
    label: Text
    claim: Text | None = None
    over: Text | None = None
    times: Text | None = None
    claims: list[Text] = []
    dataset: Text | None = None
    measured: bool = False
    higher_is_better: bool | None = None
    decimals: Decimals | None = None
    divisor: Annotated[float, Field(gt=0)] = 1.0
    spread: bool = True
    footnote: Text | None = None

    @property
    def key(self) -> str:
        """What programs call the column."""
        if self.over is not None:
            return f"{self.metric}-over-{self.over}"
        return self.metric if self.times is None else f"{self.metric}-times-{self.times}"


class MethodTableSpec(PaperSpec):
    """A table whose rows are methods, in groups that are tasks, and whose columns are figures of the same runs.

    `metric` is the one by which runs are selected: a run without it has no place in the table.
    """

    layout: Literal["methods"]
    stub: Text = "method"
    groups: Annotated[list[MethodGroup], Field(min_length=1)]
    rows: Annotated[list[MethodRow], Field(min_length=1)]
    columns: Annotated[list[FigureColumn], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits_together(self) -> MethodTableSpec:
        for kind, part, names in (
            ("task", "groups", [group.key for group in self.groups]),
            ("row", "rows", [row.key for row in self.rows]),
            ("row label", "rows", [row.label for row in self.rows]),
            ("column", "columns", [column.key for column in self.columns]),
        ):
            refuse_twice(kind, [(name, (part, place)) for place, name in enumerate(names)])
        metrics = [column.metric for column in self.columns]
        for place, column in enumerate(self.columns):
            for key, name, what in (("over", column.over, "gain over"), ("times", column.times, "multiple of")):
                if name is not None and name not in self.variants:
                    message = f"column '{column.label}' is a {what} '{name}', which is the id of no row"
                    raise Misplaced(f"{message}; {near(name, self.variants)}", "columns", place, key)
        for place, row in enumerate(self.rows):
            for metric in row.carried:
                if metric not in metrics:
                    message = f"row '{row.label}' carries '{metric}', which is the metric of no column"
                    raise Misplaced(f"{message}; {near(metric, metrics)}", "rows", place, "carried", metric)
        return self

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(group.task for group in self.groups))

    @property
    def variants(self) -> list[str]:
        return [row.id for row in self.rows if row.id is not None]

    @property
    def metrics(self) -> list[str]:
        """Every metric that the table reads from runs, once."""
        carried = [metric for row in self.rows for metric in row.carried.values()]
        own = [group.metric(column) for group in self.groups for column in self.columns]
        return list(dict.fromkeys([*own, *carried]))

    def row(self, variant: str) -> MethodRow:
        """The row of a variant."""
        return next(row for row in self.rows if row.id == variant)
