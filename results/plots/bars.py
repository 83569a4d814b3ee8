"""Kind `bars`: a score, or a gain paired by seed, per variant with its interval, beside what is published for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.base import RepriseError, unknown
from results import published_curves
from results.caption import run_notes
from results.figure_spec import BarSeries, BarsSpec, BarTask, ClaimSource, CurveSource
from results.gain import paired_gain
from results.plots.estimate import INTERVALS, Estimate, mean_over_seeds
from results.plots.published_ends import Printed, end_of
from results.plots.runs import head_of, runs_said, scores_of
from results.published import first
from results.selection import Selection
from results.table import Cell, ColumnGroup, HeaderCell, Note, Row, RowGroup, Table

GAIN_INTERVALS = (
    "Gains are paired by seed; intervals: 95 %, Student's t over the paired differences, from three seeds on."
)

ENDS = {"last": "last point", "final10": "mean of the last ten points", "best": "highest point"}
"""What of a published curve stands beside a statistic of ours."""

Lookup = Callable[[BarTask, BarSeries], Printed | None]
"""What is published for a variant on a task."""


@dataclass(frozen=True)
class Bar:
    """A variant on a task: ours and what is published, None where there is none."""

    series: BarSeries
    ours: Estimate | None
    published: Printed | None


@dataclass(frozen=True)
class BarPanel:
    """A task with the variants that have something to show there."""

    task: BarTask
    bars: tuple[Bar, ...]


def bar_panels(spec: BarsSpec, selection: Selection | None, claims: pd.DataFrame | None) -> tuple[BarPanel, ...]:
    """The panels that have something to show. `selection` None: nothing was run; `claims` are those of the figure's family.

    Raises RepriseError where there is nothing at all, and where the specification names a claim that does not exist.
    """
    lookup = _lookup(spec, claims)
    panels = []
    for task in spec.tasks:
        bars = [_bar(spec, selection, task, series, lookup) for series in spec.variants if series.id != spec.over]
        kept = tuple(bar for bar in bars if bar.ours is not None or bar.published is not None)
        if kept:
            panels.append(BarPanel(task, kept))
    if not panels:
        over = "" if spec.over is None else f" with runs of '{spec.over}' beside them"
        raise RepriseError(
            f"{spec.scope.name}: nothing to draw: no finished run{over}, and nothing is published; "
            "`reprise run` makes runs"
        )
    return tuple(panels)


def _bar(spec: BarsSpec, selection: Selection | None, task: BarTask, series: BarSeries, lookup: Lookup) -> Bar:
    scores = {} if selection is None else scores_of(selection, task.task, series.id)
    published = lookup(task, series)
    if spec.over is None:
        return Bar(series, mean_over_seeds(list(scores.values())) if scores else None, published)
    base = next(each for each in spec.variants if each.id == spec.over)
    reference = {} if selection is None else scores_of(selection, task.task, spec.over)
    gain = paired_gain(scores, reference)
    ours = None if gain is None else Estimate(gain.mean, gain.interval, gain.n)
    of_base = lookup(task, base)
    same = published is not None and of_base is not None and published.where == of_base.where
    difference = (
        Printed(round(published.value - of_base.value, 6), None, published.where)
        if same and published is not None and of_base is not None
        else None
    )
    return Bar(series, ours, difference)


# -- published


def _lookup(spec: BarsSpec, claims: pd.DataFrame | None) -> Lookup:
    if spec.curves is not None:
        return _in_curves(spec, spec.curves)
    if spec.claims is not None and claims is not None:
        return _in_tables(spec, spec.claims, claims)
    return lambda task, series: None


def _in_curves(spec: BarsSpec, source: CurveSource) -> Lookup:
    curves = published_curves.load(source.file)
    names = [(task, variant) for figure, task, variant in curves if figure == source.figure]
    if not names:
        raise unknown("figure among the published curves", source.figure, {each[0] for each in curves}, spec.scope.name)
    _refuse_unknown(spec, {task for task, _ in names}, {variant for _, variant in names})

    def lookup(task: BarTask, series: BarSeries) -> Printed | None:
        curve = curves.get((source.figure, task.claim or "", series.claim or ""))
        return None if curve is None else end_of(curve, spec.statistic, source.figure)

    return lookup


def _in_tables(spec: BarsSpec, source: ClaimSource, claims: pd.DataFrame) -> Lookup:
    for table in source.tables:
        if table not in set(claims["table"]):
            raise unknown("claim table", table, set(claims["table"]), spec.scope.name)
    rows = claims[claims["table"].isin(source.tables)]
    _refuse_unknown(spec, set(rows["task"]), set(rows["method"]))

    def lookup(task: BarTask, series: BarSeries) -> Printed | None:
        if task.claim is None or series.claim is None:
            return None
        claim = first(rows, source.tables, task.claim, series.claim, spec.statistic, spec.metric)
        if claim is None:
            return None
        interval = None if claim.spread is None else (claim.value - claim.spread, claim.value + claim.spread)
        return Printed(claim.value, interval, claim.table)

    return lookup


def _refuse_unknown(spec: BarsSpec, tasks: set[str], methods: set[str]) -> None:
    for task in spec.tasks:
        if task.claim is not None and task.claim not in tasks:
            raise unknown("published task", task.claim, tasks, f"{spec.scope.name}, {task.task}")
    for series in spec.variants:
        if series.claim is not None and series.claim not in methods:
            raise unknown("published method", series.claim, methods, f"{spec.scope.name}, {series.id}")


# -- in words


def bars_subtitle(spec: BarsSpec, selection: Selection | None, panels: Sequence[BarPanel]) -> str:
    """What the figure must say even where its caption is lost."""
    parts = [runs_said(spec, selection)]
    bars = [bar for panel in panels for bar in panel.bars]
    if any(bar.ours is not None and bar.ours.interval is not None for bar in bars):
        parts.append("Whiskers: 95 % intervals over seeds.")
    source = spec.curves or spec.claims
    if source is not None and any(bar.published is not None for bar in bars):
        name = f"{spec.curves.paper}, {spec.curves.figure}" if spec.curves is not None else ", ".join(_wheres(bars))
        parts.append(f"Hollow: published ({name}; {source.dataset}).")
    return " ".join(parts)


def _wheres(bars: Sequence[Bar]) -> list[str]:
    return list(dict.fromkeys(bar.published.where for bar in bars if bar.published is not None))


def bars_table(spec: BarsSpec, selection: Selection | None, panels: Sequence[BarPanel]) -> Table:
    """A row per variant in a group per task: ours with its interval, the seeds, and the published number."""
    published = any(bar.published is not None for panel in panels for bar in panel.bars)
    keys = ["ours", "seeds", *(["published"] if published else [])]
    heads = [ColumnGroup(HeaderCell(key, key), (HeaderCell(""),)) for key in keys]
    groups = tuple(
        RowGroup(
            HeaderCell(panel.task.head, panel.task.task), tuple(_row(bar, selection, published) for bar in panel.bars)
        )
        for panel in panels
    )
    return Table(
        name=spec.id,
        title=spec.title,
        caption=f"{spec.metric_label}. {bars_subtitle(spec, selection, panels)}",
        stub=HeaderCell(spec.setting or "variant"),
        columns=tuple(heads),
        groups=groups,
        notes=_notes(spec, selection, panels),
        decimals=spec.decimals,
    )


def _row(bar: Bar, selection: Selection | None, published: bool) -> Row:
    ours, theirs = bar.ours, bar.published
    cells = [
        Cell() if ours is None else Cell(ours.value, n=ours.n, interval=ours.interval),
        Cell() if ours is None else Cell(remark=str(ours.n)),
    ]
    if published:
        cells.append(Cell() if theirs is None else Cell(theirs.value, interval=theirs.interval))
    return Row(HeaderCell(head_of(bar.series, selection), bar.series.id), tuple(cells))


def _notes(spec: BarsSpec, selection: Selection | None, panels: Sequence[BarPanel]) -> tuple[Note, ...]:
    notes = [Note("Intervals", INTERVALS if spec.over is None else GAIN_INTERVALS)] if selection is not None else []
    if selection is not None:
        notes += run_notes(selection, {series.id: series.label for series in spec.variants})
    if spec.curves is not None:
        source, end = spec.curves, ENDS[spec.statistic]
        where = f"{source.paper}, {source.figure} ({source.dataset})"
        notes.append(Note("Published", f"{where}: {end}; brackets: its band. {source.about}"))
    wheres = _wheres([bar for panel in panels for bar in panel.bars]) if spec.claims is not None else []
    if wheres and spec.claims is not None:
        gain = f"A gain is the difference from {spec.over} in the same table."
        said = "Brackets: the printed ±." if spec.over is None else gain
        notes.append(Note("Published", f"{', '.join(wheres)} ({spec.claims.dataset}). {said}"))
    return tuple(notes)
