"""Kind `scatter`: accuracy against cost, a panel per test protocol, our variants and published methods as points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import pandas as pd

from benchmarks.base import RepriseError, unknown
from results.caption import run_notes
from results.figure_spec import ClaimSource, ScatterAxis, ScatterPanel, ScatterSpec, Series
from results.method_notes import claim_footnote
from results.plots.runs import head_of, name_of, runs_said
from results.published import Claim, first
from results.run_figures import RunFigures
from results.selection import Selection
from results.table import Cell, ColumnGroup, Footnotes, HeaderCell, Note, Row, RowGroup, Table


@dataclass(frozen=True)
class OurPoint:
    """A variant: the means over seeds of both figures, and the sample standard deviation of y (None for one seed)."""

    series: Series
    name: str
    x: float
    y: float
    spread: float | None
    n: int


@dataclass(frozen=True)
class PublishedPoint:
    """A published method, `variant` being the one of ours that it is (None: no other), with the claims of its x and y."""

    name: str
    variant: str | None
    x: Claim
    y: Claim


@dataclass(frozen=True)
class PointPanel:
    """One test protocol: nothing that was tested otherwise stands beside it."""

    spec: ScatterPanel
    ours: tuple[OurPoint, ...]
    published: tuple[PublishedPoint, ...]


def point_panels(
    spec: ScatterSpec, selection: Selection | None, frame: pd.DataFrame, claims: pd.DataFrame | None
) -> tuple[PointPanel, ...]:
    """The panels in which there is a point. `selection` None: nothing was run; `claims` None: nothing is published.

    Raises RepriseError where there is no point at all, and where the specification names a claim that does not exist.
    """
    if spec.claims is not None and claims is not None:
        _refuse_unknown(spec, spec.claims, claims)
    metrics = [spec.x.metric, *(spec.y.metric + panel.suffix for panel in spec.panels)]
    figures = None if selection is None else RunFigures(frame, selection, metrics)
    panels = [
        PointPanel(
            panel,
            () if figures is None else tuple(_ours(spec, panel, figures, selection)),
            () if spec.claims is None or claims is None else tuple(_published(spec, spec.claims, panel, claims)),
        )
        for panel in spec.panels
    ]
    found = tuple(panel for panel in panels if panel.ours or panel.published)
    if not found:
        nothing = (
            f"nothing to draw: no finished run has both {spec.x.metric} and {spec.y.metric}; `reprise run` makes them"
        )
        also = "" if spec.claims is None else ", and nothing is published"
        raise RepriseError(f"{spec.scope.name}: {nothing}{also}")
    return found


def _ours(spec: ScatterSpec, panel: ScatterPanel, figures: RunFigures, selection: Selection | None) -> list[OurPoint]:
    points = []
    for series in spec.variants:
        costs = figures.of(panel.task, series.id, spec.x.metric)
        scores = figures.of(panel.task, series.id, spec.y.metric + panel.suffix)
        if costs and scores:
            x = fmean(costs.values()) / spec.x.divisor
            values = [value / spec.y.divisor for value in scores.values()]
            spread = stdev(values) if len(values) > 1 else None
            points.append(OurPoint(series, name_of(series, selection), x, fmean(values), spread, len(values)))
    return points


def _published(
    spec: ScatterSpec, source: ClaimSource, panel: ScatterPanel, claims: pd.DataFrame
) -> list[PublishedPoint]:
    """Every method that the tables have under the panel's protocol with both numbers, in the order of the claims."""
    rows = claims[claims["table"].isin(source.tables)]
    there = rows[rows["task"].isin(panel.claims) & (rows["metric"] == spec.y.claim)]
    ids = {series.claim: series.id for series in spec.variants if series.claim is not None}
    points = []
    for method in dict.fromkeys(there["method"]):
        x = _claim(spec, source, spec.x, panel, method, rows)
        y = _claim(spec, source, spec.y, panel, method, rows)
        if x is not None and y is not None:
            points.append(PublishedPoint(method, ids.get(method), x, y))
    return points


def _claim(
    spec: ScatterSpec, source: ClaimSource, axis: ScatterAxis, panel: ScatterPanel, method: str, rows: pd.DataFrame
) -> Claim | None:
    assert axis.claim is not None
    mine = rows[rows["method"] == method]
    found = (
        first(mine, source.tables, task, method, spec.statistic, axis.claim) for task in axis.claims or panel.claims
    )
    return next((claim for claim in found if claim is not None), None)


def _refuse_unknown(spec: ScatterSpec, source: ClaimSource, claims: pd.DataFrame) -> None:
    where = spec.scope.name
    for table in source.tables:
        if table not in set(claims["table"]):
            raise unknown("claim table", table, set(claims["table"]), where)
    rows = claims[claims["table"].isin(source.tables)]
    wanted = [("published task", task, "task") for panel in spec.panels for task in panel.claims]
    wanted += [("published task", task, "task") for axis in (spec.x, spec.y) for task in axis.claims]
    wanted += [("published metric", axis.claim, "metric") for axis in (spec.x, spec.y) if axis.claim is not None]
    wanted += [("published method", series.claim, "method") for series in spec.variants if series.claim is not None]
    for kind, name, column in wanted:
        if name not in set(rows[column]):
            raise unknown(kind, name, set(rows[column]), where)


def scatter_subtitle(spec: ScatterSpec, selection: Selection | None, panels: Sequence[PointPanel]) -> str:
    """What the figure must say even where its caption is lost."""
    parts = [runs_said(spec, selection)]
    points = [point for panel in panels for point in panel.ours]
    if points:
        spread = any(point.spread is not None for point in points)
        parts.append("Filled: ours" + (", ± sample standard deviation over seeds." if spread else ", one seed."))
    if any(panel.published for panel in panels):
        assert spec.claims is not None
        parts.append(f"Hollow: published for {spec.claims.dataset}, never measured here.")
        parts.append("One panel is one test protocol; panels do not compare.")
    return " ".join(parts)


def scatter_table(spec: ScatterSpec, selection: Selection | None, panels: Sequence[PointPanel]) -> Table:
    """A row per point in a group per panel: both numbers, whether it is ours, and what is to be known of a published one."""
    footnotes = Footnotes()
    heads = (
        ColumnGroup(HeaderCell(spec.x.label, spec.x.metric), (HeaderCell(""),), spec.x.decimals),
        ColumnGroup(HeaderCell(spec.y.label, spec.y.metric), (HeaderCell(""),), spec.y.decimals),
        ColumnGroup(HeaderCell("source", "source"), (HeaderCell(""),)),
    )
    groups = tuple(
        RowGroup(
            HeaderCell(panel.spec.label, panel.spec.task + panel.spec.suffix),
            (
                *(_our_row(point, selection) for point in panel.ours),
                *(_their_row(point, panel, spec, footnotes) for point in panel.published),
            ),
        )
        for panel in panels
    )
    return Table(
        name=spec.id,
        title=spec.title,
        caption=f"{spec.metric_label}. {scatter_subtitle(spec, selection, panels)}",
        stub=HeaderCell("method"),
        columns=heads,
        groups=groups,
        notes=_notes(spec, selection, panels),
        footnotes=footnotes.all(),
        decimals=spec.decimals,
    )


def _our_row(point: OurPoint, selection: Selection | None) -> Row:
    head = HeaderCell(head_of(point.series, selection), point.series.id)
    return Row(head, (Cell(point.x, n=point.n), Cell(point.y, point.spread, point.n), Cell(remark="ours")))


def _their_row(point: PublishedPoint, panel: PointPanel, spec: ScatterSpec, footnotes: Footnotes) -> Row:
    def cell(claim: Claim, axis: ScatterAxis) -> Cell:
        text = claim_footnote(claim, (axis.claims or panel.spec.claims)[0])
        return Cell(claim.value, n=claim.n_seeds, footnotes=(footnotes.mark(text),) if text else ())

    cells = (cell(point.x, spec.x), cell(point.y, spec.y), Cell(remark="published"))
    return Row(HeaderCell(point.name, f"published {point.name}"), cells)


def _notes(spec: ScatterSpec, selection: Selection | None, panels: Sequence[PointPanel]) -> tuple[Note, ...]:
    notes: list[Note] = []
    if selection is not None:
        notes += run_notes(selection, {series.id: series.label for series in spec.variants})
    tables = dict.fromkeys(claim.table for panel in panels for point in panel.published for claim in (point.y, point.x))
    if tables and spec.claims is not None:
        notes.append(Note("Published", f"{', '.join(tables)} ({spec.claims.dataset})."))
    return tuple(notes)
