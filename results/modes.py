"""The four ways to show a paper's table: ours beside what is published, either side alone, or their difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum

from results.caption import REMARK, TIES, caption
from results.judging.model import Judged, Judgements
from results.judging.places import JudgedPlaces
from results.judging.verdict_table import HOW, SILENT, margin_words
from results.paper_table import OURS, PUBLISHED
from results.selection import Selection
from results.table import Cell, ColumnGroup, Footnotes, HeaderCell, Note, Row, RowGroup, Table
from results.table_spec import STATISTICS, PaperSpec
from results.verdict.words import Verdict

DIFFERENCE = "difference"


class Mode(StrEnum):
    """What a table shows."""

    both = "both"
    ours = "ours"
    published = "published"
    difference = "difference"


OF_BOTH = ("Published", "Published gain", "Comparison")
"""The notes that speak of published values beside ours."""

OF_PUBLISHED = ("Published", "Published gain", TIES, REMARK)
"""The notes that a table without runs of ours keeps."""


def ours_alone(table: Table, spec: PaperSpec, selection: Selection) -> Table:
    """The table without what is published, and without the footnotes of columns and groups, which speak of that."""
    columns = tuple(replace(column, header=replace(column.header, footnotes=())) for column in table.columns)
    groups = tuple(replace(group, header=replace(group.header, footnotes=())) for group in table.groups)
    kept = _side(replace(table, columns=columns, groups=groups), OURS)
    notes = tuple(note for note in kept.notes if note.subject not in OF_BOTH)
    return replace(kept, caption=_of_ours(spec, selection), notes=notes)


def published_alone(table: Table, spec: PaperSpec, statistic: str) -> Table:
    """The published values, which need no run of ours. A claim of another statistic than this one is not among them."""
    kept = _side(table, PUBLISHED)
    several = len(spec.claims.tables) > 1
    which = f", {STATISTICS[statistic]} ({statistic}) or not stated" if several else ""
    notes = tuple(note for note in kept.notes if note.subject in OF_PUBLISHED)
    return replace(kept, caption=f"{spec.metric_words}: published values alone{which}.", notes=notes)


def difference(
    table: Table, spec: PaperSpec, selection: Selection, found: Judgements, *, all_rows: bool = False
) -> Table:
    """Ours minus published in the place of each published value, with its verdict, or with the reason why there is none.

    Rows without runs are left out unless `all_rows`.
    """
    places, footnotes = JudgedPlaces(spec, found), Footnotes(_texts(table))
    columns = [column for column in table.columns if any(leaf.key == PUBLISHED for leaf in column.columns)]

    def drawn(group: RowGroup | None, row: Row) -> Row:
        said = [places.of(table, group, row, column) for column in columns]
        return replace(row, cells=tuple(_said(each, footnotes) for each in said))

    def shown(group: RowGroup) -> tuple[Row, ...]:
        return tuple(
            drawn(group, row)
            for row in group.rows
            if all_rows or any(_is_run(places.of(table, group, row, column)) for column in columns)
        )

    groups = [replace(group, rows=shown(group)) for group in table.groups]
    of_table = [note for note in table.notes if note.subject not in (TIES, "Gain", "Published gain")]
    warnings = [Note("Warning", text) for text in found.warnings]
    made = replace(
        table,
        name=f"{table.name}-{DIFFERENCE}",
        caption=f"Ours minus published{margin_words(found)}. Ours: {_of_ours(spec, selection)}",
        columns=tuple(replace(column, columns=(HeaderCell("", DIFFERENCE),)) for column in columns),
        groups=tuple(group for group in groups if group.rows),
        total=None if table.total is None else drawn(None, table.total),
        notes=(Note("Verdicts", HOW), *warnings, *of_table),
        footnotes=footnotes.all(),
    )
    return renumbered(made)


def renumbered(table: Table) -> Table:
    """The table with the footnotes that it refers to, in reading order."""
    texts = {footnote.mark: footnote.text for footnote in table.footnotes}
    footnotes = Footnotes()

    def marks(old: Sequence[str]) -> tuple[str, ...]:
        return tuple(footnotes.mark(texts[mark]) for mark in old)

    def head(header: HeaderCell) -> HeaderCell:
        return replace(header, footnotes=marks(header.footnotes))

    def line(row: Row) -> Row:
        cells = tuple(replace(cell, footnotes=marks(cell.footnotes)) for cell in row.cells)
        return replace(row, header=head(row.header), cells=cells)

    stub = head(table.stub)
    columns = tuple(
        replace(group, header=head(group.header), columns=tuple(map(head, group.columns))) for group in table.columns
    )
    groups = tuple(RowGroup(head(group.header), tuple(map(line, group.rows))) for group in table.groups)
    total = None if table.total is None else line(table.total)
    return replace(table, stub=stub, columns=columns, groups=groups, total=total, footnotes=footnotes.all())


def _of_ours(spec: PaperSpec, selection: Selection) -> str:
    return caption(spec, selection, sorted(set(selection.runs["seed"])), published=False)


def _side(table: Table, key: str) -> Table:
    """One side of a table: its columns and rows that show something, and the footnotes of these."""

    def mine(row: Row) -> list[tuple[ColumnGroup, Cell]]:
        pairs = zip(table.leaves, row.cells, strict=True)
        return [(group, cell) for (group, leaf), cell in pairs if leaf.key == key]

    said = {group.header.key for row in table.rows() for group, cell in mine(row) if _says(cell)}

    def cut(row: Row) -> Row:
        return replace(row, cells=tuple(cell for group, cell in mine(row) if group.header.key in said))

    groups = [_filtered(group, lambda row: any(_says(cell) for _, cell in mine(row)), cut) for group in table.groups]
    columns = [
        replace(group, columns=(HeaderCell("", key),))
        for group in table.columns
        if group.header.key in said and any(leaf.key == key for leaf in group.columns)
    ]
    made = replace(
        table,
        name=f"{table.name}-{key}",
        columns=tuple(columns),
        groups=tuple(group for group in groups if group.rows),
        total=None if table.total is None else cut(table.total),
    )
    return renumbered(made)


def _filtered(group: RowGroup, wanted: Callable[[Row], bool], cut: Callable[[Row], Row]) -> RowGroup:
    return replace(group, rows=tuple(cut(row) for row in group.rows if wanted(row)))


def _says(cell: Cell) -> bool:
    return cell.value is not None or bool(cell.words) or bool(cell.footnotes)


def _is_run(judged: Judged | None) -> bool:
    """Whether there is anything of ours; a total has verdicts only where there is."""
    return judged is not None and (
        judged.ours is not None or judged.outcome.verdict not in (Verdict.NOT_RUN, Verdict.NOT_JUDGED)
    )


def _said(judged: Judged | None, footnotes: Footnotes) -> Cell:
    """The difference where something was judged, else the word alone: of numbers that may not be compared it means nothing."""
    if judged is None:
        return Cell()
    outcome = judged.outcome
    silent = outcome.verdict in SILENT
    reason = "" if outcome.verdict is Verdict.NOT_RUN else outcome.reason
    texts = [reason, "quoted from another paper" if judged.quoted and outcome.rule else ""]
    return Cell(
        None if silent else outcome.difference,
        n=None if judged.ours is None else judged.ours.n,
        remark=outcome.verdict.value,
        footnotes=tuple(footnotes.mark(f"{text[0].upper()}{text[1:]}.") for text in texts if text),
        interval=None if silent else outcome.interval,
    )


def _texts(table: Table) -> list[str]:
    return [footnote.text for footnote in table.footnotes]
