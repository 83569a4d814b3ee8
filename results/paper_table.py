"""A paper's table as data: ours, from selected runs, beside the published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from results.caption import caption, notes
from results.claim_names import refuse_unknown
from results.published import Claim, first
from results.selection import Selection
from results.table import Cell, ColumnGroup, Footnotes, HeaderCell, Row, RowGroup, Table, ranked
from results.table_spec import ColumnSpec, GroupSpec, RowSpec, TableSpec, TotalSpec
from results.ties import Contestant, tied

OURS = "ours"
PUBLISHED = "published"


def paper_table(
    spec: TableSpec, selection: Selection, claims: pd.DataFrame, *, all_tasks: bool = False, others: bool = False
) -> Table:
    """The table of a paper as our runs have it.

    Every column shows ours (mean, sample standard deviation with ddof 1, n) beside the published value. Rows without runs are
    left out unless `all_tasks`, methods that the suite has not unless `others`; a total is shown only with all its rows, and is a
    number only where every task has all seeds. Raises RepriseError where the specification names a claim that does not exist.
    """
    refuse_unknown(spec, claims)
    return _Builder(spec, selection, claims, all_tasks, others).table()


class _Builder:
    """The parts of one table, made from the same runs and sharing their footnotes."""

    def __init__(
        self, spec: TableSpec, selection: Selection, claims: pd.DataFrame, all_tasks: bool, others: bool
    ) -> None:
        self.spec, self.selection, self.claims = spec, selection, claims
        self.cells = dict(iter(selection.runs.groupby(["task", "variant"], sort=False)))
        self.seeds = sorted(set(selection.runs["seed"]))
        present = set(selection.runs["variant"])
        self.columns = [
            column
            for column in spec.columns
            if (others if column.id is None else column.id in present or not column.optional)
        ]
        tasks = set(selection.runs["task"])
        rows = [row for group in spec.groups for row in group.rows]
        self.rows = [row.key for row in rows if all_tasks or row.task in tasks]
        self.complete = len(self.rows) == len(rows)
        self.footnotes = Footnotes()

    def table(self) -> Table:
        columns = tuple(self.column(column) for column in self.columns)
        groups = tuple(group for group in map(self.group, self.spec.groups) if group.rows)
        has_total = self.complete and self.spec.total is not None
        total = self.total(self.spec.total, self.spec.tasks, "total") if has_total and self.spec.total else None
        selection, shown = self.selection, self.shown_claims()
        return Table(
            name=self.spec.id,
            title=self.spec.title,
            caption=caption(self.spec, selection, self.seeds),
            stub=HeaderCell(self.spec.stub, self.spec.stub),
            columns=columns,
            groups=groups,
            total=total,
            notes=notes(self.spec, selection, self.columns, shown, total is not None, any_tied(groups)),
            footnotes=self.footnotes.all(),
            decimals=self.spec.decimals,
        )

    def column(self, column: ColumnSpec) -> ColumnGroup:
        heads = [HeaderCell(f"ours, n = {len(self.seeds)}", OURS)] if column.id is not None else []
        if column.claim is not None:
            heads.append(HeaderCell(PUBLISHED, PUBLISHED))
        return ColumnGroup(HeaderCell(column.label, column.key, self.noted(column.footnote)), tuple(heads))

    def group(self, group: GroupSpec) -> RowGroup:
        """Its rows that are shown, and with all of them its total."""
        rows = [self.row(row) for row in group.rows if row.key in self.rows]
        if group.total is not None and len(rows) == len(group.rows):
            rows.append(self.total(group.total, group.tasks, group.total.label, in_group=True))
        marks = self.noted(group.footnote) if rows else ()
        return RowGroup(HeaderCell(group.label, group.label, marks), tuple(rows))

    def row(self, row: RowSpec) -> Row:
        claims = [self.claim(row.claim, column, self.spec.metric) for column in self.columns]
        ours = self.compared([self.ours(row.task, column) for column in self.columns], None)
        published = self.compared([self.printed(claim) for claim in claims], claims)
        return Row(HeaderCell(row.head, row.key, self.noted(row.footnote)), self.beside(ours, published))

    def total(self, spec: TotalSpec, tasks: Sequence[str], key: str, in_group: bool = False) -> Row:
        """Sums of ours where every task has all seeds, and the totals as the paper prints them."""
        summed = []
        for column in self.columns:
            cells = [self.ours(task, column) for task in tasks]
            values = [cell.value for cell in cells if cell.value is not None and cell.n == len(self.seeds)]
            whole = bool(values) and len(values) == len(cells)
            summed.append(Cell(sum(values), n=len(self.seeds)) if whole else Cell())
        metric = spec.metric or self.spec.metric
        ours = self.marked(summed)
        published = self.marked([self.printed(self.claim(spec.claim, column, metric)) for column in self.columns])
        head = HeaderCell(spec.label, key, self.noted(spec.footnote))
        return Row(head, self.beside(ours, published), total=in_group)

    def noted(self, footnote: str | None) -> tuple[str, ...]:
        return () if footnote is None else (self.footnotes.mark(footnote),)

    def beside(self, ours: Sequence[Cell], published: Sequence[Cell]) -> tuple[Cell, ...]:
        cells: list[Cell] = []
        for column, mine, theirs in zip(self.columns, ours, published, strict=True):
            cells += [mine] if column.id is not None else []
            cells += [theirs] if column.claim is not None else []
        return tuple(cells)

    def compared(self, cells: Sequence[Cell], claims: Sequence[Claim | None] | None) -> list[Cell]:
        """Cells with their marks: best and second, and what cannot be told from the best; `claims` are behind published ones."""
        values = [cell.value for cell in cells]
        if claims is None:
            known = [None if each.value is None else Contestant.ours(each.value, each.spread, each.n) for each in cells]
        else:
            known = [None if claim is None else Contestant.claimed(claim) for claim in claims]
        even = tied(values, known, self.spec.higher_is_better)
        return [replace(cell, tied=each) for cell, each in zip(self.marked(cells), even, strict=True)]

    def marked(self, cells: Sequence[Cell]) -> list[Cell]:
        marks = ranked([cell.value for cell in cells], self.spec.higher_is_better, self.spec.decimals)
        return [replace(cell, mark=mark) for cell, mark in zip(cells, marks, strict=True)]

    def ours(self, task: str | None, column: ColumnSpec) -> Cell:
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

    def printed(self, claim: Claim | None) -> Cell:
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
        rows = [row for group in self.spec.groups for row in group.rows if row.key in self.rows]
        found = [(column, self.claim(row.claim, column, self.spec.metric)) for row in rows for column in self.columns]
        return [(column, claim) for column, claim in found if claim is not None]


def any_tied(groups: Sequence[RowGroup]) -> bool:
    """Whether any cell bears the mark of a tie."""
    return any(cell.tied for group in groups for row in group.rows for cell in row.cells)


def _seeds(seeds: Sequence[int]) -> str:
    return f"Seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
