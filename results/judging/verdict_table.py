"""Verdicts in the form of the table they judge, and directions in a table of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from results.judging.model import ALL_TASKS, Compared, Judged, Judgements
from results.method_spec import MethodTableSpec
from results.table import Cell, ColumnGroup, Footnotes, HeaderCell, Note, Row, RowGroup, Table
from results.table_spec import STATISTICS, PaperSpec
from results.verdict.words import Verdict

HOW = (
    "A number is ours minus published with its 90 % interval. Reproduced: the interval lies inside the margin of the metric; "
    "not reproduced: the difference is above it and significant after Holm's adjustment within a column."
)
SILENT = (Verdict.NOT_COMPARABLE, Verdict.NOT_RUN, Verdict.NOT_JUDGED)
"""The words under which no difference is shown: none would mean anything."""

WHICH = (
    "A number is the difference of two means on that task, ours with its 90 % interval; P is P(A > B) over the tasks with its "
    "95 % bootstrap interval, beside the mean of the published differences. These runs cannot confirm a printed number: "
    "what they say of directions counts apart from verdicts."
)


def verdict_table(spec: PaperSpec, found: Judgements) -> Table:
    """A verdict in the place of each published number."""
    footnotes = Footnotes()
    by_method = isinstance(spec, MethodTableSpec)
    places = {_key(each, by_method): each for each in found.numbers}
    columns = list(dict.fromkeys(column for _, _, column in places))
    groups = []
    for group in dict.fromkeys(group for group, _, _ in places):
        rows = dict.fromkeys(row for within, row, _ in places if within == group)
        cells = [[_cell(places.get((group, row, column)), footnotes) for column in columns] for row in rows]
        lines = tuple(Row(_head(row), tuple(line)) for row, line in zip(rows, cells, strict=True))
        groups.append(RowGroup(_head(group), lines))
    return Table(
        name=f"{found.table}-verdicts",
        title=f"{spec.title}: does it reproduce?",
        caption=f"{spec.metric_label} {STATISTICS[found.statistic]} ({found.statistic}){margin_words(found)}.",
        stub=HeaderCell(spec.stub if isinstance(spec, MethodTableSpec) else "task"),
        columns=tuple(ColumnGroup(_head(column), (HeaderCell(""),)) for column in columns),
        groups=tuple(groups),
        notes=(Note("Verdicts", HOW), *(Note("Warning", text) for text in found.warnings)),
        footnotes=footnotes.all(),
        decimals=spec.decimals,
    )


def direction_table(spec: PaperSpec, found: Judgements) -> Table | None:
    """Where ours points beside where the published numbers point; None where there is nothing to compare."""
    compared = [each for each in found.compared if each.comparison is not None]
    if not compared:
        return None
    footnotes = Footnotes()
    places = {(each.task, _heading(each, compared)): each for each in compared}
    columns = list(dict.fromkeys(column for _, column in places))
    tasks = list(dict.fromkeys(task for task, _ in places if task != ALL_TASKS))

    def line(task: str) -> tuple[Cell, ...]:
        shown = [places.get((task, column)) for column in columns]
        return tuple(cell for each in shown for cell in (_arrow(each, footnotes), _said(each)))

    lines, overall = {task: line(task) for task in tasks}, line(ALL_TASKS)
    return Table(
        name=f"{found.table}-directions",
        title=f"{spec.title}: do the directions agree?",
        caption=f"Tier {found.tier}, {found.data} data, {found.seeds} seeds{margin_words(found)}.",
        stub=HeaderCell("task"),
        columns=tuple(ColumnGroup(_head(column), (_head("ours"), _head("published"))) for column in columns),
        groups=(RowGroup(HeaderCell(""), tuple(Row(_head(task), cells) for task, cells in lines.items())),),
        total=Row(HeaderCell("all of these tasks"), overall) if any(cell.words for cell in overall) else None,
        notes=(Note("Directions", WHICH),),
        footnotes=footnotes.all(),
        decimals=spec.decimals,
    )


def margin_words(found: Judgements) -> str:
    """What a caption says of a margin that somebody asked for."""
    return "" if found.margin is None else f", margin {found.margin:g} as asked"


def _key(each: Judged, by_method: bool) -> tuple[str, str, str]:
    """(group, row, column) of a number."""
    place = each.place
    return (place.group or place.task, place.method, place.metric) if by_method else ("", place.task, place.method)


def _head(text: str) -> HeaderCell:
    return HeaderCell(text, text)


def _cell(each: Judged | None, footnotes: Footnotes) -> Cell:
    if each is None:
        return Cell()
    outcome = each.outcome
    texts = [outcome.reason, "quoted from another paper" if each.quoted and outcome.rule else ""]
    marks = tuple(footnotes.mark(f"{text[0].upper()}{text[1:]}.") for text in texts if text)
    judged = outcome.verdict not in SILENT
    return Cell(
        outcome.difference if judged else None,
        n=None if each.ours is None else each.ours.n,
        remark=outcome.verdict.value,
        footnotes=marks,
        interval=outcome.interval if judged else None,
    )


def _heading(each: Compared, all_of_them: Iterable[Compared]) -> str:
    metrics = {other.metric for other in all_of_them}
    return f"{each.a} above {each.b}" + (f", {each.metric}" if len(metrics) > 1 else "")


def _said(each: Compared | None) -> Cell:
    """The published difference."""
    return Cell() if each is None else Cell(each.published)


def _arrow(each: Compared | None, footnotes: Footnotes) -> Cell:
    if each is None or each.comparison is None:
        return Cell()
    comparison = each.comparison
    word = "no statement" if comparison.direction is None else comparison.direction.value
    marks: Sequence[str] = ()
    if comparison.direction is None:
        marks = [footnotes.mark("The published difference is below the margin.")]
    elif comparison.reason:
        marks = [footnotes.mark(f"{comparison.reason[0].upper()}{comparison.reason[1:]}.")]
    if each.task == ALL_TASKS:
        ends = "" if comparison.interval is None else " ({:.2f} to {:.2f})".format(*comparison.interval)
        return Cell(remark=f"{word}, P {comparison.ours:.2f}{ends}", footnotes=tuple(marks))
    return Cell(comparison.ours, remark=word, footnotes=tuple(marks), interval=comparison.interval)
