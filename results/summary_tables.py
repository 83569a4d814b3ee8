"""The summary of a file of scores as tables: aggregates, performance profiles, comparisons."""

from __future__ import annotations

from dataclasses import replace

from results.score_summary import THRESHOLDS, Estimate, ScoreSummary, Settings, seeds
from results.table import Cell, ColumnGroup, HeaderCell, Note, Row, RowGroup, Table

HEADS = {"iqm": "IQM", "mean": "mean", "median": "median", "optimality_gap": "optimality gap"}


def summary_tables(summary: ScoreSummary, settings: Settings, name: str) -> tuple[Table, ...]:
    """What `reprise stats` prints, the warnings below the last table. `name` is that of the file."""
    tables = [_aggregates(summary, settings, name), _profiles(summary)]
    if summary.comparisons:
        tables.append(_comparisons(summary, settings))
    tables[-1] = replace(tables[-1], notes=tuple(Note("Warning", text) for text in summary.warnings))
    return tuple(tables)


def _aggregates(summary: ScoreSummary, settings: Settings, name: str) -> Table:
    rows = tuple(
        Row(
            HeaderCell(each.method, each.method),
            (
                Cell(remark=f"{each.tasks}"),
                Cell(remark=seeds(each.fewest_seeds, each.most_seeds)),
                *(_cell(each.aggregates[key]) for key in HEADS),
            ),
        )
        for each in summary.methods
    )
    return _table(
        "aggregates",
        f"Scores of {name}",
        f"{_count(len(rows), 'method')}, {_count(summary.tasks, 'task')}. Scores / {settings.scale:g}, 1.0 being the "
        f"reference; below each number its 95 % interval (stratified bootstrap over seeds, "
        f"{settings.aggregate_replicates:,} replicates, seed {settings.seed}).",
        "method",
        tuple(_column(text, key) for key, text in {"tasks": "tasks", "seeds": "seeds", **HEADS}.items()),
        rows,
    )


def _profiles(summary: ScoreSummary) -> Table:
    kinds = (HeaderCell("runs", "runs"), HeaderCell("task means", "task_means"))
    return _table(
        "profiles",
        "Performance profiles",
        "Share of runs, and of tasks by their mean over seeds, that score above a threshold.",
        "method",
        tuple(ColumnGroup(HeaderCell(f"above {threshold:g}", f"{threshold:g}"), kinds) for threshold in THRESHOLDS),
        tuple(
            Row(
                HeaderCell(each.method, each.method),
                tuple(Cell(share) for shares in zip(each.profile, each.task_profile, strict=True) for share in shares),
            )
            for each in summary.methods
        ),
    )


def _comparisons(summary: ScoreSummary, settings: Settings) -> Table:
    return _table(
        "comparisons",
        "Probability of improvement",
        "P(X > Y): the share of pairs of runs on the same task in which X scores higher, ties counting half, averaged over "
        f"tasks; below it its 95 % interval ({settings.pair_replicates:,} replicates). 0.5 is no difference.",
        "X > Y",
        (_column("tasks", "tasks"), _column("P(X > Y)", "probability")),
        tuple(
            Row(
                HeaderCell(f"{each.x} > {each.y}", f"{each.x}>{each.y}"),
                (Cell(remark=f"{each.tasks}"), _cell(each.probability)),
            )
            for each in summary.comparisons
        ),
    )


def _table(
    name: str, title: str, caption: str, stub: str, columns: tuple[ColumnGroup, ...], rows: tuple[Row, ...]
) -> Table:
    groups = (RowGroup(HeaderCell(""), rows),)
    return Table(f"stats-{name}", title, caption, HeaderCell(stub, "row"), columns, groups, decimals=3)


def _cell(estimate: Estimate | None) -> Cell:
    return Cell() if estimate is None else Cell(estimate.value, interval=estimate.interval)


def _column(text: str, key: str) -> ColumnGroup:
    return ColumnGroup(HeaderCell(text, key), (HeaderCell(""),))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
