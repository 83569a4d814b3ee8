"""Every published number of a table with its verdict, or with the reason why there is none."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from results.caption import label_of
from results.judging.claimed import of_methods, of_tasks
from results.judging.comparable import Standard
from results.judging.comparisons import compare_gains, compare_methods
from results.judging.model import Compared, Judged, Judgements
from results.judging.numbers import Evidence, judge_numbers, judge_totals
from results.method_spec import MethodTableSpec
from results.run_figures import RunFigures
from results.selection import SCORED, Choice, Selection, named_by, select
from results.table_spec import PaperSpec, TableSpec


def judge(
    spec: PaperSpec,
    frame: pd.DataFrame,
    claims: pd.DataFrame,
    choice: Choice,
    *,
    margin: float | None = None,
    any_environment: bool = False,
) -> Judgements:
    """What our runs say of the published numbers that a table has a place for (statistics specification, section 3).

    `frame` is the tidy table of `results.collect.collect`, `claims` that of `results.published.load` for the table's family,
    `choice` which runs are meant. Without a run of the table every number is `not run`. `margin` replaces the margin of every
    metric with a spread; `any_environment` holds scores of one environment version against another's, with a warning. Raises
    RepriseError where the runs do not make one table.
    """
    selection = select(spec.scope, frame, choice) if _any(spec, frame, choice) else None
    tier = selection.tier if selection is not None else choice.tier or ""
    standard = Standard(spec.claims, tier, any_environment)
    figures = None if selection is None else RunFigures(frame, selection, _metrics(spec))
    evidence = Evidence(spec.family, choice.statistic, standard, selection, figures, margin)
    numbers: list[Judged] = []
    compared: list[Compared] = []
    if isinstance(spec, MethodTableSpec):
        placed = of_methods(spec, claims, choice.statistic)
        compared += compare_gains(placed, evidence)
        random = dict.fromkeys(spec.tasks, 0.0)
    else:
        assert isinstance(spec, TableSpec)
        placed = of_tasks(spec, claims, choice.statistic)
        numbers += judge_totals(spec, placed, claims, evidence)
        rows = [row for group in spec.groups for row in group.rows]
        random = {row.task: row.random for row in rows if row.task is not None and row.random is not None}
    return Judgements(
        table=spec.id,
        statistic=choice.statistic,
        tier=tier,
        data=_data(selection),
        seeds=0 if selection is None else int(selection.runs["seed"].nunique()),
        margin=margin,
        numbers=(*judge_numbers(placed, evidence), *numbers),
        compared=(*compared, *compare_methods(placed, evidence, spec.under_test, random)),
        warnings=_warnings(standard, selection),
    )


def _any(spec: PaperSpec, frame: pd.DataFrame, choice: Choice) -> bool:
    """Whether there is any run of the table to choose from."""
    frame = named_by(spec.scope, frame)
    mine = frame[
        (frame["family"] == spec.family)
        & frame["task"].isin(spec.tasks)
        & frame["variant"].isin(spec.variants)
        & frame["status"].isin(SCORED)
    ]
    return not mine.empty and (choice.keys is None or bool(mine["run_key"].isin(set(choice.keys)).any()))


def _metrics(spec: PaperSpec) -> Collection[str]:
    return spec.metrics if isinstance(spec, MethodTableSpec) else [spec.metric]


def _data(selection: Selection | None) -> str:
    return "" if selection is None else " and ".join(sorted(set(label_of(selection.runs, "data_kind"))))


def _warnings(standard: Standard, selection: Selection | None) -> tuple[str, ...]:
    odd = [] if selection is None or not standard.any_environment else standard.odd_versions(selection.runs)
    return tuple(
        f"Runs on environment {version} are held against numbers of {standard.claims.environment}, as asked: a score measured "
        f"on {version} is none of {standard.claims.environment}."
        for version in odd
    )
