"""Kinds `aggregates` and `profile`: scores over many tasks, in units of the reference, with stratified bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.base import RepriseError
from results.caption import run_notes
from results.figure_spec import AggregatesSpec, ManyTasksSpec, ProfileSpec, Series
from results.plots.estimate import Estimate
from results.plots.runs import head_of, runs_said, scores_of, shown
from results.selection import Selection
from results.statistics import (
    AGGREGATES,
    FEWEST_RUNS,
    PAIR_REPLICATES,
    REPLICATES,
    Scores,
    bootstrap_each,
    bootstrap_improvement,
    bootstrap_profile,
    performance_profile,
    probability_of_improvement,
)
from results.statistics.aggregates import value
from results.table import Cell, ColumnGroup, HeaderCell, Note, Row, RowGroup, Table

NAMES = {"iqm": "IQM", "mean": "Mean", "median": "Median", "optimality_gap": "Optimality gap"}
"""Aggregates as figures head them."""


@dataclass(frozen=True)
class ManyTasks:
    """Per variant its scores on the `tasks` that all variants shown have; `remarks` say what was left out."""

    scores: dict[str, Scores]
    tasks: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def intervals(self) -> bool:
        """Whether every task has seeds enough for intervals."""
        return all(scores.fewest >= FEWEST_RUNS for scores in self.scores.values())


def many_tasks(spec: ManyTasksSpec, selection: Selection) -> ManyTasks:
    """The scores divided by the figure's scale. Raises RepriseError where the variants have no task in common."""
    series = shown(spec.variants, selection)
    seen = {
        each.id: {task: found for task in spec.tasks if (found := scores_of(selection, task, each.id))}
        for each in series
    }
    tasks = [task for task in spec.tasks if all(task in cells for cells in seen.values())]
    if not tasks:
        raise RepriseError(
            f"{spec.scope.name}: no task was run with every variant ({', '.join(seen)}); name fewer variants or run more"
        )
    run = [task for task in spec.tasks if any(task in cells for cells in seen.values())]
    missing = [f"{task} (not run with {_lacking(task, seen)})" for task in run if task not in tasks]
    absent = [each.label for each in spec.variants if each.id not in seen]
    remarks = [
        *([f"Tasks that not every variant has: {', '.join(missing)}."] if missing else []),
        *([f"Variants without runs: {', '.join(absent)}."] if absent else []),
        *(
            [f"Tasks without runs: {', '.join(set_apart)}."]
            if (set_apart := [t for t in spec.tasks if t not in run])
            else []
        ),
    ]
    scores = {
        variant: Scores.of({task: list(cells[task].values()) for task in tasks}, spec.scale)
        for variant, cells in seen.items()
    }
    return ManyTasks(scores, tuple(tasks), tuple(remarks))


def _lacking(task: str, seen: Mapping[str, Mapping[str, object]]) -> str:
    return ", ".join(variant for variant, cells in seen.items() if task not in cells)


# -- aggregates


@dataclass(frozen=True)
class Aggregated:
    """Per variant: `aggregates` by name, and `improvement`, how often the variant under test beats it (not of itself)."""

    aggregates: dict[str, dict[str, Estimate]]
    improvement: dict[str, Estimate]


def aggregated(spec: AggregatesSpec, found: ManyTasks) -> Aggregated:
    """Aggregates with 50,000 bootstrap replicates, comparisons with 2,000 (statistics specification, section 1)."""
    aggregates = {variant: _aggregates(spec.aggregates, scores) for variant, scores in found.scores.items()}
    tested = found.scores.get(spec.under_test)
    others = [variant for variant in found.scores if variant != spec.under_test]
    improvement = {} if tested is None else {variant: _improvement(tested, found.scores[variant]) for variant in others}
    return Aggregated(aggregates, improvement)


def _aggregates(names: Sequence[str], scores: Scores) -> dict[str, Estimate]:
    intervals = bootstrap_each(scores, [AGGREGATES[name] for name in names], REPLICATES)
    return {
        str(name): Estimate(value(AGGREGATES[name], scores), interval, scores.fewest)
        for name, interval in zip(names, intervals, strict=True)
    }


def _improvement(x: Scores, y: Scores) -> Estimate:
    interval = bootstrap_improvement(x, y, PAIR_REPLICATES)
    return Estimate(probability_of_improvement(x, y), interval, min(x.fewest, y.fewest))


def aggregates_subtitle(spec: AggregatesSpec, selection: Selection, found: ManyTasks) -> str:
    """What the figure must say even where its caption is lost."""
    return f"{runs_said(spec, selection)} {_over(spec, found)}" + (
        " Bars: 95 % stratified bootstrap intervals."
        if found.intervals
        else f" No intervals: fewer than {FEWEST_RUNS} seeds."
    )


def aggregates_table(spec: AggregatesSpec, selection: Selection, found: ManyTasks, numbers: Aggregated) -> Table:
    """A row per variant: its aggregates, and P(under test > it)."""
    series = shown(spec.variants, selection)
    tested = next(each for each in spec.variants if each.id == spec.under_test)
    heads = [ColumnGroup(HeaderCell(NAMES[name], name), (HeaderCell(""),)) for name in spec.aggregates]
    heads.append(ColumnGroup(HeaderCell(f"P({tested.label} better)", "improvement"), (HeaderCell(""),)))
    rows = tuple(
        Row(
            HeaderCell(head_of(each, selection), each.id),
            (
                *(_cell(numbers.aggregates[each.id][name]) for name in spec.aggregates),
                _cell(numbers.improvement.get(each.id)),
            ),
        )
        for each in series
    )
    rule = (
        f"Aggregates are those of rliable over {len(found.tasks)} tasks, {spec.scale:g} points of {spec.metric_label} counting "
        f"as 1; brackets: 95 % stratified bootstrap, {REPLICATES:,} replicates. P({tested.label} better) is the share of pairs "
        f"of runs in which {tested.label} scores higher, mean over tasks, ties counting half, {PAIR_REPLICATES:,} replicates."
    )
    return _table(spec, selection, found, tuple(heads), rows, rule, aggregates_subtitle(spec, selection, found))


# -- profile


@dataclass(frozen=True)
class Profiles:
    """Thresholds (K,) and per variant the share of runs above them, with the ends of its band (None: too few seeds)."""

    thresholds: np.ndarray
    shares: dict[str, np.ndarray]
    bands: dict[str, tuple[np.ndarray, np.ndarray] | None]


def profiles(spec: ProfileSpec, found: ManyTasks) -> Profiles:
    """The profiles over runs, each point of a band with 2,000 bootstrap replicates."""
    wanted = spec.thresholds
    thresholds = np.linspace(wanted.first, wanted.last, wanted.count)
    shares = {variant: performance_profile(scores, thresholds) for variant, scores in found.scores.items()}
    bands: dict[str, tuple[np.ndarray, np.ndarray] | None] = {}
    for variant, scores in found.scores.items():
        band = bootstrap_profile(scores, thresholds)
        ends = None if band is None else np.array(band).T
        bands[variant] = None if ends is None else (ends[0], ends[1])
    return Profiles(thresholds, shares, bands)


def profile_subtitle(spec: ProfileSpec, selection: Selection, found: ManyTasks) -> str:
    """What the figure must say even where its caption is lost."""
    bands = (
        "Bands: 95 % stratified bootstrap intervals."
        if found.intervals
        else f"No bands: fewer than {FEWEST_RUNS} seeds."
    )
    return f"{runs_said(spec, selection)} {_over(spec, found)} {bands}"


def profile_table(spec: ProfileSpec, selection: Selection, found: ManyTasks, numbers: Profiles) -> Table:
    """A row per threshold, a column per variant."""
    series = shown(spec.variants, selection)
    heads = tuple(ColumnGroup(HeaderCell(head_of(each, selection), each.id), (HeaderCell(""),)) for each in series)
    rows = tuple(
        Row(HeaderCell(f"{tau:.4g}", f"{tau:.4g}"), tuple(_share(numbers, each, place) for each in series))
        for place, tau in enumerate(numbers.thresholds)
    )
    rule = (
        f"Share of all runs with a score above the threshold (strictly), {spec.scale:g} points of {spec.metric_label} counting "
        f"as 1; brackets: 95 % stratified bootstrap of each point by itself, {PAIR_REPLICATES:,} replicates."
    )
    return _table(spec, selection, found, heads, rows, rule, profile_subtitle(spec, selection, found))


def _share(numbers: Profiles, series: Series, place: int) -> Cell:
    band = numbers.bands[series.id]
    interval = None if band is None else (float(band[0][place]), float(band[1][place]))
    return Cell(float(numbers.shares[series.id][place]), interval=interval)


# -- both


def _over(spec: ManyTasksSpec, found: ManyTasks) -> str:
    return (
        f"{spec.scale:g} points count as 1."
        if len(found.tasks) == len(spec.tasks)
        else (f"Over {len(found.tasks)} tasks that every variant has; {spec.scale:g} points count as 1.")
    )


def _cell(estimate: Estimate | None) -> Cell:
    return Cell() if estimate is None else Cell(estimate.value, n=estimate.n, interval=estimate.interval)


def _table(
    spec: ManyTasksSpec,
    selection: Selection,
    found: ManyTasks,
    heads: tuple[ColumnGroup, ...],
    rows: Sequence[Row],
    rule: str,
    subtitle: str,
) -> Table:
    labels = {series.id: series.label for series in spec.variants}
    notes = [Note("Numbers", rule), Note("Tasks", f"{', '.join(found.tasks)}."), *run_notes(selection, labels)]
    notes += [Note("Missing", " ".join(found.remarks))] if found.remarks else []
    return Table(
        name=spec.id,
        title=spec.title,
        caption=f"{spec.metric_label}. {subtitle}",
        stub=HeaderCell("method" if isinstance(spec, AggregatesSpec) else "threshold"),
        columns=heads,
        groups=(RowGroup(HeaderCell(""), tuple(rows)),),
        notes=tuple(notes),
        decimals=spec.decimals,
    )
