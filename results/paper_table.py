"""A paper's table as data: ours, from selected runs, beside the published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from results.caption import caption, notes
from results.published import Claim, first
from results.selection import Selection
from results.table import Cell, ColumnGroup, Footnotes, HeaderCell, Row, RowGroup, Table, ranked
from results.table_spec import ColumnSpec, RowSpec, TableSpec

OURS = "ours"
PUBLISHED = "published"


def paper_table(spec: TableSpec, selection: Selection, claims: pd.DataFrame, *, all_tasks: bool = False) -> Table:
    """The table of a paper as our runs have it.

    Every column shows ours (mean, sample standard deviation with ddof 1, n) beside the published value. Rows without runs are
    left out unless `all_tasks`; the total is shown only with all of them, and is a number only where every task has all seeds.
    """
    return _Builder(spec, selection, claims, all_tasks).table()


class _Builder:
    """The parts of one table, made from the same runs and sharing their footnotes."""

    def __init__(self, spec: TableSpec, selection: Selection, claims: pd.DataFrame, all_tasks: bool) -> None:
        self.spec, self.selection, self.claims = spec, selection, claims
        self.cells = dict(iter(selection.runs.groupby(["task", "variant"], sort=False)))
        self.seeds = sorted(set(selection.runs["seed"]))
        present = set(selection.runs["variant"])
        self.columns = [column for column in spec.columns if column.id in present or not column.optional]
        tasks = set(selection.runs["task"])
        self.tasks = [task for task in spec.tasks if all_tasks or task in tasks]
        self.footnotes = Footnotes()

    def table(self) -> Table:
        complete = len(self.tasks) == len(self.spec.tasks)
        groups = [
            RowGroup(HeaderCell(group.label, group.label), rows)
            for group in self.spec.groups
            if (rows := tuple(self.row(row) for row in group.rows if row.task in self.tasks))
        ]
        total = self.total() if complete and self.spec.total is not None else None
        selection, shown = self.selection, self.shown_claims()
        return Table(
            name=self.spec.id,
            title=self.spec.title,
            caption=caption(self.spec, selection, self.seeds),
            stub=HeaderCell("task", "task"),
            columns=tuple(self.column(column) for column in self.columns),
            groups=tuple(groups),
            total=total,
            notes=notes(self.spec, selection, self.columns, shown, total is not None),
            footnotes=self.footnotes.all(),
            decimals=self.spec.decimals,
        )

    def column(self, column: ColumnSpec) -> ColumnGroup:
        heads = [HeaderCell(f"ours, n = {len(self.seeds)}", OURS)]
        if column.claim is not None:
            heads.append(HeaderCell(PUBLISHED, PUBLISHED))
        return ColumnGroup(HeaderCell(column.label, column.id), tuple(heads))

    def row(self, row: RowSpec) -> Row:
        ours = self.marked([self.ours(row.task, column) for column in self.columns])
        published = self.marked([self.published(row, column) for column in self.columns])
        return Row(HeaderCell(row.task, row.task), self.beside(ours, published))

    def total(self) -> Row:
        """Sums of ours where every task has all seeds, and the totals as the paper prints them."""
        summed = []
        for column in self.columns:
            cells = [self.ours(task, column) for task in self.spec.tasks]
            values = [cell.value for cell in cells if cell.value is not None and cell.n == len(self.seeds)]
            summed.append(Cell(sum(values), n=len(self.seeds)) if len(values) == len(cells) else Cell())
        spec = self.spec.total
        assert spec is not None
        ours = self.marked(summed)
        published = self.marked(
            [self.claimed(spec.claim, column, spec.metric or self.spec.metric) for column in self.columns]
        )
        return Row(HeaderCell(spec.label, "total"), self.beside(ours, published))

    def beside(self, ours: Sequence[Cell], published: Sequence[Cell]) -> tuple[Cell, ...]:
        cells: list[Cell] = []
        for column, mine, theirs in zip(self.columns, ours, published, strict=True):
            cells += [mine] if column.claim is None else [mine, theirs]
        return tuple(cells)

    def marked(self, cells: Sequence[Cell]) -> list[Cell]:
        marks = ranked([cell.value for cell in cells], self.spec.higher_is_better, self.spec.decimals)
        return [replace(cell, mark=mark) for cell, mark in zip(cells, marks, strict=True)]

    def ours(self, task: str, column: ColumnSpec) -> Cell:
        runs = self.cells.get((task, column.id))
        if runs is None:
            return Cell()
        n, scores = len(runs), runs["value"]
        diverged = sorted(runs.loc[runs["status"] == "diverged", "seed"])
        marks: tuple[str, ...] = ()
        if diverged:
            marks = (self.footnotes.mark(f"{_seeds(diverged)} diverged; the score counts in the mean."),)
        return Cell(
            value=float(scores.mean()),
            spread=float(scores.std(ddof=1)) if n > 1 else None,
            n=n,
            remark="" if n == len(self.seeds) else f"{n} of {len(self.seeds)} seeds",
            footnotes=marks,
        )

    def published(self, row: RowSpec, column: ColumnSpec) -> Cell:
        return self.claimed(row.claim, column, self.spec.metric)

    def claimed(self, task: str | None, column: ColumnSpec, metric: str) -> Cell:
        claim = self.claim(task, column, metric)
        if claim is None:
            return Cell()
        marks: tuple[str, ...] = ()
        if claim.certainty == "unverified":
            marks = (self.footnotes.mark("Unverified: no source at hand."),)
        return Cell(claim.value, claim.spread, claim.n_seeds, footnotes=marks)

    def claim(self, task: str | None, column: ColumnSpec, metric: str) -> Claim | None:
        """The published number of a cell: from the first claim table of the statistic that has one."""
        if task is None or column.claim is None:
            return None
        statistic = self.selection.statistic
        return first(self.claims, self.spec.claims.tables[statistic], task, column.claim, statistic, metric)

    def shown_claims(self) -> list[tuple[ColumnSpec, Claim]]:
        """Every published number of the rows shown, with its column."""
        rows = [row for group in self.spec.groups for row in group.rows if row.task in self.tasks]
        found = [(column, self.claim(row.claim, column, self.spec.metric)) for row in rows for column in self.columns]
        return [(column, claim) for column, claim in found if claim is not None]


def _seeds(seeds: Sequence[int]) -> str:
    return f"Seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
