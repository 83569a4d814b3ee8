"""A table of methods as data: groups of rows (a task each), several figures of the same runs, gains over a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean, stdev

import pandas as pd

from results.gain import paired_gain
from results.judging.comparable import UNKNOWN_PROTOCOL
from results.method_claims import MethodClaims, PublishedFigure
from results.method_notes import SHORT_OF_SEEDS, caption_of, claim_footnote, diverged, no_gain, notes_of, short
from results.method_spec import FigureColumn, MethodGroup, MethodRow, MethodTableSpec
from results.paper_table import OURS, PUBLISHED, any_tied
from results.published import Claim
from results.run_figures import RunFigures
from results.selection import Selection
from results.table import Better, Cell, ColumnGroup, Footnotes, HeaderCell, Row, RowGroup, Table, figure, ranked
from results.ties import Contestant, tied

DIRECTION: dict[bool | None, Better] = {True: "higher", False: "lower", None: ""}


def method_table(
    spec: MethodTableSpec, selection: Selection, figures: RunFigures, claims: pd.DataFrame, *, all_tasks: bool = False
) -> Table:
    """A paper's table of methods as our runs have it, ours beside what is published for the same cell.

    Groups without runs are left out unless `all_tasks`, and so are rows that have nothing to show. Best and second are marked
    per group and column among methods, never among references. Raises RepriseError where the specification names a claim that
    does not exist.
    """
    return _Builder(spec, selection, figures, MethodClaims(spec, claims, selection.statistic), all_tasks).table()


@dataclass(frozen=True)
class _Line:
    """A row before its columns are settled: per column what is ours and what is published."""

    spec: MethodRow
    head: HeaderCell
    ours: tuple[Cell, ...]
    published: tuple[Cell, ...]


class _Builder:
    """The parts of one table, made from the same runs and sharing their footnotes."""

    def __init__(
        self, spec: MethodTableSpec, selection: Selection, figures: RunFigures, claims: MethodClaims, all_tasks: bool
    ) -> None:
        self.spec, self.selection, self.figures, self.claims = spec, selection, figures, claims
        self.runs = dict(iter(selection.runs.groupby(["task", "variant"], sort=False)))
        self.footnotes = Footnotes()
        self.shown: list[Claim] = []
        self.groups = [group for group in spec.groups if all_tasks or self.measured(group)]

    def table(self) -> Table:
        drawn = [(self.group_head(group), self.lines(group)) for group in self.groups]
        lines = [line for _, group in drawn for line in group]
        columns = range(len(self.spec.columns))
        both = [any(line.published[place] != Cell() for line in lines) for place in columns]
        groups = tuple(RowGroup(head, tuple(_row(line, both) for line in group)) for head, group in drawn)
        return Table(
            name=self.spec.id,
            title=self.spec.title,
            caption=caption_of(self.spec, self.selection, any(both)),
            stub=HeaderCell(self.spec.stub, self.spec.stub),
            columns=tuple(self.column(*pair, any(both)) for pair in zip(self.spec.columns, both, strict=True)),
            groups=groups,
            notes=notes_of(self.spec, self.selection, self.shown, any_tied(groups)),
            footnotes=self.footnotes.all(),
            decimals=self.spec.decimals,
            contest="in each column, among the methods of a group",
        )

    def measured(self, group: MethodGroup) -> bool:
        """Whether runs of ours have a figure of the group: its task was run, and tested in the group's way."""
        if group.always:
            return group.task in set(self.selection.runs["task"])
        columns = [self.spec.columns[place] for place in self.telling(group)]
        return any(
            self.figures.of(group.task, variant, group.metric(column))
            for variant in self.spec.variants
            for column in columns
        )

    def telling(self, group: MethodGroup) -> list[int]:
        """The places of the columns without which a row has nothing to say in a group."""
        columns = enumerate(self.spec.columns)
        return [place for place, column in columns if column.measured or not group.suffix]

    def column(self, column: FigureColumn, published: bool, headed: bool) -> ColumnGroup:
        """A figure's head over `ours` and, where there is any, `published`; no word where nothing at all is published."""
        heads = [HeaderCell(OURS if headed else "", OURS)]
        if published:
            heads.append(HeaderCell(PUBLISHED, PUBLISHED))
        better = DIRECTION[column.higher_is_better]
        head = HeaderCell(column.label, column.key, self.noted(column.footnote), better)
        return ColumnGroup(head, tuple(heads), column.decimals)

    def noted(self, footnote: str | None) -> tuple[str, ...]:
        return () if footnote is None else (self.footnotes.mark(footnote),)

    def group_head(self, group: MethodGroup) -> HeaderCell:
        marks = self.noted(group.footnote)
        elsewhere = group.claims and group.claims[0] not in (group.task, group.head, UNKNOWN_PROTOCOL)
        if elsewhere and any(self.claims.figure(group, *place) for place in self.places(group)):
            marks += (self.footnotes.mark(f"The published values beside it are those of {group.claims[0]}."),)
        return HeaderCell(group.head, group.key, marks)

    def lines(self, group: MethodGroup) -> list[_Line]:
        """The rows of a group that have something to show, marked."""
        lines = [self.line(group, row) for row in self.rows(group)]
        lines = [line for line in lines if any(map(_shown, _cells(line, self.telling(group))))]
        for place, column in enumerate(self.spec.columns):
            lines = self.marked(lines, place, column)
        return lines

    def rows(self, group: MethodGroup) -> list[MethodRow]:
        """The rows that may be shown in a group: an optional one needs runs there."""
        return [row for row in self.spec.rows if not row.optional or (group.task, row.id) in self.runs]

    def places(self, group: MethodGroup) -> Iterator[tuple[MethodRow, FigureColumn]]:
        """Every cell that may be shown in a group, by its row and column."""
        return product(self.rows(group), self.spec.columns)

    def line(self, group: MethodGroup, row: MethodRow) -> _Line:
        return _Line(
            row,
            self.head(group, row),
            tuple(self.ours(group, row, column) for column in self.spec.columns),
            tuple(self.published(group, row, column) for column in self.spec.columns),
        )

    def head(self, group: MethodGroup, row: MethodRow) -> HeaderCell:
        """The row's head; what concerns all its figures (seeds, a diverged run) stands there as footnotes."""
        runs = None if row.id is None else self.runs.get((group.task, row.id))
        own = self.noted(row.footnote)
        if row.id is None or runs is None:
            return HeaderCell(row.label, row.key, own)
        rebuilt = "reconstruction" in runs and set(runs["reconstruction"]) == {"true"}
        texts = [
            diverged(sorted(runs.loc[runs["status"] == "diverged", "seed"])),
            short(len(runs), self.seeds(group)),
        ]
        marks = tuple(self.footnotes.mark(text) for text in texts if text)
        return HeaderCell(f"{row.label} (reconstruction)" if rebuilt else row.label, row.id, (*own, *marks))

    def seeds(self, group: MethodGroup) -> int:
        """How many seeds a group has."""
        runs = self.selection.runs
        return int(runs.loc[runs["task"] == group.task, "seed"].nunique())

    def marked(self, lines: Sequence[_Line], place: int, column: FigureColumn) -> list[_Line]:
        """Marks of one column, among ours and among published apart. Ours that cannot be told from the best are tied with it."""
        if column.higher_is_better is None:
            return list(lines)
        higher = column.higher_is_better
        competing = [not line.spec.reference for line in lines]

        def contest(cells: Sequence[Cell]) -> list[Cell]:
            values = [cell.value if competes else None for cell, competes in zip(cells, competing, strict=True)]
            marks = ranked(values, higher, self.decimals(column))
            known = [None if value is None else _contestant(cell) for cell, value in zip(cells, values, strict=True)]
            even = tied(values, known, higher)
            return [replace(cell, mark=mark, tied=each) for cell, mark, each in zip(cells, marks, even, strict=True)]

        ours = contest([line.ours[place] for line in lines])
        published = contest([line.published[place] for line in lines])
        return [
            replace(line, ours=_replaced(line.ours, place, mine), published=_replaced(line.published, place, theirs))
            for line, mine, theirs in zip(lines, ours, published, strict=True)
        ]

    # -- cells

    def ours(self, group: MethodGroup, row: MethodRow, column: FigureColumn) -> Cell:
        if column.over is None and column.metric in row.carried:
            return self.carried(group, row.carried[column.metric], column)
        runs = None if row.id is None else self.runs.get((group.task, row.id))
        if row.id is None or runs is None:
            return Cell()
        if column.over is not None:
            return Cell() if row.reference else self.gain(group, row.id, column, column.over)
        if column.times is not None:
            return self.multiple(group, row.id, column, column.times)
        values = list(self.values(group, row.id, column).values())
        if not values:
            return Cell()
        spread = stdev(values) if len(values) > 1 and column.spread else None
        remark = "" if len(values) == len(runs) else f"{len(values)} of {len(runs)} runs"
        return Cell(fmean(values), spread, len(values), remark=remark)

    def values(self, group: MethodGroup, variant: str, column: FigureColumn) -> dict[int, float]:
        """Seed -> the column's figure as it is shown."""
        found = self.figures.of(group.task, variant, group.metric(column))
        return {seed: value / column.divisor for seed, value in found.items()}

    def decimals(self, column: FigureColumn) -> int:
        return self.spec.decimals if column.decimals is None else column.decimals

    def carried(self, group: MethodGroup, metric: str, column: FigureColumn) -> Cell:
        """A figure that every run of the group says of something they share; where they disagree, that is what is shown."""
        found = self.figures.carried(group.task, self.spec.variants, metric)
        said: dict[str, list[str]] = {}
        for variant, values in found.items():
            for text in dict.fromkeys(figure(value / column.divisor, self.decimals(column)) for value in values):
                said.setdefault(text, []).append(self.spec.row(variant).label)
        if not said:
            return Cell()
        if len(said) > 1:
            each = "; ".join(f"{text} ({', '.join(labels)})" for text, labels in said.items())
            return Cell(remark="differs", footnotes=(self.footnotes.mark(f"The runs do not agree: {each}."),))
        return Cell(fmean(value / column.divisor for values in found.values() for value in values))

    def gain(self, group: MethodGroup, variant: str, column: FigureColumn, over: str) -> Cell:
        scores, reference = self.values(group, variant, column), self.values(group, over, column)
        gain = paired_gain(scores, reference)
        if gain is None:
            text = no_gain(self.spec.row(over).label, bool(reference))
            return Cell(footnotes=(self.footnotes.mark(text),))
        remarks = [
            "within noise" if gain.within_noise else "",
            f"{gain.n} of {len(scores)} seeds" if gain.n < len(scores) else "",
        ]
        return Cell(
            gain.mean,
            n=gain.n,
            remark=", ".join(filter(None, remarks)),
            footnotes=() if gain.interval is not None else (self.footnotes.mark(SHORT_OF_SEEDS),),
            interval=gain.interval,
        )

    def multiple(self, group: MethodGroup, variant: str, column: FigureColumn, of: str) -> Cell:
        """How many times another row's mean a row's mean is."""
        values, reference = self.values(group, variant, column), self.values(group, of, column)
        if not values or not reference:
            return Cell()
        return Cell(fmean(values.values()) / fmean(reference.values()))

    def published(self, group: MethodGroup, row: MethodRow, column: FigureColumn) -> Cell:
        found = self.claims.figure(group, row, column)
        if found is None:
            return Cell()
        self.shown += found.claims
        return Cell(found.value, n=found.claims[0].n_seeds, footnotes=self.claim_marks(group, column, found))

    def claim_marks(self, group: MethodGroup, column: FigureColumn, found: PublishedFigure) -> tuple[str, ...]:
        """The mark of what a reader must know of a published figure: of its first claim of which there is something to know."""
        texts = [claim_footnote(claim, (column.claims or group.claims)[0]) for claim in found.claims]
        return tuple(self.footnotes.mark(text) for text in [text for text in texts if text][:1])


def _row(line: _Line, both: Sequence[bool]) -> Row:
    cells: list[Cell] = []
    for ours, published, beside in zip(line.ours, line.published, both, strict=True):
        cells += [ours, published] if beside else [ours]
    return Row(line.head, tuple(cells))


def _cells(line: _Line, places: Sequence[int]) -> list[Cell]:
    """A row's cells in some columns."""
    return [cells[place] for cells in (line.ours, line.published) for place in places]


def _contestant(cell: Cell) -> Contestant | None:
    """A cell of ours as the test of ties sees it; published figures and gains carry no spread and are never tested."""
    return None if cell.value is None else Contestant.ours(cell.value, cell.spread, cell.n)


def _shown(cell: Cell) -> bool:
    return cell.value is not None or bool(cell.words)


def _replaced(cells: Sequence[Cell], place: int, cell: Cell) -> tuple[Cell, ...]:
    return (*cells[:place], cell, *cells[place + 1 :])
