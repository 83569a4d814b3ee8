"""Kind `learning-curves`: mean curves of several variants with intervals, a panel per task, and published ones under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.caption import run_notes
from results.collect import CURVE
from results.curves import seed_curves
from results.figure_spec import LearningCurvesSpec, LearningTask, Series
from results.plots.estimate import INTERVALS, MeanCurve, mean_curve
from results.plots.runs import head_of, runs_said, shown
from results.published_curves import Identity, PublishedCurve, find
from results.selection import Selection
from results.table import Cell, ColumnGroup, Footnotes, HeaderCell, Note, Row, RowGroup, Table


@dataclass(frozen=True)
class LearningPanel:
    """A task: the curve of each variant that was run (`ours`), and the published ones, by variant."""

    task: str
    ours: dict[str, MeanCurve]
    published: dict[str, PublishedCurve]
    diverged: dict[str, tuple[int, ...]]


def learning_panels(
    spec: LearningCurvesSpec, selection: Selection, frame: pd.DataFrame, claims: Mapping[Identity, PublishedCurve]
) -> tuple[LearningPanel, ...]:
    """The panels that have runs, in the figure's order.

    A published curve is drawn as far as ours go. Raises RepriseError where a published curve does not exist and where a run's
    curve has a hole.
    """
    points = frame[(frame["statistic"] == CURVE) & (frame["metric"] == spec.metric)]
    found = []
    for task in spec.tasks:
        published = _published(spec, task, claims)
        runs = selection.runs[selection.runs["task"] == task.task]
        if not runs.empty:
            found.append(_panel(spec, task, runs, points, published))
    return tuple(found)


def _published(
    spec: LearningCurvesSpec, task: LearningTask, claims: Mapping[Identity, PublishedCurve]
) -> dict[str, PublishedCurve]:
    if spec.curves is None or task.claim is None:
        return {}
    where = f"{spec.scope.name}, task {task.task}"
    named = {series.id: series.claim for series in spec.variants if series.claim is not None}
    return {variant: find(claims, spec.curves.figure, task.claim, claim, where) for variant, claim in named.items()}


def _panel(
    spec: LearningCurvesSpec,
    task: LearningTask,
    runs: pd.DataFrame,
    points: pd.DataFrame,
    published: Mapping[str, PublishedCurve],
) -> LearningPanel:
    ours, lost = {}, {}
    for series in spec.variants:
        mine = runs[runs["variant"] == series.id]
        if mine.empty:
            continue
        where = f"{spec.scope.name}, task {task.task}, {series.label}"
        curves = points[points["run_key"].isin(mine["run_key"])]
        steps, scores, _, diverged = seed_curves(mine, curves, task.until, where)
        ours[series.id] = mean_curve(steps, scores)
        if diverged:
            lost[series.id] = diverged
    last = max(int(curve.steps[-1]) for curve in ours.values())
    under = {variant: curve.at(curve.steps[curve.steps <= last]) for variant, curve in published.items()}
    return LearningPanel(task.task, ours, {name: each for name, each in under.items() if len(each.steps)}, lost)


def learning_subtitle(spec: LearningCurvesSpec, selection: Selection) -> str:
    """What the figure must say even where its caption is lost."""
    source = spec.curves
    theirs = (
        f" Dashed: {source.paper}, {source.figure}, its first steps ({source.dataset}, its own networks)."
        if source
        else ""
    )
    return f"{runs_said(spec, selection)} Lines: mean over seeds; bands: 95 % bootstrap intervals.{theirs}"


def learning_table(spec: LearningCurvesSpec, selection: Selection, panels: Sequence[LearningPanel]) -> Table:
    """A row per step in a group per task: every mean that is drawn, with its interval."""
    series = shown(spec.variants, selection)
    theirs = [each for each in spec.variants if any(each.id in panel.published for panel in panels)]
    columns = [ColumnGroup(HeaderCell(head_of(each, selection), each.id), (HeaderCell(""),)) for each in series]
    columns += [
        ColumnGroup(HeaderCell(f"{each.label}, published", f"{each.id}-published"), (HeaderCell(""),))
        for each in theirs
    ]
    footnotes = Footnotes()
    return Table(
        name=spec.id,
        title=spec.title,
        caption=f"{spec.metric_label} by step, mean over seeds. {learning_subtitle(spec, selection)}",
        stub=HeaderCell(spec.steps.label if spec.steps.unit == 1 else "step", "step"),
        columns=tuple(columns),
        groups=tuple(RowGroup(_head(panel, footnotes), _rows(panel, series, theirs)) for panel in panels),
        notes=_notes(spec, selection),
        footnotes=footnotes.all(),
        decimals=spec.decimals,
    )


def _head(panel: LearningPanel, footnotes: Footnotes) -> HeaderCell:
    lost = [f"{variant}, seed {', '.join(map(str, seeds))}" for variant, seeds in panel.diverged.items()]
    text = f"Diverged: {'; '.join(lost)}; what is missing of their curves counts 0."
    marks = (footnotes.mark(text),) if lost else ()
    return HeaderCell(panel.task, panel.task, marks)


def _rows(panel: LearningPanel, series: Sequence[Series], theirs: Sequence[Series]) -> tuple[Row, ...]:
    drawn = [curve.steps for curve in panel.ours.values()] + [curve.steps for curve in panel.published.values()]
    steps = sorted({int(step) for each in drawn for step in each})
    return tuple(
        Row(
            HeaderCell(f"{step:,}", str(step)),
            (
                *(_our_cell(panel.ours.get(each.id), step) for each in series),
                *(_their_cell(panel.published.get(each.id), step) for each in theirs),
            ),
        )
        for step in steps
    )


def _our_cell(curve: MeanCurve | None, step: int) -> Cell:
    place = _place(curve, step)
    if curve is None or place is None:
        return Cell()
    interval = None if curve.interval is None else (float(curve.interval[0][place]), float(curve.interval[1][place]))
    return Cell(float(curve.mean[place]), n=curve.n, interval=interval)


def _their_cell(curve: PublishedCurve | None, step: int) -> Cell:
    place = _place(curve, step)
    if curve is None or place is None:
        return Cell()
    return Cell(float(curve.mean[place]), interval=(float(curve.low[place]), float(curve.high[place])))


def _place(curve: MeanCurve | PublishedCurve | None, step: int) -> int | None:
    """Where in a curve a step stands."""
    if curve is None:
        return None
    places = np.flatnonzero(curve.steps == step)
    return int(places[0]) if len(places) else None


def _notes(spec: LearningCurvesSpec, selection: Selection) -> tuple[Note, ...]:
    labels = {series.id: series.label for series in spec.variants}
    found = [Note("Intervals", INTERVALS), *run_notes(selection, labels)]
    if spec.curves is not None:
        source = spec.curves
        found.append(Note("Published", f"{source.paper}, {source.figure} ({source.dataset}). {source.about}"))
        found.append(
            Note("Comparison", "Published curves are drawn, never judged: data, networks and budget are others.")
        )
    return tuple(found)
